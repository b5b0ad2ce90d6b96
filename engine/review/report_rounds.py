"""What each round cost, beside what it was expected to cost before it opened (S10)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from engine.review.report_figures import Cost, percentiles
from engine.review.report_money import Counted
from engine.review.report_rows import FillRow, RoundRow
from engine.review.report_series import Series
from engine.trading.effects import Purpose
from exchanges.types import ZERO

__all__ = ["RoundCosts"]

OPEN = Purpose.OPEN.value
BPS = 10_000


@dataclass(slots=True)
class _Round:
    number: int
    spent: Decimal = ZERO
    left: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)  # by account: signed quantity, newest mid
    opened: Decimal = ZERO  # notional of the opening fills, at mid


_NO_ROUND = _Round(0)
_NOTHING = (ZERO, ZERO)


class RoundCosts:
    """Fed with fills in the order of the steps; closes each round by itself. One round is open at a time."""

    def __init__(self, rounds: Iterable[RoundRow], series: Series | None) -> None:
        self.done = self.given_up = 0
        self.took_ns = array("q")
        self._rounds = iter(rounds)
        self._next = next(self._rounds, None)
        self._series = series
        self._open = _NO_ROUND
        self._ended = 0
        self._notional = self._expected = self._realised = ZERO
        self._expected_bps = array("d")
        self._realised_bps = array("d")

    def count(self, fills: Sequence[FillRow], counted: Sequence[Counted | None]) -> None:
        """A fill that comes after its round's end belongs to none."""
        end, open_ = self._next, self._open
        for fill, change in zip(fills, counted, strict=True):
            while end is not None and end[0] < fill[0]:  # in one step the fill came first
                self._over(end)
                end, open_ = self._next, self._open
            _, _, account, _, _, _, _, _, _, _, _, _, _, _, _, purpose, number, _ = fill
            if change is None or purpose is None:
                continue
            if open_.number != number:
                if number <= self._ended:
                    continue
                open_ = self._open = _Round(number)
            delta, spent, worth, mid = change
            open_.spent += spent
            net, _ = open_.left.get(account, _NOTHING)
            open_.left[account] = (net + delta, mid)
            if purpose == OPEN:
                open_.opened += abs(worth)

    def finish(self) -> None:
        """All fills were counted: close the rounds that ended."""
        while self._next is not None:
            self._over(self._next)

    def _over(self, end: RoundRow) -> None:
        _, number, opened, took_ns, expected_bps = end
        self._next = next(self._rounds, None)
        round_, self._open, self._ended = self._open, _NO_ROUND, number
        if not opened:
            self.given_up += 1
        else:
            self.done += 1
            self.took_ns.append(took_ns)
        if round_.number == number and round_.opened and expected_bps is not None:
            self._compare(round_, expected_bps)

    def _compare(self, round_: _Round, expected_bps: str) -> None:
        cost = round_.spent
        for net, mid in round_.left.values():
            cost -= net * mid
        self._notional += round_.opened
        self._expected += round_.opened * Decimal(expected_bps) / BPS
        self._realised += cost
        self._expected_bps.append(float(expected_bps))
        self._realised_bps.append(float(cost / round_.opened * BPS))
        if self._series is not None:
            self._series.round_bps.append(self._realised_bps[-1])

    def result(self, *, pnl: Decimal, told_bps: Decimal | None) -> Cost:
        return Cost(
            rounds=len(self._realised_bps), notional=self._notional, expected=self._expected, realised=self._realised,
            told_bps=told_bps, expected_bps=percentiles(self._expected_bps),
            realised_bps=percentiles(self._realised_bps), outside_rounds=-pnl - self._realised,
        )  # fmt: skip
