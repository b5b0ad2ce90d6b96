"""`eagle prove --mutate`: which faults in a flow no rule notices."""

from __future__ import annotations

import gc
import json
from collections import Counter
from typing import TYPE_CHECKING

from cli.streams import write_note, write_result

if TYPE_CHECKING:
    from engine.chart.model import Flow
    from engine.verify.bounds import Bounds
    from engine.verify.mutants import Judged

TOLD_EVERY = 20  # mutants


def mutate_flow(flow: Flow, bounds: Bounds, *, style: str) -> int:
    """Exit code 1 if the flow itself is not proved within the bounds: then nothing can be said of its mutants."""
    from engine.verify.mutants import judge, mutants_of
    from engine.verify.proof import Verdict, World, prove_world

    original = prove_world(World(flow, bounds))
    if original.verdict is not Verdict.PROVED:
        write_note(f"{flow.name} itself is {original.verdict.value} within these bounds; prove it first")
        return 1
    judged: list[Judged] = []
    for mutant in mutants_of(flow):
        judged.append(judge(mutant, bounds, original))
        if len(judged) % TOLD_EVERY == 0:
            gc.collect()
            write_note(f"{len(judged)} mutants: {_counted(judged)}")
    if style == "json":
        write_result(json.dumps([_record(it) for it in judged], indent=2, ensure_ascii=False))
    else:
        write_result("\n".join(_lines(judged)))
    return 0


def _lines(judged: list[Judged]) -> list[str]:
    from engine.verify.mutants import Fate

    alive = [it for it in judged if it.fate is Fate.SURVIVED]
    same = [it for it in judged if it.fate is Fate.SAME]
    noticed = len(judged) - len(alive) - len(same)
    share = 100 * noticed / (len(judged) - len(same)) if len(judged) > len(same) else 100
    lines = [f"{len(judged)} mutants: {_counted(judged)}"]
    lines.append(f"noticed: {noticed} of the {len(judged) - len(same)} that do something else, {share:.1f} %")
    for title, group in (("survived", alive), ("does nothing else within the bounds", same)):
        if group:
            lines += ["", f"{title}:", *(f"  {it.mutant.span}: {it.mutant.what}" for it in group)]
    return lines


def _counted(judged: list[Judged]) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in Counter(it.fate.value for it in judged).most_common())


def _record(it: Judged) -> dict[str, object]:
    mutant = it.mutant
    return {
        "kind": mutant.kind, "line": mutant.span.line, "what": mutant.what, "fate": it.fate.value, "by": it.by,
    }  # fmt: skip
