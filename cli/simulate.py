"""`eagle simulate`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from cli.options import FILE
from cli.streams import GREEN, RED, format_option, paint, write_note, write_result

if TYPE_CHECKING:
    from cli.simulate_runs import RunOptions, Totals
    from engine.runtime.simulate.outcome import Outcome

TELL_EVERY_S = 2.0
SHOWN = 3  # broken seeds that are shown whole; the others with a line each
MS = 1_000_000
_SEEDS = re.compile(r"([0-9]{1,9})(?:\.\.([0-9]{1,9}))?")
_SPAN = re.compile(r"([0-9]{1,6})(ms|s)")


@click.command()
@click.argument("flow", type=FILE, default="eagle_chicken", metavar="[FLOW]")
@click.option("--seeds", default="1..100", show_default=True, metavar="N[..M]", help="Each seed is a run of its own.")
@click.option("--rounds", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Rounds of one run.")
@click.option(
    "--faults",
    type=FILE,
    metavar="FILE",
    help="A fault plan (docs/venues.md), or `catalogue` for the shipped one; without: nothing goes wrong.",
)
@click.option(
    "--play",
    type=click.Choice(["all", "some", "one", "cell", "both"]),
    default="all",
    show_default=True,
    help="How much of the plan a seed plays: all rules, some, or one, once; `cell`: in one phase; `both`: some, cell.",
)
@click.option("--matrix", is_flag=True, help="Show which fault of the catalogue acted in which phase of the flow.")
@click.option("--exposure", "spans", is_flag=True, help="Show how long exposure stayed open after each single fault.")
@click.option("--venues", "kinds", metavar="KIND[,KIND]", help="Kinds of venues to draw from; all, if left out.")
@click.option("--set", "chosen", multiple=True, metavar="NAME=VALUE", help="A setting of the flow, for all seeds.")
@click.option(
    "--exposed-within",
    "exposed",
    default="6s",
    show_default=True,
    metavar="SPAN",
    help="How long exposure may stay open; 0s: without a bound.",
)
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Processes; as many as cores, if left out.")
@click.option("--keep", "folder", type=FILE, metavar="FOLDER", help="Keep the journals of broken runs there.")
@format_option("text", "json")
def simulate(
    flow: str, seeds: str, rounds: int, faults: str | None, play: str, matrix: bool, spans: bool,
    kinds: str | None,
    chosen: tuple[str, ...], exposed: str, jobs: int | None, folder: str | None, style: str,
) -> int:  # fmt: skip
    """Run a flow many times in virtual time, on venues that fail, and watch that nothing is lost.

    The whole process runs, on a clock that jumps: runner, adapters with their real requests, journal,
    against the models behind `eagle venue serve`. A seed decides the venues, their sizes, the network and all chance,
    and goes the same way every time. While a run goes on, the venues' own books are compared with ours: no hedge may
    grow exposure, none may stay open for long, no fill may stay unknown. At the end orders, fills, fees and positions
    must be equal, and the journal must replay. What breaks is shown with the command that repeats it.
    Exit code 1 if anything broke, with --matrix also if a fault was not played in a phase where it can happen, with
    --exposure also if exposure stayed open for longer than the table allows.

    \b
    Examples:
      eagle simulate --seeds 1..20
      eagle simulate --seeds 1..1000 --faults catalogue --play some --matrix
      eagle simulate --seeds 1..1000 --faults catalogue --play cell --exposure
      eagle simulate --seeds 1..1000 --faults faults.yaml
      eagle simulate --seeds 51 --faults faults.yaml --keep broken
    """
    from cli.locate import read_flow_source
    from cli.simulate_runs import RunOptions, check, read_plan
    from engine.runtime.simulate.alone import over
    from engine.runtime.simulate.catalogue import missed
    from engine.runtime.simulate.witness import Bounds

    wanted, source = _seeds(seeds), read_flow_source(flow)
    options = RunOptions(
        flow=source, faults=None if faults is None else read_plan(faults, source), play=play, matrix=matrix,
        kinds=_kinds(kinds), rounds=rounds, settings=tuple(map(_pair, chosen)),
        bounds=Bounds(exposed_ns=_span(exposed)),
    )  # fmt: skip
    check(options)
    totals, seconds = _run(options, wanted, jobs=jobs)
    repeat = _repeat(flow, rounds=rounds, faults=faults, play=play, kinds=options.kinds, chosen=chosen, exposed=exposed)
    if style == "json":
        from cli.simulate_words import as_json

        write_result(as_json(totals, seconds=seconds, repeat=repeat))
    else:
        _write_text(options, totals, seconds=seconds, repeat=repeat, folder=folder, matrix=matrix, spans=spans)
    short = (matrix and missed(totals.cells)) or (spans and over(totals.alone, totals.home_ns))
    return 0 if totals.holds and not short else 1


def _run(options: RunOptions, seeds: range, *, jobs: int | None) -> tuple[Totals, float]:
    import os
    from time import perf_counter

    from cli.simulate_runs import Totals, outcomes

    totals, began = Totals(), perf_counter()
    told = began
    for outcome in outcomes(options, seeds, jobs=min(jobs or os.cpu_count() or 1, len(seeds))):
        totals.add(outcome)
        now = perf_counter()
        if now - told >= TELL_EVERY_S:
            told = now
            write_note(_progress(totals, len(seeds), now - began))
    return totals, perf_counter() - began


def _progress(totals: Totals, of: int, seconds: float) -> str:
    broken = f", {len(totals.broken)} broken" if totals.broken else ""
    return (
        f"{totals.seeds:,} of {of:,} seeds, {totals.rounds:,} rounds, {totals.faults:,} faults{broken};"
        f" {totals.rounds / seconds:,.0f} rounds/s"
    )


# --- text


def _write_text(
    options: RunOptions, totals: Totals, *, seconds: float, repeat: str, folder: str | None, matrix: bool,
    spans: bool,
) -> None:  # fmt: skip
    from cli.simulate_words import exposure_lines, matrix_lines, summary

    blocks = [
        "\n".join(_broken(options, outcome, repeat=repeat, folder=folder, whole=number < SHOWN))
        for number, (_, outcome) in enumerate(sorted(totals.broken.items()))
    ]
    word = paint("held", GREEN, stream=sys.stdout) if totals.holds else paint("broken", RED, stream=sys.stdout)
    if len(totals.digests) == 1:
        (digest,) = totals.digests.values()
        blocks.append(f"trace {digest}")
    if matrix:
        blocks.append("\n".join(matrix_lines(totals)))
    if spans:
        blocks.append("\n".join(exposure_lines(totals)))
    blocks.append("\n".join(summary(totals, word=word, seconds=seconds)))
    write_result("\n\n".join(blocks))


def _broken(options: RunOptions, outcome: Outcome, *, repeat: str, folder: str | None, whole: bool) -> list[str]:
    import tempfile
    from pathlib import Path

    from cli.simulate_runs import tell
    from cli.simulate_words import broken_lines, whole_lines
    from engine.runtime.folders import make_folder

    lines = broken_lines(outcome, repeat=f"{repeat} --seeds {outcome.scenario.seed}")
    if not whole:
        return lines[:2]
    if folder is not None:
        make_folder(Path(folder))
        return lines + whole_lines(outcome, tell(options, outcome.scenario.seed, folder=Path(folder)))
    with tempfile.TemporaryDirectory(prefix="eagle-sim-") as place:
        return lines + whole_lines(outcome, tell(options, outcome.scenario.seed, folder=Path(place)))


def _repeat(
    flow: str,
    *,
    rounds: int,
    faults: str | None,
    play: str,
    kinds: tuple[str, ...],
    chosen: tuple[str, ...],
    exposed: str,
) -> str:
    """The command line without its seeds; it names the venues, as a later release may have more to draw from."""
    import shlex

    parts = ["eagle", "simulate", flow, "--rounds", str(rounds)]
    parts += [] if faults is None else ["--faults", faults]
    parts += [] if play == "all" else ["--play", play]
    parts += ["--venues", ",".join(kinds)]
    for value in chosen:
        parts += ["--set", value]
    parts += [] if exposed == "6s" else ["--exposed-within", exposed]
    return shlex.join(parts)


# --- options


def _seeds(text: str) -> range:
    from cli.locate import CannotUse

    found = _SEEDS.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if last < first:
        raise CannotUse(f"--seeds: {text!r} is no range of seeds; write for example 1..1000, or 37 for one")
    return range(first, last + 1)


def _kinds(text: str | None) -> tuple[str, ...]:
    from cli.locate import CannotUse
    from cli.simulate_runs import known_kinds

    known = known_kinds()
    kinds = known if text is None else tuple(part.strip() for part in text.split(","))
    for kind in kinds:
        if kind not in known:
            raise CannotUse(f"--venues: there is no model of {kind!r}; there are: {', '.join(known)}")
    return kinds


def _span(text: str) -> int:
    from cli.locate import CannotUse

    found = _SPAN.fullmatch(text)
    if found is None:
        raise CannotUse(f"--exposed-within: {text!r} is no span of time; write for example 6s or 2500ms")
    return int(found[1]) * (MS if found[2] == "ms" else 1000 * MS)


def _pair(text: str) -> tuple[str, str]:
    from cli.locate import CannotUse

    name, found, value = text.partition("=")
    if not found or not name or not value:
        raise CannotUse(f"--set: {text!r} is no NAME=VALUE; write for example --set rounds=2")
    return name, value
