"""`eagle prove`."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import click

from cli.options import FILE
from cli.streams import GREEN, RED, YELLOW, format_option, paint, write_note, write_result

if TYPE_CHECKING:
    from engine.chart.model import Flow
    from engine.verify.bounds import Bounds
    from engine.verify.proof import Proof, Shown, Verdict, World
    from engine.verify.script import Script

CUT_OFF_CODE = 6
TELL_EVERY_S = 2.0


@click.command()
@click.argument("flow", type=FILE, default="eagle_chicken", metavar="[FLOW]")
@click.option("--faults", type=click.IntRange(0, 4), help="How many things may go wrong in one run.")
@click.option("--quantity", type=click.IntRange(1, 12), help="One order of the flow, in lots of the maker.")
@click.option("--takers", type=click.IntRange(1, 3), help="Accounts of a role that picks many.")
@click.option("--overlaps", type=click.IntRange(1, 8), help="Moves of market or clock while something is under way.")
@click.option("--max-states", type=click.IntRange(1), help="Give up, unproved, after so many states.")
@click.option("--set", "chosen", multiple=True, metavar="NAME=VALUE", help="A setting of the flow, for this proof.")
@click.option("--only", "kinds", multiple=True, metavar="FAULT", help="Only faults of this kind; see docs/prove.md.")
@click.option("--deep", is_flag=True, help="Unequal takers, two overlaps, twenty times the states: for a night.")
@click.option("--mutate", is_flag=True, help="Break the flow in every place, one at a time; which rule notices?")
@click.option(
    "--survivors",
    metavar="FILE",
    help="With --mutate: the worlds to search, and a reason for each mutant that is left.",
)
@click.option(
    "--save", "folder", metavar="FOLDER", help="Write each trace there, as a scenario that `eagle test` runs."
)
@format_option("text", "json", "mermaid")
def prove(
    flow: str, faults: int | None, quantity: int | None, takers: int | None, overlaps: int | None,
    max_states: int | None, chosen: tuple[str, ...], kinds: tuple[str, ...], deep: bool, mutate: bool,
    survivors: str | None, folder: str | None, style: str,
) -> int:  # fmt: skip
    """Search every situation that a flow can come into, within bounds, and show that its rules hold.

    The real desk is stepped against small venues that may do everything: refuse, fill in part, lose a reply, lose the
    stream, tell twice, tell late. Rules are the flow's own `properties` and `invariants`, those of every flow and those
    of every hedged flow. What breaks a rule is shown as the shortest way to it.
    Without --faults and --takers: two faults with two equal takers, then one fault with unequal ones.
    Exit code 0: proved within the bounds; 1: a rule does not hold; 6: not searched to the end, so not proved.

    \b
    Examples:
      eagle prove eagle_chicken
      eagle prove flows/mine.yaml --faults 1 --quantity 2
      eagle prove flows/mine.yaml --format mermaid > trace.mmd
      eagle prove flows/mine.yaml --mutate --survivors mine_survivors.yaml
    """
    from cli.locate import CannotUse, read_flow_source
    from cli.setups import sound_flow
    from engine.verify.bounds import parts_of, small_parts_of
    from engine.verify.proof import Verdict

    read = sound_flow(read_flow_source(flow))
    asked = {"faults": faults, "quantity": quantity, "takers": takers, "overlaps": overlaps, "max_states": max_states}
    named = {name: value for name, value in asked.items() if value is not None}
    settings, allowed = dict(map(_pair, chosen)), _kinds(kinds)
    if survivors is not None and not mutate:
        raise CannotUse("--survivors is of --mutate; write --mutate too, or leave it out")
    if mutate:
        from cli.mutate import mutate_flow, read_list
        from engine.verify.mutants import parts_of_mutants

        parts = small_parts_of(named, settings=settings, kinds=allowed, deep=deep)
        return mutate_flow(read, parts_of_mutants(parts), survivors=read_list(survivors, read), style=style)
    told: list[_Told] = []
    for bounds in parts_of(read, named, settings=settings, kinds=allowed, deep=deep):
        with no_collection():
            told.append(_search(read, bounds, style))
        if told[-1].verdict is not Verdict.PROVED:
            break
    if folder is not None:
        from cli.scenarios import save

        for name in save([script for part in told for script in part.scripts], folder):
            write_note(f"saved {name}; run it with `eagle test {name}`")
    if style == "json":
        write_result(json.dumps([part.record for part in told], indent=2, ensure_ascii=False))
    else:
        nothing = "%% no rule is broken" if style == "mermaid" else ""
        write_result("\n\n".join(text for part in told for text in part.texts) or nothing)
    return {Verdict.PROVED: 0, Verdict.VIOLATED: 1, Verdict.CUT_OFF: CUT_OFF_CODE}[told[-1].verdict]


@dataclass(frozen=True, slots=True)
class _Told:
    """What is left of one search when its memory is given back: the next one is a quarter slower beside it."""

    verdict: Verdict
    scripts: tuple[Script, ...]
    texts: tuple[str, ...]
    record: Mapping[str, object] | None


def _search(flow: Flow, bounds: Bounds, style: str) -> _Told:
    from engine.verify.proof import prove

    progress = _Progress()
    part = _Part(*prove(flow, bounds, tell=progress), progress.seconds())
    texts = _diagrams(part) if style == "mermaid" else ["\n".join(_lines(part))] if style == "text" else []
    record = _record(part) if style == "json" else None
    return _Told(part.proof.verdict, tuple(_scripts(part)), tuple(texts), record)


@dataclass(frozen=True, slots=True)
class _Part:
    """One search of a proof; `seconds` of one core."""

    world: World
    proof: Proof
    seconds: float


@contextmanager
def no_collection() -> Iterator[None]:
    """Nothing that a search keeps is garbage before its end; looking for it takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


class _Progress:
    """States so far and per second, on standard error, now and then."""

    def __init__(self) -> None:
        self._told = perf_counter()
        self._began = process_time()

    def seconds(self) -> float:
        return process_time() - self._began

    def __call__(self, found: int, waiting: int) -> None:
        now = perf_counter()
        if now - self._told >= TELL_EVERY_S:
            self._told = now
            write_note(f"{found:,} states, {waiting:,} to look at, {found / self.seconds():,.0f} states/s")


def _kinds(words: tuple[str, ...]) -> frozenset[str]:
    from cli.locate import CannotUse
    from engine.verify.bounds import FAULTS, ON_REQUEST

    known = FAULTS | ON_REQUEST
    for word in words:
        if word not in known:
            raise CannotUse(f"--only: {word!r} is no kind of fault; kinds: {', '.join(sorted(known))}")
    return frozenset(words) or FAULTS


def _pair(text: str) -> tuple[str, str]:
    from cli.locate import CannotUse

    name, found, value = text.partition("=")
    if not found or not name or not value:
        raise CannotUse(f"--set: {text!r} is no NAME=VALUE; write for example --set rounds=2")
    return name, value


# --- text


def _lines(part: _Part) -> list[str]:
    from cli.scenarios import rehearsed
    from engine.verify.bounds import assumptions
    from engine.verify.script import script_of
    from engine.verify.story import scenes_of, table

    world, proof, seconds = part.world, part.proof, part.seconds
    lines = [_headline(world, proof), ""]
    for shown in proof.shown:
        lines.append(f"  {_mark(shown)} {shown.rule.name}{_note(shown)}")
    for shown in proof.shown:
        if shown.trace:
            lines += ["", f"{shown.rule.name}: broken like this ({len(shown.trace)} steps, ! is a fault)"]
            lines += table(scenes_of(world, shown))
            lines.append(f"      {rehearsed(world.flow, script_of(world, shown))}")
            if shown.turn:
                turn = ", ".join(_short(action.kind, action.detail) for action in shown.turn)
                lines.append(f"      and so on for ever: {turn}")
    lines += ["", "within these bounds:", *(f"  {line}" for line in assumptions(world.plan, world.bounds))]
    rate = proof.states / seconds if seconds > 0 else 0
    lines += [
        "",
        f"{proof.states:,} states, {proof.edges:,} actions, {proof.desks:,} desks,"
        f" {proof.steps:,} steps of the real one; {seconds:.1f} s of one core, {rate:,.0f} states/s",
    ]
    return lines


def _scripts(part: _Part) -> list[Script]:
    from engine.verify.script import script_of

    return [script_of(part.world, shown) for shown in part.proof.shown if shown.trace]


def _short(kind: str, detail: str) -> str:
    return f"{kind} {detail}".strip()


def _headline(world: World, proof: Proof) -> str:
    from engine.verify.proof import Verdict

    name = world.flow.name + ("" if proof.hedged else " (directional, not hedged)")
    if proof.verdict is Verdict.PROVED:
        return f"{name}: {paint('proved', GREEN, stream=sys.stdout)} within the bounds below"
    if proof.verdict is Verdict.VIOLATED:
        broken = sum(shown.verdict is Verdict.VIOLATED for shown in proof.shown)
        return f"{name}: {paint('violated', RED, stream=sys.stdout)}, {broken} of {len(proof.shown)} rules do not hold"
    return (
        f"{name}: {paint('cut off', YELLOW, stream=sys.stdout)} at {proof.states:,} states: not proved."
        " No rule broke so far; ask for more with --max-states, or for less with --faults"
    )


def _mark(shown: Shown) -> str:
    from engine.verify.proof import Verdict

    word, tone = {
        Verdict.PROVED: ("ok     ", GREEN),
        Verdict.VIOLATED: ("BROKEN ", RED),
        Verdict.CUT_OFF: ("open   ", YELLOW),
    }[shown.verdict]
    return paint(word, tone, stream=sys.stdout)


def _note(shown: Shown) -> str:
    why = f": {shown.why}" if shown.why else ""
    return f" ({shown.rule.of}){why}"


def _diagrams(part: _Part) -> list[str]:
    from engine.verify.story import mermaid, scenes_of

    world = part.world
    return [
        mermaid(scenes_of(world, shown), title=f"{world.flow.name}: {shown.rule.name}", accounts=world.names)
        for shown in part.proof.shown
        if shown.trace
    ]


# --- JSON


def _record(part: _Part) -> dict[str, object]:
    from engine.verify.bounds import assumptions
    from engine.verify.story import scenes_of

    world, proof, seconds = part.world, part.proof, part.seconds
    rules = []
    for shown in proof.shown:
        scenes = scenes_of(world, shown) if shown.trace else []
        trace = [
            {
                "step": it.number, "who": it.happened.source, "what": it.happened.text, "fault": it.fault,
                "answers": [f"{a.target}: {a.text}" for a in it.answers], "state": it.leaf, "open": it.open_now,
            }
            for it in scenes
        ]  # fmt: skip
        rules.append(
            {
                "name": shown.rule.name, "of": shown.rule.of, "text": shown.rule.text, "verdict": shown.verdict.value,
                "why": shown.why, "trace": trace, "turn": [_short(a.kind, a.detail) for a in shown.turn],
            }
        )  # fmt: skip
    return {
        "flow": world.flow.name, "verdict": proof.verdict.value, "hedged": proof.hedged, "rules": rules,
        "bounds": _bounds_record(world.bounds), "assumes": assumptions(world.plan, world.bounds),
        "states": proof.states, "actions": proof.edges, "desks": proof.desks, "steps": proof.steps,
        "seconds": round(seconds, 3),
    }  # fmt: skip


def _bounds_record(bounds: Bounds) -> dict[str, object]:
    return {
        "faults": bounds.faults, "quantity": bounds.quantity, "takers": bounds.takers, "overlaps": bounds.overlaps,
        "max_states": bounds.max_states, "settings": dict(bounds.settings), "kinds": sorted(bounds.kinds),
    }  # fmt: skip
