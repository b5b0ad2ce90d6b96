"""The reasons of an order as lines to read: event, state, row or rule, verb, request, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.chart.model import Flow, Move
from engine.chart.yaml_nodes import read_nodes
from engine.review.causes import choice_text, need_text, standing_text
from engine.review.facts import FillRow, OrderRow, Step
from engine.review.story import Line, Moment
from engine.review.walk import Deed, Insight
from engine.review.why import OrderStory, Reason
from engine.review.words import (
    by_row,
    fill_text,
    given_text,
    input_word,
    money,
    number,
    order_text,
    price_text,
    quote_text,
    seconds,
    span_text,
)
from engine.trading.effects import PlaceOrder
from engine.trading.hedging import HedgeRule
from engine.trading.sections import LegSpec
from exchanges.types import OrderState

__all__ = ["end_lines", "head_text", "life_of", "reason_lines"]


def head_text(story: OrderStory) -> str:
    """`e1r2lhedgea1: chick-1 sell 0.02 ETH-PERP at market on paper-b, hedge of round 2`."""
    it = story.placed.request
    return f"{it.client_id}: {order_text(it)}, {it.symbol} on {it.venue}, {it.purpose} of round {it.round}"


def reason_lines(story: OrderStory, reason: Reason) -> Iterator[Line]:
    """Event, state, rows or rule, and the request itself."""
    yield from _event(story, reason)
    insight, cause = reason.insight, reason.cause
    if insight is not None and cause is not None:
        yield Line("state", f"{insight.leaf}, for {span_text(insight.at_ns - insight.since_ns)}")
        if cause.deed is not None:
            yield from _rows(insight, cause.deed)
            yield _verb(story.flow, cause.deed)
        elif cause.choice is not None:
            yield Line("rule", _rule_text(story.flow), (f"{need_text(cause.choice)}; {choice_text(cause.choice)}",))
        else:
            yield Line("rule", standing_text(insight))
    if reason.request.kind == "cancel":
        yield Line("cancel", f"{reason.request.account} {reason.request.client_id}")
    else:
        yield Line("order", _request_text(reason), tuple(_request_detail(story, reason)))


def _event(story: OrderStory, reason: Reason) -> Iterator[Line]:
    at = reason.request.at_ns if reason.step is None else reason.step.at_ns
    when = f"step {reason.request.seq}"
    if story.began_ns is not None and at >= story.began_ns:
        when = f"{when}, {seconds(at - story.began_ns)} s after its round began"
    if reason.step is None or reason.step.given is None:
        yield Line("event", f"{when}: what came in is not in the journal, or not yet")
        return
    given = reason.step.given
    armed = None if reason.insight is None else reason.insight.armed_ns
    waited = "" if armed is None else f", after {span_text(at - armed)}"
    yield Line("event", f"{input_word(given)}: {given_text(given)}{waited}", (when,))


def _rows(insight: Insight, deed: Deed) -> Iterator[Line]:
    """The rows that the step took up to the one that asked for it."""
    for move in insight.moves:
        path = f"stays in {move.source}" if move.target is None else f"{move.source} -> {move.target}"
        yield Line("row", path, (_row_text(move),))
        if move is deed.move:
            return


def _row_text(move: Move) -> str:
    return by_row(move.event, move.row)


def _verb(flow: Flow | None, deed: Deed) -> Line:
    """With its arguments as they were computed."""
    said = " ".join([deed.verb, *(str(value) for value in deed.arguments.values())])
    where = "" if deed.action is None else f", line {deed.action.span.line}"
    return Line("verb", f"{said}{where}", tuple(_leg_text(flow, str(deed.arguments.get("leg", "")))))


def _leg_text(flow: Flow | None, name: str) -> Iterator[str]:
    """What the flow says of the leg that is ordered for."""
    legs = {} if flow is None else flow.sections["legs"].value
    leg = legs.get(name) if isinstance(legs, dict) else None
    if isinstance(leg, LegSpec):
        said = [("buys", leg.buys), ("quantity", leg.quantity), ("offset", leg.offset)]
        words = [f"{word}: {' '.join(it.source.split())}" for word, it in said if it is not None]
        yield f"leg {name}, line {leg.buys.span.line}: {'; '.join(words)}"


def _rule_text(flow: Flow | None) -> str:
    """The flow's hedging rule and where it stands."""
    rule = None if flow is None else flow.sections["hedging"].value
    if flow is None or not isinstance(rule, HedgeRule):
        return "the standing hedging rule"
    root = read_nodes(flow.text, file=flow.file)
    line = root.keys["hedging"].span.line  # type: ignore[union-attr]
    if rule.source:
        return f"what the fills of {rule.source} left open is hedged by {rule.choose}({rule.role}), line {line}"
    return f"every fill of {', '.join(rule.legs)} is hedged by {rule.choose}({rule.role}), line {line}"


def _request_text(reason: Reason) -> str:
    it = reason.request
    covers = f", covers {number(it.covers, sign=True)}" if it.covers else ""
    return f"{order_text(it)}{covers}"


def _request_detail(story: OrderStory, reason: Reason) -> Iterator[str]:
    it, insight = reason.request, reason.insight
    if insight is not None:
        quote = insight.books.get((it.venue or "", it.symbol))
        if quote is not None:
            yield quote_text(quote, insight.at_ns)
        for effect in insight.effects:
            if isinstance(effect, PlaceOrder) and effect.request.client_id == it.client_id:
                worst = effect.request.worst_price
                yield from () if worst is None else (f"worst price {worst:f}",)
    if story.order is not None:
        yield from _stamps(story.order)


def _stamps(order: OrderRow) -> Iterator[str]:
    """The five stamps, from the first that is known."""
    known = [
        (word, at)
        for word, at in (
            ("received", order.received_ns),
            ("decoded", order.decoded_ns),
            ("decided", order.decided_ns),
            ("signed", order.signed_ns),
            ("written", order.written_ns),
        )
        if at
    ]
    if not known:
        return
    first, start = known[0]
    told = [f"{word} +{span_text(at - start)}" for word, at in known[1:]]
    if len(known) > 1 and known[-1][1] == start:
        told = [f"{known[-1][0]} in the same moment"]  # virtual time, in which a step takes none
    yield ", ".join([f"{first} at {seconds(start)} s", *told])


# --- what became of it


def life_of(story: OrderStory) -> list[Moment]:
    """News of the order, cancels and what became of its requests at the wire, in the order of their time."""
    told = [(step.at_ns, 0, _news(step)) for step in story.life]
    told += [
        (reason.request.at_ns, 1, Line("cancel", f"asked for in step {reason.request.seq}")) for reason in story.cancels
    ]
    told += [
        (send.at_ns, 2, Line("dropped" if send.dropped else "sent", _send_text(send.request, send.dropped)))
        for send in story.sends
    ]
    return [Moment(at_ns, (line,), None, 1, at_ns) for at_ns, _, line in sorted(told, key=lambda it: it[:2])]


def _send_text(request: str, dropped: str | None) -> str:
    what = "the order" if request == "place" else "the cancel"
    return f"{what} went out" if dropped is None else f"{what} did not go out: {dropped}"


def _news(step: Step) -> Line:
    assert step.given is not None
    if step.fills:
        return Line("fill", " and ".join(f"{fill_text(fill)} (trade {fill.trade_id})" for fill in step.fills))
    return Line(input_word(step.given), given_text(step.given))


def end_lines(story: OrderStory) -> Iterator[Line]:
    """What it closed, what closed it, how it ended."""
    for pair in story.closed:
        yield Line("closes", f"{number(pair.qty)} of {_named(pair.opened)}, after {span_text(pair.open_ns)}")
    for pair in story.closed_by:
        yield Line("closed", f"{number(pair.qty)} by {_named(pair.closed)}, after {span_text(pair.open_ns)}")
    yield Line("end", _end_text(story))


def _named(fill: FillRow) -> str:
    """`e1r2lopeninga1 (open, trade 5)`."""
    return f"{fill.client_id or 'no order of ours'} ({fill.purpose or fill.kind}, trade {fill.trade_id})"


def _end_text(story: OrderStory) -> str:
    order = story.order
    if order is None:
        return "unknown: the journal has its intent and nothing else"
    filled = f"{number(order.filled)} of {number(order.qty)} filled"
    if order.avg_price is not None and order.fee is not None:
        filled = f"{filled} {price_text(order.avg_price)} on average, fee {money(order.fee)} {order.fee_asset}"
    state = OrderState(order.state)
    return f"{state.value.replace('_', ' ')}, {filled}{'' if state.terminal else '; the journal knows no end of it'}"
