"""The net position over time: how far it was from 0, and for how long above dust (E12, E15, S6, S17)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache

from engine.review.report_figures import Deviation, percentiles
from engine.review.report_rows import FillRow, Terms, decimal
from engine.review.report_series import Series
from exchanges.types import ZERO

__all__ = ["Exposure"]


class Exposure:
    """Counts what was news in each fill row, as the ledger and the audit do; dust is what an account cannot trade."""

    def __init__(self, terms: Terms, *, round_ends: Iterable[int], begin_ns: int, series: Series | None) -> None:
        """`round_ends` are the last steps of the rounds, in order."""
        self.snapshots: dict[str, Decimal] = {}  # by account: what provisional rows showed and no other explained
        self._accounts = terms.accounts
        sizes = {(it.lot, it.min_qty, it.min_notional): it for it in terms.accounts.values()}  # most are alike
        self._sizes = tuple(sizes.values())
        self._dust_at = lru_cache(maxsize=1 << 16)(self._dust)
        self._ends = iter(round_ends)
        self._end = next(self._ends, None)
        self._series = series
        self._begin_ns = self._seen_ns = begin_ns
        self._net = self._area = ZERO  # area: size x ns
        self._dust_now = self._dust(ZERO)
        self._since_ns: int | None = None  # above dust since then
        self._exposed_ns = 0
        self._largest = self._at_round_ends = ZERO
        self._ages = array("q")

    def count(self, fills: Sequence[FillRow]) -> None:
        accounts, dust_at, series, end = self._accounts, self._dust_at, self._series, self._end
        net, since_ns, seen_ns = self._net, self._since_ns, self._seen_ns
        size = abs(net)
        for seq, at_ns, account, buys, qty, news, price, fee, asset, _, _, provisional, _, _, _, _, _, _ in fills:
            while end is not None and end < seq:  # in one step the fill came first
                self._at_round_ends = max(self._at_round_ends, size)
                end = next(self._ends, None)
            change = decimal(qty if news is None else news)
            if not buys:
                change = -change
            if news is not None or provisional:
                self._show(account, change, buys, ZERO if provisional else decimal(qty))
            about = accounts[account]
            if asset == about.base != about.quote:
                change -= Decimal(fee)
            if size:
                self._area += size * (at_ns - seen_ns)
            seen_ns = at_ns
            net += change
            size = abs(net)
            if size > self._largest:
                self._largest = size
            if price is not None:
                self._dust_now = dust_at(price)
            if size > self._dust_now:
                since_ns = at_ns if since_ns is None else since_ns
            elif since_ns is not None:
                self._close(since_ns, at_ns)
                since_ns = None
            if series is not None:
                series.net(at_ns, net)
        self._end, self._net, self._since_ns, self._seen_ns = end, net, since_ns, seen_ns

    def result(self, end_ns: int) -> Deviation:
        """What is open at the end counts up to `end_ns`."""
        if self._series is not None:
            self._series.hold(end_ns)
        size = abs(self._net)
        while self._end is not None:
            self._at_round_ends = max(self._at_round_ends, size)
            self._end = next(self._ends, None)
        if self._since_ns is not None:
            self._close(self._since_ns, end_ns)
        length_ns = end_ns - self._begin_ns
        area = self._area + size * (end_ns - self._seen_ns)
        return Deviation(
            mean=area / length_ns if length_ns else ZERO,
            largest=self._largest,
            at_round_ends=self._at_round_ends,
            end=self._net,
            dust=self._dust_now,
            age_ns=percentiles(self._ages),
            exposed_share=self._exposed_ns / length_ns if length_ns else 0,
        )

    def _show(self, account: str, change: Decimal, buys: int, row: Decimal) -> None:
        """A row brought more or less news than it tells itself."""
        told = row if buys else -row
        self.snapshots[account] = self.snapshots.get(account, ZERO) + change - told

    def _close(self, since_ns: int, at_ns: int) -> None:
        age_ns = at_ns - since_ns
        self._ages.append(age_ns)
        self._exposed_ns += age_ns
        if self._series is not None:
            self._series.age(at_ns, age_ns)

    def _dust(self, price: str | Decimal) -> Decimal:
        return max((account.smallest_trade(Decimal(price)) for account in self._sizes), default=ZERO)
