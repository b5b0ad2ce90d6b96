"""What a paper venue replays: best quotes and public trades of one symbol in time order, in whole ticks and lots.

Named tuples, not frozen dataclasses: they are made for every market event and cost a third.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from exchanges.types import Side


class MarketQuote(NamedTuple):
    """Best bid and offer, `offset_ns` after the start of the source."""

    offset_ns: int
    bid: int
    bid_lots: int
    ask: int
    ask_lots: int


class MarketTrade(NamedTuple):
    """One public trade; `taker` is the side of the order that took liquidity."""

    offset_ns: int
    taker: Side
    ticks: int
    lots: int


class MarketSeam(NamedTuple):
    """A repeated recording ends here; the next event is the first of the following pass, at a new book."""

    offset_ns: int


MarketEvent = MarketQuote | MarketTrade | MarketSeam
MarketSource = Iterator[MarketEvent]
