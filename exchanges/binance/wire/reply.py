"""What Binance's replies say, by REST and by the WebSocket API. Pure.

Readers raise BadFrame for what they cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.binance.wire.codes import (
    AUTH_CODES,
    MESSAGE_REFUSALS,
    RATE_CODES,
    REFUSALS,
    STATES,
    UNKNOWN_CODES,
    UNTIMELY_CODE,
)
from exchanges.binance.wire.stream import cause_of, client_id_of, ended, known, side_of
from exchanges.errors import AuthFailed, BadFrame, ExchangeError, OutcomeUnknown, RateLimited, Rejected
from exchanges.facts import BookFacts, OrderFacts, PositionRow, Trade
from exchanges.fields import decimal_of, integer_of, json_of, listing, mapping, one_line, text_of
from exchanges.types import (
    ZERO,
    FillKind,
    Instrument,
    Margin,
    MarketKind,
    OrderState,
    Refusal,
    Side,
)
from exchanges.values import quick

_TRADE = FillKind.TRADE
MARGIN_MODES = {"crossed": "cross"}


class Untimely(Rejected):
    """The venue took a request for too late or too early: it did nothing, and the next one may be in time."""


def judge(status: int, body: bytes, *, retry_ms: int) -> ExchangeError | None:
    """What the venue's own words say of a request by REST that went wrong; None where they say nothing that counts."""
    try:
        said = json_of(body)
    except BadFrame:
        return RateLimited(f"HTTP {status}", retry_ms=retry_ms) if status == 418 else None
    return judged(status, said, retry_ms=retry_ms)


def judged(status: int, said: object, *, retry_ms: int = 0) -> ExchangeError | None:
    """The error that `code` and `msg` name. A refusal is only what the venue itself refused with a code of its own.

    A 5xx leaves the outcome unknown, whatever it says. `retry_ms` is the wait that the venue names.
    """
    code = said.get("code") if isinstance(said, dict) else None
    if type(code) is not int or not isinstance(said, dict):
        return None
    words = one_line(said.get("msg", ""), 160)
    text = f"{code}: {words}"
    if status in (418, 429) or code in RATE_CODES:
        return RateLimited(text, retry_ms=retry_ms)
    if status >= 500 or code in UNKNOWN_CODES:
        return OutcomeUnknown(text)
    if code in AUTH_CODES or status in (401, 451):
        return AuthFailed(text)
    if code == UNTIMELY_CODE:
        return Untimely(Refusal.VENUE, text)
    return Rejected(refusal_of(code, words), text) if code < 0 else None


def refusal_of(code: int, words: str) -> Refusal:
    """Why; by the message first: one code covers several reasons."""
    lower = words.lower()
    for text, refusal in MESSAGE_REFUSALS:
        if text in lower:
            return refusal
    return REFUSALS.get(code, Refusal.VENUE)


def api_error(status: int, error: Mapping[str, Any], *, now_ms: int) -> ExchangeError:
    """What the WebSocket API says of a request that went wrong; `retryAfter` there is a time."""
    data = error.get("data")
    until_ms = data.get("retryAfter") if isinstance(data, dict) else None
    retry_ms = max(1, until_ms - now_ms) if type(until_ms) is int else 0
    return judged(status, error, retry_ms=retry_ms) or OutcomeUnknown(f"status {status} without words of the venue")


# --- orders


def order_of(said: object) -> OrderFacts:
    """An order object: of a reply to a new order, a cancel or a question. Raises: BadFrame.

    In the reply to a cancel on spot `clientOrderId` is the id of the cancel, and the order's own the original one.
    """
    order = mapping(said, "order")
    name, state = text_of(order, "status"), known(STATES, order.get("status"))
    if state is None:
        raise BadFrame(f"status: {one_line(name, 40)} is no known one")
    cum = decimal_of(order, "executedQty", at_least_zero=True)
    refusal, text = None, ""
    if state is OrderState.OPEN and cum > 0:
        state = OrderState.PARTIALLY_FILLED
    elif state.terminal and state is not OrderState.FILLED:
        state, refusal, text = ended(name, cum, post_only=order.get("timeInForce") == "GTX")
    client_id = client_id_of(order.get("origClientOrderId")) or client_id_of(order.get("clientOrderId"))
    kind, price = cause_of(client_id), decimal_of(order, "price", at_least_zero=True)
    at = next((name for name in ("time", "transactTime", "updateTime") if name in order), "time")
    return OrderFacts(
        text_of(order, "symbol"), side_of(order, "side"), text_of(order, "orderId"),
        client_id if kind is _TRADE else "", decimal_of(order, "origQty", at_least_zero=True), price or None, state,
        cum, integer_of(order, at), order.get("reduceOnly") is True, kind, refusal, text,
    )  # fmt: skip


def order_list(body: bytes) -> list[OrderFacts]:
    return [order_of(it) for it in listing(json_of(body), "orders")]


def batch_of(body: bytes, count: int) -> list[OrderFacts | ExchangeError]:
    """The answers of a batch, in the order of its orders. Raises: BadFrame if they are not as many."""
    items = listing(json_of(body), "batch")
    if len(items) != count:
        raise BadFrame(f"batch: {len(items)} answers to {count} orders")
    return [_batch_item(mapping(item, "batch item")) for item in items]


def _batch_item(item: Mapping[str, Any]) -> OrderFacts | ExchangeError:
    try:
        if "orderId" in item:
            return order_of(item)
        return judged(200, item) or OutcomeUnknown("the answer names no error")
    except BadFrame as error:
        return OutcomeUnknown(f"its answer cannot be read: {error}")


# --- fills


@quick
@dataclass(frozen=True, slots=True)
class FillRow:
    """One row of the account's trades, which name their order but not its client id."""

    symbol: str
    side: Side
    order_id: str
    at_ms: int
    trade: Trade


def fill_rows(body: bytes) -> list[FillRow]:
    """Raises: BadFrame."""
    return [_fill_row(mapping(it, "fill")) for it in listing(json_of(body), "fills")]


def _fill_row(row: Mapping[str, Any]) -> FillRow:
    qty, price = decimal_of(row, "qty"), decimal_of(row, "price")
    if qty <= 0 or price <= 0:
        raise BadFrame(f"a fill of {qty} at {price}")
    buyer, maker = row.get("isBuyer", row.get("buyer")), row.get("isMaker", row.get("maker"))
    if type(buyer) is not bool or type(maker) is not bool:
        raise BadFrame("buyer, maker: expected true or false")
    return FillRow(
        text_of(row, "symbol"), Side.BUY if buyer else Side.SELL, text_of(row, "orderId"), integer_of(row, "time"),
        Trade(
            text_of(row, "id"), qty, price, decimal_of(row, "commission"), text_of(row, "commissionAsset"), maker
        ),
    )  # fmt: skip


# --- the account


def position_rows(body: bytes) -> list[PositionRow]:
    """Signed positions of a one-way account. Raises: BadFrame, also for a position that is held by side."""
    return [_position_row(mapping(it, "position")) for it in listing(json_of(body), "positions")]


def _position_row(row: Mapping[str, Any]) -> PositionRow:
    if row.get("positionSide") != "BOTH":
        raise BadFrame(f"positionSide: expected BOTH, found {one_line(row.get('positionSide'), 20)}")
    at = decimal_of(row, "liquidationPrice") if row.get("liquidationPrice") is not None else ZERO
    return PositionRow(
        text_of(row, "symbol"), decimal_of(row, "positionAmt"), decimal_of(row, "entryPrice"), at if at > 0 else None,
        decimal_of(row, "markPrice") if row.get("markPrice") is not None else None,
    )  # fmt: skip


def futures_margin(body: bytes, account: str) -> Margin:
    """Raises: BadFrame."""
    said = mapping(json_of(body), "account")
    return Margin(
        account, decimal_of(said, "totalMarginBalance"), decimal_of(said, "availableBalance"),
        decimal_of(said, "totalMaintMargin"),
    )  # fmt: skip


def balances(body: bytes) -> dict[str, tuple[Decimal, Decimal]]:
    """What a spot account has of each asset: free, and bound in orders. Raises: BadFrame."""
    said = mapping(json_of(body), "account")
    rows = [mapping(it, "balance") for it in listing(said.get("balances"), "balances")]
    return {text_of(row, "asset"): (decimal_of(row, "free"), decimal_of(row, "locked")) for row in rows}


def both_sides(body: bytes) -> bool:
    """Does the account hold long and short positions apart? Raises: BadFrame."""
    said = mapping(json_of(body), "positionSide").get("dualSidePosition")
    if type(said) is not bool:
        raise BadFrame("dualSidePosition: expected true or false")
    return said


def listen_key(body: bytes) -> str:
    """Raises: BadFrame."""
    return text_of(mapping(json_of(body), "listenKey"), "listenKey")


# --- markets


@quick
@dataclass(frozen=True, slots=True)
class Fees:
    """The account's fees as ratios; `in_bnb`: they are taken in BNB, as far as there is any."""

    maker: Decimal
    taker: Decimal
    in_bnb: bool = False


def spot_fees(body: bytes) -> Fees:
    """What is taken of every trade: the standard rate and what comes on top. Raises: BadFrame."""
    said = mapping(json_of(body), "commission")
    parts = [mapping(said.get(name), name) for name in ("standardCommission", "specialCommission", "taxCommission")]
    discount = said.get("discount")
    in_bnb = (
        isinstance(discount, dict)
        and discount.get("enabledForAccount") is True
        and discount.get("enabledForSymbol") is True
    )
    maker, taker = (sum((decimal_of(part, name) for part in parts), ZERO) for name in ("maker", "taker"))
    return Fees(maker, taker, in_bnb)


def futures_fees(body: bytes) -> Fees:
    said = mapping(json_of(body), "commissionRate")
    return Fees(decimal_of(said, "makerCommissionRate"), decimal_of(said, "takerCommissionRate"))


@quick
@dataclass(frozen=True, slots=True)
class Risk:
    """Of one futures market: the leverage that the account has set, and what the smallest position must keep."""

    leverage: Decimal
    maintenance: Decimal
    margin_mode: str


def risk_of(config_body: bytes, bracket_body: bytes, symbol: str) -> Risk:
    """Raises: BadFrame."""
    config = _row_of(config_body, symbol, "symbolConfig")
    brackets = [
        mapping(it, "bracket") for it in listing(_row_of(bracket_body, symbol, "brackets").get("brackets"), "brackets")
    ]
    if not brackets:
        raise BadFrame("brackets: none")
    lowest = min(brackets, key=lambda it: decimal_of(it, "notionalFloor"))
    leverage = decimal_of(config, "leverage")
    if leverage <= 0:
        raise BadFrame(f"leverage: {leverage}")
    mode = one_line(config.get("marginType", ""), 20).lower()
    return Risk(leverage, decimal_of(lowest, "maintMarginRatio"), MARGIN_MODES.get(mode, mode))


def _row_of(body: bytes, symbol: str, name: str) -> dict[str, Any]:
    """The symbol's own row: the venue answers with a list, or where one was asked for with that alone."""
    said = json_of(body)
    rows = [mapping(it, name) for it in (said if isinstance(said, list) else [said])]
    found = next((row for row in rows if row.get("symbol") == symbol), None)
    if found is None:
        raise BadFrame(f"{name}: nothing about {symbol}")
    return found


def instrument_of(body: bytes, symbol: str, *, venue: str, market: str, fees: Fees, risk: Risk | None) -> Instrument:
    """A market with the account's fees; `risk` on futures. Raises: BadFrame; Rejected for one that is not traded.

    The stricter of LOT_SIZE and MARKET_LOT_SIZE counts, so that every quantity fits both; a bound of 0 is none.
    """
    found = _listed(body, symbol)
    if found is None:
        raise Rejected(Refusal.UNSUPPORTED, f"no market {symbol}")
    if found.get("status") != "TRADING" or (risk is not None and found.get("contractType") != "PERPETUAL"):
        kind = one_line(found.get("contractType", "spot"), 20)
        raise Rejected(
            Refusal.UNSUPPORTED, f"{symbol} is {kind} and {one_line(found.get('status'), 20)}, not traded here"
        )
    filters = {
        text_of(row, "filterType"): row
        for row in (mapping(it, "filter") for it in listing(found.get("filters"), "filters"))
    }
    price, lots = mapping(filters.get("PRICE_FILTER"), "PRICE_FILTER"), mapping(filters.get("LOT_SIZE"), "LOT_SIZE")
    at_market = filters.get("MARKET_LOT_SIZE", lots)
    most = [decimal_of(row, "maxQty") for row in (lots, at_market)]
    spot = risk is None
    instrument = Instrument(
        venue=venue, symbol=symbol, market=market, kind=MarketKind.SPOT if spot else MarketKind.PERP,
        base=text_of(found, "baseAsset"), quote=text_of(found, "quoteAsset"), tick=decimal_of(price, "tickSize"),
        lot=max(decimal_of(row, "stepSize") for row in (lots, at_market)),
        min_qty=max(decimal_of(row, "minQty") for row in (lots, at_market)),
        min_notional=_least_notional(filters), max_qty=min((it for it in most if it > 0), default=None),
        maker_fee=fees.maker, taker_fee=fees.taker,
        initial_margin=1 / risk.leverage if risk is not None else Decimal(1),
        maintenance_margin=risk.maintenance if risk is not None else ZERO,
        fee_in_received=spot and not fees.in_bnb,
        reduces_below_notional=not spot,  # -4164: "… must be no smaller than 5.0 (unless you choose reduce only)"
    )  # fmt: skip
    if instrument.tick <= 0 or instrument.lot <= 0:
        raise BadFrame(f"{symbol}: tick {instrument.tick} and step {instrument.lot} must be above 0")
    return instrument


def lists(body: bytes, symbol: str) -> bool:
    """Raises: BadFrame."""
    return _listed(body, symbol) is not None


def _listed(body: bytes, symbol: str) -> dict[str, Any] | None:
    rows = listing(mapping(json_of(body), "exchangeInfo").get("symbols"), "symbols")
    return next((row for row in (mapping(it, "symbol") for it in rows) if row.get("symbol") == symbol), None)


def _least_notional(filters: Mapping[str, Mapping[str, Any]]) -> Decimal:
    """NOTIONAL and the older MIN_NOTIONAL say `minNotional`, that of futures `notional`."""
    found = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
    if found is None:
        return ZERO
    return decimal_of(found, "minNotional" if "minNotional" in found else "notional", at_least_zero=True)


def best_of(body: bytes) -> BookFacts:
    """Raises: BadFrame."""
    said = mapping(json_of(body), "bookTicker")
    return BookFacts(
        text_of(said, "symbol"), decimal_of(said, "bidPrice"), decimal_of(said, "bidQty"), decimal_of(said, "askPrice"),
        decimal_of(said, "askQty"), 0, integer_of(said, "time") if "time" in said else 0,
    )  # fmt: skip


def server_ms(body: bytes) -> int:
    """Raises: BadFrame."""
    return integer_of(mapping(json_of(body), "time"), "serverTime")
