"""The private stream of one BiFu account, and the order lists that it is compared with: every fill comes through here.

Rows are told as they come. After every connection, now and then beside the stream, and whenever a row could not be
read, the venue's lists of open and of ended orders say what each has filled: what no row told is told then (S5).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from exchanges.bifu.counts import BASELINE, PROVISIONAL, Counts, Missed
from exchanges.bifu.rest import Rest
from exchanges.bifu.told import Aside, AsideHandler, SetAside
from exchanges.bifu.wire import stream
from exchanges.bifu.wire.product import Product
from exchanges.bifu.wire.reply import OrderRow
from exchanges.bifu.wire.request import Signer, pong
from exchanges.bifu.wire.stream import BadRow, FillRow, Ping, Rows, Unread, price_of
from exchanges.budget import Use
from exchanges.errors import ExchangeError
from exchanges.link import Opening
from exchanges.tasks import Tasks
from exchanges.types import Cancellable, Clock, Fill, FillKind, Liquidity

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_MAKER, _TAKER, _UNKNOWN, _TRADE = Liquidity.MAKER, Liquidity.TAKER, Liquidity.UNKNOWN, FillKind.TRADE

S = 1_000_000_000
OTHER_AGAIN_NS = 3600 * S  # a market that is not hedged here alarms so often: its maker may fill on and on
MS = 1_000_000
MOST_OTHERS = 1_000  # markets that are kept in mind for that


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the stream is compared with the venue's lists, and its memory swept."""

    compare_ns: int = 15 * S  # a fill that a sound stream leaves out is open for so long
    alone_ns: int = 5 * S  # while the stream is not trusted: nothing else would tell of a fill
    suspect_ns: int = 500 * MS  # after something that does not add up
    row_ms: int = 1_000  # an order that changed so lately may have rows on their way
    overlap_ms: int = 60_000  # ended orders are asked for from so long before the last comparison
    sweep_ns: int = 600 * S


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose fills these are. `account_id` is the venue's id of the account; empty: not checked."""

    account: str
    venue: str
    symbols: Mapping[str, str]  # by the venue's id of the market; filled by `connect`
    fee_assets: Mapping[str, str]
    account_id: str = ""


class PrivateFeed:
    """Takes frames and listed orders of one account and hands on what is news.

    `since` is the first start of each symbol, in the venue's time; one that is not in it is listened to for the first
    time now. Until `compared_ms` the venue's lists have been compared before.
    """

    def __init__(
        self, identity: Identity, *, product: Product, rest: Rest, signer: Signer, counts: Counts, clock: Clock,
        since: Mapping[str, int], compared_ms: int, pace: Pace, deliver: Callable[[Fill], None], aside: AsideHandler,
        note: Callable[[str], None], say: Callable[[str], None], lost: Callable[[str], None],
        trusted: Callable[[], bool], checked: Callable[[], None],
    ) -> None:  # fmt: skip
        self.since = dict(since)
        self.compared_ms = compared_ms
        self.set_aside: Counter[Aside] = Counter()
        self._others: dict[str, int] = {}  # markets that are not hedged, and until when they alarm no more
        self.repaired = 0  # fills that only a comparison brought
        self._identity = identity
        self._product = product
        self._rest = rest
        self._signer = signer
        self._counts = counts
        self._clock = clock
        self._pace = pace
        self._deliver = deliver
        self._on_aside = aside
        self._note = note
        self._say = say
        self._lost = lost
        self._trusted = trusted
        self._checked = checked
        self._newest = b""  # message with fills
        self._new: set[str] = set()  # symbols whose orders have never been read
        self._tasks = Tasks()
        self._compare_timer: Cancellable | None = None
        self._sweep_timer: Cancellable | None = None
        self._busy = False
        self._suspected = False

    # --- the stream

    async def opening(self) -> Opening:
        await self._rest.read_clock(next(iter(self._identity.symbols)))
        new = [symbol for symbol in self._identity.symbols.values() if symbol not in self.since]
        if new:
            self.since |= dict.fromkeys(new, self._rest.venue_ms)
            self._new.update(new)
            self._checked()  # before the first fill: a run that dies now is followed by one that goes on from here
        return Opening((), headers=self._signer.headers(self._product.stream_path, timestamp_ms=self._rest.venue_ms))

    def take(self, data: bytes, recv_ns: int) -> None:
        said = stream.message(data, self._product)
        if type(said) is Rows:
            self._newest = data
            if len(said.rows) > 1:
                self._deliver_all(self._row(row, recv_ns) for row in said.rows)
            elif (fill := self._row(said.rows[0], recv_ns)) is not None:
                self._deliver(fill)
            if self._counts.crowded:
                self._counts.make_room(self._rest.venue_ms)
        elif type(said) is Ping:
            self._say(pong(said.time))
        elif type(said) is Unread:
            self._note(f"{said.text} is unknown here; comparing with the venue")
            self.suspect()

    def exercise(self) -> None:
        """Read and count the newest message with fills once more, for nothing."""
        said = stream.message(self._newest, self._product) if self._newest else None
        if type(said) is Rows:
            counts = Counts()
            for row in said.rows:
                if type(row) is FillRow and (qty := counts.take_row(row)):
                    self._fill(row, qty, row.instrument_id, 0)

    def _deliver_all(self, told: Iterable[Fill | None]) -> int:
        """The fills of one answer, of which what they come to is hedged, market by market; returns how many there are.

        Each counts as told once it was read: what raises in the midst, as a look-up in the journal may, keeps none of
        them back.
        """
        fills: list[Fill] = []
        try:
            for fill in told:
                if fill is not None:
                    fills.append(fill)
        finally:
            last = {fill.symbol: fill for fill in fills}
            for fill in fills:
                self._deliver(fill if fill is last[fill.symbol] else replace(fill, more=True))
        return len(fills)

    def _row(self, row: FillRow | BadRow, recv_ns: int) -> Fill | None:
        """The fill that a row tells, if it is news and to be hedged."""
        if type(row) is not FillRow:
            assert type(row) is BadRow
            self._bad(f"a fill of order {row.order_id or '?'} cannot be read: {row.text}")
            return None
        identity = self._identity
        symbol = identity.symbols.get(row.instrument_id)
        if row.at_ms < (min(self.since.values()) if symbol is None else self.since[symbol]):
            self._tell_aside(Aside.BEFORE, "it was filled before the first start", None)
            return None
        qty = self._counts.take_row(row)
        if qty is None:
            return None
        fill = self._fill(row, qty, symbol or row.instrument_id, recv_ns)
        why = _aside(row, identity, known=symbol is not None)
        if why is not None:
            again = why is Aside.OTHER_MARKET and self._heard_of(row.instrument_id)
            self._tell_aside(why, _words(why, row, row.qty - qty), fill if qty else None, again=again)
        if qty != row.qty:
            self.suspect()  # a provisional fill stood for the rest: the order's count must agree now
        return fill if qty and why is None else None

    def _fill(self, row: FillRow, qty: Decimal, symbol: str, recv_ns: int) -> Fill:
        identity = self._identity
        return Fill(
            identity.venue, identity.account, symbol, "", row.order_id, row.trade_id, row.side, qty, row.price,
            row.fee if qty == row.qty else row.fee * qty / row.qty, identity.fee_assets.get(row.instrument_id, ""),
            row.role, row.at_ms, recv_ns, row.kind, self._clock.now_ns(),
        )  # fmt: skip

    def _bad(self, text: str) -> None:
        self._tell_aside(Aside.BAD_ROW, text, None)
        self.suspect()

    def _tell_aside(self, why: Aside, text: str, fill: Fill | None, *, again: bool = False) -> None:
        self.set_aside[why] += 1
        self._on_aside(SetAside(self._identity.account, why, text, fill, again))

    def _heard_of(self, market: str) -> bool:
        """Was a fill in this other market told lately? All are counted; many alarms would hide others."""
        now_ns = self._clock.now_ns()
        if now_ns < self._others.get(market, now_ns):
            return True
        if len(self._others) >= MOST_OTHERS:
            self._others.clear()
        self._others[market] = now_ns + OTHER_AGAIN_NS
        return False

    # --- the comparison with the venue's lists

    async def resync(self) -> None:
        """Tell everything that was missed. Raises: ExchangeError."""
        await self._compare(Use.ASK)
        if self._sweep_timer is None:
            self._sweep_timer = self._clock.call_at(self._clock.now_ns() + self._pace.sweep_ns, self._sweep)
        self._arm(self._pace.compare_ns)

    def suspect(self) -> None:
        """Something does not add up: compare soon."""
        self._suspected = True
        if not self._busy and self._compare_timer is not None:
            self._arm(self._pace.suspect_ns)

    async def stop(self) -> None:
        for timer in (self._compare_timer, self._sweep_timer):
            if timer is not None:
                timer.cancel()
        self._compare_timer = self._sweep_timer = None
        await self._tasks.cancel()
        self._busy = False

    async def _listed(self, use: Use) -> tuple[Sequence[OrderRow], Sequence[OrderRow]]:
        """Open orders, then ended ones: an order that ends in between is in the second list at least."""
        ids = list(self._identity.symbols)
        since_ms = max(min(self.since.values()), self.compared_ms) - self._pace.overlap_ms
        active, bad = await self._rest.orders(self._product.active, ids, since_ms=since_ms, use=use)
        ended, worse = await self._rest.orders(self._product.history, ids, since_ms=since_ms, use=use)
        for text in (*bad, *worse):
            self._tell_aside(Aside.BAD_ROW, f"an order cannot be read: {text}", None)
        return active, [order for order in ended if order.updated_ms >= since_ms]

    async def _compare(self, use: Use) -> int:
        """One comparison; how many fills it brought. Raises: ExchangeError."""
        self._suspected = False
        self._counts.asking()
        try:
            return await self._compared(use)
        finally:
            self._counts.asked()

    async def _compared(self, use: Use) -> int:
        began_ms = self._rest.venue_ms
        active, ended = await self._listed(use)
        orders = [order for order in (*active, *ended) if self._ours(order)]
        self._baseline(orders)
        self._new.clear()
        fresh_ms = self._rest.venue_ms - self._pace.row_ms
        if any(order.updated_ms > fresh_ms and self._counts.missed(order) for order in orders):
            await self._wait(self._pace.row_ms * MS)  # rows tell more than a list does
        brought = self._deliver_all(self._missed(order) for order in orders)
        self.compared_ms = began_ms
        self._checked()
        return brought

    def _ours(self, order: OrderRow) -> bool:
        account_id = self._identity.account_id
        return order.instrument_id in self._identity.symbols and (not account_id or order.account_id == account_id)

    def _baseline(self, orders: Sequence[OrderRow]) -> None:
        """S1: what orders had filled before the first start is nobody's exposure here.

        That is all of an order that has not changed since, and at the first reading what an older one has beyond its
        rows: those that are still on their way are told all the same, see `Counts`.
        """
        for order in orders:
            symbol = self._identity.symbols[order.instrument_id]
            if (order.created_ms if symbol in self._new else order.updated_ms) >= self.since[symbol]:
                continue
            before = self._counts.missed(order)
            if before is not None:
                fill = self._provisional(order, before, BASELINE)
                self._counts.take(fill)
                self._tell_aside(Aside.BASELINE, f"order {order.order_id} had filled {before.qty} before us", fill)

    def _missed(self, order: OrderRow) -> Fill | None:
        """What an order has filled that no row told; from here on it counts as told."""
        missed = self._counts.missed(order)
        if missed is None:
            return None
        fill = self._provisional(order, missed, PROVISIONAL)
        self._counts.take(fill)
        self.repaired += 1
        self._note(f"order {order.order_id} has filled {missed.qty} that no row told; told now")
        return fill

    def _provisional(self, order: OrderRow, missed: Missed, prefix: str) -> Fill:
        identity, now_ns = self._identity, self._clock.now_ns()
        # S5: an order that could have taken is exposure all the same, until a row says what it was.
        return Fill(
            identity.venue, identity.account, identity.symbols[order.instrument_id], order.client_id, order.order_id,
            f"{prefix}{order.cum_qty.normalize():f}", order.side, missed.qty, price_of(missed.value, missed.qty),
            missed.fee, identity.fee_assets.get(order.instrument_id, ""), _MAKER if order.post_only else _UNKNOWN,
            order.updated_ms, now_ns, _TRADE, now_ns,
        )  # fmt: skip

    def _arm(self, wait_ns: int) -> None:
        if self._compare_timer is not None:
            self._compare_timer.cancel()
        self._compare_timer = self._clock.call_at(self._clock.now_ns() + wait_ns, self._due)

    def _due(self) -> None:
        if not self._busy:
            self._busy = True
            self._tasks.spawn(self._compare_beside())

    async def _compare_beside(self) -> None:
        # A stream that is new tells nothing of what filled before it; and a row that was taken for an explanation, or
        # that nobody could read, was told. To begin anew for those would make the next gap.
        blamed = self._trusted() and not self._suspected
        try:
            brought = await self._compare(Use.UPKEEP)
        except ExchangeError as error:
            self._note(f"the venue's orders cannot be compared: {error}")
            brought = 0
        finally:
            self._busy = False
        calm_ns = self._pace.compare_ns if self._trusted() else self._pace.alone_ns
        self._arm(self._pace.suspect_ns if self._suspected else calm_ns)
        if brought and blamed:
            self._lost(f"the stream did not tell of {brought} fill{'s' if brought > 1 else ''}")

    async def _wait(self, wait_ns: int) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self._clock.call_at(
            self._clock.now_ns() + wait_ns, lambda: None if over.done() else over.set_result(None)
        )
        try:
            await over
        finally:
            timer.cancel()

    def _sweep(self) -> None:
        self._counts.sweep(self._rest.venue_ms)
        self._sweep_timer = self._clock.call_at(self._clock.now_ns() + self._pace.sweep_ns, self._sweep)


def _aside(row: FillRow, identity: Identity, *, known: bool) -> Aside | None:
    """Why a row is not hedged; None for one that is. A role that nobody knows is exposure (S5)."""
    if identity.account_id and row.account_id != identity.account_id:
        return Aside.OTHER_ACCOUNT
    if row.self_match:
        return Aside.SELF_MATCH
    if row.role is _TAKER:
        return Aside.TAKER
    return None if known else Aside.OTHER_MARKET


def _words(why: Aside, row: FillRow, told: Decimal) -> str:
    what = f"{row.side.value} {row.qty} at {row.price} of order {row.order_id} in market {row.instrument_id}"
    meaning = {
        Aside.TAKER: "the account took liquidity, and this is hedged by nobody: look at its orders",
        Aside.SELF_MATCH: "the account traded with itself, and what the order was to reduce is still there",
        Aside.OTHER_MARKET: "no market of this config, and hedged by nobody here; further ones are counted, and"
        " told again in an hour",
        Aside.OTHER_ACCOUNT: f"of account {row.account_id}, which is not the configured one",
    }[why]
    already = f"; {told} of it was passed on before its role was known" if told else ""
    return f"{what}: {meaning}{already}"
