"""What led to each request of a step: a verb that a row of the flow named, or a standing rule of the desk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.review.facts import Intent
from engine.review.walk import Deed, Insight
from engine.review.words import number
from engine.trading.effects import CancelOrder, Effect, PlaceOrder, Purpose
from engine.trading.hedging import Choice, Rung, Stage
from engine.trading.inputs import TimerFired

__all__ = ["COVERING", "Cause", "causes_of", "choice_text", "standing_text"]

COVERING = frozenset({Purpose.HEDGE.value, Purpose.UNDO.value})


@dataclass(frozen=True, slots=True)
class Cause:
    """`deed` is the verb that asked for it. Without one a standing rule did; its `choice` is told for its orders."""

    deed: Deed | None
    choice: Choice | None


def causes_of(intents: Sequence[Intent], insight: Insight) -> list[Cause]:
    """A cause for each request, in their order."""
    asked = {key: deed for deed in insight.deeds for key in _keys(deed.effects)}
    choices = iter([choice for choice in insight.choices if choice.account is not None])
    return [
        Cause(
            asked.get((intent.kind, intent.client_id)),
            next(choices, None) if intent.kind == "place" and intent.purpose in COVERING else None,
        )
        for intent in intents
    ]


def _keys(effects: Iterable[Effect]) -> Iterator[tuple[str, str]]:
    for effect in effects:
        if isinstance(effect, PlaceOrder):
            yield "place", effect.request.client_id
        elif isinstance(effect, CancelOrder):
            yield "cancel", effect.client_id


_RUNGS = {
    Rung.REDUCE_ELSEWHERE: "whose own position it reduces",
    Rung.NEXT_ELIGIBLE: "the eligible account with most free margin",
    Rung.UNDO_ON_MAKER: "the fill is undone on the maker itself",
}


def choice_text(choice: Choice) -> str:
    """`chick-1 drawn from chick-1, chick-3; not chick-2: stream not trusted`."""
    able = [name for name, why in choice.objections.items() if not why]
    against = [f"{name}: {why}" for name, why in choice.objections.items() if why and name != choice.account]
    name = choice.account
    if name is None:
        words = "no account may trade it"
    elif choice.rung is not None:
        words = f"ladder, {choice.rung.value}: {name}, {_RUNGS[choice.rung]}"
    elif choice.again:
        words = f"{name} again, for what it left"
    elif len(able) > 1:
        words = f"{name} drawn from {', '.join(able)}"
    else:
        words = f"{name}, the only one left" if against else f"{name}, the only account"
    return f"{words}; not {', '.join(against)}" if against else words


def need_text(choice: Choice) -> str:
    """What the rule had to trade: `exposure +0.02`, and what is in flight against it."""
    flying = f", in flight {number(choice.in_flight, sign=True)}" if choice.in_flight else ""
    return f"exposure {number(choice.exposure, sign=True)}{flying}"


def standing_text(insight: Insight) -> str:
    """Why the desk itself cancels an order, without the flow."""
    if isinstance(insight.given, TimerFired) and insight.given.owner == "inquiry":
        return "the rest of a covering order that has not ended in time (E9)"
    if insight.stage is Stage.BLOCKED:
        return "the hedge would meet this order on its own book (S8)"
    return "the flow failed; what rests is cancelled (S2)"
