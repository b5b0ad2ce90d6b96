"""What validation keeps quiet about: each flow here is near to one that has a finding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from broken_vocabulary import NOTES

from engine.chart.load import load_flow
from engine.chart.model import Mapped, Node, SectionResult, SectionTools
from engine.chart.report import as_text
from engine.chart.validate import check

HEAD = "flow: sound\nversion: 1\nignore: {tick: nothing here depends on quotes}\n"
FILLED = "on: {filled: {do: [{note: filled}]}}\n"
TRIES = "context: {tries: {type: count, start: 0, cap: 9}}\n"


def said(text: str) -> str:
    return as_text(check(load_flow(text, file="sound.yaml", vocabulary=NOTES)), {"sound.yaml": text})


SOUND = {
    "an enclosing row that every inner state overrides, kept with a reason": HEAD
    + """\
on: {filled: {do: [{note: late}], because: states to come must not lose a fill}}
states:
  OPENING:
    on: {filled: DONE}
    after: {3s: DONE}
  DONE: {final: true}
""",
    "overlapping guards with the same outcome": HEAD
    + FILLED
    + """\
states:
  OPENING:
    after:
      3s: [{to: DONE, when: flat}, {to: DONE, when: size > 1}, {do: [{note: again}]}]
      5s: DONE
  DONE: {final: true}
""",
    "a timer of zero that the circle does not start again": HEAD
    + FILLED
    + """\
states:
  ROUND:
    after:
      0ms: .second
    states:
      first:
        after: {3s: DONE}
      second:
        always: {to: .first, when: flat}
        after: {3s: DONE}
  DONE: {final: true}
""",
    "a circle that a counter ends": HEAD
    + FILLED
    + TRIES
    + """\
states:
  OPENING:
    always: {to: HOLDING, when: context.tries < 3, do: [{count: tries}]}
    after: {3s: DONE}
  HOLDING:
    always: {to: OPENING, when: context.tries < 5}
    after: {3s: DONE}
  DONE: {final: true}
""",
    "a circle whose verb may change what a guard reads": HEAD
    + FILLED
    + """\
states:
  OPENING:
    always: {to: HOLDING, when: size > 1, do: [{note: smaller}]}
    after: {3s: DONE}
  HOLDING:
    always: {to: OPENING, when: flat}
    after: {3s: DONE}
  DONE: {final: true}
""",
    "a guarded row for an event that is deferred otherwise": HEAD
    + """\
states:
  OPENING:
    on: {filled: {to: HOLDING, when: flat}}
    defer: [filled]
    after: {3s: HOLDING}
  HOLDING:
    on: {filled: DONE}
    after: {3s: DONE}
  DONE: {final: true}
""",
    "a shorter timer with a guard": HEAD
    + FILLED
    + """\
states:
  OPENING:
    after:
      3s: {to: DONE, when: flat}
      5s: DONE
  DONE: {final: true}
""",
    "a counter and a setting that only a property reads": HEAD
    + FILLED
    + TRIES
    + """\
settings: {most: {type: count, default: 5}}
states:
  OPENING:
    entry: [{count: tries}]
    after: {3s: DONE}
  DONE: {final: true}
properties:
  - {name: few tries, always: context.tries <= settings.most}
""",
    "retries counted by a setting": HEAD
    + FILLED
    + """\
settings: {attempts: {type: count, default: 2}, patience: {type: duration, default: 1s}}
states:
  ASKING:
    after: {6s: DONE}
    invoke:
      do: {ask: }
      timeout: patience
      retry: {times: attempts, wait: patience}
      done: DONE
      error: DONE
  DONE: {final: true}
""",
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND.keys())
def test_nothing_is_said(text: str) -> None:
    assert said(text) == ""


def test_a_fill_is_not_taken_up_where_it_is_ignored() -> None:
    text = (
        HEAD
        + """\
states:
  OPENING:
    defer: [filled]
    after: {3s: HOLDING}
  HOLDING:
    ignore: {filled: hedged anyway}
    after: {3s: DONE}
  DONE: {final: true}
"""
    )
    assert [line for line in said(text).splitlines() if line.startswith("sound")] == [
        'sound.yaml:5:3: error C509: "filled" is deferred in OPENING, but no state that can follow takes it up',
        'sound.yaml:9:14: error C508: "filled" may never be ignored: an order filled',
    ]


def read_limits(node: Node | None, _: SectionTools) -> SectionResult:
    assert isinstance(node, Mapped)
    return SectionResult(value=None, settings_used=frozenset({"most"}))


def test_a_section_of_the_domain_uses_settings_and_counters() -> None:
    text = (
        HEAD
        + FILLED
        + TRIES
        + """\
settings: {most: {type: count, default: 5}}
limits: {orders: [{at: context.tries}]}
states:
  OPENING:
    entry: [{count: tries}]
    after: {3s: DONE}
  DONE: {final: true}
"""
    )
    flow = load_flow(text, file="sound.yaml", vocabulary=replace(NOTES, sections={"limits": read_limits}))
    assert check(flow) == []
