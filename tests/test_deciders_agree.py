"""The `transitions` machine and the table by hand give the same run of every chart for every sequence of happenings."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from chart_kit import chart_of, flow_of
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.chart.machine import Chart, StepFailed
from engine.chart.model import Outcome

FOLDER = Path(__file__).parent / "conformance"
EVERYTHING = """\
flow: t
version: 1
settings:
  hold: {type: duration range, default: 1..3s}
context:
  tries: {type: count, start: 0, cap: 3}
  seen: {type: bool, start: false}
events:
  inner: raised by the flow
on:
  stop: {to: WAIT.two, do: [{say: stop}]}
  order.filled: {do: [{log: event.amount}]}
ignore:
  noise: nobody cares
states:
  IDLE:
    exit: [{reset: tries}]
    always: {when: ready and not context.seen, to: WAIT, do: [{set: {seen: true}}]}
    on:
      go: [{when: amount > 2, to: BUSY}, {when: open, to: WAIT.two, do: [{raise: inner}]}]
      next: BUSY
  WAIT:
    entry: [{count: tries}]
    defer: [late]
    after:
      hold: {to: IDLE, do: [{say: held}]}
    on:
      back: [{when: 6 / amount > 2, to: IDLE}, {to: .one}]
      inner: {do: [{say: inner}]}
    states:
      one:
        after:
          1s: .two
        on:
          go: {when: context.tries < 2, to: WAIT}
          order.filled: {when: event.side == sell, to: .two, do: [{trade: {side: event.side}}]}
      two:
        entry: [{shut: }]
        always: {when: "open and state != IDLE", to: IDLE}
        on:
          go: .one
          next: BUSY
  BUSY:
    invoke:
      do: {ask: }
      timeout: 1s
      retry: {times: 1, wait: 0ms}
      done: [{when: event.answer == 1, to: IDLE}, {to: WAIT.two, do: [{raise: inner}]}]
      error: {to: IDLE, do: [{say: given up}, {set: {seen: false}}]}
    defer: [order.filled, go]
    on:
      back: {to: BUSY, do: [{break: }]}
      late: WAIT
      next: DONE
  DONE:
    final: true
"""
CHARTS = [EVERYTHING, *(yaml.safe_load(path.read_text("utf-8"))["chart"] for path in sorted(FOLDER.glob("*.yaml")))]
FLOWS = [flow_of(text) for text in CHARTS]

EVENTS = ("go", "back", "next", "noise", "late", "stop", "inner")
happenings = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(EVENTS)),
    st.tuples(st.just("fill"), st.integers(0, 3), st.sampled_from(["buy", "sell"])),
    st.tuples(st.just("fire"), st.integers(0, 5), st.integers(0, 3)),
    st.tuples(st.just("reply"), st.integers(0, 3), st.booleans(), st.integers(0, 2)),
    st.tuples(st.just("settle")),
    st.tuples(st.just("facts"), st.booleans(), st.booleans(), st.integers(0, 4)),
)


class Twin:
    """One of two charts that live through the same."""

    def __init__(self, flow: int, decider: Any) -> None:
        self.chart, self.facts = chart_of(FLOWS[flow], decider)

    def live(self, happening: tuple[Any, ...]) -> object:
        """What came of it, comparable: the outcome or the failure, and all that the chart remembers."""
        try:
            found: object = self._act(self.chart, happening)
        except StepFailed as failed:
            found = str(failed)
        return found, self.chart.leaf, self.chart.done, self.chart.snapshot(), self.facts.open

    def _act(self, chart: Chart, happening: tuple[Any, ...]) -> Outcome | None:
        match happening:
            case ("start",):
                return chart.start()
            case ("send", event):
                return chart.dispatch(event, SimpleNamespace(amount=1, side="buy", answer=1))
            case ("fill", amount, side):
                return chart.dispatch("order.filled", SimpleNamespace(amount=amount, side=side))
            case ("fire", which, behind):
                live = sorted(chart.timers.items())
                event, epoch = live[which % len(live)] if live else ("after:A:1s", 1)
                return chart.timer(event, epoch - behind // 2)
            case ("reply", behind, ok, answer):
                tokens = [*chart.tokens.values(), 1]
                return chart.reply(tokens[0] - behind // 2, ok, SimpleNamespace(answer=answer))
            case ("facts", is_open, ready, amount):
                self.facts.open, self.facts.ready, self.facts.amount = is_open, ready, amount
                return chart.settle()
            case _:
                return chart.settle()


@settings(max_examples=200, derandomize=True)
@given(st.lists(happenings, min_size=5, max_size=40))
def test_both_deciders_agree_on_a_chart_with_everything_in_it(sequence: list[tuple[Any, ...]]) -> None:
    agree(0, sequence)


@settings(max_examples=200, derandomize=True)
@given(st.integers(1, len(CHARTS) - 1), st.lists(happenings, min_size=5, max_size=25))
def test_both_deciders_agree_on_every_chart_of_the_rules(flow: int, sequence: list[tuple[Any, ...]]) -> None:
    agree(flow, sequence)


def agree(flow: int, sequence: list[tuple[Any, ...]]) -> None:
    one, other = Twin(flow, "transitions"), Twin(flow, "table")
    assert one.live(("start",)) == other.live(("start",))
    for happening in sequence:
        assert one.live(happening) == other.live(happening)


def test_random_runs_reach_every_state_of_that_chart() -> None:
    """Else the agreement would be about little."""
    reached = set()

    @settings(max_examples=200, derandomize=True)
    @given(st.lists(happenings, min_size=5, max_size=40))
    def walk(sequence: list[tuple[Any, ...]]) -> None:
        twin = Twin(0, "table")
        for happening in sequence:
            twin.live(happening)
            reached.add(twin.chart.leaf)

    walk()
    assert reached == set(FLOWS[0].leaves)
