"""What is asked of BiFu by REST: signed, within the budget, by its own clock. Nothing here can place an order."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from exchanges.bifu.wire import reply
from exchanges.bifu.wire.product import Pages, Product
from exchanges.bifu.wire.reply import OrderRow
from exchanges.bifu.wire.request import Signer, page_path
from exchanges.budget import Budget, Use
from exchanges.errors import AuthFailed, ExchangeError, LinkDown
from exchanges.http import Call, Http, plain_error
from exchanges.transport import Response, Transport
from exchanges.types import Clock, Instrument

S = 1_000_000_000
MS = 1_000_000
ASK_NS = 5 * S
SKEW_MOST_MS = 15_000  # half of the venue's window: beyond it a slow request is refused, and no history is to be had

META, DEPTH, TICKER = (f"/api/v1/public/{name}" for name in ("meta/getMetaData", "quote/getDepth", "quote/getTicker"))
ASSETS = "/api/v1/private/spot/account/getAccountAsset"


class Rest:
    """One account's questions. `clock_offset_ms` is the venue's clock minus ours, from its last answer."""

    def __init__(
        self, private_url: str, public_url: str, *, product: Product, signer: Signer, transport: Transport,
        clock: Clock, budget: Budget,
    ) -> None:  # fmt: skip
        self.clock_offset_ms = 0
        self._product = product
        self._signer = signer
        self._clock = clock
        self._private, self._public = (
            Http(url, transport=transport, clock=clock, budget=budget, judge=judge, warm_path=TICKER)
            for url in (private_url, public_url)
        )

    @property
    def venue_ms(self) -> int:
        return self._clock.wall_ms() + self.clock_offset_ms

    async def close(self) -> None:
        await self._private.close()
        await self._public.close()

    # --- public

    async def instrument(self, symbol: str, *, venue: str, market: str) -> tuple[str, Instrument]:
        """The venue's id of a market and its rules. Raises: Rejected if the venue does not list it."""
        body = await self._read(self._public, META, {})
        return reply.instrument_of(body, symbol, self._product, venue=venue, market=market)

    async def read_clock(self, instrument_id: str) -> None:
        """Note how far the venue's clock is from ours. Raises: AuthFailed for one that is too far."""
        await self._read(self._public, f"{TICKER}?instrumentId={instrument_id}", {})

    async def best(self, instrument_id: str) -> tuple[Decimal, Decimal, Decimal, Decimal, int]:
        return reply.best(await self._read(self._public, f"{DEPTH}?instrumentId={instrument_id}&level=15", {}))

    async def base_coins(self, symbols: Sequence[str]) -> dict[str, str]:
        """The venue's ids of the markets' base assets, by symbol."""
        body = await self._read(self._public, META, {})
        return {symbol: reply.base_coin(body, symbol, self._product) for symbol in symbols}

    # --- the account

    async def orders(
        self, pages: Pages, instrument_ids: Sequence[str], *, since_ms: int, use: Use
    ) -> tuple[Sequence[OrderRow], Sequence[str]]:
        """All orders of a list, and what is wrong with the rows that cannot be read.

        Raises: LinkDown for a list without an end: half a history would hide a fill.
        """
        orders: list[OrderRow] = []
        bad: list[str] = []
        for number in range(pages.pages_most):
            body = await self._signed(page_path(pages, number, instrument_ids, since_ms=since_ms), use)
            page = reply.order_page(body, self._product)
            orders += page.orders
            bad += page.bad
            older = pages.newest_first and all(order.updated_ms < since_ms for order in page.orders)
            if not page.more or older:
                return orders, bad
        raise LinkDown(
            f"{pages.path} has more than {pages.pages_most} pages of {pages.size}: raise pages_most, or say how it is "
            "bounded (begin_name, newest_first)",
            passing=False,
        )

    async def assets(self, use: Use) -> tuple[str, dict[str, Decimal]]:
        """The venue's id of the account, and its spot balances by coin id."""
        return reply.account_assets(await self._signed(ASSETS, use))

    async def _signed(self, path: str, use: Use) -> bytes:
        headers = self._signer.headers(path, timestamp_ms=self.venue_ms)
        return await self._read(self._private, path, headers, use)

    async def _read(self, http: Http, path: str, headers: dict[str, str], use: Use = Use.ASK) -> bytes:
        before_ms, before_ns = self._clock.wall_ms(), self._clock.now_ns()
        body = (await http.ask(Call("GET", path, use, before_ns + ASK_NS, headers))).body
        way_ms = (self._clock.now_ns() - before_ns) // MS
        self.clock_offset_ms = reply.server_ms(body) - before_ms - way_ms // 2
        if abs(self.clock_offset_ms) - way_ms // 2 > SKEW_MOST_MS:
            raise AuthFailed(
                f"the venue's clock is {self.clock_offset_ms} ms from this machine's, at most {SKEW_MOST_MS} are safe: "
                "set the clock (NTP) and start again"
            )
        return body


def judge(response: Response) -> ExchangeError | None:
    """What an answer that is none says: the venue's own words first, then the status. Its errors come with 200 too."""
    return reply.judge(response.status, response.body) or plain_error(response)
