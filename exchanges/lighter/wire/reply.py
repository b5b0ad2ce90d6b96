"""Lighter's REST answers, read; and the paths and bodies of its requests. Pure.

An answer carries a `code` of its own: 200 is fine, whatever else is an error, also beside HTTP 200.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from exchanges.errors import AuthFailed, BadFrame, ExchangeError, OutcomeUnknown, RateLimited, Rejected
from exchanges.fields import decimal_of, integer_of, json_of, listing, mapping, text_of
from exchanges.lighter.wire.codes import ANSWERED_NO, AUTH_CODES, FORM_CODES, NONCE_CODES, OK, RATE_CODES, REFUSALS
from exchanges.lighter.wire.facts import OrderFacts, PositionFacts, TradeFacts, order_facts, position_facts, trade_facts
from exchanges.lighter.wire.scale import Market
from exchanges.lighter.wire.stream import BookFacts
from exchanges.types import ZERO, Instrument, Margin, MarketKind, Refusal

FORM = "application/x-www-form-urlencoded"
STANDARD_PER_MINUTE = 60  # requests of a standard account, all together
PREMIUM_PER_MINUTE = 24_000  # weight of a premium account
FIREWALL_MS = 60_000  # who asks too often is let in again after a minute
QUOTE = "USDC"
_FRACTION = Decimal("0.0001")  # of a margin fraction


class WrongNonce(Rejected):
    """The venue did not take the transaction because its nonce is not the next one; it can never be executed."""

    def __init__(self, text: str) -> None:
        super().__init__(Refusal.VENUE, text)


@dataclass(frozen=True, slots=True)
class Tier:
    """What an account may do in a minute, and what it pays, as the venue tells."""

    name: str
    maker_fee: Decimal
    taker_fee: Decimal

    @property
    def standard(self) -> bool:
        return self.name.startswith("st")

    @property
    def per_minute(self) -> int:
        return STANDARD_PER_MINUTE if self.standard else PREMIUM_PER_MINUTE


@dataclass(frozen=True, slots=True)
class Account:
    """One account as anybody may read it."""

    index: int
    collateral: Decimal
    available: Decimal
    equity: Decimal
    maintenance: Decimal
    positions: tuple[PositionFacts, ...]


@dataclass(frozen=True, slots=True)
class TxFacts:
    """What became of a transaction: "failed", "pending" or "executed"; `error` are the sequencer's words."""

    state: str
    error: str


def tx_body(tx_type: int, tx_info: str) -> bytes:
    """The body of sendTx, as the venue's own client writes it."""
    return urlencode({"tx_type": tx_type, "tx_info": tx_info}).encode()


def judge(status: int, body: bytes) -> ExchangeError | None:
    """What an answer says that went wrong; None for one that is fine or says nothing that can be read."""
    try:
        said = json_of(body)
    except BadFrame:
        return None
    code = said.get("code") if isinstance(said, dict) else None
    if type(code) is not int or (code == OK and status < 300):
        return None
    text = f"{code}: {str(said.get('message'))[:160]}"
    if status >= 500:
        return OutcomeUnknown(text)  # whatever it names: who failed while answering may have queued it (S4)
    if code in RATE_CODES or status in (429, 405):
        # Said by the API itself, which names no time. Only its firewall, which speaks no JSON, shuts out for a minute:
        # to take this for that held up every hedge of the wallet for 60 s.
        return RateLimited(text, retry_ms=0)
    if code in NONCE_CODES:
        return WrongNonce(text)
    if code in AUTH_CODES:
        return AuthFailed(text)
    refusal = REFUSALS.get(code)  # RATE: of one account's orders; it closes no budget, least of all to a hedge
    if refusal is not None or code in ANSWERED_NO or code in FORM_CODES:
        return Rejected(refusal or Refusal.VENUE, text)
    return OutcomeUnknown(text)


def shut_out(status: int) -> RateLimited | None:
    """What a refusal without the venue's own words is: its firewall's."""
    if status in (429, 405):
        return RateLimited(f"HTTP {status}: shut out by the firewall for a minute", retry_ms=FIREWALL_MS)
    return None


def refusal_of(code: int) -> Refusal:
    return REFUSALS.get(code, Refusal.VENUE)


def sent(body: bytes) -> str:
    """The hash of a transaction that was queued."""
    return text_of(_object(body), "tx_hash")


def next_nonce(body: bytes) -> int:
    nonce = integer_of(_object(body), "nonce")
    if nonce < 0:
        raise BadFrame(f"nonce: {nonce} is below 0")
    return nonce


def public_key(body: bytes, api_key_index: int) -> str:
    """The registered public key in hex; empty where the account has no such key."""
    for row in _list(_object(body), "api_keys"):
        if integer_of(row, "api_key_index") == api_key_index:
            return text_of(row, "public_key").removeprefix("0x").lower()
    return ""


def market_of(body: bytes, symbol: str) -> tuple[Market, Mapping[str, Any]]:
    """The perpetual market of a symbol. Raises: Rejected for one that is not listed, or not to be traded."""
    said = _object(body)
    rows = [row for row in _list(said, "order_book_details") if row.get("symbol") == symbol]
    if not rows:
        spot = any(row.get("symbol") == symbol for row in _list(said, "spot_order_book_details"))
        why = "is a spot market, and only perpetual ones are traded here" if spot else "is not listed on Lighter"
        raise Rejected(Refusal.UNSUPPORTED, f"{symbol} {why}")
    row = rows[0]
    if row.get("status") != "active":
        raise Rejected(Refusal.VENUE, f"{symbol} is {str(row.get('status'))[:40]}, not active")
    size, price = integer_of(row, "supported_size_decimals"), integer_of(row, "supported_price_decimals")
    if not (0 <= size <= 18 and 0 <= price <= 18):
        raise BadFrame(f"{symbol}: {size} and {price} decimals")
    return Market(integer_of(row, "market_id"), symbol, size, price), row


def instrument_of(market: Market, row: Mapping[str, Any], tier: Tier | None, *, venue: str, name: str) -> Instrument:
    """The minima bind resting orders by the documents; they are kept for all, so that no residue depends on it."""
    return Instrument(
        venue, market.symbol, name, MarketKind.PERP, base=market.symbol, quote=QUOTE,
        tick=Decimal(1).scaleb(-market.price_decimals), lot=Decimal(1).scaleb(-market.size_decimals),
        min_qty=decimal_of(row, "min_base_amount", at_least_zero=True),
        min_notional=decimal_of(row, "min_quote_amount", at_least_zero=True),
        maker_fee=_fee(row, "maker_fee", None if tier is None else tier.maker_fee),
        taker_fee=_fee(row, "taker_fee", None if tier is None else tier.taker_fee),
        initial_margin=integer_of(row, "default_initial_margin_fraction") * _FRACTION,
        maintenance_margin=integer_of(row, "maintenance_margin_fraction") * _FRACTION,
    )  # fmt: skip


def _fee(row: Mapping[str, Any], name: str, of_account: Decimal | None) -> Decimal:
    """The market's fee is percent (its liquidation fee reads 1.0000), the account's a count of millionths. What the two
    mean together is not documented: the higher one stands."""
    of_market = decimal_of(row, name) / 100
    return of_market if of_account is None else max(of_market, of_account)


def tier_of(body: bytes) -> Tier:
    """Fees are whole numbers of millionths, as in trades."""
    said = _object(body)
    unit = Decimal("0.000001")
    return Tier(
        text_of(said, "user_tier").lower(), integer_of(said, "current_maker_fee_tick") * unit,
        integer_of(said, "current_taker_fee_tick") * unit,
    )  # fmt: skip


def account_of(body: bytes, index: int) -> Account:
    """Raises: Rejected where there is no such account."""
    for row in _list(_object(body), "accounts"):
        if integer_of(row, "index") == index:
            break
    else:
        raise Rejected(Refusal.NOT_FOUND, f"Lighter knows no account {index}")
    positions = tuple(position_facts(each) for each in _list(row, "positions"))
    collateral = decimal_of(row, "collateral")
    upnl = sum((decimal_of(each, "unrealized_pnl") for each in _list(row, "positions")), ZERO)
    maintenance = row.get("cross_maintenance_margin_requirement")
    return Account(
        index, collateral, decimal_of(row, "available_balance"),
        decimal_of(row, "total_asset_value") if row.get("total_asset_value") else collateral + upnl,
        decimal_of(row, "cross_maintenance_margin_requirement") if maintenance else ZERO, positions,
    )  # fmt: skip


def margin_of(account: Account, name: str) -> Margin:
    return Margin(name, account.equity, account.available, account.maintenance)


def orders_of(body: bytes) -> tuple[list[OrderFacts], str]:
    """Orders of one page, and the cursor of the next; empty where there is none."""
    said = _object(body)
    cursor = said.get("next_cursor")
    return [order_facts(row) for row in _list(said, "orders")], cursor if type(cursor) is str else ""


def trades_of(body: bytes, account: int) -> tuple[list[TradeFacts], str]:
    """Our sides of the trades of one page, and the cursor of the next."""
    said = _object(body)
    cursor = said.get("next_cursor")
    rows = [fact for row in _list(said, "trades") for fact in trade_facts(row, account)]
    return rows, cursor if type(cursor) is str else ""


def tx_of(body: bytes) -> TxFacts:
    said = _object(body)
    status = integer_of(said, "status")
    state = {0: "failed", 1: "pending", 2: "executed", 3: "pending"}.get(status)
    if state is None:
        raise BadFrame(f"status: {status} of a transaction is unknown")
    return TxFacts(state, _application_error(said.get("event_info")))


def _application_error(event: object) -> str:
    """`ae` of the event, which is JSON inside a text."""
    if type(event) is not str or not event:
        return ""
    try:
        said = json_of(event.encode("utf-8", "replace"))
    except BadFrame:
        return event[:80]
    error = said.get("ae") if isinstance(said, dict) else None
    return "" if error in (None, "") else str(error)[:160]


def best_of(body: bytes, market_id: int, now_ms: int) -> BookFacts:
    """Best bid and offer of a book that comes order by order."""
    said = _object(body)
    bids = [_level(row) for row in _list(said, "bids")]
    asks = [_level(row) for row in _list(said, "asks")]
    bid, ask = max((price for price, _ in bids), default=ZERO), min((price for price, _ in asks), default=ZERO)
    bid_qty = sum((size for price, size in bids if price == bid), ZERO)
    ask_qty = sum((size for price, size in asks if price == ask), ZERO)
    return BookFacts(market_id, bid, bid_qty, ask, ask_qty, 0, now_ms)


def clock_ms(body: bytes) -> int:
    """The venue's time from its greeting, which counts whole seconds: the middle of the second."""
    return integer_of(mapping(json_of(body), "answer"), "timestamp") * 1000 + 500


def _level(row: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    return decimal_of(row, "price", at_least_zero=True), decimal_of(row, "remaining_base_amount", at_least_zero=True)


def _object(body: bytes) -> dict[str, Any]:
    said = mapping(json_of(body), "answer")
    if said.get("code", OK) != OK:
        raise BadFrame(f"code: {str(said.get('code'))[:20]} in an answer")
    return said


def _list(said: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Absent and null are empty."""
    value = said.get(name)
    return iter(()) if value is None else (mapping(row, name) for row in listing(value, name))
