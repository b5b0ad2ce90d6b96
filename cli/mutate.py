"""`eagle prove --mutate`: which faults in a flow no rule notices."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from cli.streams import write_note, write_result

if TYPE_CHECKING:
    from engine.chart.model import Flow
    from engine.verify.bounds import Bounds
    from engine.verify.mutants import Judged, Mutant
    from engine.verify.survivors import Reason, Searched, Survivors
    from engine.verify.variants import Original

TOLD_EVERY_S = 20.0


def mutate_flow(flow: Flow, parts: Sequence[Bounds], *, survivors: Survivors | None, style: str) -> int:
    """Exit code 1 if the flow itself is not proved within the bounds, or the list of survivors is not true."""
    from engine.verify.mutants import mutants_of
    from engine.verify.survivors import Searched

    worlds = [Searched(it) for it in parts] if survivors is None else survivors.worlds
    judged = _judged(flow, list(mutants_of(flow)), worlds)
    if judged is None:
        return 1
    if style == "json":
        write_result(json.dumps([_record(it, survivors) for it in judged], indent=2, ensure_ascii=False))
    else:
        write_result("\n".join(_lines(judged, survivors)))
    return 0 if survivors is None else _compared(judged, survivors)


def read_list(path: str | None, flow: Flow) -> Survivors | None:
    """Raises: CannotUse, FlowError."""
    from cli.locate import CannotUse, read_source
    from engine.verify.survivors import read_survivors

    if path is None:
        return None
    source = read_source(path)
    survivors = read_survivors(source.text, file=source.file)
    if survivors.flow != flow.name:
        raise CannotUse(
            f"{path}: it lists survivors of {survivors.flow}, not of {flow.name}; name the list of this flow"
        )
    return survivors


def _judged(flow: Flow, mutants: Sequence[Mutant], worlds: Sequence[Searched]) -> list[Judged] | None:
    """Each in one world after the other, until something notices it; None if the flow itself is not proved."""
    from engine.verify.mutants import Fate, Judged, checked, judge, later

    fates = {it.name: checked(it) or Judged(it, Fate.UNREACHED) for it in mutants}
    for number, world in enumerate(worlds, start=1):
        original = _searched(flow, world.bounds)
        if original is None:
            return None
        told = perf_counter()
        for mutant in mutants:
            before = fates[mutant.name]
            if before.fate in world.of:
                fates[mutant.name] = later(before, judge(mutant, original))
                gc.collect(1)
            if perf_counter() - told > TOLD_EVERY_S:
                told = perf_counter()
                write_note(f"world {number} of {len(worlds)}, {mutant.name}: {_counted(list(fates.values()))}")
        del original
        gc.unfreeze()
        gc.collect()
    return list(fates.values())


def _searched(flow: Flow, bounds: Bounds) -> Original | None:
    from engine.verify.proof import Verdict, prove_world
    from engine.verify.variants import Original

    original = Original(flow, bounds)
    gc.disable()  # nothing that a search keeps is ever garbage
    try:
        proof = prove_world(original)
    finally:
        gc.enable()
    if proof.verdict is not Verdict.PROVED:
        broken = [it.rule.name for it in proof.shown if it.verdict is Verdict.VIOLATED]
        write_note(f"{flow.name} itself is {': '.join([proof.verdict.value, *broken])}; prove it first")
        return None
    gc.freeze()
    return original


def _compared(judged: Sequence[Judged], survivors: Survivors) -> int:
    from engine.verify.survivors import untrue

    wrong = list(untrue(survivors, {it.mutant.name: it.fate for it in judged}))
    for name, why in wrong:
        reason = survivors.reasons.get(name)
        write_note(f"{reason.span if reason else 'not listed'}: {name}: {why}")
    return 1 if wrong else 0


# --- text


def _lines(judged: Sequence[Judged], survivors: Survivors | None) -> list[str]:
    from engine.verify.mutants import ALIKE, OVER, Fate

    reasons = {} if survivors is None else survivors.reasons
    listed = {name for name, reason in reasons.items() if reason.word == "equivalent"}
    alike = sum(it.fate in ALIKE or (it.fate is Fate.SURVIVED and it.mutant.name in listed) for it in judged)
    noticed = sum(it.fate in OVER for it in judged)
    share = 100 * noticed / (len(judged) - alike) if len(judged) > alike else 100
    lines = [f"{len(judged)} mutants: {_counted(judged)}", *_kinds(judged)]
    lines.append(f"noticed: {noticed} of the {len(judged) - alike} that do something else, {share:.1f} %")
    for fate in (Fate.SURVIVED, Fate.SAME, Fate.UNREACHED):
        group = [it for it in judged if it.fate is fate]
        if group:
            lines += ["", f"{fate.value}:", *(_line(it, reasons) for it in group)]
    return lines


def _kinds(judged: Sequence[Judged]) -> list[str]:
    kinds = dict.fromkeys(it.mutant.kind for it in judged)
    return [f"  {kind}: {_counted([it for it in judged if it.mutant.kind == kind])}" for kind in kinds]


def _line(it: Judged, reasons: Mapping[str, Reason]) -> str:
    reason = reasons.get(it.mutant.name)
    why = f" ({reason.word}: {reason.because})" if reason else ""
    return f"  {it.mutant.span}: {it.mutant.name}{why}"


def _counted(judged: Sequence[Judged]) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in Counter(it.fate.value for it in judged).most_common())


def _record(it: Judged, survivors: Survivors | None) -> dict[str, object]:
    mutant = it.mutant
    reason = None if survivors is None else survivors.reasons.get(mutant.name)
    return {
        "kind": mutant.kind, "line": mutant.span.line, "what": mutant.name, "fate": it.fate.value, "by": it.by,
        "because": reason.because if reason else "",
    }  # fmt: skip
