"""A small vocabulary and a recording domain for tests of the chart: a say is an effect, a break raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Literal

from engine.chart.load import load_flow
from engine.chart.machine import Chart
from engine.chart.model import BOOL, COUNT, QTY, SIDE, TEXT, EventKind, Flow, Parameter, Type, Verb, Vocabulary

Decides = Literal["transitions", "table"]
DECIDERS: tuple[Decides, ...] = ("transitions", "table")

_EVENTS = ("go", "back", "next", "noise", "late", "stop")
FACTS: Mapping[str, Type] = {"open": BOOL, "ready": BOOL, "amount": COUNT, "order.filled": QTY, "order.side": SIDE}
VOCABULARY = Vocabulary(
    events={
        **{name: EventKind(name, f"{name} happened") for name in _EVENTS},
        "order.filled": EventKind("order.filled", "a fill", {"amount": COUNT, "side": SIDE}, must_handle=True),
    },
    verbs={
        "say": Verb("say", "An effect.", (Parameter("text", "what", type=TEXT),)),
        "log": Verb("log", "An effect with a number.", (Parameter("amount", "how many", type=COUNT),)),
        "trade": Verb(
            "trade",
            "An effect with several arguments.",
            (
                Parameter("side", "which way", type=SIDE),
                Parameter("size", "how much", type=QTY, required=False, default="0.5"),
            ),
        ),
        "shut": Verb("shut", "Change a fact: open becomes false."),
        "break": Verb("break", "Raise."),
        "ask": Verb("ask", "Reply later.", replies=True, reply_attributes={"answer": COUNT}),
    },
    names=FACTS,
)


class Broken(Exception):
    """What the verb `break` raises."""


class Facts:
    """The scope of a chart under test, and its domain."""

    event: object
    settings: SimpleNamespace
    context: SimpleNamespace
    inside: Callable[[str], bool]

    def __init__(self) -> None:
        self.open = False
        self.ready = False
        self.amount = 0
        self.order = SimpleNamespace(filled=Decimal(1), side="buy")

    def perform(self, verb: str, arguments: Mapping[str, object], token: int) -> Sequence[object]:
        match verb:
            case "shut":
                self.open = False
                return []
            case "break":
                raise Broken("as asked")
            case "ask":
                return [f"ask #{token}"]
            case _:
                return [" ".join([verb, *map(str, arguments.values())])]


def flow_of(text: str, *, file: str = "t.yaml") -> Flow:
    return load_flow(text, file=file, vocabulary=VOCABULARY)


def defaults(flow: Flow) -> dict[str, object]:
    return {name: setting.default for name, setting in flow.settings.items()}


def chart_of(flow: Flow, decider: Decides, draws: Sequence[int] = ()) -> tuple[Chart, Facts]:
    """A chart and its facts; `draws` are what chance will answer."""
    facts, left = Facts(), iter(draws)
    draw = partial(_next_draw, left)
    return Chart(flow, facts, facts.perform, settings=defaults(flow), decider=decider, draw=draw), facts


def _next_draw(draws: Iterator[int], low: int, high: int) -> int:
    number = next(draws)
    assert low <= number <= high
    return number
