"""What Backpack's replies say. Pure. Readers raise BadFrame for what they cannot read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.backpack.wire.codes import (
    AUTH_CODES,
    DUPLICATE_WORDS,
    MESSAGE_REFUSALS,
    RATE_CODE,
    REFUSALS,
    STATES,
    SYSTEM_ORDERS,
    UNKNOWN_CODES,
)
from exchanges.backpack.wire.stream import client_id_of, expired, side_of, trade_id_of
from exchanges.errors import AuthFailed, BadFrame, ExchangeError, OutcomeUnknown, RateLimited, Rejected
from exchanges.facts import BookFacts, OrderFacts, PositionRow, Trade
from exchanges.fields import decimal_of, entry, integer_of, json_of, listing, mapping, milliseconds, one_line, text_of
from exchanges.types import ZERO, FillKind, Instrument, Margin, MarketKind, OrderState, Refusal, Side
from exchanges.values import quick

BPS = Decimal(10_000)


def judge(status: int, body: bytes) -> ExchangeError | None:
    """What the venue's own words say of a request that went wrong; None where they say nothing that counts.

    A refusal is only what the venue itself refused with a code, or in its one known plain text. An error page of
    something in between, an empty body and every 5xx leave the outcome unknown.
    """
    try:
        said = json_of(body)
    except BadFrame:
        if status == 400 and b"parse request payload" in body[:200].lower():
            return Rejected(Refusal.VENUE, one_line(body[:400].decode("utf-8", "replace"), 160))
        return None
    return _judged(status, said)


def _judged(status: int, said: Any) -> ExchangeError | None:
    code = said.get("code") if isinstance(said, dict) else None
    if not isinstance(code, str) or not code:
        return None
    text = f"{one_line(code, 40)}: {one_line(said.get('message', ''), 160)}"
    if status >= 500 or code in UNKNOWN_CODES:
        return OutcomeUnknown(text)
    if code == RATE_CODE or status == 429:
        return RateLimited(text, retry_ms=0)
    if code in AUTH_CODES:
        return AuthFailed(text)
    return Rejected(refusal_of(code, str(said.get("message", ""))), text)


def refusal_of(code: str, message_text: str) -> Refusal:
    """Why; by the message first: one code covers several reasons."""
    words = message_text.lower().replace("-", " ").replace("_", " ")
    if any(each in words for each in DUPLICATE_WORDS):
        return Refusal.DUPLICATE_ID  # we send none that is out of range; the words for this are not documented
    for text, refusal in MESSAGE_REFUSALS:
        if text in words:
            return refusal
    return REFUSALS.get(code, Refusal.VENUE)


def order_reply(said: object) -> OrderFacts:
    """An order object of REST: of a reply, the open orders or the history. Raises: BadFrame."""
    order = mapping(said, "order")
    name = text_of(order, "status")
    state, cum = STATES.get(name), decimal_of(order, "executedQuantity", at_least_zero=True)
    if state is None:
        raise BadFrame(f"status: {one_line(name, 40)} is no known one")
    refusal, text = None, ""
    if name == "Expired":
        text = one_line(order.get("expiryReason") or "expired", 80)
        state, refusal = expired(text, cum)
    elif state is OrderState.OPEN and cum > 0:
        state = OrderState.PARTIALLY_FILLED
    system = order.get("systemOrderType")
    return OrderFacts(
        text_of(order, "symbol"), side_of(order, "side"), text_of(order, "id"), client_id_of(order.get("clientId")),
        decimal_of(order, "quantity", at_least_zero=True) if order.get("quantity") is not None else cum,
        decimal_of(order, "price") if order.get("price") is not None else None,
        state, cum, milliseconds(order.get("createdAt"), "createdAt"), order.get("reduceOnly") is True,
        FillKind.TRADE if system is None else SYSTEM_ORDERS.get(str(system), FillKind.LIQUIDATION),
        refusal, text,
    )  # fmt: skip


def one_order(body: bytes) -> OrderFacts:
    return order_reply(json_of(body))


def order_list(body: bytes) -> list[OrderFacts]:
    return [order_reply(it) for it in listing(json_of(body), "orders")]


def batch_reply(body: bytes, count: int) -> list[OrderFacts | ExchangeError]:
    """The answers of a batch, in the order of its orders. Raises: BadFrame if they are not as many."""
    items = listing(json_of(body), "batch")
    if len(items) != count:
        raise BadFrame(f"batch: {len(items)} answers to {count} orders")
    return [_batch_item(mapping(item, "batch item")) for item in items]


def _batch_item(item: Mapping[str, Any]) -> OrderFacts | ExchangeError:
    try:
        if item.get("operation") == "Ok":
            return order_reply(item)
        return _judged(200, item) or OutcomeUnknown("the answer names no error")
    except BadFrame as error:
        return OutcomeUnknown(f"its answer cannot be read: {error}")


@quick
@dataclass(frozen=True, slots=True)
class FillRow:
    """One row of the fill history."""

    symbol: str
    side: Side
    order_id: str
    client_id: str
    at_ms: int
    kind: FillKind
    trade: Trade


def page(body: bytes) -> list[object]:
    """The rows of one page of the history of fills, unread. Raises: BadFrame."""
    return listing(json_of(body), "fills")


def fill_rows(pages: Iterable[Iterable[object]]) -> list[FillRow]:
    """Rows of the history, oldest first. Raises: BadFrame."""
    rows = sorted(
        (mapping(it, "fill") for page in pages for it in page),
        key=lambda it: milliseconds(it.get("timestamp"), "timestamp"),
    )
    filled: dict[str, Decimal] = {}
    return [_fill_row(row, filled) for row in rows]


def _fill_row(row: Mapping[str, Any], filled: dict[str, Decimal]) -> FillRow:
    order_id, qty, price = text_of(row, "orderId"), decimal_of(row, "quantity"), decimal_of(row, "price")
    if qty <= 0 or price <= 0:
        raise BadFrame(f"a fill of {qty} at {price}")
    if type(row.get("isMaker")) is not bool:
        raise BadFrame("isMaker: expected true or false")
    filled[order_id] = cum = filled.get(order_id, ZERO) + qty
    system = row.get("systemOrderType")
    return FillRow(
        text_of(row, "symbol"), side_of(row, "side"), order_id, client_id_of(row.get("clientId")),
        milliseconds(row.get("timestamp"), "timestamp"),
        FillKind.TRADE if system is None else SYSTEM_ORDERS.get(str(system), FillKind.LIQUIDATION),
        Trade(
            trade_id_of(row.get("tradeId"), cum), qty, price, decimal_of(row, "fee"), text_of(row, "feeSymbol"),
            row["isMaker"],
        ),
    )  # fmt: skip


def position_rows(body: bytes) -> list[PositionRow]:
    """Signed positions; a flat symbol is absent. Raises: BadFrame."""
    return [_position_row(mapping(it, "position")) for it in listing(json_of(body), "positions")]


def _position_row(row: Mapping[str, Any]) -> PositionRow:
    at = decimal_of(row, "estLiquidationPrice") if row.get("estLiquidationPrice") is not None else ZERO
    return PositionRow(
        text_of(row, "symbol"), decimal_of(row, "netQuantity"), decimal_of(row, "entryPrice"), at if at > 0 else None,
        decimal_of(row, "markPrice") if row.get("markPrice") is not None else None,
    )  # fmt: skip


def margin_of(collateral_body: bytes, positions_body: bytes, account: str) -> Margin:
    """Equity and what of it is free, in quote units, and what the positions need. Raises: BadFrame.

    The account's own `mmf` is not explained in the documents (of equity, or of exposure?); each position's is.
    """
    said = mapping(json_of(collateral_body), "collateral")
    need = ZERO
    for it in listing(json_of(positions_body), "positions"):
        row = mapping(it, "position")
        need += decimal_of(row, "mmf") * abs(decimal_of(row, "netQuantity") * decimal_of(row, "markPrice"))
    return Margin(account, decimal_of(said, "netEquity"), decimal_of(said, "netEquityAvailable"), need)


def asset_total(body: bytes, asset: str) -> Decimal:
    """What the account has of one asset, lent and locked included; 0 where it is not listed. Raises: BadFrame."""
    for it in listing(mapping(json_of(body), "collateral").get("collateral"), "collateral"):
        row = mapping(it, "collateral row")
        if row.get("symbol") == asset:
            return decimal_of(row, "totalQuantity")
    return ZERO


def leverage_of(account_body: bytes) -> Decimal | None:
    """Raises: BadFrame."""
    said = mapping(json_of(account_body), "account")
    return None if said.get("leverageLimit") is None else decimal_of(said, "leverageLimit")


def instrument_of(market_body: bytes, account_body: bytes, *, venue: str, market: str) -> Instrument:
    """A market with the account's fees (basis points). Raises: BadFrame; Rejected for a kind that we do not trade."""
    said, account = mapping(json_of(market_body), "market"), mapping(json_of(account_body), "account")
    kind = {"PERP": MarketKind.PERP, "SPOT": MarketKind.SPOT}.get(text_of(said, "marketType"))
    if kind is None:
        raise Rejected(
            Refusal.UNSUPPORTED,
            f"{one_line(text_of(said, 'symbol'), 40)} is a {one_line(said['marketType'], 40)} market",
        )
    filters = entry(said, "filters")
    price, quantity = entry(filters, "price"), entry(filters, "quantity")
    fees = "futures" if kind is MarketKind.PERP else "spot"
    instrument = Instrument(
        venue=venue, symbol=text_of(said, "symbol"), market=market, kind=kind,
        base=text_of(said, "baseSymbol"), quote=text_of(said, "quoteSymbol"),
        tick=decimal_of(price, "tickSize"), lot=decimal_of(quantity, "stepSize"),
        min_qty=decimal_of(quantity, "minQuantity"),
        max_qty=decimal_of(quantity, "maxQuantity") if quantity.get("maxQuantity") is not None else None,
        maker_fee=decimal_of(account, f"{fees}MakerFee") / BPS, taker_fee=decimal_of(account, f"{fees}TakerFee") / BPS,
        initial_margin=_margin(said, "imfFunction", account) if kind is MarketKind.PERP else Decimal(1),
        maintenance_margin=_margin(said, "mmfFunction", None) if kind is MarketKind.PERP else ZERO,
        fee_in_received=kind is MarketKind.SPOT,  # a captured spot fill paid in the bought asset; not documented
    )  # fmt: skip
    if instrument.tick <= 0 or instrument.lot <= 0:
        raise BadFrame(
            f"{one_line(instrument.symbol, 40)}: tick {instrument.tick} and step {instrument.lot} must be above 0"
        )
    return instrument


def book_state(market_body: bytes) -> str:
    return text_of(mapping(json_of(market_body), "market"), "orderBookState")


def _margin(said: Mapping[str, Any], name: str, account: Mapping[str, Any] | None) -> Decimal:
    """The fraction of the smallest position; it grows with size. An account's leverage limit may ask for more."""
    fraction = decimal_of(entry(said, name), "base") if said.get(name) is not None else Decimal("0.1")
    if account is not None and account.get("leverageLimit") is not None:
        leverage = decimal_of(account, "leverageLimit")
        if leverage > 0:
            fraction = max(fraction, 1 / leverage)
    return fraction


def depth_best(body: bytes, symbol: str) -> BookFacts:
    """Best bid and offer of a snapshot, whose levels may stand in any order. Raises: BadFrame."""
    said = mapping(json_of(body), "depth")
    bids = [_pair(it) for it in listing(said.get("bids"), "bids")]
    asks = [_pair(it) for it in listing(said.get("asks"), "asks")]
    bid = max((it for it in bids if it[1] > 0), default=(ZERO, ZERO))
    ask = min((it for it in asks if it[1] > 0), default=(ZERO, ZERO))
    return BookFacts(symbol, *bid, *ask, integer_of(said, "lastUpdateId"), integer_of(said, "timestamp") // 1000)


def _pair(level: object) -> tuple[Decimal, Decimal]:
    pair = listing(level, "level")
    if len(pair) != 2:
        raise BadFrame("level: expected price and quantity")
    both = {"price": pair[0], "quantity": pair[1]}
    return decimal_of(both, "price"), decimal_of(both, "quantity", at_least_zero=True)


def server_ms(body: bytes) -> int:
    """The venue's clock, sent as plain text. Raises: BadFrame."""
    return integer_of({"time": body.decode("ascii", "replace").strip()}, "time")


def maintenance(body: bytes) -> str:
    """Why the venue is closed; empty if it is open. Raises: BadFrame."""
    said = mapping(json_of(body), "status")
    name = text_of(said, "status")
    return "" if name == "Ok" else f"{one_line(name, 40)}: {one_line(said.get('message') or 'no reason given', 160)}"


def newest(rows: Iterable[OrderFacts], client_id: str) -> OrderFacts | None:
    """The order of this client id that was made last: an id may come back once its order has ended."""
    return max((it for it in rows if it.client_id == client_id), key=lambda it: it.at_ms, default=None)
