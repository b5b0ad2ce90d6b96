"""Signed questions and commands of one OKX account over REST: what is asked, where, out of which limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import urlencode

from exchanges.budget import Budget, Use
from exchanges.errors import AuthFailed, ExchangeError, LinkDown, RateLimited, Rejected
from exchanges.facts import BookFacts, OrderFacts, PositionRow
from exchanges.http import Call, Http, OnOutcome, plain_error
from exchanges.okx.limits import AddressLimits, UserLimits
from exchanges.okx.wire import reply, stream
from exchanges.okx.wire.order import FillRow
from exchanges.okx.wire.reply import AccountMode
from exchanges.okx.wire.request import Args, Signer, Traded, body_of, text_of
from exchanges.transport import NO_HEADERS, Response, Transport
from exchanges.types import Clock, MarketKind, Refusal
from exchanges.venue_clock import VenueClock

S = 1_000_000_000
DAY_MS = 86_400_000
ASK_NS = 3 * S
PAGE = 100  # rows of one page, the venue's most
PAGES_MOST = 100  # of one question; more than 10,000 fills since the last known one is no gap of a stream
RECENT_MS = 3 * DAY_MS - DAY_MS // 24  # so far back the list of recent fills reaches, with an hour in hand
SPOT_MARGINS = (Decimal(1), Decimal(0))

TIME = "/api/v5/public/time"
PATHS: Mapping[str, str] = {  # of a command by its name on the stream
    "order": "/api/v5/trade/order",
    "batch-orders": "/api/v5/trade/batch-orders",
    "amend-order": "/api/v5/trade/amend-order",
    "cancel-order": "/api/v5/trade/cancel-order",
}


class Rest:
    """One account's requests, signed in the venue's time. `traded` is filled as instruments are learnt."""

    def __init__(
        self, base_url: str, *, signer: Signer, transport: Transport, clock: Clock, address: AddressLimits,
    ) -> None:  # fmt: skip
        self.clock = VenueClock(clock)
        self.limits = UserLimits()
        self.traded: dict[str, Traded] = {}
        self.units: dict[str, Decimal] = {}
        self.mode: AccountMode | None = None
        self._signer = signer
        self._clock = clock
        self._address = address
        self._http = Http(
            base_url, transport=transport, clock=clock, budget=address.time, judge=judge, warm_path=TIME,
            warm_connections=2,
        )  # fmt: skip

    @property
    def venue_ms(self) -> int:
        return self.clock.ms

    async def warm(self) -> None:
        """Raises: LinkDown if the venue cannot be reached."""
        try:
            await self._http.warm()
        except RateLimited:
            return  # many accounts start at once: the first question opens a connection

    async def close(self) -> None:
        await self._http.close()

    # --- public

    async def read_clock(self) -> str:
        """What is wrong with our clock, if anything. Raises: AuthFailed at the first reading of one too far."""
        return await self.clock.read(self._server_ms)

    async def _server_ms(self) -> int:
        return reply.server_ms(await self._public(TIME, {}, self._address.time))

    async def best(self, symbol: str) -> BookFacts:
        body = await self._public("/api/v5/market/books", {"instId": symbol, "sz": "1"}, self._address.books)
        return stream.book_of(symbol, reply.one_row(body), self.units)

    # --- the account

    async def read_mode(self) -> AccountMode:
        """How the venue runs the account. Raises: AuthFailed for a key that may not trade."""
        mode = reply.mode_of(await self._signed("/api/v5/account/config", {}, Use.ASK, self.limits.config))
        if mode.permissions and "trade" not in mode.permissions:
            raise AuthFailed("the key may not trade: give it the permission at the venue, and no other")
        self.mode = mode
        return mode

    async def learn(self, symbol: str, *, venue: str, market: str) -> Traded:
        """The instrument, as this account trades it. Raises: Rejected if it is not listed, AuthFailed if its mode of
        account or positions does not fit."""
        mode = self.mode or await self.read_mode()
        kind = MarketKind.PERP if symbol.endswith("-SWAP") else MarketKind.SPOT
        check_mode(mode, kind)
        kind_name = "SWAP" if kind is MarketKind.PERP else "SPOT"
        body = await self._public(
            "/api/v5/public/instruments", {"instType": kind_name, "instId": symbol}, self._address.instruments
        )
        fees, margins = await self._fees(kind_name, symbol), SPOT_MARGINS
        if kind is MarketKind.PERP:
            margins = await self._margins(symbol)
        traded = reply.traded_of(body, symbol, mode, venue=venue, market=market, fees=fees, margins=margins)
        self.traded[symbol] = traded
        self.units[symbol] = traded.unit
        return traded

    async def _fees(self, kind: str, symbol: str) -> tuple[Decimal, Decimal]:
        query = {"instType": kind, "instId" if kind == "SPOT" else "instFamily": symbol.removesuffix("-SWAP")}
        return reply.fees_of(await self._signed("/api/v5/account/trade-fee", query, Use.ASK, self.limits.config))

    async def _margins(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Initial ratio by the leverage that the account has set, and the maintenance ratio of small positions."""
        lever = await self.leverage(symbol)
        family = symbol.removesuffix("-SWAP")
        query = {"instType": "SWAP", "tdMode": "cross", "instFamily": family}
        tiers = await self._public("/api/v5/public/position-tiers", query, self._address.tiers)
        return 1 / lever, reply.maintenance_of(tiers)

    async def leverage(self, symbol: str) -> Decimal:
        query = {"instId": symbol, "mgnMode": "cross"}
        body = await self._signed("/api/v5/account/leverage-info", query, Use.ASK, self.limits.account)
        return reply.leverage_of(body)

    async def details(self, use: Use, *assets: str) -> dict[str, dict[str, object]]:
        """What the account holds of these assets."""
        query = {"ccy": ",".join(assets)}
        return reply.details(await self._signed("/api/v5/account/balance", query, use, self.limits.account))

    async def positions(self, use: Use) -> list[PositionRow]:
        query = {"instType": "SWAP"}
        body = await self._signed("/api/v5/account/positions", query, use, self.limits.positions)
        return reply.position_rows(body, self.units)

    # --- orders and fills

    async def order(self, symbol: str, use: Use, *, client_id: str) -> OrderFacts | None:
        """An order that is open or has ended; None where the venue knows none. Raises: ExchangeError."""
        try:
            query = {"instId": symbol, "clOrdId": client_id}
            body = await self._signed("/api/v5/trade/order", query, use, self.limits.order)
        except Rejected as error:
            if error.refusal is Refusal.NOT_FOUND:
                return None
            raise
        return reply.one_order(body, self.units)

    async def open_orders(self, symbol: str, use: Use) -> Sequence[OrderFacts]:
        """Raises: LinkDown where there are more than can be listed."""
        found: list[OrderFacts] = []
        query = {"instId": symbol, "instType": "SWAP" if symbol.endswith("-SWAP") else "SPOT", "limit": str(PAGE)}
        for _ in range(PAGES_MOST):
            body = await self._signed("/api/v5/trade/orders-pending", query, use, self.limits.pending)
            page = reply.order_list(body, self.units)
            found += page
            if len(page) < PAGE:
                return found
            query["after"] = page[-1].order_id
        raise LinkDown(f"more than {PAGES_MOST * PAGE} open orders in {symbol}")

    async def fills(self, symbol: str, since_ms: int, use: Use) -> list[FillRow]:
        """Fills at or after `since_ms`, oldest first. The venue lists them from the newest back."""
        recent = since_ms >= self.venue_ms - RECENT_MS
        path = "/api/v5/trade/fills" if recent else "/api/v5/trade/fills-history"
        budget = self.limits.fills if recent else self.limits.fills_history
        found: list[FillRow] = []
        query = {"instType": "SWAP" if symbol.endswith("-SWAP") else "SPOT", "instId": symbol, "limit": str(PAGE)}
        for _ in range(PAGES_MOST):
            page = reply.fill_rows(await self._signed(path, query, use, budget), self.units)
            found += [row for row in page if row.trade.at_ms >= since_ms]
            if len(page) < PAGE or page[-1].trade.at_ms < since_ms:
                found.sort(key=lambda row: (row.trade.at_ms, int(row.bill) if row.bill.isdigit() else 0))
                return found
            query["after"] = page[-1].bill
        raise LinkDown(f"more than {PAGES_MOST * PAGE} fills in {symbol} since {since_ms}")

    # --- commands: nothing here waits

    def command(
        self, name: str, args: Sequence[Args], *, expires_ms: int, budget: Budget, weight: int, deadline_ns: int,
        on_outcome: OnOutcome,
    ) -> None:  # fmt: skip
        """Sign and send one command."""
        body = body_of(name, args)
        headers = self._signer.headers(
            "POST", PATHS[name], body, timestamp_ms=self.venue_ms, expires_ms=expires_ms
        )  # fmt: skip
        call = Call("POST", PATHS[name], Use.TRADE, deadline_ns, headers, body.encode(), weight, budget)
        self._http.send(call, on_outcome)

    async def cancel_all_after(self, seconds: int) -> None:
        """Arm the venue's switch that cancels every order of the account, or take it away with 0."""
        path, body = "/api/v5/trade/cancel-all-after", text_of({"timeOut": str(seconds)})
        headers = self._signer.headers("POST", path, body, timestamp_ms=self.venue_ms)
        deadline_ns = self._clock.now_ns() + ASK_NS
        call = Call("POST", path, Use.TRADE, deadline_ns, headers, body.encode(), budget=self.limits.switch)
        reply.rows((await self._http.ask(call)).body)

    async def _signed(self, path: str, query: Mapping[str, str], use: Use, budget: Budget) -> bytes:
        target = f"{path}?{urlencode(query)}" if query else path
        headers = self._signer.headers("GET", target, timestamp_ms=self.venue_ms)
        call = Call("GET", target, use, self._clock.now_ns() + ASK_NS, headers, budget=budget)
        return (await self._http.ask(call)).body

    async def _public(self, path: str, query: Mapping[str, str], budget: Budget) -> bytes:
        target = f"{path}?{urlencode(query)}" if query else path
        call = Call("GET", target, Use.ASK, self._clock.now_ns() + ASK_NS, NO_HEADERS, budget=budget)
        return (await self._http.ask(call)).body


def check_mode(mode: AccountMode, kind: MarketKind) -> None:
    """Raises: AuthFailed where this program must not trade."""
    if kind is MarketKind.SPOT:
        return
    if mode.level == "1":
        raise AuthFailed(
            "the account is in spot mode (acctLv 1) and cannot trade swaps: choose futures mode at the venue"
        )
    if not mode.net:
        raise AuthFailed(
            "the account holds long and short positions apart (posMode long_short_mode); close them, choose net_mode"
            " at the venue and start again"
        )


def judge(response: Response) -> ExchangeError | None:
    """What an answer says that is none: the venue's own words first, then the status."""
    told = reply.judge(response.status, response.body)
    if told is not None:
        return told
    return None if 200 <= response.status < 300 else plain_error(response)
