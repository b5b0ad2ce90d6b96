"""The chart's own promises beside the rules of `conformance`: saving, failing, bounds, names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from chart_kit import DECIDERS, Broken, Decides, Facts, chart_of, defaults, flow_of

from engine.chart.load import load_flow
from engine.chart.machine import DEFERRED_LIMIT, Chart, DeferredFull, Livelock, Saved, StepFailed
from engine.chart.model import CancelTimer, EventKind, Move, Outcome, StartTimer, Vocabulary

ASKS = flow_of(
    """\
flow: t
version: 1
context:
  tries: {type: count, start: 0, cap: 3}
states:
  OUTER:
    after:
      9s: OUTER
    states:
      one:
        defer: [late]
        on:
          go: {to: .two, do: [{count: tries}]}
      two:
        defer: [late]
        invoke:
          do: {ask: }
          timeout: 1s
          retry: {times: 2, wait: 1s}
          done: .one
          error: .one
"""
)
FAILS = flow_of(
    """\
flow: t
version: 1
context:
  tries: {type: count, start: 0, cap: 3}
states:
  A:
    defer: [late]
    on:
      go: {to: A, do: [{count: tries}, {say: before}, {break: }]}
      next: {to: A, do: [{say: fine}]}
"""
)


class Interrupted(Facts):
    def perform(self, verb: str, arguments: Mapping[str, object], token: int) -> Sequence[object]:
        raise KeyboardInterrupt


both = pytest.mark.parametrize("decider", DECIDERS)


@both
def test_a_restored_chart_goes_on_as_the_saved_one_did(decider: Decides) -> None:
    chart, _ = chart_of(ASKS, decider)
    chart.start()
    chart.dispatch("late", "payload")
    chart.dispatch("go")
    chart.reply(chart.tokens["OUTER.two"], False)
    saved = chart.snapshot()
    assert saved == Saved(
        leaf="OUTER.two",
        context=(1,),
        epoch=3,
        timers=(("after:OUTER:9s", 1), ("retry:OUTER.two", 3)),
        calls=(("OUTER.two", (3, 1)),),
        deferred=(("late", "payload"),),
    )
    first = chart.timer("retry:OUTER.two", 3)
    other, _ = chart_of(ASKS, decider)
    other.restore(saved)
    assert hash(other.snapshot()) == hash(saved)
    assert other.snapshot() == saved
    assert other.timer("retry:OUTER.two", 3) == first
    assert other.snapshot() == chart.snapshot()


@both
def test_live_timers_and_tokens_can_be_read(decider: Decides) -> None:
    chart, _ = chart_of(ASKS, decider)
    chart.start()
    assert (dict(chart.timers), chart.tokens) == ({"after:OUTER:9s": 1}, {})
    chart.dispatch("go")
    assert dict(chart.timers) == {"after:OUTER:9s": 1, "timeout:OUTER.two": 2}
    assert chart.tokens == {"OUTER.two": 2}


@both
def test_inside_is_the_leaf_and_every_state_around_it(decider: Decides) -> None:
    chart, facts = chart_of(ASKS, decider)
    asked = ("OUTER", "OUTER.one", "OUTER.two", "ONE")
    assert [facts.inside(name) for name in asked] == [True, True, False, False]
    assert chart.leaf == "OUTER.one"


@both
def test_a_failed_step_names_place_event_and_cause_and_leaks_nothing(decider: Decides) -> None:
    chart, _ = chart_of(FAILS, decider)
    chart.start()
    before = chart.snapshot()
    with pytest.raises(StepFailed) as caught:
        chart.dispatch("go")
    failed = caught.value
    assert (failed.event, type(failed.cause), failed.span.line) == ("go", Broken, 9)
    assert str(failed) == "t.yaml:9:55: go: Broken: as asked"
    assert chart.snapshot() == before
    row = FAILS.table["A"]["next"][0].row
    assert chart.dispatch("next") == Outcome((Move("next", "A", "A", row),), ("say fine",), handled=True)


@both
def test_an_interrupt_undoes_the_step_and_is_passed_on(decider: Decides) -> None:
    chart = Chart(FAILS, Interrupted(), Interrupted().perform, settings={}, decider=decider)
    before = chart.snapshot()
    with pytest.raises(KeyboardInterrupt):
        chart.dispatch("go")
    assert chart.snapshot() == before


@both
def test_deferring_has_a_bound(decider: Decides) -> None:
    chart, _ = chart_of(FAILS, decider)
    chart.start()
    for number in range(DEFERRED_LIMIT):
        assert chart.dispatch("late", number).deferred
    before = chart.snapshot()
    with pytest.raises(StepFailed) as caught:
        chart.dispatch("late", DEFERRED_LIMIT)
    assert type(caught.value.cause) is DeferredFull
    assert chart.snapshot() == before


@both
def test_many_deferred_events_are_no_livelock(decider: Decides) -> None:
    flow = flow_of(
        "flow: t\nversion: 1\nstates:\n"
        "  A:\n    defer: [late]\n    on: {go: B}\n"
        "  B:\n    resting: true\n    on:\n      late: {do: [{say: late}]}\n"
    )
    chart, _ = chart_of(flow, decider)
    for number in range(DEFERRED_LIMIT):
        chart.dispatch("late", number)
    assert chart.dispatch("go").effects == ("say late",) * DEFERRED_LIMIT
    assert chart.snapshot().deferred == ()


@both
def test_a_flow_that_wakes_itself_for_ever_is_stopped(decider: Decides) -> None:
    flow = flow_of(
        "flow: t\nversion: 1\nevents: {again: raised here}\nstates:\n"
        "  A:\n    resting: true\n    on:\n      again: {do: [{raise: again}]}\n      go: {do: [{raise: again}]}\n"
    )
    chart, _ = chart_of(flow, decider)
    with pytest.raises(StepFailed, match="no rest after 100 microsteps") as caught:
        chart.dispatch("go")
    assert type(caught.value.cause) is Livelock
    assert not chart.settle().handled


@both
def test_an_entry_that_raises_without_end_fails_at_its_state(decider: Decides) -> None:
    entry = ", ".join(["{raise: inner}"] * 101)
    flow = flow_of(
        f"flow: t\nversion: 1\nevents: {{inner: raised here}}\nstates:\n  A:\n    resting: true\n    entry: [{entry}]\n"
    )
    chart, _ = chart_of(flow, decider)
    with pytest.raises(StepFailed) as caught:
        chart.start()
    assert (type(caught.value.cause), caught.value.span) == (Livelock, flow.states["A"].span)


@both
def test_a_finished_chart_remembers_nothing_that_could_wake_it(decider: Decides) -> None:
    flow = flow_of(
        "flow: t\nversion: 1\nevents: {inner: raised here}\nstates:\n"
        "  OUTER:\n    defer: [late]\n    after: {9s: OUTER}\n"
        "    states:\n"
        "      one:\n        on:\n          go: {to: .end, do: [{raise: inner}]}\n"
        "      end: {final: true}\n"
    )
    chart, _ = chart_of(flow, decider)
    chart.start()
    chart.dispatch("late")
    assert chart.dispatch("go").effects == (CancelTimer("after:OUTER:9s", 1),)
    assert chart.done
    assert chart.snapshot() == Saved("OUTER.end", (), 1, (), (), ())


@both
def test_a_settings_range_and_a_count_of_retries_come_from_the_settings(decider: Decides) -> None:
    flow = flow_of(
        "flow: t\nversion: 1\nsettings:\n"
        "  patience: {type: duration, default: 1s}\n  again: {type: count, default: 0}\n"
        "states:\n"
        "  A:\n    invoke:\n      do: {ask: }\n      timeout: patience\n      retry: {times: again, wait: patience}\n"
        "      done: B\n      error: B\n"
        "  B: {resting: true}\n"
    )
    facts = Facts()
    settings = {**defaults(flow), "again": 1, "patience": 5}
    chart = Chart(flow, facts, facts.perform, settings=settings, decider=decider)
    assert chart.start().effects == ("ask #1", StartTimer("timeout:A", 1, 5, 5))
    failed = chart.reply(1, False)
    assert failed is not None
    assert failed.effects[1:] == (StartTimer("retry:A", 2, 5, 5),)
    assert vars(facts.settings) == {"patience": 5, "again": 1}


@both
@pytest.mark.parametrize("name", ["leaf", "trigger", "take", "put", "is_A", "may_trigger", "os.system", "restless"])
def test_no_event_name_collides_with_the_machinery(name: str, decider: Decides) -> None:
    vocabulary = Vocabulary({name: EventKind(name, "an awkward name")}, {}, {})
    text = f"flow: t\nversion: 1\nstates:\n  A:\n    on:\n      {name}: B\n  B:\n    on:\n      {name}: A\n"
    flow = load_flow(text, file="t.yaml", vocabulary=vocabulary)
    chart = Chart(flow, Facts(), Facts().perform, settings={}, decider=decider)
    assert [chart.dispatch(name).handled and chart.leaf for _ in range(3)] == ["B", "A", "B"]
