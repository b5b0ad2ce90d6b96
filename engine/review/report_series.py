"""What charts draw: the course of a run in a bounded number of time buckets, so that a long run needs no more memory.

A bucket keeps the extremes, so that a short spike is never averaged away. Floats: nothing here decides or adds money.
"""

from __future__ import annotations

from array import array
from decimal import Decimal
from math import inf, nan

BUCKETS = 720

__all__ = ["BUCKETS", "Series"]


class Series:
    """Per bucket: P&L with and before fees, least and greatest net position, longest exposure, latencies of hedges.

    `nan` where nothing was seen.
    """

    def __init__(self, *, begin_ns: int, end_ns: int) -> None:
        self.begin_ns = begin_ns
        self.width_ns = max((end_ns - begin_ns + BUCKETS) // BUCKETS, 1)
        self.worth = array("d", [nan]) * BUCKETS
        self.before_fees = array("d", [nan]) * BUCKETS
        self.net_low = array("d", [inf]) * BUCKETS
        self.net_high = array("d", [-inf]) * BUCKETS
        self.age_ns = array("d", [nan]) * BUCKETS
        self.latency_ns: list[array[int]] = [array("q") for _ in range(BUCKETS)]
        self.round_bps: array[float] = array("d")
        self._net = 0.0
        self._held = 0  # the bucket up to which the net position is told
        self.due_ns = begin_ns

    def bucket(self, at_ns: int) -> int:
        return min(max((at_ns - self.begin_ns) // self.width_ns, 0), BUCKETS - 1)

    def pnl(self, at_ns: int, pnl: Decimal, fees: Decimal) -> int:
        """The P&L just before `at_ns`, and the fees in it; returns when it is due again, since telling it costs."""
        place = self.bucket(at_ns)
        self.worth[place] = float(pnl)
        self.before_fees[place] = float(pnl + fees)
        self.due_ns = self.begin_ns + (place + 1) * self.width_ns
        return self.due_ns

    def net(self, at_ns: int, net: Decimal) -> None:
        """The net position is `net` from now on."""
        self.hold(at_ns)
        place = self.bucket(at_ns)
        value = float(net)
        self.net_low[place] = min(self.net_low[place], value, self._net)
        self.net_high[place] = max(self.net_high[place], value, self._net)
        self._net = value

    def hold(self, until_ns: int) -> None:
        """The net position stayed as it was until then, also where nothing filled."""
        place, net = self.bucket(until_ns), self._net
        if net:
            for held in range(self._held, place + 1):
                self.net_low[held] = min(self.net_low[held], net)
                self.net_high[held] = max(self.net_high[held], net)
        self._held = place

    def age(self, at_ns: int, age_ns: int) -> None:
        """An exposure above dust was closed after `age_ns`."""
        place = self.bucket(at_ns)
        if not self.age_ns[place] >= age_ns:  # nan compares false
            self.age_ns[place] = age_ns

    def latency(self, at_ns: int, took_ns: int) -> None:
        self.latency_ns[self.bucket(at_ns)].append(took_ns)
