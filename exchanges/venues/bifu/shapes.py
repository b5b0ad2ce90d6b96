"""BiFu's objects: fill rows, orders, markets and books, in the fields that the venue gives them. Pure.

Every number and id is a text. A spot row has neither a trade id nor a price: `matchFillId` names the match.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import ZERO, Fill, FillKind, Liquidity, MarketKind, OrderType, Side, TimeInForce
from exchanges.venues.bifu.wire import plain
from exchanges.venues.exchange import Market, VenueAccount
from exchanges.venues.ledger import VenueOrder

OUTSIDE = "700000000000000099"  # account id of everybody who is not on this venue
ACCOUNT_BASE = 690_000_000_000_000_000
ROW_BASE = 710_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Half:
    """One side of the venue, spot or contract: names of its fields, paths and events."""

    word: str
    kind: MarketKind
    id_field: str
    id_base: int
    between: str  # of a market's name
    streams: tuple[str, ...]

    @property
    def word_in_names(self) -> str:
        return self.id_field[:1].upper() + self.id_field[1:-2]

    @property
    def event(self) -> str:
        return f"{self.word}-trade-event"

    def market_id(self, market: Market) -> str:
        return str(self.id_base + market.number)

    def market_name(self, market: Market) -> str:
        return f"{market.instrument.base}{self.between}{market.instrument.quote}"


SPOT = Half("spot", MarketKind.SPOT, "symbolId", 90_000_001, "-", ("/api/v1/private/spot/ws", "/api/v1/private/ws"))
CONTRACT = Half("contract", MarketKind.PERP, "contractId", 10_000_001, "/", ("/api/v1/private/contract/ws",))
HALVES = (SPOT, CONTRACT)


@dataclass(slots=True)
class Filled:
    """What the fills of one order add up to, beside its quantity and value."""

    fee: Decimal = ZERO
    last: Decimal = ZERO
    most: Decimal = ZERO
    least: Decimal = ZERO

    def take(self, fill: Fill) -> None:
        self.fee += fill.fee
        self.last = fill.price
        self.most = max(self.most, fill.price)
        self.least = min(self.least or fill.price, fill.price)


def half_of(market: Market) -> Half:
    return SPOT if market.instrument.kind is MarketKind.SPOT else CONTRACT


def account_id(account: VenueAccount) -> str:
    return str(ACCOUNT_BASE + account.number)


def coin_ids(markets: Iterable[Market]) -> dict[str, str]:
    """Ids by asset, in the order in which markets name them."""
    names: dict[str, None] = {}
    for market in markets:
        names[market.instrument.quote] = names[market.instrument.base] = None
    return {name: str(number) for number, name in enumerate(names, start=2)}


def match_id(fill: Fill, market: Market) -> str:
    """The id that both sides of one match have, as a UUID; the venue's own trade id is its end."""
    return f"00000000-0000-4000-{0x8000 + market.number:04x}-{int(fill.trade_id):012d}"


def fill_row(
    fill: Fill, *, number: int, account: VenueAccount, market: Market, coins: Mapping[str, str], match_account: str,
    match_order: str,
) -> dict[str, Any]:  # fmt: skip
    half = half_of(market)
    row = {
        "id": str(ROW_BASE + number),
        "accountId": account_id(account),
        half.id_field: half.market_id(market),
        "baseCoinId": coins[market.instrument.base],
        "quoteCoinId": coins[market.instrument.quote],
        "orderId": fill.order_id,
        "orderSide": fill.side.value.upper(),
        "fillSize": plain(fill.qty),
        "fillValue": plain(fill.qty * fill.price),
        "fillFee": plain(fill.fee),
        "direction": "MAKER" if fill.liquidity is Liquidity.MAKER else "TAKER",
        "version": str(number),
        "tradeInBalanceTransactionId": str(ROW_BASE + number),
        "tradeOutBalanceTransactionId": str(ROW_BASE + number),
        "matchSequenceId": fill.trade_id,
        "matchIndex": "0",
        "matchTime": str(fill.at_ms),
        "matchAccountId": match_account,
        "matchOrderId": match_order or "0",
        "matchFillId": match_id(fill, market),
        "extraType": "",
        "extraDataJson": "",
        "createdTime": str(fill.at_ms),
        "updatedTime": str(fill.at_ms),
    }
    return row if half is SPOT else row | _contract_fields(fill, coins[market.instrument.quote])


def _contract_fields(fill: Fill, coin: str) -> dict[str, Any]:
    return {
        "coinId": coin, "fillPrice": plain(fill.price), "realizePnl": "0", "liquidateFee": "0",
        "isLiquidate": fill.kind is FillKind.LIQUIDATION, "isDeleverage": fill.kind is FillKind.ADL,
        "isPositionTpsl": False, "positionTransactionId": "0", "collateralTransactionId": "0",
    }  # fmt: skip


def order_object(
    order: VenueOrder, *, account: VenueAccount, market: Market, coins: Mapping[str, str]
) -> dict[str, Any]:  # fmt: skip
    half, request = half_of(market), order.request
    filled = order.detail if isinstance(order.detail, Filled) else Filled()
    return {
        "id": order.order_id,
        "accountId": account_id(account),
        half.id_field: half.market_id(market),
        "baseCoinId": coins[market.instrument.base],
        "quoteCoinId": coins[market.instrument.quote],
        "orderSide": order.side.value.upper(),
        "price": plain(order.price or ZERO),
        "size": plain(order.qty),
        "value": plain((order.price or ZERO) * order.qty),
        "clientOrderId": order.client_id,
        "type": "MARKET" if request.type is OrderType.MARKET else "LIMIT",
        "timeInForce": time_in_force(order),
        "reduceOnly": request.reduce_only,
        "triggerPrice": "0",
        "orderSource": "API",
        "takerFeeRate": plain(market.instrument.taker_fee),
        "makerFeeRate": plain(market.instrument.maker_fee),
        "status": status(order),
        "matchSequenceId": "0",
        "cancelReason": "" if order.end is None or order.cum_qty == order.qty else order.end.name,
        "latestFillPrice": plain(filled.last),
        "maxFillPrice": plain(filled.most),
        "minFillPrice": plain(filled.least),
        "cumFillSize": plain(order.cum_qty),
        "cumFillValue": plain(order.cum_quote),
        "cumFillFee": plain(filled.fee),
        "createdTime": str(order.created_ms),
        "updatedTime": str(max(order.updated_ms, order.ended_ms)),
    }


def status(order: VenueOrder) -> str:
    """The venue has no word for an order that is filled in part: it is OPEN."""
    if order.cum_qty == order.qty:
        return "FILLED"
    return "OPEN" if order.end is None else "CANCELED"


def time_in_force(order: VenueOrder) -> str:
    if order.request.post_only:
        return "POST_ONLY"
    if order.fill_or_kill:
        return "FILL_OR_KILL"
    return "IMMEDIATE_OR_CANCEL" if order.request.tif is TimeInForce.IOC else "GOOD_TIL_CANCEL"


def metadata(markets: Iterable[Market]) -> dict[str, Any]:
    known = list(markets)
    coins = coin_ids(known)
    listed: dict[str, Any] = {
        "coinList": [{"coinId": number, "coinName": name, "stepSize": "0.00000001"} for name, number in coins.items()]
    }
    for half in HALVES:
        mine = [market for market in known if half_of(market) is half]
        listed["symbolList" if half is SPOT else "contractList"] = [_market_object(market, coins) for market in mine]
    return listed


def _market_object(market: Market, coins: Mapping[str, str]) -> dict[str, Any]:
    half, spec = half_of(market), market.instrument
    return {
        half.id_field: half.market_id(market),
        f"{'symbol' if half is SPOT else 'contract'}Name": half.market_name(market),
        "baseCoinId": coins[spec.base],
        "quoteCoinId": coins[spec.quote],
        "tickSize": plain(spec.tick),
        "stepSize": plain(spec.lot),
        "minOrderSize": plain(spec.min_qty),
        "maxOrderSize": plain(spec.max_qty or Decimal(1_000_000)),
        "takerFeeRate": plain(spec.taker_fee),
        "makerFeeRate": plain(spec.maker_fee),
        "enableTrade": True,
        "enableDisplay": True,
    }


def depth(market: Market, *, levels: int) -> list[dict[str, Any]]:
    def side(which: Side) -> list[dict[str, str]]:
        return [{"price": plain(price), "size": plain(qty)} for price, qty in market.levels(which, levels)]

    return [
        {
            "startVersion": str(market.version), "endVersion": str(market.version), "level": levels,
            "instrumentId": half_of(market).market_id(market), "asks": side(Side.SELL), "bids": side(Side.BUY),
            "depthType": "SNAPSHOT",
        }
    ]  # fmt: skip


def assets(account: VenueAccount, markets: Iterable[Market], *, version: int) -> dict[str, Any]:
    known = list(markets)
    coins = coin_ids(known)
    held = {market.instrument.base: account.balances.holding(market.instrument.symbol).qty for market in known}
    amounts = {known[0].instrument.quote: account.balances.cash, **held}
    return {
        "accountId": account_id(account),
        "version": str(version),
        "balanceList": [
            {"coinId": coins[name], "amount": plain(amount), "pendingDepositAmount": "0", "pendingWithdrawAmount": "0"}
            for name, amount in amounts.items()
        ],
    }
