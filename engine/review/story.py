"""A traced round as lines to read: what came in, what the standing rule did, how the chart moved, what that sent.

Says; computes nothing. How lines are laid out and coloured is the command's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from engine.review.causes import COVERING, Cause, causes_of, choice_text, need_text, standing_text
from engine.review.cover import Pair
from engine.review.facts import AlertRow, FillRow, Intent
from engine.review.trace import RoundTrace, Taken, TracedStep
from engine.review.walk import Deed
from engine.review.words import (
    by_row,
    fill_text,
    given_text,
    input_word,
    latency_text,
    money,
    number,
    order_text,
    quote_text,
    span_text,
)
from engine.trading.effects import ArmTimer, AskOrder, AskPositions, Finish, Level, Purpose
from engine.trading.inputs import Answered, Request, TimerFired
from exchanges.types import Accepted, Fill, Margin, OrderState, OrderUpdate

__all__ = ["Line", "Moment", "story_of"]

RESTING = frozenset({Purpose.OPEN.value, Purpose.CLOSE.value, Purpose.CLEANUP.value})


@dataclass(frozen=True, slots=True)
class Line:
    """`word` says what kind of thing it is: fill, hedge, state, cancel …"""

    word: str
    text: str
    detail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """All that is to be said of one step; `net` where it changed.

    `times` in a row, up to `last_ns`, there was the same to say.
    """

    at_ns: int
    lines: tuple[Line, ...]
    net: Decimal | None
    times: int
    last_ns: int


def story_of(trace: RoundTrace) -> list[Moment]:
    """Moments in order; steps of which there is nothing to say are left out."""
    moments: list[Moment] = []
    for traced in trace.steps:
        at_ns, lines = traced.step.at_ns, tuple(_Teller(trace, traced).lines())
        if not lines:
            continue
        times, began_ns = 1, at_ns
        if moments and moments[-1].lines == lines and not traced.fills:
            last = moments.pop()
            times, began_ns = last.times + 1, last.at_ns
        moments.append(Moment(began_ns, lines, traced.exposure.net if traced.fills else None, times, at_ns))
    return moments


class _Teller:
    """The lines of one step."""

    def __init__(self, trace: RoundTrace, traced: TracedStep) -> None:
        self._trace = trace
        self._traced = traced
        self._insight = traced.insight
        causes = [Cause(None, None)] * len(traced.intents)
        if traced.insight is not None:
            causes = causes_of(traced.intents, traced.insight)
        self._requests = list(zip(traced.intents, causes, strict=True))
        self._alerts = list(traced.step.alerts)

    def lines(self) -> Iterator[Line]:
        caused = list(self._caused())
        if caused or self._worth_telling():
            yield from self._given()
        yield from caused

    def _caused(self) -> Iterator[Line]:
        """In the order of the step: the standing rules, then row by row what the chart did."""
        traced, insight = self._traced, self._insight
        standing = [(it, cause) for it, cause in self._requests if self._is_standing(it, cause)]
        yield from self._waits()
        yield from (self._request(intent, cause) for intent, cause in standing)
        deeds = [] if insight is None else list(insight.deeds)
        for taken in traced.taken:
            own = [deed for deed in deeds if deed.move is not None and deed.move is taken.move]
            deeds = [deed for deed in deeds if deed not in own]
            yield self._moved(taken, own)
            for deed in own:
                yield from self._done(deed)
        for deed in deeds:
            if deed.move is None:
                yield from self._done(deed)
        if insight is None:
            yield from (self._request(it, cause) for it, cause in self._requests if not self._is_standing(it, cause))
        yield from map(_alert, self._alerts)
        if traced.over:
            yield Line("round", self._over())
        yield from (Line("finish", it.text) for it in (insight.effects if insight else ()) if isinstance(it, Finish))

    def _is_standing(self, intent: Intent, cause: Cause) -> bool:
        return intent.purpose in COVERING if self._insight is None else cause.deed is None

    # --- what came in

    def _worth_telling(self) -> bool:
        """Without consequences: not what only confirms what was said before."""
        given = self._traced.step.given
        if isinstance(given, OrderUpdate):
            return given.state in (OrderState.CANCELED, OrderState.FAILED) or bool(self._traced.fills)
        if isinstance(given, Answered) and isinstance(given.reply, Accepted) and given.request is Request.PLACE:
            order = self._trace.orders.get(given.client_id)
            return order is not None and order.purpose in RESTING  # others have filled as soon as they are accepted
        return not isinstance(given, Margin | TimerFired | Fill | None) or bool(self._traced.fills)

    def _given(self) -> Iterator[Line]:
        traced, given = self._traced, self._traced.step.given
        if traced.step.seq == self._trace.round.began_seq:
            side = self._trace.round.side
            text = f"{self._trace.round.round} begins{f', opening side {side}' if side else ''}"
            yield Line("round", text, () if given is None else (f"set off by: {given_text(given)}",))
        elif traced.fills:
            for fill in traced.fills:
                yield Line("fill", f"{fill_text(fill)} ({fill.client_id or 'no order of ours'})", self._closed(fill))
        elif given is None:
            yield Line("lost", "what came in here is not in the journal, or not yet")
        else:
            yield Line(input_word(given), f"{given_text(given)}{self._waited()}")

    def _closed(self, fill: FillRow) -> tuple[str, ...]:
        told = () if fill.change else ("told before by the order's state",)
        return (*told, *(_pair_text(pair) for pair in self._traced.closed if pair.closed == fill))

    def _waited(self) -> str:
        armed_ns = None if self._insight is None else self._insight.armed_ns
        return "" if armed_ns is None else f", after {span_text(self._traced.step.at_ns - armed_ns)}"

    # --- what the standing rules did

    def _waits(self) -> Iterator[Line]:
        for choice in () if self._insight is None else self._insight.choices:
            if choice.account is None:
                yield Line("hedge", f"waits: {need_text(choice)}", (choice_text(choice),))

    def _request(self, intent: Intent, cause: Cause) -> Line:
        if intent.kind == "cancel":
            why = () if cause.deed is not None or self._insight is None else (standing_text(self._insight),)
            return Line("cancel", f"{intent.account} {intent.client_id}", (*why, *self._dropped(intent)))
        return Line(
            intent.purpose or intent.kind, f"{order_text(intent)} ({intent.client_id})",
            tuple(self._order_detail(intent, cause)),
        )  # fmt: skip

    def _order_detail(self, intent: Intent, cause: Cause) -> Iterator[str]:
        if cause.choice is not None:
            yield f"{need_text(cause.choice)}; {choice_text(cause.choice)}"
        quote = None if self._insight is None else self._insight.books.get((intent.venue or "", intent.symbol))
        if quote is not None:
            yield quote_text(quote, self._traced.step.at_ns)
        order = self._trace.orders.get(intent.client_id)
        if order is not None:
            latency = latency_text(
                order.received_ns, order.decoded_ns, order.decided_ns, order.signed_ns, order.written_ns
            )
            yield from (latency,) if latency else ()
        else:
            yield "the journal does not know what became of it"
        yield from self._dropped(intent)

    def _dropped(self, intent: Intent) -> Iterator[str]:
        for send in self._trace.sends.get(intent.client_id, ()):
            if send.request == intent.kind and send.dropped is not None:
                yield f"not sent: {send.dropped}"

    # --- what the chart did

    def _moved(self, taken: Taken, deeds: list[Deed]) -> Line:
        """A row that only notes something is the note itself."""
        row = by_row(taken.event, None if taken.move is None else taken.move.row)
        if taken.target is not None:
            return Line("state", f"{taken.source} -> {taken.target}", (row, *self._drawn(taken)))
        noted = [deed for deed in deeds if deed.verb in ("note", "alert")]
        if len(noted) == 1 and self._alerts:
            said = _alert(next(it for it in self._alerts if it.text == noted[0].arguments["text"]))
            self._alerts = [it for it in self._alerts if it.text != noted[0].arguments["text"]]
            return Line(said.word, said.text, (f"stays in {taken.source}: {row}",))
        return Line("state", f"stays in {taken.source}", (row,))

    def _drawn(self, taken: Taken) -> Iterator[str]:
        """How long a time drawn by chance will be, of the delays of the state that was entered."""
        insight = self._insight
        if insight is None or taken.target is None:
            return
        for effect in insight.effects:
            if isinstance(effect, ArmTimer) and self._trace.drawn.get(effect.name) == taken.target:
                yield f"{effect.name.rpartition(':')[2]} drawn: {span_text(effect.at_ns - insight.at_ns)}"

    def _done(self, deed: Deed) -> Iterator[Line]:
        for intent, cause in self._requests:
            if cause.deed is deed:
                yield self._request(intent, cause)
        for effect in deed.effects:
            if isinstance(effect, AskOrder):
                yield Line("ask", f"{effect.account} about {effect.client_id}")
            elif isinstance(effect, AskPositions):
                yield Line("ask", f"for the positions of {', '.join(effect.accounts)}")

    def _over(self) -> str:
        it = self._trace.round
        parts = [
            f"{word} {number(value)}"
            for word, value in (("opened", it.opened), ("closed", it.closed), ("residue", it.residue))
            if value is not None
        ]
        if it.fees is not None and it.cash is not None:
            parts += [f"fees {money(it.fees)}", f"cash {money(it.cash, sign=True)}"]
        return f"{it.round} over: {', '.join(parts)}"


def _pair_text(pair: Pair) -> str:
    """`closes 0.0059 of e1r1lopeninga1 (trade 1), open for 10.0 ms`."""
    opened = pair.opened
    name = opened.client_id or "no order of ours"
    return f"closes {number(pair.qty)} of {name} (trade {opened.trade_id}), open for {span_text(pair.open_ns)}"


_ALERTS = {Level.INFO: "note", Level.WARNING: "warning", Level.PERSON: "ALERT"}


def _alert(alert: AlertRow) -> Line:
    said = alert.text if alert.code in ("note", "round_cost") else f"{alert.code}: {alert.text}"
    return Line("cost" if alert.code == "round_cost" else _ALERTS[alert.level], said)
