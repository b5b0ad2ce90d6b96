"""What `eagle simulate` says, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from cli.simulate_runs import Told, Totals
from cli.simulate_story import indented
from cli.words import span
from engine.runtime.simulate.alone import HOME_NS, LIMITS, Alone, limit_of, over, percentile
from engine.runtime.simulate.catalogue import CATALOGUE, PHASES, START, at_start, cell, missed

if TYPE_CHECKING:
    from engine.runtime.simulate.outcome import Outcome

MS = 1_000_000
S = 1_000_000_000
FAULTS_SHOWN = 40


def summary(totals: Totals, *, word: str, seconds: float) -> list[str]:
    """Counts, extremes and the verdict."""
    lines = [
        f"{totals.seeds:,} seeds: {word}" + (f", {len(totals.broken):,} of them" if totals.broken else ""),
        f"  {totals.rounds:,} rounds in {span(totals.span_ns // MS)} of their own time, {totals.faults:,} faults,"
        f" {totals.fills:,} fills, {totals.hedges:,} of them hedges",
        f"  {totals.steps:,} steps, {totals.messages:,} messages;"
        f" ledger and venues compared at {totals.quiet_cuts:,} quiet cuts",
        f"  exposed for at most {_spread(totals.exposed_ns)}; a fill unknown for at most {_spread(totals.unknown_ns)}",
        f"  {seconds:.1f} s, {totals.rounds / seconds if seconds else 0:,.0f} rounds/s",
    ]
    codes = Counter(it.code for outcome in totals.broken.values() for it in outcome.violations)
    return lines + [f"  {times:>5} {code}" for code, times in codes.most_common()]


def matrix_lines(totals: Totals) -> list[str]:
    """Fault by phase: how often it acted there; why it cannot, or where it is tested instead."""
    width = max(len(row.title) for row in CATALOGUE)
    heads = [phase.replace("_", " ").lower() for phase in PHASES]
    lines = [f"{'':>2}  {'fault':<{width}}  " + "  ".join(f"{head:>13}" for head in heads)]
    why: dict[str, None] = {}
    for row in CATALOGUE:
        if not row.faults:
            lines.append(f"{row.number:>2}  {row.title:<{width}}  {row.elsewhere}")
            continue
        if at_start(row):
            lines.append(f"{row.number:>2}  {row.title:<{width}}  {cell(row, START, totals.cells):>13,} at a start")
            continue
        counts = []
        for phase in PHASES:
            times, reason = cell(row, phase, totals.cells), row.impossible.get(phase)
            counts.append(f"{times:>13,}" if times or reason is None else f"{'-':>13}")
            if reason is not None:
                why[f"{row.number} {reason}"] = None
        lines.append(f"{row.number:>2}  {row.title:<{width}}  " + "  ".join(counts))
    lines += ["", "- cannot happen there: " + "; ".join(why)]
    left = [f"{row.number} in {phase}" for row, phase in missed(totals.cells)]
    lines.append(f"not reached: {', '.join(left)}" if left else "every cell that can be reached was reached")
    return lines


def exposure_lines(totals: Totals) -> list[str]:
    """How long exposure stayed open in runs with a single fault, by fault; how long the way home took; what is over."""
    by_fault: dict[str, list[Alone]] = {}
    for it in totals.alone:
        by_fault.setdefault(it.fault, []).append(it)
    lines = [f"{'exposure after a single fault':<34}{'runs':>7}{'p50':>10}{'p99':>10}{'max':>10}   in ms"]
    for limit in LIMITS:
        mine = {fault: runs for fault, runs in sorted(by_fault.items()) if limit_of(fault) is limit}
        asked = f"p99 {limit.p99_ns // S} s, " if limit.p99_ns else ""
        lines += ["", f"{limit.about} (at most {asked}{limit.most_ns // S} s)"]
        lines += [_row(f"  {fault}", [limit.counted_ns(it) for it in runs]) for fault, runs in mine.items()]
        lines.append(_row("  all of them", [limit.counted_ns(it) for runs in mine.values() for it in runs]))
    lines += ["", f"asked to stop, faults off: flat and idle (at most {HOME_NS // S} s)", _row("", totals.home_ns), ""]
    found = over(totals.alone, totals.home_ns)
    return lines + ([f"too long: {line}" for line in found] or ["nothing took longer than it may"])


def _row(name: str, spans_ns: list[int]) -> str:
    figures = "".join(f"{percentile(spans_ns, percent) // MS:>10,}" for percent in (50, 99, 100))
    return f"{name:<34}{len(spans_ns):>7,}{figures}"


def _spread(spans_ns: list[int]) -> str:
    """Median, 99th percentile and the most, over the seeds."""
    parts = [percentile(spans_ns, percent) // MS for percent in (50, 99, 100)]
    return "{:,} / {:,} / {:,} ms (p50 / p99 / max of a run)".format(*parts)


def broken_lines(outcome: Outcome, *, repeat: str) -> list[str]:
    """What broke; the second line repeats it."""
    scenario = outcome.scenario
    first = outcome.violations[0]
    return [
        f"seed {scenario.seed}: {first.code} at {_at(first.at_ns)}: {first.text}",
        f"  repeat it: {repeat}",
        *(f"  {it.code} at {_at(it.at_ns)}: {it.text}" for it in outcome.violations[1:]),
        *(f"  {line}" for line in scenario.lines()),
        f"  {outcome.rounds} rounds, ended after {span(outcome.span_ns // MS)} with exit code {outcome.exit_code}:"
        f" {outcome.ending}; trace {outcome.digest}",
    ]


def whole_lines(outcome: Outcome, told: Told) -> list[str]:
    """Faults, journal rows and diagram of a broken run."""
    faults = [
        f"{_at(it.at_ns)}  {it.fault}" + (f" {it.account}" if it.account else "") + f" at {it.venue}, in {it.state}"
        for it in outcome.played
    ]
    left = len(faults) - FAULTS_SHOWN
    return [
        f"  {len(faults)} faults were played" + (f", the last {FAULTS_SHOWN}:" if left > 0 else ":"),
        *indented(faults[-FAULTS_SHOWN:]),
        f"  the last {len(told.rows)} rows of the journal:",
        *indented(list(told.rows)),
        "  what led to it (Mermaid):",
        *indented(told.diagram.splitlines()),
    ]


def as_json(totals: Totals, *, seconds: float, repeat: str) -> str:
    record = {
        "holds": totals.holds, "seeds": totals.seeds, "rounds": totals.rounds, "faults": totals.faults,
        "fills": totals.fills, "hedges": totals.hedges, "steps": totals.steps, "messages": totals.messages,
        "quiet_cuts": totals.quiet_cuts, "virtual_ms": totals.span_ns // MS, "seconds": round(seconds, 3),
        "exposed_ms": _figures(totals.exposed_ns), "unknown_ms": _figures(totals.unknown_ns),
        "alone": [
            {"fault": it.fault, "took_ms": it.took_ns // MS, "exposed_ms": it.exposed_ns // MS} for it in totals.alone
        ],
        "home_ms": _figures(totals.home_ns),
        "too_long": over(totals.alone, totals.home_ns),
        "cells": [
            {"fault": fault, "state": state, "times": times} for (fault, state), times in sorted(totals.cells.items())
        ],
        "not_reached": [{"row": row.number, "state": phase} for row, phase in missed(totals.cells)],
        "digests": {str(seed): digest for seed, digest in sorted(totals.digests.items())},
        "broken": [
            {
                "seed": seed, "repeat": f"{repeat} --seeds {seed}", "trace": outcome.digest,
                "exit_code": outcome.exit_code, "ending": outcome.ending, "options": outcome.scenario.lines(),
                "violations": [
                    {"code": it.code, "at_ms": it.at_ns // MS, "text": it.text} for it in outcome.violations
                ],
            }
            for seed, outcome in sorted(totals.broken.items())
        ],
    }  # fmt: skip
    return json.dumps(record, indent=2)


def _figures(spans_ns: list[int]) -> dict[str, int]:
    return {name: percentile(spans_ns, percent) // MS for name, percent in (("p50", 50), ("p99", 99), ("max", 100))}


def _at(at_ns: int) -> str:
    return f"{at_ns / 1_000_000_000:.3f} s"
