"""Questions of one Lighter account, with an auth token that is renewed in time, weighed as its tier counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from exchanges.budget import Budget, Use
from exchanges.errors import AuthFailed, ExchangeError, LinkDown, Rejected
from exchanges.http import WARM_CONNECTIONS, Call, Http, plain_error
from exchanges.lighter.signer import Signer, SignerThread
from exchanges.lighter.wire import reply
from exchanges.lighter.wire.facts import OrderFacts, TradeFacts
from exchanges.lighter.wire.reply import Account, Tier, TxFacts
from exchanges.lighter.wire.scale import Market
from exchanges.lighter.wire.stream import BookFacts
from exchanges.transport import Response, Transport
from exchanges.types import Clock, Refusal

S = 1_000_000_000
MS = 1_000_000
ASK_NS = 3 * S
SKEW_MOST_MS = 30_000  # half of what resting orders have beyond the shortest expiry
SECOND_MS = 1_000  # the venue's clock is told in whole seconds: less is no skew that could be seen
REST_TOKEN_S = 600
FEW_WARM = 2  # of 60 requests a minute, warm connections may take two
WARM_NS = 60 * S  # whether the greeting counts as much as a question is not told
HOUR_S = 3_600
STREAM_TOKEN_S = 7 * HOUR_S  # the venue allows 8
PAGE = 100  # rows of one page, the venue's most
PAGES_MOST = 20
CLOCK_NS = S  # a reading this new is nobody's too old: a clock that is set meanwhile is told by refused requests
GATHER_NS = 5 * MS  # timers of orders that left together come so close after each other; a way takes many times as long

# Weights of a premium account; a standard one counts requests (docs, rate limits, August 2026).
WEIGHTS = {"sendTx": 6, "nextNonce": 6, "accountInactiveOrders": 100, "apikeys": 150, "trades": 600}
OTHER_WEIGHT = 300


class Listing:
    """What a venue says of markets, clock and tiers, asked once by clients that share it: each is 300 of weight."""

    def __init__(self) -> None:
        self.tiers: dict[int, Tier] = {}  # by account
        self.rows: dict[str, tuple[Market, Mapping[str, Any]]] = {}
        self.asking = asyncio.Lock()
        self.clock: tuple[int, int] | None = None  # how far it is from ours, in ms, and when that was asked, in ns
        self.asking_clock: asyncio.Future[None] | None = None


class Rest:
    """One account's questions. `tier` is known after `read_tier`."""

    def __init__(
        self, base_url: str, *, signer: Signer, thread: SignerThread, transport: Transport, clock: Clock,
        budget: Budget, listing: Listing,
    ) -> None:  # fmt: skip
        self.tier: Tier | None = None
        self._offset_ms = 0
        self._signer = signer
        self._thread = thread
        self._clock = clock
        self._budget = budget
        self._token, self._renew_ms = "", 0
        self._listing = listing
        self._leaving: dict[tuple[str, str, Use], asyncio.Future[list[OrderFacts]]] = {}
        self._few = few = budget.limit <= reply.STANDARD_PER_MINUTE
        self._short = 0  # how much more the requests of before the tier was told count at a standard account
        self.http = Http(
            base_url, transport=transport, clock=clock, budget=budget, judge=judge, warm_path=_light(signer),
            warm_connections=FEW_WARM if few else WARM_CONNECTIONS, warm_ns=WARM_NS,
            warm_weight=lambda: self.weight("nextNonce"),
        )  # fmt: skip

    @property
    def venue_ms(self) -> int:
        return self._clock.wall_ms() + self._offset_ms

    def weight(self, name: str) -> int:
        """What one request counts in the budget.

        A standard account has 60 requests a minute, also where the config hopes for more and its budget was made for a
        premium one: each is a 60th part of it (S11). Until the venue tells the tier, the config is believed.
        """
        if self._few if self.tier is None else self.tier.standard:
            return self._sixtieth
        return WEIGHTS.get(name, OTHER_WEIGHT)

    @property
    def _sixtieth(self) -> int:
        return max(1, self._budget.limit // reply.STANDARD_PER_MINUTE)

    # --- public

    async def read_clock(self) -> int:
        """Note how far the venue's clock is from ours, to the second. Raises: AuthFailed for too far.

        Accounts that connect together, after a cut or a sleep of the machine, ask once for all of them.
        """
        listing = self._listing
        if listing.clock is None or self._clock.now_ns() - listing.clock[1] > CLOCK_NS:
            if listing.asking_clock is None:
                listing.asking_clock = asyncio.ensure_future(self._ask_clock())
                listing.asking_clock.add_done_callback(_noted)
            await asyncio.shield(listing.asking_clock)
        assert listing.clock is not None
        offset_ms, _ = listing.clock
        self._offset_ms = offset_ms if abs(offset_ms) > SECOND_MS else 0
        return offset_ms

    async def _ask_clock(self) -> None:
        try:
            self._listing.clock = (await self._clock_offset_ms(), self._clock.now_ns())
        finally:
            self._listing.asking_clock = None

    async def _clock_offset_ms(self) -> int:
        before_ms, before_ns = self._clock.wall_ms(), self._clock.now_ns()
        said_ms = reply.clock_ms((await self.http.ask(self._call("", "/", Use.ASK))).body)
        way_ms = (self._clock.now_ns() - before_ns) // MS
        offset_ms = said_ms - before_ms - way_ms // 2
        if abs(offset_ms) - way_ms // 2 > SKEW_MOST_MS:
            raise AuthFailed(
                f"the venue's clock is {offset_ms} ms from this machine's, at most {SKEW_MOST_MS} are safe: "
                "set the clock (NTP) and start again"
            )
        return offset_ms

    async def market(self, symbol: str) -> tuple[Market, Mapping[str, Any]]:
        """As it was first told in this session. Raises: Rejected for what is not listed as an active perpetual."""
        rows = self._listing.rows
        async with self._listing.asking:
            if symbol not in rows:
                rows[symbol] = reply.market_of(await self._get("orderBookDetails", ""), symbol)
        return rows[symbol]

    async def best(self, market_id: int) -> BookFacts:
        body = await self._get("orderBookOrders", f"market_id={market_id}&limit=20")
        return reply.best_of(body, market_id, self.venue_ms)

    async def account(self, use: Use) -> Account:
        index = self._signer.account_index
        return reply.account_of(await self._get("account", f"by=index&value={index}", use), index)

    async def check_key(self) -> str:
        """The public key that is registered for ours. Raises: AuthFailed where there is none."""
        account, number = self._signer.account_index, self._signer.api_key_index
        body = await self._get("apikeys", f"account_index={account}&api_key_index={number}")
        key = reply.public_key(body, number)
        if not key:
            raise AuthFailed(f"account {account} has no API key {number}; register one for this program alone")
        return key

    async def next_nonce(self) -> int:
        account, number = self._signer.account_index, self._signer.api_key_index
        # Hedges may wait for it.
        body = await self._get("nextNonce", f"account_index={account}&api_key_index={number}", Use.TRADE)
        return reply.next_nonce(body)

    async def transaction(self, tx_hash: str, use: Use) -> TxFacts | None:
        """None for one that the venue has never seen."""
        try:
            return reply.tx_of(await self._get("tx", f"by=hash&value={tx_hash}", use))
        except Rejected as error:
            if error.refusal is Refusal.NOT_FOUND:
                return None
            raise

    # --- the account's own, with a token

    async def read_tier(self) -> None:
        """Tier and fees; where the venue does not tell them, the market's fees and the strictest counting stand."""
        tiers, index = self._listing.tiers, self._signer.account_index
        if index not in tiers:
            try:
                tiers[index] = reply.tier_of(await self._get("accountLimits", self._account(), token=True))
            except Rejected as error:
                if error.refusal is not Refusal.NOT_FOUND:
                    raise
        self.tier = tiers.get(index)
        if self.tier is not None and self.tier.standard and self._short:
            self._budget.take(self._clock.now_ns(), Use.TRADE, weight=self._short)

    async def active_orders(self, market_id: int, use: Use) -> list[OrderFacts]:
        return await self._listed("accountActiveOrders", f"{self._account()}&market_id={market_id}", use)

    async def ended_orders(self, market_id: int, use: Use) -> list[OrderFacts]:
        """The last hundred, newest first."""
        query = f"{self._account()}&market_id={market_id}&limit={PAGE}"
        return await self._listed("accountInactiveOrders", query, use)

    async def _listed(self, name: str, query: str, use: Use) -> list[OrderFacts]:
        """One request answers all who ask for the same list within GATHER_NS, before it leaves.

        After a death as many orders are asked about as were on their way. Each for itself, some times a second at
        first, would use up a minute's weight, and then no hedge could leave either (S11).
        """
        key = (name, query, use)
        leaving = self._leaving.get(key)
        if leaving is None:
            leaving = self._leaving[key] = asyncio.ensure_future(self._list(key))
            leaving.add_done_callback(_noted)
        return await asyncio.shield(leaving)  # who gives up takes nobody else along

    async def _list(self, key: tuple[str, str, Use]) -> list[OrderFacts]:
        await asyncio.sleep(GATHER_NS / S)
        del self._leaving[key]  # what is asked from here on needs a newer answer
        name, query, use = key
        return reply.orders_of(await self._get(name, query, use, token=True))[0]

    async def trades(self, market_id: int, since_ms: int, use: Use) -> list[TradeFacts]:
        """Our sides of all trades at or after `since_ms`, oldest first."""
        account, found, cursor = self._signer.account_index, [], ""
        base = f"{self._account()}&market_id={market_id}&sort_by=timestamp&sort_dir=desc&limit={PAGE}"
        for _ in range(PAGES_MOST):
            query = f"{base}&cursor={cursor}" if cursor else base
            rows, cursor = reply.trades_of(await self._get("trades", query, use, token=True), account)
            found += [row for row in rows if row.at_ms >= since_ms]
            if not cursor or not rows or min(row.at_ms for row in rows) < since_ms:
                return sorted(found, key=lambda row: (row.at_ms, int(row.trade_id)))
        raise LinkDown(f"more than {PAGES_MOST * PAGE} trades since {since_ms}")

    async def stream_token(self) -> str:
        """A token for subscriptions, good for STREAM_TOKEN_S."""
        deadline_s = self.venue_ms // 1000 + STREAM_TOKEN_S
        return await self._thread.call(lambda: self._signer.token(deadline_s))

    async def _header(self) -> dict[str, str]:
        """A token for questions, renewed at half of its life."""
        if self.venue_ms >= self._renew_ms:
            deadline_s = self.venue_ms // 1000 + REST_TOKEN_S
            token = await self._thread.call(lambda: self._signer.token(deadline_s))
            self._token, self._renew_ms = token, deadline_s * 1000 - REST_TOKEN_S * 500
        return {"Authorization": self._token}

    async def _get(self, name: str, query: str, use: Use = Use.ASK, *, token: bool = False) -> bytes:
        path = f"/api/v1/{name}?{query}" if query else f"/api/v1/{name}"
        headers = await self._header() if token else {}
        try:
            return (await self.http.ask(self._call(name, path, use, headers))).body
        except AuthFailed:
            self._renew_ms = 0  # the next question brings a new token
            raise

    def _call(self, name: str, path: str, use: Use, headers: Mapping[str, str] | None = None) -> Call:
        weight = self.weight(name)
        if self.tier is None:
            self._short += max(0, self._sixtieth - weight)
        return Call("GET", path, use, self._clock.now_ns() + ASK_NS, headers or {}, weight=weight)

    def _account(self) -> str:
        return f"account_index={self._signer.account_index}"


def _light(signer: Signer) -> str:
    """The lightest question that there is, 6 of 24,000 where most count 300: it only keeps connections warm."""
    return f"/api/v1/nextNonce?account_index={signer.account_index}&api_key_index={signer.api_key_index}"


def _noted(answer: asyncio.Future[Any]) -> None:
    """A failure that all who asked have given up waiting for is nobody's."""
    if not answer.cancelled():
        answer.exception()


def judge(response: Response) -> ExchangeError | None:
    """What an answer says that went wrong: the venue's own words first, then the status."""
    said = reply.judge(response.status, response.body)
    return said or reply.shut_out(response.status) or plain_error(response)
