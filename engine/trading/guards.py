"""Watches the books that a run trades on and says when the market may be opened in (E14, E16).

Pure and fast: it runs on every quote, outside the desk's step, and speaks up only when its verdict changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal

from engine.trading.inputs import MarketSeen
from engine.trading.plan import Guards
from exchanges.types import ZERO, Quote

SAMPLES = 8192  # longest strictly monotone run of mids that the window remembers; beyond it the window is cut short
BPS = Decimal(10_000)


class MarketWatch:
    """The verdict over one maker book and the books that its fills are hedged on.

    Closed until the first fresh quote of the maker book and of one hedge book. Of several faults the first counts:

    - `stop_price`: maker mid outside stop_below..stop_above. Final: nothing reopens the market in this run.
    - `stale`: maker book, or every hedge book, without a quote for more than max_book_age. Back with a quote.
    - `crossed`: bid >= ask or bid <= 0 in the maker book, or in every fresh hedge book. Back with a sound quote.
    - `pause_price`: maker mid outside pause_below..pause_above, for as long as it is.
    - `volatile`: (highest - lowest maker mid inside the window) / lowest > volatility_bps, the mid in force at the
      window's start included. Back when that was false for volatility_calm.
    - `basis`: |maker mid / hedge mid - 1| > basis_bps for a fresh hedge book.
    - `spread`: (ask - bid) / mid > spread_bps in the maker book, or in every usable hedge book.
    - `thin` does not close but multiplies the pause between rounds: a round sells and buys on the hedge venue, so
      its depth is the smaller of bid and ask size, and the best usable hedge book counts: depth < factor x quantity.

    `basis`, `spread` and `thin` go back after spread_normal_quotes normal quotes in a row (of that book; of any
    watched book for the basis), so that a value near its threshold does not flicker.
    """

    def __init__(
        self, guards: Guards, maker: tuple[str, str], *, hedges: Sequence[tuple[str, str]], quantity: Decimal
    ) -> None:
        self._guards = guards
        self._books = {key: _Book(key) for key in dict.fromkeys((maker, *hedges))}
        self._maker = self._books[maker]
        self._hedges = tuple(self._books[key] for key in dict.fromkeys(hedges))
        self._window = _Window(guards)
        self._max_age = guards.max_book_age_ns
        self._normal = max(guards.spread_normal_quotes, 1)
        self._need = guards.thin_depth_factor * quantity
        self._half_spread = guards.spread_bps / BPS / 2
        self._basis_ratio = 1 + guards.basis_bps / BPS
        self._basis_left = 0
        self._pause_above, self._pause_below = _twice(guards.pause_above), _twice(guards.pause_below)
        self._stop_above, self._stop_below = _twice(guards.stop_above), _twice(guards.stop_below)
        self._now = 0
        self.verdict = MarketSeen(open=False, reason="stale", text="no quotes yet")

    def quote(self, quote: Quote) -> MarketSeen | None:
        """Take a quote; the new verdict if it changed. Quotes of other books are none of its business."""
        book = self._books.get((quote.venue, quote.symbol))
        if book is None:
            return None
        now = book.recv_ns = quote.recv_ns
        if now > self._now:
            self._now = now
        bid, ask = quote.bid, quote.ask
        if bid >= ask or bid <= ZERO:
            book.crossed = True
        else:
            book.crossed = False
            twice_mid = bid + ask
            book.twice_mid = twice_mid
            if book is self._maker:
                self._window.add(twice_mid, now)
            if ask - bid > self._half_spread * twice_mid:
                book.wide_left = self._normal
            elif book.wide_left:
                book.wide_left -= 1
            if quote.bid_qty < self._need or quote.ask_qty < self._need:
                book.thin_left = self._normal
            elif book.thin_left:
                book.thin_left -= 1
            if self._basis_left:
                self._basis_left -= 1
        return self._decide()

    def check(self, at_ns: int) -> MarketSeen | None:
        """Look at the clock: the new verdict if time alone changed it."""
        self._now = max(self._now, at_ns)
        return self._decide()

    def due_ns(self) -> int | None:
        """When `check` must be called next, None if only a quote can change the verdict.

        A quote can only move a due time later unless it changed the verdict: re-arm after a verdict, after `check`,
        and when no timer is armed; a timer that fires early finds the later time here.
        """
        reason = self.verdict.reason
        if reason in ("stale", "stop_price"):
            return None
        due = min(self._maker.recv_ns, max(book.recv_ns for book in self._hedges)) + self._max_age + 1
        if reason == "volatile":
            return min(due, self._window.volatile_until)
        return due

    def _decide(self) -> MarketSeen | None:
        reason = self._reason()
        seen = self.verdict
        if reason == seen.reason or seen.reason == "stop_price":
            return None
        self.verdict = MarketSeen(
            open=reason in ("", "thin"),
            reason=reason,
            text=self._text(reason),
            pause_factor=self._guards.thin_pause_factor if reason == "thin" else 1,
        )
        return self.verdict

    def _reason(self) -> str:
        maker = self._maker
        oldest = self._now - self._max_age
        if maker.recv_ns < oldest or maker.recv_ns < 0:
            return "stale"
        twice_mid = maker.twice_mid
        if not maker.crossed and _outside(twice_mid, self._stop_below, self._stop_above):
            return "stop_price"
        fresh = wide = thin = usable = 0
        for book in self._hedges:
            if book.recv_ns >= oldest and book.recv_ns >= 0:
                fresh += 1
                if not book.crossed:
                    usable += 1
                    wide += book.wide_left > 0
                    thin += book.thin_left > 0
                    if book is not maker and not maker.crossed:
                        other = book.twice_mid
                        if twice_mid > other * self._basis_ratio or other > twice_mid * self._basis_ratio:
                            self._basis_left = self._normal
        volatile = self._window.volatile(self._now)
        if not fresh:
            return "stale"
        if maker.crossed or not usable:
            return "crossed"
        if _outside(twice_mid, self._pause_below, self._pause_above):
            return "pause_price"
        if volatile:
            return "volatile"
        if self._basis_left:
            return "basis"
        if maker.wide_left or wide == usable:
            return "spread"
        return "thin" if thin == usable else ""

    def _text(self, reason: str) -> str:
        guards, maker = self._guards, self._maker
        match reason:
            case "stale":
                return f"no fresh quote of {self._oldest()} for {guards.max_book_age_ns // 1_000_000} ms"
            case "crossed":
                books = (maker, *self._hedges)
                return f"book of {next(book for book in books if book.crossed)} is crossed"
            case "stop_price" | "pause_price":
                return f"mid {maker.twice_mid / 2} of {maker} is outside the price limits"
            case "volatile":
                return f"mid of {maker} moved more than {guards.volatility_bps} bps"
            case "basis":
                return f"mid of {maker} is more than {guards.basis_bps} bps away from the hedge venue"
            case "spread":
                wide = maker if maker.wide_left else self._hedges[0]
                return f"spread of {wide} is above {guards.spread_bps} bps"
            case "thin":
                return f"less than {self._need} shown on the hedge side: pauses are {guards.thin_pause_factor} x longer"
            case _:
                return ""

    def _oldest(self) -> _Book:
        if self._maker.recv_ns < max(0, self._now - self._max_age):
            return self._maker
        return self._hedges[0]


class _Book:
    """What is kept of a book: twice its mid (no division), and how many normal quotes it still owes."""

    __slots__ = ("crossed", "key", "recv_ns", "thin_left", "twice_mid", "wide_left")

    def __init__(self, key: tuple[str, str]) -> None:
        self.key = key
        self.recv_ns = -1
        self.twice_mid = ZERO
        self.crossed = False
        self.wide_left = 0
        self.thin_left = 0

    def __str__(self) -> str:
        return " ".join(self.key)


class _Window:
    """Highest and lowest value that was in force at any time inside the window: two monotone queues.

    A value is in force until the next one comes, so its end counts for its age; the newest stands last in both.
    """

    __slots__ = ("_calm", "_high_ends", "_highs", "_low_ends", "_lows", "_ratio", "_span", "volatile_until")

    def __init__(self, guards: Guards) -> None:
        self._span = guards.volatility_window_ns
        self._calm = guards.volatility_calm_ns
        self._ratio = 1 + guards.volatility_bps / BPS
        self._highs: deque[Decimal] = deque(maxlen=SAMPLES)
        self._high_ends: deque[int] = deque(maxlen=SAMPLES)
        self._lows: deque[Decimal] = deque(maxlen=SAMPLES)
        self._low_ends: deque[int] = deque(maxlen=SAMPLES)
        self.volatile_until = 0

    def add(self, value: Decimal, at_ns: int) -> None:
        highs, high_ends, lows, low_ends = self._highs, self._high_ends, self._lows, self._low_ends
        if highs:
            if highs[-1] == value:
                return
            high_ends[-1] = low_ends[-1] = at_ns
            while highs and highs[-1] <= value:
                highs.pop()
                high_ends.pop()
            while lows and lows[-1] >= value:
                lows.pop()
                low_ends.pop()
        highs.append(value)
        high_ends.append(at_ns)
        lows.append(value)
        low_ends.append(at_ns)

    def volatile(self, at_ns: int) -> bool:
        """Is the range above the threshold now, or was it less than the calm time ago?"""
        highs, lows = self._highs, self._lows
        start = at_ns - self._span
        while len(highs) > 1 and self._high_ends[0] < start:
            highs.popleft()
            self._high_ends.popleft()
        while len(lows) > 1 and self._low_ends[0] < start:
            lows.popleft()
            self._low_ends.popleft()
        if highs and highs[0] > lows[0] * self._ratio:
            self.volatile_until = self._narrower_at() + self._calm
            return True
        return at_ns < self.volatile_until

    def _narrower_at(self) -> int:
        """Earliest time at which the range can shrink: the older extreme leaves the window (the newest never does)."""
        ends = [ends[0] for ends in (self._high_ends, self._low_ends) if len(ends) > 1]
        return min(ends) + self._span + 1


def _twice(price: Decimal | None) -> Decimal | None:
    return None if price is None else 2 * price


def _outside(twice_mid: Decimal, below: Decimal | None, above: Decimal | None) -> bool:
    return (above is not None and twice_mid > above) or (below is not None and twice_mid < below)
