"""Orders of a local Binance: placing, batches, cancels, changes, cancel-all after a time, faults of a plan. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import Cancellable, Fill, MarketKind, Refusal, Refused
from exchanges.venues.binance.account import find_market, find_order
from exchanges.venues.binance.orders import (
    SIDES,
    Payload,
    perp_order,
    perp_placed,
    read_payload,
    spot_cancelled,
    spot_placed,
)
from exchanges.venues.binance.streams import BinanceStreams
from exchanges.venues.binance.wire import (
    REFUSALS,
    TOO_CHEAP,
    TOO_SMALL,
    ApiError,
    Fields,
    decimal_of,
    integer_of,
    malformed,
    read_json,
    read_params,
    wrong,
)
from exchanges.venues.exchange import Exchange, Market, VenueAccount
from exchanges.venues.faults import FaultRule, Faults
from exchanges.venues.ledger import VenueOrder
from exchanges.venues.limits import SlidingWindow

S = 1_000_000_000
MS = 1_000_000
BATCH_MAX = 5
ORDERS_IN_10S = {MarketKind.SPOT: 100, MarketKind.PERP: 300}


@dataclass(frozen=True, slots=True)
class BinanceOptions:
    """What may differ, each to be switched.

    `post_only_expires`: a futures order that would take is accepted and expires, instead of being refused.
    `hedge_mode`: the accounts hold long and short positions apart, as some users have set it.
    """

    post_only_expires: bool = False
    hedge_mode: bool = False


class Trading:
    """Commands of accounts. Every one of them raises ApiError for what the venue refuses."""

    def __init__(
        self, exchange: Exchange, streams: BinanceStreams, options: BinanceOptions, faults: Faults | None
    ) -> None:
        self.exchange = exchange
        self.streams = streams
        self.options = options
        self.faults = faults
        self.kind = streams.kind
        self.cancel_ids: dict[str, str] = {}  # by order, while it is being cancelled
        self._orders = SlidingWindow(ORDERS_IN_10S[self.kind], 10 * S)
        self._countdowns: dict[tuple[str, str], Cancellable] = {}

    def _count(self, account: VenueAccount, count: int) -> None:
        """Raises: ApiError."""
        if not self._orders.take(account.name, now_ns=self.exchange.clock.now_ns(), weight=count):
            wait_ns = self._orders.wait_ns(account.name, now_ns=self.exchange.clock.now_ns())
            most = ORDERS_IN_10S[self.kind]
            raise ApiError(
                429, -1015, f"Too many new orders; current limit is {most} orders per 10 SECOND.", retry_ns=wait_ns
            )

    def place(self, account: VenueAccount, fields: Fields) -> dict[str, Any]:
        """Raises: ApiError."""
        self._count(account, 1)
        return self._placed(account, fields)

    def _placed(self, account: VenueAccount, fields: Fields) -> dict[str, Any]:
        payload = read_payload(fields, self.kind)
        order = self._place(account, payload)
        if self.kind is MarketKind.PERP:
            return perp_placed(order, payload.response)
        fills: list[Fill] = []
        for fill in reversed(self.exchange.ledger.fills):
            if fill.at_ms < order.created_ms:
                break
            if fill.order_id == order.order_id:
                fills.insert(0, fill)
        return spot_placed(order, fills, payload.response)

    def _place(self, account: VenueAccount, payload: Payload) -> VenueOrder:
        """Raises: ApiError."""
        market = find_market(self.exchange, {"symbol": payload.symbol})
        if self.options.hedge_mode:
            raise wrong(-4061, "Order's position side does not match user's setting.")
        qty = self._qty(market, payload)
        rule = self._order_fault(account, payload)
        fault = "" if rule is None else rule.fault
        expires = self.options.post_only_expires and self.kind is MarketKind.PERP
        client_id = payload.client_id
        placed = self.exchange.place(
            account, payload.request(account.name, qty=qty, client_id=client_id),
            fill_or_kill=payload.time_in_force == "FOK", detail=payload,
            ends_on=(Refusal.POST_ONLY,) if expires else (),
            most=qty * rule.share if rule is not None and fault == "partly_taken" else None,
            hold_ns=rule.for_ns if rule is not None and fault == "stuck_pending" else 0,
        )  # fmt: skip
        if isinstance(placed, Refused):
            raise self._refusal(placed.refusal)
        return placed

    def _order_fault(self, account: VenueAccount, payload: Payload) -> FaultRule | None:
        """Raises: ApiError for an order that the plan lets be refused."""
        if self.faults is None:
            return None
        rule = self.faults.on_order(account.name, payload.symbol, takes=not payload.rests)
        if rule is not None and rule.fault == "order_refused":
            if rule.reason == "rate":
                raise ApiError(429, -1015, "Too many new orders.", retry_ns=S)
            raise self._refusal(Refusal(rule.reason))
        return rule

    def _qty(self, market: Market, payload: Payload) -> Decimal:
        """Raises: ApiError for less than the market takes."""
        spec, qty = market.instrument, payload.qty
        if qty is None:
            assert payload.quote_qty is not None
            qty = self.exchange.qty_for(market, payload.side, payload.quote_qty)
        if not qty and self.kind is MarketKind.PERP:
            raise wrong(-4003, "Quantity less than or equal to zero.")
        if qty < spec.min_qty:
            raise wrong(*TOO_SMALL[self.kind])
        price = payload.price if payload.price is not None else market.mark
        if qty * price < spec.min_notional and not payload.reduce_only:
            raise wrong(*TOO_CHEAP[self.kind])
        return qty

    def _refusal(self, refusal: Refusal) -> ApiError:
        return wrong(*REFUSALS.get((self.kind, refusal), (-1000, "An unknown error occurred.")))

    def place_batch(self, account: VenueAccount, fields: Fields) -> list[dict[str, Any]]:
        items = read_json(fields.get("batchOrders", ""))
        if not isinstance(items, list) or not items:
            raise malformed("batchOrders")
        if len(items) > BATCH_MAX:
            raise wrong(-4082, "Invalid number of batch place orders.")
        self._count(account, len(items))
        answers: list[dict[str, Any]] = []
        for item in items:
            try:
                answers.append(self._placed(account, read_params(item)))
            except ApiError as error:
                answers.append({"code": error.code, "msg": error.message})
        return answers

    def cancel(self, account: VenueAccount, fields: Fields) -> dict[str, Any]:
        """Raises: ApiError."""
        order = self._open_order(account, fields)
        rule = None if self.faults is None else self.faults.on_cancel(account.name, order.symbol)
        if rule is not None and rule.fault == "cancel_too_late":
            self.exchange.hit(order, order.book.leaves * order.instrument.lot * rule.share)
            order = self._open_order(account, fields)
        cancel_id = fields.get("newClientOrderId") or f"cancel_{order.order_id}"
        if rule is not None and rule.fault == "cancel_pending":
            self.exchange.clock.call_at(self.exchange.clock.now_ns() + rule.delay_ns, self._cancel, order, cancel_id)
            return self._cancelled(order, cancel_id) | {"status": "PENDING_CANCEL"}
        self._cancel(order, cancel_id)
        return self._cancelled(order, cancel_id)

    def _open_order(self, account: VenueAccount, fields: Fields) -> VenueOrder:
        order = find_order(self.exchange, account, fields, among=account.open.values())
        if order is None:
            raise wrong(-2011, "Unknown order sent.")
        return order

    def _cancel(self, order: VenueOrder, cancel_id: str) -> None:
        self.cancel_ids[order.order_id] = cancel_id
        self.exchange.cancel(order)
        self.cancel_ids.pop(order.order_id, None)

    def _cancelled(self, order: VenueOrder, cancel_id: str) -> dict[str, Any]:
        return spot_cancelled(order, cancel_id) if self.kind is MarketKind.SPOT else perp_order(order)

    def cancel_all(self, account: VenueAccount, fields: Fields) -> Any:
        symbol = find_market(self.exchange, fields).instrument.symbol
        gone = [order for order in account.open.values() if order.symbol == symbol]
        for order in gone:
            self._cancel(order, f"cancel_{order.order_id}")
        if self.kind is MarketKind.PERP:
            return {"code": 200, "msg": "The operation of cancel all open order is done."}
        if not gone:
            raise wrong(-2011, "Unknown order sent.")
        return [spot_cancelled(order, f"cancel_{order.order_id}") for order in gone]

    def modify(self, account: VenueAccount, fields: Fields) -> dict[str, Any]:
        """Change price and total quantity of an open futures order; one that would now take ends (GTX)."""
        self._count(account, 1)
        order = find_order(self.exchange, account, fields, among=account.open.values())
        if order is None:
            raise wrong(-2013, "Order does not exist.")
        qty, price = decimal_of(fields, "quantity"), decimal_of(fields, "price")
        if qty is None or price is None or SIDES.get(fields.get("side", "")) is not order.side:
            raise malformed("quantity" if qty is None else "price" if price is None else "side")
        if (qty, price) == (order.qty, order.price):
            raise wrong(-5027, "No need to modify the order.")
        refused = self.exchange.modify(order, price=price, qty=qty)
        if refused is not None:
            if refused.refusal is Refusal.POST_ONLY or qty <= order.cum_qty:
                self._cancel(order, "")
                return perp_order(order)
            raise self._refusal(refused.refusal)
        self.streams.order(order, "AMENDMENT")
        return perp_order(order)

    def countdown(self, account: VenueAccount, fields: Fields) -> dict[str, Any]:
        """Cancel all orders of a market unless this is asked for again in time; 0 calls it off."""
        symbol = find_market(self.exchange, fields).instrument.symbol
        wait_ms = integer_of(fields, "countdownTime")
        if wait_ms is None:
            raise malformed("countdownTime")
        running = self._countdowns.pop((account.name, symbol), None)
        if running is not None:
            running.cancel()
        if wait_ms:
            due_ns = self.exchange.clock.now_ns() + wait_ms * MS
            self._countdowns[account.name, symbol] = self.exchange.clock.call_at(
                due_ns, self.cancel_all, account, {"symbol": symbol}
            )
        return {"symbol": symbol, "countdownTime": str(wait_ms)}
