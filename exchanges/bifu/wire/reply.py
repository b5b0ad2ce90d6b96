"""What BiFu's REST answers say. Pure. Every reader raises BadFrame for what it cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.bifu.wire.product import Product
from exchanges.bifu.wire.stream import SIDES, amount_of, time_of
from exchanges.errors import AuthFailed, BadFrame, ExchangeError, OutcomeUnknown, RateLimited, Rejected
from exchanges.fields import decimal_of, integer_of, json_of, listing, mapping, one_line, text_of
from exchanges.types import Instrument, OrderState, Refusal, Side
from exchanges.values import quick

STATES = {
    "PENDING": OrderState.PENDING,
    "UNTRIGGERED": OrderState.PENDING,
    "OPEN": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "CANCELING": OrderState.OPEN,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "EXPIRED": OrderState.CANCELED,
    "REJECTED": OrderState.FAILED,
}


@quick
@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as the venue lists it: `cum_*` is filled so far. `post_only` orders make no taker fills."""

    account_id: str
    instrument_id: str
    order_id: str
    client_id: str
    side: Side
    qty: Decimal
    price: Decimal | None
    state: OrderState
    cum_qty: Decimal
    cum_value: Decimal
    cum_fee: Decimal
    post_only: bool
    created_ms: int
    updated_ms: int


@quick
@dataclass(frozen=True, slots=True)
class OrderPage:
    """One page: orders that can be read, what is wrong with the others, whether there are more."""

    orders: tuple[OrderRow, ...]
    bad: tuple[str, ...]
    more: bool


def judge(status: int, body: bytes) -> ExchangeError | None:
    """What an answer that is none says in the venue's own words; None if it is a good one, or says nothing we know."""
    try:
        said = mapping(json_of(body), "answer")
    except BadFrame:
        return None
    code = said.get("code")
    if type(code) is not str or code == "SUCCESS":
        return None
    text = f"{one_line(code, 60) or 'no code'} {one_line(said.get('msg') or '', 120)}".strip()
    if status == 429:
        return None  # the status knows for how long
    if code == "UNKNOWN" or status >= 500:
        return OutcomeUnknown(f"the venue does not know: {text}")
    if status in (401, 403):
        return AuthFailed(text)
    if "RATE" in code or "TOO_MANY" in code:
        return RateLimited(text, retry_ms=0)
    return Rejected(Refusal.VENUE, text)


def data_of(body: bytes) -> Any:
    """What is inside the envelope. Raises: BadFrame."""
    said = mapping(json_of(body), "answer")
    if said.get("code") != "SUCCESS":
        raise BadFrame(f"code: expected SUCCESS, found {one_line(said.get('code'), 40)}")
    return said.get("data")


def server_ms(body: bytes) -> int:
    """The venue's clock when it answered."""
    return time_of(mapping(json_of(body), "answer"), "responseTime")


def order_page(body: bytes, product: Product) -> OrderPage:
    """One page of orders; a row that cannot be read hides no other."""
    data = mapping(data_of(body), "data")
    more = data.get("nextFlag")
    if type(more) is not bool:
        raise BadFrame(f"nextFlag: expected true or false, found {one_line(more, 40)}")
    orders: list[OrderRow] = []
    bad: list[str] = []
    for row in listing(data.get("dataList"), "dataList"):
        try:
            orders.append(order_row(mapping(row, "order"), product))
        except BadFrame as error:
            bad.append(str(error))
    return OrderPage(tuple(orders), tuple(bad), more)


def order_row(said: Mapping[str, Any], product: Product) -> OrderRow:
    side = SIDES.get(said["orderSide"]) if type(said.get("orderSide")) is str else None
    if side is None:
        raise BadFrame(f"orderSide: expected BUY or SELL, found {one_line(said.get('orderSide'), 40)}")
    cum, value = _amount(said, "cumFillSize"), _amount(said, "cumFillValue")
    if cum < 0 or value < 0 or (cum > 0) != (value > 0):
        raise BadFrame(f"an order that has filled cumFillSize {cum} for cumFillValue {value}")
    state = STATES.get(said["status"]) if type(said.get("status")) is str else None
    if state in (None, OrderState.OPEN) and cum > 0:
        state = OrderState.PARTIALLY_FILLED  # the venue has no word for it; what has filled is a fact
    price, client = _amount(said, "price"), said.get("clientOrderId")
    return OrderRow(
        text_of(said, "accountId"), text_of(said, product.instrument_field), text_of(said, "id"),
        client if type(client) is str else "", side, _amount(said, "size"), price if price > 0 else None,
        state or OrderState.PENDING, cum, value, _amount(said, "cumFillFee"), said.get("timeInForce") == "POST_ONLY",
        time_of(said, "createdTime"), time_of(said, "updatedTime"),
    )  # fmt: skip


def _amount(said: Mapping[str, Any], name: str) -> Decimal:
    """An amount that the venue leaves out while it is 0."""
    return Decimal(0) if said.get(name) in (None, "") else amount_of(said, name)


def instrument_of(body: bytes, symbol: str, product: Product, *, venue: str, market: str) -> tuple[str, Instrument]:
    """The venue's id of a market, found by its name or id, and its rules. Raises: Rejected if it is not listed."""
    data = mapping(data_of(body), "data")
    row = _market(data, symbol, product)
    base, quote = _assets(data, row)
    return text_of(row, product.meta_id), Instrument(
        venue, symbol, market, product.kind, base, quote, _step(row, "tickSize"), _step(row, "stepSize"),
        decimal_of(row, "minOrderSize", at_least_zero=True), maker_fee=_amount(row, "makerFeeRate"),
        taker_fee=_amount(row, "takerFeeRate"),
    )  # fmt: skip


def base_coin(body: bytes, symbol: str, product: Product) -> str:
    """The venue's id of a market's base asset. Raises: Rejected if the market is not listed."""
    return text_of(_market(mapping(data_of(body), "data"), symbol, product), "baseCoinId")


def _market(data: Mapping[str, Any], symbol: str, product: Product) -> Mapping[str, Any]:
    for item in listing(data.get(product.meta_list), product.meta_list):
        row = mapping(item, product.meta_list)
        if symbol in (text_of(row, product.meta_id), row.get(product.meta_name)):
            return row
    raise Rejected(Refusal.NOT_FOUND, f"the venue lists no {one_line(symbol, 40)}")


def _step(row: Mapping[str, Any], name: str) -> Decimal:
    step = amount_of(row, name)
    if step <= 0:
        raise BadFrame(f"{name}: {step} is not above 0")
    return step


def _assets(data: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[str, str]:
    names = {
        text_of(coin, "coinId"): text_of(coin, "coinName")
        for coin in (mapping(it, "coinList") for it in listing(data.get("coinList"), "coinList"))
    }
    base, quote = text_of(row, "baseCoinId"), text_of(row, "quoteCoinId")
    return names.get(base, base), names.get(quote, quote)


def account_assets(body: bytes) -> tuple[str, dict[str, Decimal]]:
    """The venue's id of the account, and its balances by coin id."""
    data = mapping(data_of(body), "data")
    balances = {
        text_of(row, "coinId"): decimal_of(row, "amount")
        for row in (mapping(it, "balanceList") for it in listing(data.get("balanceList"), "balanceList"))
    }
    return text_of(data, "accountId"), balances


def best(body: bytes) -> tuple[Decimal, Decimal, Decimal, Decimal, int]:
    """Best bid and ask with their sizes (0 at 0 for an empty side), and the number of the snapshot."""
    books = listing(data_of(body), "data")
    book = mapping(books[0] if books else None, "data[0]")
    return (*_level(book, "bids"), *_level(book, "asks"), integer_of(book, "endVersion"))


def _level(book: Mapping[str, Any], name: str) -> tuple[Decimal, Decimal]:
    levels = [mapping(it, name) for it in listing(book.get(name), name)]
    if not levels:
        return Decimal(0), Decimal(0)
    found = [(decimal_of(it, "price", at_least_zero=True), decimal_of(it, "size", at_least_zero=True)) for it in levels]
    return max(found) if name == "bids" else min(found)
