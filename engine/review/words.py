"""How a review says things: quantities, times, orders, fills and inputs, in the words of the run's own screen."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import assert_never

from engine.chart.model import Row
from engine.review.facts import FillRow, Intent
from engine.trading.inputs import (
    Answered,
    Carried,
    ClockJumped,
    Counted,
    Input,
    LeftOut,
    Looked,
    MarketSeen,
    NotSent,
    PauseAsked,
    Recalled,
    Reconfigured,
    Relisted,
    SourceChecked,
    Started,
    StopAsked,
    TimerFired,
)
from exchanges.types import (
    Accepted,
    Fill,
    FillKind,
    LinkUpdate,
    Liquidity,
    Margin,
    OrderUpdate,
    Quote,
    Refused,
    Side,
)

__all__ = [
    "by_row",
    "event_text",
    "fill_text",
    "given_text",
    "input_word",
    "latency_text",
    "money",
    "number",
    "order_text",
    "price_text",
    "quote_text",
    "seconds",
    "span_text",
]


def number(value: Decimal, *, sign: bool = False) -> str:
    """A quantity without trailing zeros and exponents."""
    return "0" if not value else f"{value.normalize():{'+' if sign else ''}f}"


def money(value: Decimal, *, sign: bool = False) -> str:
    """Four significant digits, for the eye."""
    return number(Context(prec=4).plus(value), sign=sign)


def seconds(ns: int) -> str:
    """Seconds with three places: `13.240`."""
    ms = ns // 1_000_000
    return f"{ms // 1000}.{ms % 1000:03}"


def span_text(ns: int) -> str:
    """A length of time in the unit that fits: `740 us`, `9.8 ms`, `1.564 s`."""
    if ns < 1_000_000:
        return f"{ns // 1000} us"
    if ns < 1_000_000_000:
        return f"{ns // 100_000 // 10}.{ns // 100_000 % 10} ms"
    return f"{seconds(ns)} s"


# --- the chart


def event_text(event: str) -> str:
    """The event of a move as its flow would write it; a row without an event is `always`."""
    kind, _, rest = event.partition(":")
    match kind:
        case "":
            return "always"
        case "after":
            return f"after {rest.rpartition(':')[2]}"
        case "done":
            return "the answer came"
        case "error":
            return "no answer came"
        case _:
            return event


def by_row(event: str, row: Row | None) -> str:
    """What made the chart move: `order.filled [opening.filled > 0], line 148, because E6`."""
    words = [event_text(event)]
    if row is not None:
        if row.when is not None:
            words[0] = f"{words[0]} [{' '.join(row.when.source.split())}]"
        words.append(f"line {row.span.line}")
        if row.because:
            words.append(f"because {row.because}")
    return ", ".join(words)


# --- orders, fills, quotes


def price_text(price: Decimal | None) -> str:
    """A price with the digits of its tick."""
    return "at market" if price is None else f"at {price:f}"


def order_text(order: Intent) -> str:
    """`hawk buy 0.02 at 2600.00 post-only`."""
    words = [word for word, said in (("post-only", order.post_only), ("reduce-only", order.reduce_only)) if said]
    if order.tif == "ioc" and order.price is not None:
        words.append("ioc")
    qty = "" if order.qty is None else number(order.qty)
    return " ".join([f"{order.account} {order.side} {qty} {price_text(order.price)}", *words])


def fill_text(fill: FillRow) -> str:
    """`hawk bought 0.02 at 2600.00 as maker, fee 0.0104 USD`."""
    verb = "bought" if fill.side == Side.BUY.value else "sold"
    words = [f"{fill.account} {verb} {number(fill.qty)}"]
    if fill.price is not None:
        words.append(price_text(fill.price))
    if fill.provisional:
        words.append("by the order's state; its rows come later")
        return " ".join(words)
    if fill.liquidity != Liquidity.UNKNOWN.value:
        words.append(f"as {fill.liquidity}")
    kind = "" if fill.kind == FillKind.TRADE.value else f" ({fill.kind})"
    return f"{' '.join(words)}, fee {money(fill.fee)} {fill.fee_asset}{kind}"


def quote_text(quote: Quote, at_ns: int) -> str:
    """`book of paper-a 2599.90 / 2600.01, 11.2 ms old`."""
    age = span_text(max(at_ns - quote.recv_ns, 0))
    return f"book of {quote.venue} {quote.bid:f} / {quote.ask:f}, {age} old"


def latency_text(
    received_ns: int | None, decoded_ns: int | None, decided_ns: int | None, signed_ns: int | None,
    written_ns: int | None,
) -> str:  # fmt: skip
    """Times since the frame, or since the decision where no frame led to it.

    Empty while nothing is known, and in virtual time, where a step takes none.
    """
    start = received_ns or decided_ns
    if start is None or not written_ns or written_ns == start:
        return ""
    steps = [("decoded", decoded_ns), ("decided", decided_ns if received_ns else None), ("signed", signed_ns)]
    inside = [f"{word} {span_text(at - start)}" for word, at in steps if at]
    whole = f"{'frame' if received_ns else 'decision'} to wire {span_text(written_ns - start)}"
    return f"{whole} ({', '.join(inside)})" if inside else whole


# --- inputs


_WORDS: dict[type, str] = {
    Fill: "fill",
    OrderUpdate: "order",
    Answered: "answer",
    NotSent: "not sent",
    Looked: "found",
    Counted: "counted",
    TimerFired: "timer",
    LinkUpdate: "link",
    Margin: "margin",
    MarketSeen: "market",
    StopAsked: "STOP",
    PauseAsked: "pause",
    ClockJumped: "clock",
    Reconfigured: "settings",
    Carried: "left over",
    Recalled: "recalled",
    LeftOut: "left out",
    Relisted: "listed",
    SourceChecked: "compared",
    Started: "start",
}


def input_word(given: Input) -> str:
    return _WORDS[type(given)]


def given_text(given: Input) -> str:
    """An input in one line; what a fill or order is about is said in full."""
    match given:
        case Fill():
            verb = "bought" if given.side is Side.BUY else "sold"
            return (
                f"{given.account} {verb} {number(given.qty)} {given.symbol} {price_text(given.price)} as"
                f" {given.liquidity.value} (trade {given.trade_id} of {given.client_id or 'no order of ours'})"
            )
        case OrderUpdate():
            return _state_text(given)
        case Answered():
            return _answer_text(given)
        case NotSent():
            return f"the {given.request.value} of {given.client_id} was dropped before the wire: {given.why}"
        case Looked():
            return _looked_text(given)
        case Counted():
            return _counted_text(given)
        case TimerFired():
            return _timer_text(given)
        case LinkUpdate():
            return f"{given.account}: stream {given.state.value}{f' ({given.text})' if given.text else ''}"
        case Margin():
            return f"{given.account}: equity {money(given.equity)}, free {money(given.free)}"
        case MarketSeen():
            words = "all market guards are content" if given.open else f"closed: {given.text or given.reason}"
            return words if given.pause_factor == 1 else f"{words}, pauses x{given.pause_factor}"
        case StopAsked():
            return "a person asks to stop in order" if given.level == 1 else "a person asks to flatten now"
        case PauseAsked():
            return "a person asks for no opening" if given.paused else "a person allows openings again"
        case ClockJumped():
            return f"the machine stood still for {span_text(given.gap_ns)}"
        case Reconfigured():
            return f"settings of version {given.version}"
        case Carried():
            left = sum(it.ours != 0 for it in given.held)
            return f"earlier runs left positions on {left} accounts and {len(given.orders)} orders without an end"
        case Recalled():
            return f"{given.client_id} read back from the journal: {given.state.value}, filled {number(given.filled)}"
        case Started():
            return "all accounts are connected and read"
        case LeftOut():
            return f"{given.account} ({given.why.replace('_', ' ')}): {given.text}"
        case Relisted():
            return f"{given.account}: prices in steps of {number(given.tick)}, sizes of {number(given.lot)}"
        case SourceChecked():
            return f"{given.account} agrees with its venue's list of orders"
    assert_never(given)


def _state_text(update: OrderUpdate) -> str:
    why = "" if update.refusal is None else f" ({' '.join(filter(None, (update.refusal.value, update.text)))})"
    filled = f"filled {number(update.cum_qty)} of {number(update.qty)}"
    return f"{update.account} {update.client_id} is {update.state.value.replace('_', ' ')}, {filled}{why}"


def _answer_text(given: Answered) -> str:
    what = given.client_id if given.request.value == "place" else f"the cancel of {given.client_id}"
    reply = given.reply
    if isinstance(reply, Accepted):
        order = f" as {reply.order_id}" if given.request.value == "place" and reply.order_id else ""
        return f"{what} accepted{order}"
    if isinstance(reply, Refused):
        return ": ".join(filter(None, (f"{what} refused ({reply.refusal.value})", reply.text)))
    return ": ".join(filter(None, (f"{what} outcome unknown", reply.text)))


def _looked_text(given: Looked) -> str:
    if given.update is not None:
        return _state_text(given.update)
    if given.ok:
        return f"the venue knows no {given.client_id}"
    return f"no answer about {given.client_id}: {given.text}"


def _counted_text(given: Counted) -> str:
    if not given.ok:
        return f"positions could not be read: {given.text}"
    held = ", ".join(f"{it.account} {number(it.qty, sign=True)}" for it in given.positions if it.qty)
    quiet = "" if given.quiet else ", but something moved meanwhile"
    return f"positions read: {held or 'all flat'}{quiet}"


_TIMERS = {
    "soft age": "exposure has reached its soft age",
    "hard age": "exposure has reached its hard age",
    "resync": "the wait for resyncs is over",
    "batch": "the rest of an answer did not come in time",
    "again": "every rung refused; try again",
    "reconcile": "time to compare ledger and venue",
}


def _timer_text(given: TimerFired) -> str:
    if given.owner == "inquiry":
        return f"time to look after {given.name}"
    kind, _, rest = given.name.partition(":")
    match kind:
        case "after":
            state, _, delay = rest.rpartition(":")
            return f"{delay} of {state} is over"
        case "timeout":
            return f"{rest} waited in vain for its answer"
        case "retry":
            return f"{rest} asks again"
    return _TIMERS.get(given.name, f"{given.name} ({given.owner})")
