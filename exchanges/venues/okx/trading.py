"""OKX's commands: place, batch, amend, cancel, and the dead man's switch; the same for REST and the stream. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from exchanges.types import Cancellable, Refusal, Refused
from exchanges.venues.exchange import Market, VenueAccount
from exchanges.venues.faults import FaultRule, Faults
from exchanges.venues.ledger import End, VenueOrder
from exchanges.venues.okx.orders import Payload, client_id_of, read_payload
from exchanges.venues.okx.state import PER_INSTRUMENT, SUB_ACCOUNT_ORDERS, Okx, S, instrument_type
from exchanges.venues.okx.wire import REFUSALS, ApiError, decimal_of, fields_of, text_of

BATCH_MOST = 20
SWITCH_S = range(10, 121)  # the time-outs that the dead man's switch takes, beside 0


class Expired(Exception):
    """The request came after its `expTime`, and the venue drops it without a word."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command comes to: the code of the whole, and an item for each order."""

    code: str
    message: str
    data: Sequence[Mapping[str, Any]]


class Trading:
    """Carries out commands of signed-in accounts. `changed` hears of an order that was amended, with the request id."""

    def __init__(self, okx: Okx, faults: Faults | None, changed: Callable[[VenueOrder, str], None]) -> None:
        self._okx = okx
        self._faults = faults
        self._changed = changed
        self._switches: dict[str, Cancellable] = {}

    def run(self, name: str, account: VenueAccount, items: Sequence[object], *, expires: str) -> Answer:
        """One command over its orders. Raises: ApiError for the whole request, Expired."""
        act, limit, most = _COMMANDS[name]
        if not 0 < len(items) <= most:
            raise ApiError("51111", f"Maximum {most} orders can be placed in bulk")
        told = [fields_of(item) for item in items]
        self._spend(account, told, limit if len(items) == 1 else _BATCH_LIMITS.get(limit, limit))
        self._check_time(expires)
        data = [self._item(act, account, fields) for fields in told]
        failed = sum(item["sCode"] != "0" for item in data)
        if not failed:
            return Answer("0", "", data)
        if failed < len(data):
            return Answer("2", "Bulk operation partially succeeded", data)
        return Answer("1", "All operations failed" if len(data) > 1 else "Operation failed.", data)

    def _spend(self, account: VenueAccount, told: Sequence[Mapping[str, Any]], limit: str) -> None:
        for fields in told:
            symbol = self._symbol(fields)
            self._okx.spend(limit, PER_INSTRUMENT[limit], f"{account.name}/{symbol}")
            market = self._okx.exchange.markets.get(symbol)
            if limit in ("place", "batch", "amend") and market and instrument_type(market.instrument) == "SWAP":
                self._okx.spend("orders", SUB_ACCOUNT_ORDERS, account.name)

    def _check_time(self, expires: str) -> None:
        if not expires:
            return
        if not (expires.isascii() and expires.isdigit() and len(expires) < 18):
            raise ApiError("51000", "Parameter expTime error")
        if self._okx.exchange.now_ms() <= int(expires):
            return
        if not self._okx.options.expired_code:
            raise Expired
        raise ApiError(self._okx.options.expired_code, "The request has passed its expTime")

    def _item(self, act: _Act, account: VenueAccount, fields: Mapping[str, Any]) -> dict[str, Any]:
        told = {
            "ordId": "",
            "clOrdId": str(fields.get("clOrdId", "")),
            "tag": str(fields.get("tag", "")),
            "ts": str(self._okx.exchange.now_ms()),
            "sCode": "0",
            "sMsg": "",
            "subCode": "",
        }
        try:
            order = act(self, account, fields)
        except ApiError as error:
            return told | {"sCode": error.code, "sMsg": error.message}
        return told | {"ordId": order.order_id, "clOrdId": order.client_id}

    def _symbol(self, fields: Mapping[str, Any]) -> str:
        """The instrument by its name, or by its code as the stream has it; unknown ones as they are told."""
        if "instIdCode" in fields:
            try:
                return self._okx.by_code(fields["instIdCode"]).instrument.symbol
            except ApiError:
                return ""
        return str(fields.get("instId", ""))

    def _known(self, fields: Mapping[str, Any]) -> str:
        """Raises: ApiError."""
        if "instId" not in fields and "instIdCode" not in fields:
            raise ApiError("50014", "Parameter instId can not be empty")
        return self._okx.market(self._symbol(fields)).instrument.symbol

    # -- place ---------------------------------------------------------------------------------------------------

    def _place(self, account: VenueAccount, fields: Mapping[str, Any]) -> VenueOrder:
        okx = self._okx
        payload = read_payload(okx, fields, self._known(fields))
        market = okx.market(payload.symbol)
        qty = self._qty(market, payload)
        takes = payload.order_type not in ("limit", "post_only")
        rule = None if self._faults is None else self._faults.on_order(account.name, payload.symbol, takes=takes)
        fault = "" if rule is None else rule.fault
        if rule is not None and fault == "order_refused":
            raise ApiError(*REFUSALS[Refusal(rule.reason)])
        placed = okx.exchange.place(
            account, payload.request(account.name, qty=qty), fill_or_kill=payload.order_type == "fok", detail=payload,
            ends_on=(Refusal.POST_ONLY,), most=qty * rule.share if rule and fault == "partly_taken" else None,
            hold_ns=rule.for_ns if rule and fault == "stuck_pending" else 0,
        )  # fmt: skip
        if isinstance(placed, Refused):
            raise ApiError(*REFUSALS[placed.refusal])
        return placed

    def _qty(self, market: Market, payload: Payload) -> Decimal:
        """The quantity in base units, within the instrument's bounds. Raises: ApiError."""
        spec = market.instrument
        if payload.qty is None:
            qty = self._okx.exchange.qty_for(market, payload.side, payload.quote_qty or Decimal(0))
        else:
            qty = payload.qty
        if qty < spec.min_qty:
            raise ApiError("51020", "Your order should meet or exceed the minimum order amount")
        if spec.max_qty is not None and qty > spec.max_qty:
            raise ApiError("51202", "The order amount exceeds the max amount")
        return qty

    # -- cancel, amend -------------------------------------------------------------------------------------------

    def _cancel(self, account: VenueAccount, fields: Mapping[str, Any]) -> VenueOrder:
        exchange, symbol = self._okx.exchange, self._known(fields)
        order = self._open(account, fields, symbol)
        rule = self._cancel_fault(account, order)
        if rule is not None and rule.fault == "cancel_pending":
            exchange.clock.call_at(exchange.clock.now_ns() + rule.delay_ns, exchange.cancel, order)
        else:
            exchange.cancel(order)
        return order

    def _cancel_fault(self, account: VenueAccount, order: VenueOrder) -> FaultRule | None:
        """Raises: ApiError where a fill came first."""
        rule = None if self._faults is None else self._faults.on_cancel(account.name, order.symbol)
        if rule is not None and rule.fault == "cancel_too_late":
            self._okx.exchange.hit(order, order.book.leaves * order.instrument.lot * rule.share)
            if order.end is not None:
                raise ApiError("51402", "Order cancellation failed as the order has been completed")
        return rule

    def _amend(self, account: VenueAccount, fields: Mapping[str, Any]) -> VenueOrder:
        order = self._open(account, fields, self._known(fields), gone="51503", ended=("51509", "51510"))
        if "newSz" not in fields and "newPx" not in fields:
            raise ApiError("51500", "Either order price or quantity is required")
        qty = decimal_of(fields, "newSz") * self._okx.unit(order.symbol) if "newSz" in fields else order.qty
        price = decimal_of(fields, "newPx") if "newPx" in fields else order.price
        assert price is not None  # a market order never rests
        refused = self._okx.exchange.modify(order, price=price, qty=qty)
        if refused is not None:
            post_only = ("51511", "Modification failed as the order price did not meet the requirement for Post Only")
            raise ApiError(*(post_only if refused.refusal is Refusal.POST_ONLY else REFUSALS[refused.refusal]))
        self._changed(order, text_of(fields, "reqId", "0"))
        return order

    def _open(
        self, account: VenueAccount, fields: Mapping[str, Any], symbol: str, *, gone: str = "51400",
        ended: tuple[str, str] = ("51401", "51402"),
    ) -> VenueOrder:  # fmt: skip
        """An open order by its id, or ours. Raises: ApiError that says what became of it."""
        order_id, client_id = text_of(fields, "ordId", ""), client_id_of(fields, "clOrdId")
        order = find_order(self._okx, account, symbol, order_id=order_id, client_id=client_id)
        if order is None:
            raise ApiError(gone, "Order cancellation failed as the order does not exist")
        if order.end is End.FILLED:
            raise ApiError(ended[1], "Order cancellation failed as the order has been completed")
        if order.end is not None:
            raise ApiError(ended[0], "Order cancellation failed as the order has been canceled")
        return order

    # -- the switch ----------------------------------------------------------------------------------------------

    def cancel_all_after(self, account: VenueAccount, fields: Mapping[str, Any]) -> list[dict[str, str]]:
        """Arm the switch anew, or take it away. Raises: ApiError."""
        text = text_of(fields, "timeOut")
        if not text.isdigit() or (int(text) and int(text) not in SWITCH_S):
            raise ApiError("51000", "Parameter timeOut error")
        exchange, armed = self._okx.exchange, self._switches.pop(account.name, None)
        if armed is not None:
            armed.cancel()
        if int(text):
            due_ns = exchange.clock.now_ns() + int(text) * S
            self._switches[account.name] = exchange.clock.call_at(due_ns, self._nobody_there, account)
        now_ms = exchange.now_ms()
        at = str(now_ms + int(text) * 1000) if int(text) else "0"
        return [{"triggerTime": at, "tag": "", "ts": str(now_ms)}]

    def _nobody_there(self, account: VenueAccount) -> None:
        for order in tuple(account.open.values()):
            self._okx.exchange.cancel(order, end=End.EXPIRED)


def find_order(okx: Okx, account: VenueAccount, symbol: str, *, order_id: str, client_id: str) -> VenueOrder | None:
    """By the venue's id, which wins, or ours; of several that had one client id the latest. Raises: ApiError."""
    if not order_id and not client_id:
        raise ApiError("51003", "Either client order ID or order ID is required")
    orders = okx.exchange.ledger.orders
    if order_id:
        order = orders.get(order_id)
        return order if order is not None and (order.account, order.symbol) == (account.name, symbol) else None
    for order in reversed(orders.values()):
        if (order.account, order.symbol, order.client_id) == (account.name, symbol, client_id):
            return order
    return None


_Act = Callable[[Trading, VenueAccount, Mapping[str, Any]], VenueOrder]
_COMMANDS: Mapping[str, tuple[_Act, str, int]] = {  # by the stream's name: act, limit, most orders
    "order": (Trading._place, "place", 1),
    "batch-orders": (Trading._place, "place", BATCH_MOST),
    "cancel-order": (Trading._cancel, "cancel", 1),
    "batch-cancel-orders": (Trading._cancel, "cancel", BATCH_MOST),
    "amend-order": (Trading._amend, "amend", 1),
}
_BATCH_LIMITS = {"place": "batch", "cancel": "batch_cancel"}
OPERATIONS = tuple(_COMMANDS)
