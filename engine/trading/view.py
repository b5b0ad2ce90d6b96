"""What a flow's guards see: plain facts, computed from the world when they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from engine.trading.effects import Purpose
from engine.trading.hedging import Hedging
from engine.trading.legs import Leg
from engine.trading.limits import ExpectedCost, busiest_rounds_per_minute, round_cost_bps
from engine.trading.slices import next_slice
from engine.trading.world import World
from exchanges.types import ZERO, LinkState, Side

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_TRUSTED = LinkState.TRUSTED
_FLATTEN, _OPEN = Purpose.FLATTEN, Purpose.OPEN
_BUY, _SELL = Side.BUY, Side.SELL


class View:
    """The facts of a chart's scope; the chart sets `event`, `settings`, `context`."""

    event: object
    settings: object
    context: object
    inside: Callable[[str], bool]
    why_closed: str | None  # what the flow found when it last looked whether it may open; None once that was told

    def __init__(self, world: World, hedging: Hedging | None, legs: Mapping[str, Leg]) -> None:
        self._world = world
        self._hedging = hedging
        self._legs = legs
        self.why_closed = None
        self._opening: Leg | None = None
        for leg in legs.values():
            if self._opening is None and leg.spec.purpose is _OPEN:
                self._opening = leg
        for leg in legs.values():
            leg.scope = self

    # --- exposure

    @property
    def settled(self) -> bool:
        """Nothing hedgeable is open, nothing is in flight, nothing is unknown (S6)."""
        return self._hedging is None or self._hedging.settled

    @property
    def exposure(self) -> Decimal:
        return self._world.exposure

    @property
    def net_position(self) -> Decimal:
        return self._world.exposure

    @property
    def hedgeable(self) -> Decimal:
        return ZERO if self._hedging is None else self._hedging.hedgeable

    @property
    def in_flight(self) -> Decimal:
        return self._world.in_flight()

    @property
    def dust(self) -> Decimal:
        """What is open and not in flight."""
        return self._world.exposure + self._world.in_flight()

    @property
    def risk(self) -> Decimal:
        """What a source's fills have left open: fills - hedges - in flight."""
        return self._world.exposure + self._world.in_flight()

    @property
    def hedge_due(self) -> bool:
        return self._hedging is not None and self._hedging.gate is not None and self._hedging.gate.due

    @property
    def hedge_unknown(self) -> bool:
        return any(order.unknown for order in self._world.orders.covering.values())

    @property
    def source_live(self) -> bool:
        return self._world.links[self._world.maker] is _TRUSTED

    @property
    def hedgers_live(self) -> bool:
        return any(self._world.links[name] is _TRUSTED for name in self._takers)

    @property
    def dust_capped(self) -> bool:
        """What is open is worth more than dust_cap: no opening while it is (S6). Unhedged it is no dust."""
        return self._hedging is not None and self._world.dust_capped

    @property
    def maker_open_position(self) -> Decimal:
        return self._world.ledger.maker_open_position

    @property
    def maker_close_position(self) -> Decimal:
        return self._world.ledger.maker_close_position

    @property
    def maker_position(self) -> Decimal:
        return self._world.ledger.books[self._world.maker].position

    @property
    def maker_flat(self) -> bool:
        """The maker holds nothing that its venue would let it close."""
        position = abs(self.maker_position)
        if position == 0:
            return True
        return self._world.tradable(self._world.maker, position) == 0 and not self._unpriced((self._world.maker,))

    @property
    def takers_flat(self) -> bool:
        return next_slice(self._world, self._takers) is None and not self._unpriced(self._takers)

    @property
    def left_over(self) -> bool:
        """S15: something that an earlier run left is still there."""
        if not self._world.left_over:
            return False
        return self.orders_live or not (self.settled and self.maker_flat and self.takers_flat)

    def _unpriced(self, accounts: tuple[str, ...]) -> bool:
        """Does one of these hold something while its book was not seen? Then nobody knows whether it could trade."""
        world = self._world
        return any(world.ledger.books[name].position and world.unpriced((name,)) for name in accounts)

    @property
    def reduced(self) -> bool:
        """No slice is left for any account, the maker's among them."""
        accounts = tuple(self._world.plan.accounts)
        return next_slice(self._world, accounts) is None and not self._unpriced(accounts)

    @property
    def _takers(self) -> tuple[str, ...]:
        return tuple(name for name in self._world.plan.accounts if name != self._world.maker)

    @property
    def volume(self) -> Decimal:
        """Traded notional of all accounts in quote units."""
        return sum((book.volume for book in self._world.ledger.books.values()), ZERO)

    # --- the maker's book

    @property
    def best_bid(self) -> Decimal:
        return self._world.touch(self._world.maker, _SELL) or ZERO

    @property
    def best_ask(self) -> Decimal:
        return self._world.touch(self._world.maker, _BUY) or ZERO

    # --- orders

    @property
    def flattening(self) -> bool:
        return any(order.purpose is _FLATTEN for order in self._world.orders.covering.values())

    @property
    def orders_live(self) -> bool:
        return bool(self._world.orders.resting)

    # --- permissions

    @property
    def may_open(self) -> bool:
        self.why_closed = why = self.closed_because()
        return not why

    @property
    def may_rest(self) -> bool:
        """An opening order may stay where it is (E5): market, streams and hedgers are as when it was placed."""
        world = self._world
        if not world.market.open or world.halted or world.paused or world.self_matched or world.positions_doubted:
            return False
        if not self._trusted:
            return False
        hedging = self._hedging
        return hedging is None or (hedging.willing and self._enough_eligible(hedging, self._opening_qty()))

    @property
    def may_close(self) -> bool:
        """The maker's stream is trusted, there is a book to price from, and somebody can hedge the close (E5, S3)."""
        world = self._world
        if world.links[world.maker] is not _TRUSTED or world.touch(world.maker, _BUY) is None:
            return False
        return self._hedging is None or self._hedging.willing

    @property
    def streams_live(self) -> bool:
        return self._world.links[self._world.maker] is _TRUSTED

    @property
    def market_open(self) -> bool:
        return self._world.market.open

    @property
    def market_reason(self) -> str:
        return self._world.market.reason or "none"

    @property
    def pause_factor(self) -> int:
        return self._world.market.pause_factor

    @property
    def _trusted(self) -> bool:
        return self._world.links.all_trusted

    def _opening_qty(self) -> Decimal:
        if self._opening is None:
            return ZERO
        value = self._opening.spec.quantity.value(self)
        assert isinstance(value, Decimal)
        return value

    def _enough_eligible(self, hedging: Hedging, qty: Decimal) -> bool:
        """Could the takers hedge an opening of `qty` in full (E5, S12)?"""
        sells = self._opening is not None and not self._opening.spec.buys.value(self)
        return hedging.enough_eligible(qty, Side.BUY if sells else Side.SELL)

    def closed_because(self) -> str:
        """Why no opening order may be made now; empty when one may. Cheap tests first (E5, E15, S6, S10, S11, S12)."""
        world = self._world
        limits = world.plan.limits
        if world.halted:
            return "halted"
        if world.trouble:
            return f"a limit broke: {world.trouble}"
        if world.paused:
            return "paused"
        if world.self_matched:
            return "a self-trade waits to be acknowledged"
        if world.positions_doubted:
            return "positions of ledger and venue differ"
        if world.uncompared:
            return "ledger and venues could not be compared for long"
        if not world.ids_left:
            return "client order ids of this run are used up; start a new run"
        if not world.market.open:
            return f"market: {world.market.text}"
        if not self._trusted:
            lost = [name for name in world.plan.accounts if world.links[name] is not LinkState.TRUSTED]
            return f"the stream of {', '.join(lost)} is not trusted"
        if not self.settled:
            return "exposure is not settled"
        if world.unknown:
            return "an order's outcome is unknown"
        qty = self._opening_qty()
        if qty > limits.max_order:
            return f"quantity {qty} is above max_order {limits.max_order}"
        return self._pool_refuses(qty) or self._rates_refuse() or self._money_refuses()

    def _pool_refuses(self, qty: Decimal) -> str:
        world, limits = self._world, self._world.plan.limits
        if self._hedging is not None and not self._enough_eligible(self._hedging, qty):
            return f"not enough takers for the full size: {self._hedging.lack}"
        positions = [abs(book.position) for book in world.ledger.books.values()]
        if max(positions) + qty > limits.max_position:
            return f"an account that holds {max(positions)} would come above max_position {limits.max_position}"
        legs = 1 if self._hedging is None else 2
        if sum(positions, ZERO) + legs * qty > limits.max_gross:
            return f"accounts that hold {sum(positions, ZERO)} would come above max_gross {limits.max_gross}"
        if self._hedging is None and abs(world.exposure) + qty > limits.max_net:
            return f"a net position of {world.exposure} would come above max_net {limits.max_net}"
        if self.dust_capped:
            return f"dust of {world.exposure} is worth more than dust_cap {limits.dust_cap}"
        return ""

    def _rates_refuse(self) -> str:
        world = self._world
        for name, rate in world.rates.items():
            if rate.ready_ns(world.now_ns, most=rate.most_opening) > world.now_ns:
                return f"rate reserve of {name}"
        return ""

    def _money_refuses(self) -> str:
        limits = self._world.plan.limits
        if limits.max_round_cost_bps is None or self._hedging is None:
            return ""
        cost = self.round_cost_bps()
        if cost is None:
            return "no book to price the round from"
        if cost <= limits.max_round_cost_bps:
            return ""
        return f"expected round cost {cost:.2f} bps is above max_round_cost {limits.max_round_cost_bps} bps"

    def expected_cost(self) -> ExpectedCost | None:
        """What a round and a day cost by the books of now (S10); None without both books."""
        bps, quote = self.round_cost_bps(), self._world.quote(self._world.maker)
        if bps is None or quote is None:
            return None
        plan = self._world.plan
        hold = plan.settings.get("hold")
        rounds = busiest_rounds_per_minute(hold[0], plan.limits) if isinstance(hold, tuple) else None
        return ExpectedCost(bps=bps, notional=self._opening_qty() * quote.mid, rounds_per_minute=rounds)

    def round_cost_bps(self) -> Decimal | None:
        """Expected cost of one round in bps of its notional (S10); None without both books, or without a hedge."""
        if self._hedging is None:
            return None  # what a directional round costs, the market decides
        world = self._world
        taker = self._takers[0] if self._takers else world.maker
        maker_quote, taker_quote = world.quote(world.maker), world.quote(taker)
        opening = next((leg for leg in self._legs.values() if leg.spec.purpose is _OPEN), None)
        if maker_quote is None or taker_quote is None or opening is None or opening.spec.offset is None:
            return None
        offset = opening.spec.offset.value(self)
        assert isinstance(offset, int)
        return round_cost_bps(
            maker_quote,
            taker_quote,
            maker_instrument=world.instruments[world.maker],
            hedge_instrument=world.instruments[taker],
            offset_ticks=offset,
        )
