"""Findings about waiting: a state that nothing wakes, timers that never fire, retries and timeouts that are cut off.

Durations are the settings' defaults; where a setting has none, nothing is said. A wait is cut off only by an `after`
row that has no guard and leaves the waiting state.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.chart.durations import attempt_ns, delay_range, duration_text, longest_ns
from engine.chart.found import found
from engine.chart.model import Delay, Finding, Flow, Invoke, StateSpec
from engine.chart.reach import Reach, above

__all__ = ["check_time"]


def check_time(reach: Reach) -> Iterator[Finding]:
    yield from _unwoken(reach)
    for state in reach.flow.states.values():
        for delay in state.delays:
            yield from _late_delay(state, delay, reach.flow)
        if state.invoke is not None:
            yield from _cut_off(state, state.invoke, reach.flow)


def _unwoken(reach: Reach) -> Iterator[Finding]:
    for leaf in reach.waiting:
        state = reach.flow.states[leaf]
        if state.resting or not any(reach.exits(leaf)):
            continue
        if not any(outer.delays or outer.invoke for outer in above(reach.flow, leaf)):
            yield found(
                "C510",
                state.span,
                f'state "{leaf}" waits for an event that may never come: it has no `after` and no `invoke`',
                "add `after:` with a way out, or declare it `resting: true`",
            )


def _late_delay(state: StateSpec, delay: Delay, flow: Flow) -> Iterator[Finding]:
    span = delay_range(delay, flow.settings)
    for limit in _limits(state, flow):
        fires = delay_range(limit, flow.settings)
        if span is None or fires is None or limit is delay:
            continue
        if span[0] > fires[1] or (span[0] == fires[1] and _first(limit, delay)):
            yield found(
                "C515",
                delay.span,
                f"this timer can never fire: after {duration_text(span[0])} at the earliest, when "
                f"`after: {limit.source}` of {limit.state or 'the chart'} (line {limit.span.line}) "
                f"has already left at {duration_text(fires[1])}",
                "make it shorter than the other, or give the other a `when:`",
            )
            return


def _first(one: Delay, other: Delay) -> bool:
    """Armed at the same length, an outer timer was armed no later, and of one state's the first written comes first."""
    return one.state != other.state or one.span.line < other.span.line


def _cut_off(state: StateSpec, invoke: Invoke, flow: Flow) -> Iterator[Finding]:
    attempt, whole = attempt_ns(invoke, flow.settings), longest_ns(invoke, flow.settings)
    for limit in _limits(state, flow):
        fires = delay_range(limit, flow.settings)
        if fires is None or attempt is None:
            continue
        where = f"`after: {limit.source}` of {limit.state or 'the chart'} (line {limit.span.line})"
        if attempt >= fires[0]:
            yield found(
                "W907",
                invoke.span,
                f'the timeout of "{invoke.action.verb}" is {duration_text(attempt)}, but {where} '
                f"leaves after {duration_text(fires[0])}",
                "make the timeout shorter than the time that the state is given",
            )
            return
        if whole is not None and whole >= fires[0]:
            yield found(
                "W906",
                invoke.span,
                f'"{invoke.action.verb}" with all retries takes up to {duration_text(whole)}, but {where} '
                f"leaves after {duration_text(fires[0])}",
                "retry less often or with shorter waits, or give the state more time",
            )
            return


def _limits(state: StateSpec, flow: Flow) -> Iterator[Delay]:
    """Timers that end the state for certain: its own and the enclosing states', with an unguarded way out."""
    for outer in above(flow, state.name):
        for delay in outer.delays:
            if any(row.when is None and row.target and _leaves(row.target, outer.name) for row in delay.rows):
                yield delay


def _leaves(target: str, state: str) -> bool:
    """A row that stays within its compound state fires once and limits nothing that is entered after it."""
    return bool(state) and (target == state or not f"{target}.".startswith(f"{state}."))
