"""Signed questions and commands of one Binance account by REST: what is asked, at which address, at which weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

from exchanges.binance.wire import reply
from exchanges.binance.wire.product import Hosts, Product
from exchanges.binance.wire.reply import FillRow, Risk
from exchanges.binance.wire.request import Params, Signer, batch_text, query_text
from exchanges.budget import Budget, Use
from exchanges.errors import AuthFailed, BadFrame, ExchangeError, LinkDown, OutcomeUnknown, Rejected
from exchanges.facts import BookFacts, OrderFacts, PositionRow, Signed
from exchanges.fields import json_of
from exchanges.http import Call, Http, Outcome
from exchanges.http import plain_error as plain
from exchanges.transport import Response, Transport, retry_after_ms
from exchanges.types import Clock, Instrument, Margin, MarketKind, Refusal
from exchanges.venue_clock import SETTLE_NS, VenueClock

S = 1_000_000_000
WINDOW_MS = 5_000  # of a question; orders carry their own
ASK_NS = 3 * S
ANSWER_NS = S // 2  # beyond a request's window: what was not answered by then will not be
PAGE = 1_000  # rows of one page, the venue's most
PAGES_MOST = 20  # of one question
SPANS_MOST = 4  # of one question about fills by time; beyond that they are read from the first one on

T = TypeVar("T")
OrderOutcome = OrderFacts | ExchangeError
OnOrder = Callable[[OrderOutcome, int], None]  # with the time at which the last byte was in the socket, 0 if it was not
OnOrders = Callable[[Sequence[OrderOutcome], int], None]


class Rest:
    """One account's requests, signed in the venue's time."""

    def __init__(
        self, product: Product, hosts: Hosts, *, signer: Signer, transport: Transport, clock: Clock, budget: Budget
    ) -> None:
        self.product = product
        self.clock = VenueClock(clock)
        self.untimely: Callable[[], None] = _nobody  # hears of a question that came too late or too early
        self._signer = signer
        self._clock = clock
        self._http = Http(
            hosts.rest, transport=transport, clock=clock, budget=budget, judge=judge,
            warm_path=f"{product.root}/ping",
        )  # fmt: skip

    @property
    def venue_ms(self) -> int:
        return self.clock.ms

    async def warm(self) -> None:
        await self._http.warm()

    async def close(self) -> None:
        await self._http.close()

    # --- public

    async def read_clock(self) -> str:
        """What is wrong with our clock, if anything. Raises: AuthFailed at the first reading of one too far."""
        return await self.clock.read(self._server_ms)

    async def _server_ms(self) -> int:
        return reply.server_ms(await self._public("time"))

    async def instrument(self, symbol: str, *, venue: str, market: str) -> Instrument:
        """Raises: Rejected if the venue does not list the symbol."""
        spot = self.product.kind is MarketKind.SPOT
        listed = await self._public("exchangeInfo", {"symbol": symbol} if spot else {})
        if not reply.lists(listed, symbol):
            raise Rejected(Refusal.UNSUPPORTED, f"no market {symbol}")
        if spot:
            fees = reply.spot_fees(await self._ask("account/commission", {"symbol": symbol}, Use.ASK))
            return reply.instrument_of(listed, symbol, venue=venue, market=market, fees=fees, risk=None)
        fees = reply.futures_fees(await self._ask("commissionRate", {"symbol": symbol}, Use.ASK))
        risk = await self.risk(symbol)
        return reply.instrument_of(listed, symbol, venue=venue, market=market, fees=fees, risk=risk)

    async def best(self, symbol: str) -> BookFacts:
        return reply.best_of(await self._public("ticker/bookTicker", {"symbol": symbol}))

    # --- the account

    async def check_one_way(self) -> None:
        """Raises: AuthFailed for a futures account that holds long and short positions apart."""
        if self.product.kind is MarketKind.PERP and reply.both_sides(await self._ask("positionSide/dual", {}, Use.ASK)):
            raise AuthFailed(
                "the account holds long and short positions apart (hedge mode), so that a closing order could open: "
                "set the position mode to one-way at the venue, with no order and no position open, and start again"
            )

    async def risk(self, symbol: str) -> Risk:
        """Leverage and margin of a futures market, as the account has set them."""
        config = await self._ask("symbolConfig", {"symbol": symbol}, Use.ASK)
        return reply.risk_of(config, await self._ask("leverageBracket", {"symbol": symbol}, Use.ASK), symbol)

    async def order(self, symbol: str, use: Use, *, client_id: str = "", order_id: str = "") -> OrderFacts | None:
        """An order, ended or not, by the venue's id where it is known; None if there is none. Raises: ExchangeError."""
        params = {"symbol": symbol} | ({"orderId": order_id} if order_id else {"origClientOrderId": client_id})
        try:
            return reply.order_of(json_of(await self._ask("order", params, use)))
        except Rejected as error:
            if error.refusal is Refusal.NOT_FOUND:
                return None
            raise

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderFacts]:
        return reply.order_list(await self._ask("openOrders", {"symbol": symbol}, use))

    async def orders_named(self, symbol: str, order_ids: Iterable[str], use: Use) -> dict[str, OrderFacts]:
        """The orders that fills name; those that the venue does not show are left out."""
        wanted, found = set(order_ids), dict[str, OrderFacts]()
        first = min((int(it) for it in wanted), default=0)
        for _ in range(PAGES_MOST):
            params = {"symbol": symbol, "orderId": str(first), "limit": str(PAGE)}
            rows = reply.order_list(await self._ask("allOrders", params, use))
            found |= {row.order_id: row for row in rows if row.order_id in wanted}
            if len(rows) < PAGE or len(found) == len(wanted):
                break
            first = max(int(row.order_id) for row in rows) + 1
        return found

    async def fills(self, symbol: str, since_ms: int, use: Use) -> Sequence[FillRow]:
        """Fills at or after `since_ms`, oldest first."""
        span_ms, rows = self.product.fills_span_ms, list[FillRow]()
        if self.venue_ms - since_ms > SPANS_MOST * span_ms:
            rows = await self._fills_from(symbol, "0", use)
            return _in_order(row for row in rows if row.at_ms >= since_ms)
        begin_ms = since_ms
        while begin_ms <= self.venue_ms:
            until_ms = begin_ms + span_ms - 1
            page = await self._page(symbol, use, {"startTime": str(begin_ms), "endTime": str(until_ms)})
            rows += page
            if len(page) == PAGE:  # the rest has no bound of time: what comes after this one, all of it
                rows += await self._fills_from(symbol, str(int(_in_order(page)[-1].trade.trade_id) + 1), use)
                break
            begin_ms = until_ms + 1
        return _in_order(rows)

    async def _fills_from(self, symbol: str, trade_id: str, use: Use) -> list[FillRow]:
        rows: list[FillRow] = []
        for _ in range(PAGES_MOST):
            page = await self._page(symbol, use, {"fromId": trade_id})
            rows += page
            if len(page) < PAGE:
                return rows
            trade_id = str(int(_in_order(page)[-1].trade.trade_id) + 1)
        raise LinkDown(f"more than {PAGES_MOST * PAGE} fills in {symbol} to read")

    async def _page(self, symbol: str, use: Use, params: Params) -> list[FillRow]:
        whole = {"symbol": symbol, "limit": str(PAGE), **params}
        return reply.fill_rows(await self._ask(self.product.trades_name, whole, use))

    async def positions(self, use: Use) -> Sequence[PositionRow]:
        """Signed positions of all futures markets with a position or an order."""
        body = await self._ask("positionRisk", {}, use, path="/fapi/v3/positionRisk")
        return reply.position_rows(body)

    async def futures_margin(self, account: str, use: Use) -> Margin:
        return reply.futures_margin(await self._ask("account", {}, use, path="/fapi/v3/account"), account)

    async def balances(self, use: Use) -> dict[str, tuple[Decimal, Decimal]]:
        """Free and bound amounts of a spot account by asset."""
        return reply.balances(await self._ask("account", {}, use))

    async def listen_key(self) -> str:
        """The key of the account's stream on futures, valid for another hour from now on."""
        call = self._call("POST", f"{self.product.root}/listenKey", Use.ASK, headers=self._headers)
        return reply.listen_key((await self._http.ask(call)).body)

    async def cancel_all_after(self, symbol: str, wait_ms: int) -> None:
        """Let the venue cancel all orders of the market unless this is asked for again in time; 0 calls it off."""
        params = {"symbol": symbol, "countdownTime": str(wait_ms)}
        await self._ask("countdownCancelAll", params, Use.ASK, method="POST")

    # --- orders: nothing here waits

    def place(self, params: Params, *, window_ms: int, on_outcome: OnOrder) -> Signed:
        return self._send("POST", "order", params, window_ms=window_ms, on_outcome=_one(on_outcome))

    def modify(self, params: Params, *, window_ms: int, on_outcome: OnOrder) -> Signed:
        return self._send("PUT", "order", params, window_ms=window_ms, on_outcome=_one(on_outcome))

    def cancel(self, params: Params, *, window_ms: int, on_outcome: OnOrder) -> Signed:
        return self._send("DELETE", "order", params, window_ms=window_ms, on_outcome=_one(on_outcome))

    def place_batch(self, orders: Sequence[Params], *, window_ms: int, on_outcomes: OnOrders) -> Signed:
        """Several orders as one request; the answers come in their order."""

        def answered(outcome: Outcome, written_ns: int) -> None:
            on_outcomes(_apart(outcome, len(orders)), written_ns)

        return self._send(
            "POST", "batchOrders", {"batchOrders": batch_text(orders)}, window_ms=window_ms, on_outcome=answered
        )

    def _send(
        self, method: str, name: str, params: Params, *, window_ms: int, on_outcome: Callable[[Outcome, int], None]
    ) -> Signed:
        form = self._signer.form(params, timestamp_ms=self.venue_ms, window_ms=window_ms)
        signed = self.signed_now(window_ms)
        deadline_ns = signed.dead_ns - SETTLE_NS + ANSWER_NS
        weight = self.product.weight(name) if name != "order" else 1
        path = f"{self.product.root}/{name}?{form}"
        self._http.send(Call(method, path, Use.TRADE, deadline_ns, self._headers, weight=weight), on_outcome)
        return signed

    def signed_now(self, window_ms: int) -> Signed:
        """Of a request that is signed at this moment."""
        now_ns = self._clock.now_ns()
        return Signed(now_ns, self.clock.over_ns(now_ns, window_ms) + SETTLE_NS)

    # ---

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-MBX-APIKEY": self._signer.api_key}

    async def _ask(self, name: str, params: Params, use: Use, *, path: str = "", method: str = "GET") -> bytes:
        form = self._signer.form(params, timestamp_ms=self.venue_ms, window_ms=WINDOW_MS)
        whole = f"{path or f'{self.product.root}/{name}'}?{form}"
        call = self._call(method, whole, use, headers=self._headers, weight=self.product.weight(name))
        try:
            return (await self._http.ask(call)).body
        except reply.Untimely as error:  # no answer, and not the question's fault
            self.untimely()
            raise LinkDown(str(error)) from error

    async def _public(self, name: str, params: Params | None = None) -> bytes:
        path = f"{self.product.root}/{name}" + (f"?{query_text(params)}" if params else "")
        return (await self._http.ask(self._call("GET", path, Use.ASK, weight=self.product.weight(name)))).body

    def _call(
        self, method: str, path: str, use: Use, *, headers: dict[str, str] | None = None, weight: int = 1
    ) -> Call:
        return Call(method, path, use, self._clock.now_ns() + ASK_NS, headers or {}, weight=weight)


def _nobody() -> None:
    """Before anybody listens."""


def _in_order(rows: Iterable[FillRow]) -> list[FillRow]:
    return sorted(rows, key=lambda row: (row.at_ms, int(row.trade.trade_id)))


def judge(response: Response) -> ExchangeError | None:
    """What an answer says that is none: the venue's own words first, then the status."""
    if 200 <= response.status < 300:
        return None
    said = reply.judge(response.status, response.body, retry_ms=retry_after_ms(response.headers))
    return said or plain(response)


def _one(on_outcome: OnOrder) -> Callable[[Outcome, int], None]:
    def answered(outcome: Outcome, written_ns: int) -> None:
        on_outcome(_order_in(outcome), written_ns)

    return answered


def _order_in(outcome: Outcome) -> OrderOutcome:
    if not isinstance(outcome, Response):
        return outcome
    try:
        return reply.order_of(json_of(outcome.body))
    except BadFrame as error:
        return OutcomeUnknown(f"the answer cannot be read: {error}")


def _apart(outcome: Outcome, count: int) -> Sequence[OrderOutcome]:
    """The answers to the orders of a batch; what is wrong with the whole is wrong with each."""
    if not isinstance(outcome, Response):
        return [outcome] * count
    try:
        return reply.batch_of(outcome.body, count)
    except BadFrame as error:
        return [OutcomeUnknown(f"the answer cannot be read: {error}")] * count
