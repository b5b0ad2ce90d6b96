"""Orders of one account of the local BiFu: placed, cancelled, listed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from exchanges.types import OrderRequest, OrderType, Refusal, Refused, SelfTrade, Side, TimeInForce
from exchanges.venues.bifu import shapes
from exchanges.venues.bifu.shapes import Half
from exchanges.venues.bifu.wire import BATCH_MAX, CODES, PAGE_MAX, BifuError, count_of, ids_of
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.faults import Faults
from exchanges.venues.ledger import VenueOrder

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
FORCES = ("GOOD_TIL_CANCEL", "POST_ONLY", "FILL_OR_KILL", "IMMEDIATE_OR_CANCEL")


@dataclass(frozen=True, slots=True)
class OrderDesk:
    """What one signed request may do with one account's orders on one half of the venue."""

    exchange: Exchange
    half: Half
    account: VenueAccount
    faults: Faults | None

    # -- reading -------------------------------------------------------------------------------------------------

    def by_id(self, query: Mapping[str, str]) -> object:
        found = [self.exchange.ledger.orders.get(order_id) for order_id in ids_of(query.get("orderIdList"))]
        return [self._object(order) for order in found if order is not None and self._mine(order)]

    def active(self, query: Mapping[str, str]) -> object:
        return self._page(reversed(self.account.open.values()), query)

    def history(self, query: Mapping[str, str]) -> object:
        """Ended orders, the one that ended last first."""
        ended = [it for it in self.exchange.ledger.orders.values() if it.end is not None]
        return self._page(sorted(ended, key=lambda it: it.ended_ms, reverse=True), query)

    def _page(self, orders: Iterable[VenueOrder], query: Mapping[str, str]) -> object:
        wanted = set(ids_of(query.get(self._filter)))
        number = count_of(query, "pageNo", default=0, most=1 << 31)
        size = min(count_of(query, "pageSize", default=PAGE_MAX, most=1 << 31), PAGE_MAX)
        found = [it for it in orders if self._mine(it) and (not wanted or self.half.market_id(self._of(it)) in wanted)]
        page = islice(found, number * size, (number + 1) * size)
        more = len(found) > (number + 1) * size
        return {"dataList": [self._object(it) for it in page], "nextFlag": more, "totals": str(len(found))}

    @property
    def _filter(self) -> str:
        return f"filter{self.half.word_in_names}IdList"

    def _mine(self, order: VenueOrder) -> bool:
        return order.account == self.account.name and shapes.half_of(self._of(order)) is self.half

    def _of(self, order: VenueOrder) -> Market:
        return self.exchange.markets[order.symbol]

    def _object(self, order: VenueOrder) -> dict[str, Any]:
        coins = shapes.coin_ids(self.exchange.markets.values())
        return shapes.order_object(order, account=self.account, market=self._of(order), coins=coins)

    # -- commands ------------------------------------------------------------------------------------------------

    def create(self, body: Mapping[str, Any]) -> object:
        order = self._place(body)
        return {"orderId": order.order_id, "clientOrderId": order.client_id, "status": shapes.status(order)}

    def create_batch(self, body: Mapping[str, Any]) -> object:
        entries = body.get("params")
        if not isinstance(entries, list) or not 0 < len(entries) <= BATCH_MAX:
            raise BifuError("INVALID_PARAM", f"params: expected 1 to {BATCH_MAX} orders")
        return {"list": [self._create_one(entry) for entry in entries]}

    def _create_one(self, entry: Any) -> dict[str, Any]:
        client_id = entry.get("clientOrderId", "") if isinstance(entry, dict) else ""
        try:
            order = self._place(entry if isinstance(entry, dict) else {})
            return {"clientOrderId": client_id, "successOrderId": order.order_id, "success": True, "errorDetail": None}
        except BifuError as error:
            detail = {"code": error.code, "msg": error.message}
            return {"clientOrderId": client_id, "successOrderId": "0", "success": False, "errorDetail": detail}

    def cancel(self, body: Mapping[str, Any]) -> object:
        return {
            "cancelResultMap": {
                str(it): self._cancel(self.account.open.get(str(it))) for it in _ids(body, "orderIdList")
            }
        }

    def cancel_by_client(self, body: Mapping[str, Any]) -> object:
        ids = _ids(body, "clientOrderIdList")
        return {"cancelResultMap": {str(it): self._cancel(self.account.by_client_id(str(it))) for it in ids}}

    def cancel_all(self, body: Mapping[str, Any]) -> object:
        wanted = {
            str(it) for it in body.get(f"filter{self.half.id_field[0].upper()}{self.half.id_field[1:]}List") or ()
        }
        mine = [it for it in self.account.open.values() if self._mine(it)]
        chosen = [it for it in mine if not wanted or self.half.market_id(self._of(it)) in wanted]
        return {"cancelResultMap": {it.order_id: self._cancel(it) for it in chosen}}

    def _cancel(self, order: VenueOrder | None) -> str:
        if order is None or not self._mine(order):
            return "FAILED_ORDER_NOT_FOUND"
        rule = None if self.faults is None else self.faults.on_cancel(self.account.name, order.symbol)
        if rule is not None and rule.fault == "cancel_too_late":
            self.exchange.hit(order, order.book.leaves * order.instrument.lot * rule.share)
        if rule is not None and rule.fault == "cancel_pending":
            self.exchange.clock.call_at(self.exchange.clock.now_ns() + rule.delay_ns, self.exchange.cancel, order)
        else:
            self.exchange.cancel(order)
        return "SUCCESS"

    def _named(self, market_id: str) -> Market:
        for market in self.exchange.markets.values():
            if shapes.half_of(market) is self.half and self.half.market_id(market) == market_id:
                return market
        raise BifuError(CODES[Refusal.UNSUPPORTED], f"no {self.half.id_field} {market_id[:40]}")

    def _place(self, entry: Mapping[str, Any]) -> VenueOrder:
        """Raises: BifuError."""
        market = next(
            (
                it
                for it in self.exchange.markets.values()
                if self.half.market_id(it) == str(entry.get(self.half.id_field))
            ),
            None,
        )
        if market is None or shapes.half_of(market) is not self.half:
            raise BifuError(
                CODES[Refusal.UNSUPPORTED], f"no {self.half.id_field} {str(entry.get(self.half.id_field))[:40]}"
            )
        request, force = _request(entry, self.account.name, market)
        takes = request.tif is TimeInForce.IOC
        rule = (
            None
            if self.faults is None
            else self.faults.on_order(self.account.name, market.instrument.symbol, takes=takes)
        )
        fault = "" if rule is None else rule.fault
        if rule is not None and fault == "order_refused":
            raise BifuError(CODES[Refusal(rule.reason)], "refused by the fault plan")
        placed = self.exchange.place(
            self.account, request, fill_or_kill=force == "FILL_OR_KILL",
            most=request.qty * rule.share if rule is not None and fault == "partly_taken" else None,
            hold_ns=rule.for_ns if rule is not None and fault == "stuck_pending" else 0,
        )  # fmt: skip
        if isinstance(placed, Refused):
            raise BifuError(CODES[placed.refusal], placed.text)
        return placed


def _request(entry: Mapping[str, Any], account: str, market: Market) -> tuple[OrderRequest, str]:
    """Raises: BifuError."""
    side, force = SIDES.get(str(entry.get("orderSide"))), str(entry.get("timeInForce", "GOOD_TIL_CANCEL"))
    if side is None or force not in FORCES or entry.get("type") not in ("LIMIT", "MARKET"):
        raise BifuError("INVALID_PARAM", "orderSide, type or timeInForce is none of the venue's")
    limit = entry.get("type") == "LIMIT"
    return OrderRequest(
        client_id=str(entry.get("clientOrderId") or ""), account=account, symbol=market.instrument.symbol, side=side,
        qty=_decimal(entry, "size"), price=_decimal(entry, "price") if limit else None,
        type=OrderType.LIMIT if limit else OrderType.MARKET,
        tif=TimeInForce.GTC if limit and force in FORCES[:2] else TimeInForce.IOC, post_only=force == "POST_ONLY",
        reduce_only=bool(entry.get("reduceOnly")), valid_ms=0, self_trade=SelfTrade.NONE,
    ), force  # fmt: skip


def _decimal(entry: Mapping[str, Any], name: str) -> Decimal:
    try:
        value = Decimal(str(entry.get(name)))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0:
        raise BifuError("INVALID_PARAM", f"{name}: expected a number above 0")
    return value


def _ids(body: Mapping[str, Any], name: str) -> list[Any]:
    ids = body.get(name)
    if not isinstance(ids, list) or not 0 < len(ids) <= BATCH_MAX:
        raise BifuError("INVALID_PARAM", f"{name}: expected 1 to {BATCH_MAX} ids")
    return ids


READS: Mapping[str, Callable[[OrderDesk, Mapping[str, str]], object]] = {
    "getOrderById": OrderDesk.by_id,
    "getActiveOrderPage2": OrderDesk.active,
    "getHistoryOrderPage": OrderDesk.history,
}
COMMANDS: Mapping[str, Callable[[OrderDesk, Mapping[str, Any]], object]] = {
    "createOrder": OrderDesk.create,
    "createOrderBatch": OrderDesk.create_batch,
    "cancelOrderById": OrderDesk.cancel,
    "cancelOrderByClientOrderId": OrderDesk.cancel_by_client,
    "cancelAllOrder": OrderDesk.cancel_all,
}
