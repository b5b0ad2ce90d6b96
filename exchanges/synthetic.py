"""An endless made-up market: seeded, so that equal streams of chance give equal markets.

Two venues that quote one underlying take equal `walk` streams (same seed) and `flow` streams of their own: prices and
times of quotes are then equal, sizes and trades differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from exchanges.market import MarketQuote, MarketSource, MarketTrade
from exchanges.types import Instrument, MarketKind, Rng, Side

_BITS = 1 << 48  # one draw is split into fields: a draw costs more than the rest of an event


@dataclass(frozen=True, slots=True)
class SyntheticMarket:
    """Parameters of the market, in ticks, lots and nanoseconds.

    A quote comes every `quote_interval_ns` (plus or minus half of it). With `move_permille` the price moves by
    1..`move_ticks_max` ticks, up or down with equal chance; with `wide_permille` the spread is `wide_ticks` instead of
    one tick. After a quote a trade follows with `trade_permille`, half way to the next quote, at the best price of a
    random side. Sizes are uniform between their bounds. The price stays within a fifth of its start.

    With the defaults 0.02 resting at the best price fills after about a second (three in four within 3 s), two times
    in five in more than one piece.
    """

    start_ticks: int = 260_000
    quote_interval_ns: int = 100_000_000
    move_permille: int = 40
    move_ticks_max: int = 8
    wide_permille: int = 60
    wide_ticks: int = 3
    shown_lots_min: int = 300
    shown_lots_max: int = 4_000
    trade_permille: int = 400
    trade_lots_min: int = 10
    trade_lots_max: int = 500

    def events(self, *, walk: Rng, flow: Rng) -> MarketSource:
        """Quotes and trades for ever, from offset 0."""
        low, high = self.start_ticks * 4 // 5, self.start_ticks * 6 // 5
        shown_min, shown_span = self.shown_lots_min, self.shown_lots_max - self.shown_lots_min + 1
        trade_min, trade_span = self.trade_lots_min, self.trade_lots_max - self.trade_lots_min + 1
        interval, half = self.quote_interval_ns, self.quote_interval_ns // 2
        trade_share = self.trade_permille * 4096 // 1000
        walk_below, flow_below = walk.below, flow.below
        bid, ask, at_ns = self.start_ticks, self.start_ticks + 1, 0
        while True:
            drawn = flow_below(_BITS)
            bid_lots = shown_min + ((drawn & 0xFFF) * shown_span >> 12)
            ask_lots = shown_min + ((drawn >> 12 & 0xFFF) * shown_span >> 12)
            yield MarketQuote(at_ns, bid, bid_lots, ask, ask_lots)
            moved = walk_below(_BITS)
            gap_ns = half + ((moved & 0xFFF) * interval >> 12)
            if drawn >> 24 & 0xFFF < trade_share:
                lots = trade_min + ((drawn >> 37) * trade_span >> 11)
                if drawn >> 36 & 1:
                    yield MarketTrade(at_ns + gap_ns // 2, Side.BUY, ask, lots)
                else:
                    yield MarketTrade(at_ns + gap_ns // 2, Side.SELL, bid, lots)
            at_ns += gap_ns
            bid, ask = self._step(bid, moved >> 12, low=low, high=high)

    def _step(self, bid: int, drawn: int, *, low: int, high: int) -> tuple[int, int]:
        """The next best bid and offer from 36 random bits."""
        if (drawn & 0xFFF) * 1000 >> 12 < self.move_permille:
            ticks = 1 + ((drawn >> 12 & 0x7FF) * self.move_ticks_max >> 11)
            up = bid < low or (bid <= high and drawn >> 23 & 1)
            bid += ticks if up else -ticks
        wide = (drawn >> 24) * 1000 >> 12 < self.wide_permille
        return bid, bid + (self.wide_ticks if wide else 1)


def demo_instrument(venue: str) -> Instrument:
    """ETH-PERP as the embedded demo trades it; sizes and fees as usual on perpetual futures venues."""
    return Instrument(
        venue=venue, symbol="ETH-PERP", market="ETH-PERP", kind=MarketKind.PERP, base="ETH", quote="USD",
        tick=Decimal("0.01"), lot=Decimal("0.0001"), min_qty=Decimal("0.0001"), min_notional=Decimal(5),
        maker_fee=Decimal("0.0002"), taker_fee=Decimal("0.0005"),
    )  # fmt: skip
