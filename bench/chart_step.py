"""What a step of the chart costs against a bare `transitions` dispatch of as many states.

Run: python bench/chart_step.py. Runs are interleaved, so that a busy machine slows all of them alike: read
the ratios. Every figure is nanoseconds a call, min / median / max over the runs.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Literal

from transitions import Machine

from engine.chart.load import load_flow
from engine.chart.machine import Chart
from engine.chart.model import BOOL, COUNT, TEXT, EventKind, Flow, Parameter, Verb, Vocabulary

STATES = 40
TARGET = 3
VOCABULARY = Vocabulary(
    events={name: EventKind(name, name) for name in ("go", "back", "tick", "noise")},
    verbs={"say": Verb("say", "An effect.", (Parameter("text", "what", type=TEXT),))},
    names={"open": BOOL, "amount": COUNT},
)


def flow_of_leaves(count: int) -> Flow:
    """Two leaves that are measured, among others that make the machine as large as a real one."""
    others = "".join(
        f"      s{number}:\n        on:\n          go: [{{when: open, to: A}}, {{to: B}}]\n        after: {{3s: A}}\n"
        for number in range(count - 3)
    )
    return load_flow(
        "flow: bench\nversion: 1\ncontext:\n  tries: {type: count, start: 0, cap: 1000000000}\n"
        "on:\n  tick: {do: [{count: tries}]}\n"
        "states:\n"
        "  A:\n    on: {go: {when: amount > 0, to: B}}\n"
        "  B:\n    on: {go: {when: amount > 0, to: A}, back: A}\n"
        "    always: [{when: not open, to: C}, {when: context.tries < 0, to: C}]\n"
        "  C:\n    entry: [{count: tries}, {say: entered}]\n    after: {3s: A}\n"
        "    on: {go: {when: amount > 0, to: C}}\n"
        "  REST:\n    states:\n" + others,
        file="bench.yaml",
        vocabulary=VOCABULARY,
    )


def bare(flow: Flow) -> Callable[[], object]:
    """The library alone: as many states, the same triggers, one condition, no effects and no rollback."""
    model = SimpleNamespace()
    machine = Machine(
        model=model,
        states=list(flow.leaves),
        initial="A",
        auto_transitions=False,
        send_event=True,
        queued=False,
    )
    for leaf in flow.leaves:
        machine.add_transition("go", leaf, "B" if leaf == "A" else "A", conditions=lambda data: data is not None)
    trigger: Callable[[], object] = model.go
    return trigger


def chart_in(flow: Flow, leaf: str, decider: Literal["transitions", "table"]) -> Chart:
    scope = SimpleNamespace(open=True, amount=1)

    def perform(verb: str, arguments: Mapping[str, object], token: int) -> Sequence[object]:
        return [(verb, arguments, token)]

    chart = Chart(flow, scope, perform, settings={}, decider=decider)
    chart.place(leaf)
    return chart


def cases(flow: Flow) -> dict[str, Callable[[], object]]:
    def sends(leaf: str, event: str, decider: Literal["transitions", "table"]) -> Callable[[], object]:
        dispatch = chart_in(flow, leaf, decider).dispatch
        return lambda: dispatch(event)

    return {
        "bare transitions dispatch": bare(flow),
        "chart, transitions: guarded move": sends("A", "go", "transitions"),
        "chart, table: guarded move": sends("A", "go", "table"),
        "chart, transitions: move, 2 actions, timer": sends("C", "go", "transitions"),
        "chart, table: move, 2 actions, timer": sends("C", "go", "table"),
        "chart, transitions: internal row, 1 action": sends("A", "tick", "transitions"),
        "chart, transitions: event without candidates": sends("A", "noise", "transitions"),
        "settle, no always row in the leaf": chart_in(flow, "A", "transitions").settle,
        "settle, two closed always rows": chart_in(flow, "B", "transitions").settle,
    }


def measured(measures: Mapping[str, Callable[[], object]], *, runs: int, calls: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(runs):
        for name, call in measures.items():
            start = perf_counter_ns()
            for _ in range(calls):
                call()
            found[name].append((perf_counter_ns() - start) / calls)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--calls", type=int, default=2000)
    options = parser.parse_args()
    found = measured(cases(flow_of_leaves(STATES)), runs=options.runs, calls=options.calls)
    floor = statistics.median(found["bare transitions dispatch"])
    print(
        f"{STATES} leaves, {options.runs} interleaved runs of {options.calls} calls; "
        f"target of a chart's step <= {TARGET} x bare"
    )
    print(f"{'':48}{'min':>9}{'median':>9}{'max':>9}   x bare")
    for name, times in found.items():
        median = statistics.median(times)
        print(f"{name:48}{min(times):9.0f}{median:9.0f}{max(times):9.0f}{median / floor:9.2f}")


if __name__ == "__main__":
    main()
