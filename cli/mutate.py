"""`eagle prove --mutate`: which faults in a flow no rule notices."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.streams import write_note, write_result

if TYPE_CHECKING:
    from engine.chart.model import Flow
    from engine.verify.bounds import Bounds
    from engine.verify.mutants import Judged
    from engine.verify.variants import Original

TOLD_EVERY = 20  # mutants


def mutate_flow(flow: Flow, parts: Sequence[Bounds], *, style: str) -> int:
    """Exit code 1 if the flow itself is not proved within the bounds: then nothing can be said of its mutants."""
    from engine.verify.mutants import judge_in, mutants_of

    originals = _searched(flow, parts)
    if originals is None:
        return 1
    judged: list[Judged] = []
    for mutant in mutants_of(flow):
        judged.append(judge_in(mutant, originals))
        gc.collect(1)
        if len(judged) % TOLD_EVERY == 0:
            write_note(f"{len(judged)} mutants: {_counted(judged)}")
    if style == "json":
        write_result(json.dumps([_record(it) for it in judged], indent=2, ensure_ascii=False))
    else:
        write_result("\n".join(_lines(judged)))
    return 0


def _searched(flow: Flow, parts: Sequence[Bounds]) -> list[Original] | None:
    from engine.verify.proof import Verdict, prove_world
    from engine.verify.variants import Original

    originals = []
    for bounds in parts:
        original = Original(flow, bounds)
        verdict = prove_world(original).verdict
        if verdict is not Verdict.PROVED:
            write_note(f"{flow.name} itself is {verdict.value} within these bounds; prove it first")
            return None
        originals.append(original)
    gc.freeze()
    return originals


def _lines(judged: list[Judged]) -> list[str]:
    from engine.verify.mutants import ALIKE, OVER, Fate

    alike = sum(it.fate in ALIKE for it in judged)
    noticed = sum(it.fate in OVER for it in judged)
    share = 100 * noticed / (len(judged) - alike) if len(judged) > alike else 100
    lines = [f"{len(judged)} mutants: {_counted(judged)}"]
    lines.append(f"noticed: {noticed} of the {len(judged) - alike} that do something else, {share:.1f} %")
    for fate in (Fate.SURVIVED, Fate.SAME, Fate.UNREACHED):
        group = [it for it in judged if it.fate is fate]
        if group:
            lines += ["", f"{fate.value}:", *(f"  {it.mutant.span}: {it.mutant.name}" for it in group)]
    return lines


def _counted(judged: list[Judged]) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in Counter(it.fate.value for it in judged).most_common())


def _record(it: Judged) -> dict[str, object]:
    mutant = it.mutant
    return {
        "kind": mutant.kind, "line": mutant.span.line, "what": mutant.name, "fate": it.fate.value, "by": it.by,
    }  # fmt: skip
