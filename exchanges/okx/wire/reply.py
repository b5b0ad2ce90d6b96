"""What OKX's replies say. Pure. Readers raise BadFrame for what they cannot read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.errors import AuthFailed, BadFrame, ExchangeError, OutcomeUnknown, RateLimited, Rejected
from exchanges.facts import OrderFacts, PositionRow
from exchanges.fields import decimal_of, integer_of, json_of, listing, mapping, one_line, text_of
from exchanges.okx.wire.codes import AUTH_CODES, RATE_CODES, UNKNOWN_CODES, refusal_of
from exchanges.okx.wire.order import FillRow, Units, fill_row, order_of
from exchanges.okx.wire.request import Traded
from exchanges.types import ZERO, Instrument, Margin, MarketKind, Refusal

ONE = Decimal(1)
_CODE = re.compile(r"[0-9]{5}")


@dataclass(frozen=True, slots=True)
class AccountMode:
    """How the venue runs an account: level 1 spot, 2 futures, 3 multi-currency, 4 portfolio."""

    level: str
    net: bool
    fee_in_received: bool
    permissions: tuple[str, ...]

    @property
    def moves_money(self) -> bool | None:
        """May the key do more than read and trade? None where the venue does not tell."""
        return any(it not in ("read_only", "trade") for it in self.permissions) if self.permissions else None

    def trade_mode(self, kind: MarketKind) -> str:
        if kind is MarketKind.SPOT:
            return "cash" if self.level in ("1", "2") else "cross"
        return "cross"


def judge(status: int, body: bytes) -> ExchangeError | None:
    """What the venue's own words say of a request that went wrong as a whole; None where they say nothing of it.

    Orders are answered one by one (`items`), whatever the whole is called. A 5xx leaves the outcome unknown.
    """
    try:
        said = mapping(json_of(body), "reply")
    except BadFrame:
        return None if status != 200 else OutcomeUnknown("HTTP 200 with what is no reply of the venue")
    code = said.get("code")
    if type(code) is not str or not code:
        return None if status != 200 else OutcomeUnknown("HTTP 200 with what is no reply of the venue")
    if status >= 500:
        return OutcomeUnknown(f"HTTP {status}: {one_line(code, 20)}: {one_line(said.get('msg', ''), 160)}")
    return None if code in ("0", "1", "2") else error_of(code, said.get("msg", ""))


def error_of(code: str, words: object) -> ExchangeError:
    """What a code stands for, of a whole request or of one order. Only a code of the venue's form refuses anything."""
    text = f"{one_line(code, 20)}: {one_line(words, 160)}"
    if code in UNKNOWN_CODES or not _CODE.fullmatch(code):
        return OutcomeUnknown(text)
    if code in RATE_CODES:
        return RateLimited(text, retry_ms=0)
    if code in AUTH_CODES:
        return AuthFailed(text)
    return Rejected(refusal_of(code, str(words)), text)


def items(said: object, ids: Sequence[str]) -> list[str | ExchangeError]:
    """What a command came to for each of these client ids: the venue's order id, or why not. Raises: BadFrame."""
    envelope = mapping(said, "reply")
    code = text_of(envelope, "code")
    if code not in ("0", "1", "2"):
        return [error_of(code, envelope.get("msg", ""))] * len(ids)
    rows = listing(envelope.get("data"), "data")
    if len(rows) != len(ids):
        raise BadFrame(f"data: {len(rows)} answers to {len(ids)} orders")
    return [_item(mapping(row, "data"), client_id) for row, client_id in zip(rows, ids, strict=True)]


def _item(row: Mapping[str, Any], client_id: str) -> str | ExchangeError:
    code, told = row.get("sCode"), row.get("clOrdId")
    if told not in (None, "", client_id):
        return OutcomeUnknown(f"the answer is about another order ({one_line(told, 40) or 'none'})")
    if code == "0":
        order_id = row.get("ordId", "")
        return order_id if type(order_id) is str else OutcomeUnknown("the answer has no ordId")
    if type(code) is not str or not code:
        return OutcomeUnknown("the answer has no sCode")
    return error_of(code, row.get("sMsg", ""))


def rows(body: bytes) -> list[dict[str, Any]]:
    """The data of a question that went well. Raises: BadFrame, Rejected for one that failed without a code."""
    said = mapping(json_of(body), "reply")
    if said.get("code") != "0":
        raise Rejected(Refusal.VENUE, f"{one_line(said.get('code'), 20)}: {one_line(said.get('msg', ''), 160)}")
    return [mapping(row, "data") for row in listing(said.get("data"), "data")]


def one_row(body: bytes) -> dict[str, Any]:
    found = rows(body)
    if len(found) != 1:
        raise BadFrame(f"data: expected one row, found {len(found)}")
    return found[0]


def server_ms(body: bytes) -> int:
    return integer_of(one_row(body), "ts")


# --- instruments


def traded_of(
    body: bytes, symbol: str, mode: AccountMode, *, venue: str, market: str, fees: tuple[Decimal, Decimal],
    margins: tuple[Decimal, Decimal],
) -> Traded:  # fmt: skip
    """The instrument as this account trades it. Raises: Rejected where it is not listed, or is no linear swap."""
    row = next((row for row in rows(body) if row.get("instId") == symbol), None)
    if row is None:
        raise Rejected(Refusal.UNSUPPORTED, f"{symbol} is not listed")
    spot = row.get("instType") == "SPOT"
    unit = ONE if spot else decimal_of(row, "ctVal") * _multiplier(row)
    base, quote = (text_of(row, "baseCcy"), text_of(row, "quoteCcy")) if spot else _of_swap(row, symbol)
    if unit <= 0:
        raise BadFrame(f"ctVal: {unit} is no value of a contract")
    most = [decimal_of(row, name) * unit for name in ("maxLmtSz",) if row.get(name)]
    kind = MarketKind.SPOT if spot else MarketKind.PERP
    instrument = Instrument(
        venue=venue, symbol=symbol, market=market, kind=kind, base=base, quote=quote, tick=decimal_of(row, "tickSz"),
        lot=decimal_of(row, "lotSz") * unit, min_qty=decimal_of(row, "minSz") * unit,
        max_qty=most[0] if most else None, maker_fee=fees[0], taker_fee=fees[1], initial_margin=margins[0],
        maintenance_margin=margins[1], fee_in_received=spot and mode.fee_in_received,
    )  # fmt: skip
    if instrument.tick <= 0 or instrument.lot <= 0:
        raise BadFrame(f"{symbol}: tick {instrument.tick} and lot {instrument.lot} must be above 0")
    code = integer_of(row, "instIdCode") if row.get("instIdCode") not in (None, "") else None
    return Traded(instrument, unit, code, mode.trade_mode(kind))


def _multiplier(row: Mapping[str, Any]) -> Decimal:
    return decimal_of(row, "ctMult") if row.get("ctMult") else ONE


def _of_swap(row: Mapping[str, Any], symbol: str) -> tuple[str, str]:
    """Base and quote of a linear swap. Raises: Rejected for one whose contract is worth money, not coins."""
    base, quote = text_of(row, "ctValCcy"), text_of(row, "settleCcy")
    if row.get("ctType") != "linear" or not symbol.startswith(f"{base}-"):
        raise Rejected(Refusal.UNSUPPORTED, f"{symbol} is an inverse swap; only linear ones are traded here")
    return base, quote


def fees_of(body: bytes) -> tuple[Decimal, Decimal]:
    """Maker and taker fee as ratios, positive where paid: the venue has the other sign. USDT swaps have own names."""
    row = one_row(body)
    maker, taker = (name if row.get(name) else f"{name}U" for name in ("maker", "taker"))
    return -decimal_of(row, maker), -decimal_of(row, taker)


def leverage_of(body: bytes) -> Decimal:
    """The leverage that the account has set for a swap. Raises: BadFrame."""
    lever = decimal_of(one_row(body), "lever")
    if lever <= 0:
        raise BadFrame(f"lever: {lever} is no leverage")
    return lever


def maintenance_of(body: bytes) -> Decimal:
    """The maintenance ratio of the smallest positions. Raises: BadFrame."""
    tiers = rows(body)
    if not tiers:
        raise BadFrame("data: no tier of positions")
    return min(decimal_of(row, "mmr", at_least_zero=True) for row in tiers)


# --- the account


def mode_of(body: bytes) -> AccountMode:
    row = one_row(body)
    permissions = tuple(part for part in str(row.get("perm", "")).split(",") if part)
    return AccountMode(
        text_of(row, "acctLv"), text_of(row, "posMode") == "net_mode", str(row.get("feeType", "0")) == "0", permissions
    )


def details(body: bytes) -> dict[str, dict[str, Any]]:
    """What the account holds, by asset; an asset that is not told is not held."""
    return {
        text_of(entry, "ccy"): entry
        for row in rows(body)
        for entry in (mapping(it, "details") for it in listing(row.get("details"), "details"))
    }


def total(held: Mapping[str, Mapping[str, Any]], asset: str) -> Decimal:
    return decimal_of(held[asset], "cashBal") if asset in held else ZERO


def needs_positions(held: Mapping[str, Mapping[str, Any]], asset: str) -> bool:
    """Whether the balance leaves out what the positions need."""
    return asset in held and held[asset].get("mmr") in (None, "")


def margin_of(
    held: Mapping[str, Mapping[str, Any]], asset: str, positions: Sequence[PositionRow]
) -> tuple[Decimal, Decimal, Decimal]:
    """Equity, free collateral and maintenance of a derivatives account, in its settlement asset."""
    if asset not in held:
        return ZERO, ZERO, ZERO
    row = held[asset]
    if needs_positions(held, asset):
        needed = sum((position.maintenance for position in positions), ZERO)
    else:
        needed = decimal_of(row, "mmr", at_least_zero=True)
    return decimal_of(row, "eq"), decimal_of(row, "availEq"), needed


def spot_margin(account: str, held: Mapping[str, Mapping[str, Any]], instrument: Instrument, mid: Decimal) -> Margin:
    """Cash and coins at mid; nothing is borrowed."""
    cash = total(held, instrument.quote)
    free = decimal_of(held[instrument.quote], "availBal") if instrument.quote in held else ZERO
    return Margin(account, cash + total(held, instrument.base) * mid, free, ZERO)


def position_rows(body: bytes, units: Units) -> list[PositionRow]:
    """Positions in the account's symbols here, with margins. Raises: BadFrame, also for one of the long/short mode."""
    found = []
    for row in rows(body):
        symbol = text_of(row, "instId")
        if symbol not in units:
            continue
        if row.get("posSide") != "net":
            raise BadFrame(f"posSide: {symbol} has a position of the long/short mode")
        found.append(
            PositionRow(
                symbol, decimal_of(row, "pos") * units[symbol], _maybe(row, "avgPx") or ZERO, _maybe(row, "liqPx"),
                _maybe(row, "markPx"), _maybe(row, "mmr") or ZERO,
            )
        )  # fmt: skip
    return found


def _maybe(row: Mapping[str, Any], name: str) -> Decimal | None:
    return None if row.get(name) in (None, "") else decimal_of(row, name)


# --- orders and fills


def one_order(body: bytes, units: Units) -> OrderFacts:
    return order_of(one_row(body), units, pushed=False)


def order_list(body: bytes, units: Units) -> list[OrderFacts]:
    return [order_of(row, units, pushed=False) for row in rows(body)]


def fill_rows(body: bytes, units: Units) -> list[FillRow]:
    """One page, as the venue has it: newest first."""
    return [fill_row(row, units) for row in rows(body)]
