"""Signed questions and commands of one Backpack account: what is asked, at which address, under which instruction."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from exchanges.backpack.wire import reply
from exchanges.backpack.wire.reply import FillRow
from exchanges.backpack.wire.request import Params, Signer, command, commands, instruction, query_text
from exchanges.budget import Budget, Use
from exchanges.errors import ExchangeError, LinkDown, Rejected
from exchanges.facts import BookFacts, OrderFacts, PositionRow, Signed
from exchanges.http import Call, Http, OnOutcome, plain_error
from exchanges.transport import NO_HEADERS, Response, Transport
from exchanges.types import Clock, Instrument, Refusal
from exchanges.venue_clock import SETTLE_NS, VenueClock

S = 1_000_000_000
MS = 1_000_000
WINDOW_MS = 5_000  # of a question; orders carry their own
ASK_NS = 3 * S
ANSWER_NS = S // 2  # beyond a request's window: what was not answered by then will not be
PAGE = 1_000  # rows of one page, the venue's most
PAGES_MOST = 20  # of one question; more than 20,000 fills since the last known one is no gap of a stream


class Rest:
    """One account's requests, signed in the venue's time."""

    def __init__(self, base_url: str, *, signer: Signer, transport: Transport, clock: Clock, budget: Budget) -> None:
        self.clock = VenueClock(clock)
        self._signer = signer
        self._clock = clock
        self._http = Http(
            base_url, transport=transport, clock=clock, budget=budget, judge=judge, warm_path="/api/v1/ping"
        )

    @property
    def venue_ms(self) -> int:
        return self.clock.ms

    async def warm(self) -> None:
        await self._http.warm()

    async def close(self) -> None:
        await self._http.close()

    # --- public

    async def check_open(self) -> None:
        """Raises: LinkDown while the venue is under maintenance."""
        why = reply.maintenance(await self._public("/api/v1/status"))
        if why:
            raise LinkDown(f"the venue is closed: {why}")

    async def read_clock(self) -> str:
        """What is wrong with our clock, if anything. Raises: AuthFailed at the first reading of one too far."""
        return await self.clock.read(self._server_ms)

    async def _server_ms(self) -> int:
        return reply.server_ms(await self._public("/api/v1/time"))

    async def instrument(self, symbol: str, *, venue: str, market: str) -> Instrument:
        """Raises: Rejected if the venue does not list the symbol."""
        body = await self._public(f"/api/v1/market?symbol={symbol}")
        account = await self._signed("accountQuery", "/api/v1/account", {}, Use.ASK)
        return reply.instrument_of(body, account, venue=venue, market=market)

    async def leverage(self) -> Decimal | None:
        """The most that the account has allowed itself."""
        return reply.leverage_of(await self._signed("accountQuery", "/api/v1/account", {}, Use.ASK))

    async def best(self, symbol: str) -> BookFacts:
        return reply.depth_best(await self._public(f"/api/v1/depth?symbol={symbol}&limit=5"), symbol)

    # --- the account

    async def open_order(self, symbol: str, client_number: int, use: Use) -> OrderFacts | None:
        """A resting order; None for one that is not (any more). Raises: ExchangeError."""
        try:
            body = await self._signed("orderQuery", "/api/v1/order", {"clientId": client_number, "symbol": symbol}, use)
        except Rejected as error:
            if error.refusal is Refusal.NOT_FOUND:
                return None
            raise
        return reply.one_order(body)

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderFacts]:
        return reply.order_list(await self._signed("orderQueryAll", "/api/v1/orders", {"symbol": symbol}, use))

    async def order_history(self, symbol: str, use: Use, *, order_id: str = "") -> Sequence[OrderFacts]:
        """Orders that were made last, ended ones included; by client id the venue does not filter."""
        params: dict[str, str | int] = {"limit": PAGE, "sortDirection": "Desc", "symbol": symbol}
        if order_id:
            params["orderId"] = order_id
        return reply.order_list(await self._signed("orderHistoryQueryAll", "/wapi/v1/history/orders", params, use))

    async def fills(self, symbol: str, since_ms: int, use: Use, *, order_id: str = "") -> Sequence[FillRow]:
        """Fills of every cause at or after `since_ms`, oldest first."""
        pages: list[list[object]] = []
        for page in range(PAGES_MOST):
            params: dict[str, str | int] = {
                "from": since_ms, "limit": PAGE, "offset": page * PAGE, "sortDirection": "Asc", "symbol": symbol,
            }  # fmt: skip
            if order_id:
                params["orderId"] = order_id
            body = await self._signed("fillHistoryQueryAll", "/wapi/v1/history/fills", params, use)
            pages.append(reply.page(body))
            if len(pages[-1]) < PAGE:
                return reply.fill_rows(pages)
        raise LinkDown(f"more than {PAGES_MOST * PAGE} fills in {symbol} since {since_ms}")

    async def positions(self, use: Use) -> Sequence[PositionRow]:
        """Signed positions of all perpetuals."""
        return reply.position_rows(await self.position_list(use))

    async def asset_total(self, asset: str, use: Use) -> Decimal:
        return reply.asset_total(await self.collateral(use), asset)

    async def position_list(self, use: Use) -> bytes:
        """Unread, for several readers: positions, and what margin they need."""
        return await self._signed("positionQuery", "/api/v1/position", {}, use)

    async def collateral(self, use: Use) -> bytes:
        """Unread, as the list of positions: equity, and what is held of each asset."""
        return await self._signed("collateralQuery", "/api/v1/capital/collateral", {}, use)

    # --- orders: nothing here waits

    def place(self, params: Params, *, window_ms: int, on_outcome: OnOutcome) -> Signed:
        """Sign and send one order."""
        signed, body = command("orderExecute", params)
        return self._send("POST", "/api/v1/order", signed, body, window_ms=window_ms, on_outcome=on_outcome)

    def place_batch(self, orders: Sequence[Params], *, window_ms: int, on_outcome: OnOutcome) -> Signed:
        """Sign and send several orders as one request."""
        signed, body = commands("orderExecute", orders)
        return self._send("POST", "/api/v1/orders", signed, body, window_ms=window_ms, on_outcome=on_outcome)

    def cancel(self, params: Params, *, window_ms: int, on_outcome: OnOutcome) -> Signed:
        """Sign and send the cancel of one order."""
        signed, body = command("orderCancel", params)
        return self._send("DELETE", "/api/v1/order", signed, body, window_ms=window_ms, on_outcome=on_outcome)

    def _send(
        self, method: str, path: str, instructions: str, body: bytes, *, window_ms: int, on_outcome: OnOutcome
    ) -> Signed:
        headers = self._signer.headers(instructions, timestamp_ms=self.venue_ms, window_ms=window_ms, body=True)
        signed_ns = self._clock.now_ns()
        over_ns = self.clock.over_ns(signed_ns, window_ms)
        self._http.send(Call(method, path, Use.TRADE, over_ns + ANSWER_NS, headers, body), on_outcome)
        return Signed(signed_ns, over_ns + SETTLE_NS)

    async def _signed(self, name: str, path: str, params: Params, use: Use) -> bytes:
        headers = self._signer.headers(instruction(name, params), timestamp_ms=self.venue_ms, window_ms=WINDOW_MS)
        whole = f"{path}?{query_text(params)}" if params else path
        return (await self._http.ask(Call("GET", whole, use, self._clock.now_ns() + ASK_NS, headers))).body

    async def _public(self, path: str) -> bytes:
        call = Call("GET", path, Use.ASK, self._clock.now_ns() + ASK_NS, NO_HEADERS)
        return (await self._http.ask(call)).body


def judge(response: Response) -> ExchangeError | None:
    """What an answer says that is none: the venue's own words first, then the status."""
    if 200 <= response.status < 300:
        return None
    return reply.judge(response.status, response.body) or plain_error(response)
