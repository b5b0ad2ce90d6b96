"""What each verb of a trading flow does: it returns effects as data and touches no client.

Everything that a verb changes in the world is noted in `world.undo`: a chart step that fails leaves no trace (S2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from engine.trading.effects import (
    Alert,
    ArmTimer,
    AskPositions,
    Effect,
    Finish,
    Level,
    Purpose,
    RoundBegan,
    RoundEnded,
)
from engine.trading.hedging import OWNER as HEDGING
from engine.trading.inquiry import CHECK_NS, check_timer
from engine.trading.legs import Leg
from engine.trading.orders import Order
from engine.trading.slices import next_slice
from engine.trading.view import View
from engine.trading.world import OrderShape, World
from exchanges.types import ZERO, Side

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every fill.
_FLATTEN, _OPEN = Purpose.FLATTEN, Purpose.OPEN
_BUY, _SELL = Side.BUY, Side.SELL


class Verbs:
    """Runs the verbs of one desk. `asked` counts the answers that a chart token still waits for.

    `cause` tells what the chart has just done, for a person who reads why it halted.
    """

    def __init__(self, world: World, legs: Mapping[str, Leg], view: View, *, cause: Callable[[], str]) -> None:
        self._world = world
        self._cause = cause
        self._legs = legs
        self._view = view
        self.asked: dict[int, int] = {}
        self.answered_now: list[int] = []  # tokens that need no question: nothing was live to ask about
        self._cash_before = ZERO
        self._fees_before = ZERO
        self._volume_before = ZERO
        self._table: dict[str, Callable[[Mapping[str, object], int], Sequence[Effect]]] = {
            "begin_round": self._begin_round,
            "end_round": self._end_round,
            "rest": self._rest,
            "take": self._take,
            "cancel": self._cancel,
            "cancel_all": self._cancel_all,
            "flatten": self._flatten,
            "ask": self._ask,
            "ask_all": self._ask_all,
            "count_positions": self._count_positions,
            "hedge_all": self._hedge_all,
            "halt": self._halt,
            "alert": self._alert,
            "note": self._note,
            "finish": self._finish,
        }

    def __call__(self, verb: str, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        return self._table[verb](arguments, token)

    # --- rounds

    def _begin_round(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        world = self._world
        saved, attempts, was_open = world.round, world.attempts, world.round_open
        legs = {name: leg.saved() for name, leg in self._legs.items()}
        money = (self._cash_before, self._fees_before, self._volume_before)
        left_over = world.left_over

        def undo() -> None:
            world.left_over = left_over
            world.round, world.attempts, world.round_open = saved, attempts, was_open
            self._cash_before, self._fees_before, self._volume_before = money
            for name, leg in self._legs.items():
                leg.restore(legs[name])

        world.undo.append(undo)
        world.left_over = False
        world.round += 1
        world.round_open = True
        world.attempts = {}
        for leg in self._legs.values():
            leg.begin_round()
        self._cash_before, self._fees_before, self._volume_before = self._money()
        opening = next((leg for leg in self._legs.values() if leg.spec.purpose is _OPEN), None)
        side = "" if opening is None else opening.side.value
        bps = self._view.round_cost_bps()
        began = RoundBegan(world.round, side, None if bps is None else round(bps, 4))
        cost = self._view.expected_cost() if world.round == 1 else None
        if cost is None:
            return (began,)
        text = cost.words(world.instruments[world.maker].quote)
        return (began, Alert(Level.INFO, "round_cost", text, {"bps": f"{cost.bps:.4f}"}))

    def _end_round(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        world = self._world
        if not world.round_open:
            return ()
        world.undo.append(lambda: setattr(world, "round_open", True))
        world.round_open = False
        opened = sum((leg.filled for leg in self._legs.values() if leg.spec.purpose is _OPEN), ZERO)
        closed = sum((leg.filled for leg in self._legs.values() if leg.spec.purpose is not _OPEN), ZERO)
        cash, fees, volume = self._money()
        return (
            RoundEnded(
                round=world.round,
                opened=opened,
                closed=closed,
                residue=world.ledger.books[world.maker].position,
                volume=volume - self._volume_before,
                fees=fees - self._fees_before,
                cash=cash - self._cash_before,
            ),
        )

    def _money(self) -> tuple[Decimal, Decimal, Decimal]:
        books = self._world.ledger.books.values()
        return (
            sum((book.cash for book in books), ZERO),
            sum((book.fees for book in books), ZERO),
            sum((book.volume for book in books), ZERO),
        )

    # --- orders of a leg

    def _rest(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        leg = self._leg(arguments)
        account, side = leg.account, leg.side
        quote = self._world.quote(account)
        if quote is None or quote.crossed:
            return (_missing_book(account),)
        price = leg.resting_price(side, bid=quote.bid, ask=quote.ask)
        qty = leg.size_at(price) if price > 0 else ZERO
        if qty == 0:
            return ()
        shape = OrderShape(side=side, qty=qty, price=price, post_only=True, reduce_only=leg.spec.reduces)
        return self._place(leg, account, shape)

    def _take(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        leg = self._leg(arguments)
        account, side = leg.account, leg.side
        touch = self._world.touch(account, side)
        if touch is None:
            return (_missing_book(account),)
        qty = leg.size_at(touch)
        if qty == 0:
            return ()
        price = self._worst(leg, side, touch, arguments.get("slippage"))
        shape = OrderShape(side=side, qty=qty, price=price, ioc=True, reduce_only=leg.spec.reduces)
        return self._place(leg, account, shape)

    def _worst(self, leg: Leg, side: Side, touch: Decimal, slippage: object) -> Decimal | None:
        """The worst price of an order that takes: within the slippage, and no worse than the leg's own price."""
        bounds = [] if leg.price is None else [leg.price]
        if isinstance(slippage, Decimal):
            bounds.append(touch * (1 + side.sign * slippage / 10_000))
        if not bounds:
            return None
        instrument = self._world.instruments[leg.account]
        return instrument.price_down(min(bounds)) if side is _BUY else instrument.price_up(max(bounds))

    def _place(self, leg: Leg, account: str, shape: OrderShape) -> Sequence[Effect]:
        saved = leg.saved()
        self._world.undo.append(lambda: leg.restore(saved))
        covers = ZERO if leg.spec.purpose is _OPEN else -shape.side.sign * shape.qty
        effect = self._world.place(account, shape, purpose=leg.spec.purpose, leg=leg.spec.name, covers=covers)
        leg.attempts += 1
        leg.newest = effect.request.client_id
        return (effect,)

    def _cancel(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        return self._cancels(self._leg(arguments).live_orders)

    def _cancel_all(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        return self._cancels(list(self._world.orders.resting.values()))

    def _cancels(self, orders: list[Order]) -> Sequence[Effect]:
        return [self._world.cancel(order) for order in orders]

    # --- flattening

    def _flatten(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        world = self._world
        role = arguments.get("accounts")
        if world.orders.covering or world.resyncing or world.distrusted:
            return ()  # what is in flight still changes the positions that a slice would be cut from
        accounts = tuple(world.plan.accounts) if role is None else world.accounts(str(role))
        slices = next_slice(world, tuple(name for name in accounts if world.may_slice(name))) or ()
        if any(world.meets_own(account, _towards(signed)) for account, signed in slices):
            return ()
        effects: list[Effect] = []
        for account, signed in slices:
            shape = OrderShape(side=_towards(signed), qty=abs(signed), price=None, ioc=True, reduce_only=True)
            order = world.place(account, shape, purpose=_FLATTEN, leg="flatten", covers=-signed)
            effects += (order, check_timer(order.request.client_id, world.now_ns + CHECK_NS))
        return effects

    def _hedge_all(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        world = self._world
        before = world.hedge_all, world.any_price

        def undo() -> None:
            world.hedge_all, world.any_price = before

        world.undo.append(undo)
        world.hedge_all = True
        world.any_price = world.any_price or bool(arguments.get("market", False))
        return (ArmTimer(HEDGING, "all", 0, self._world.now_ns),)  # the standing rule has had its turn in this step

    # --- questions

    def _ask(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        return self._questions(self._leg(arguments).live_orders, token)

    def _ask_all(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        return self._questions(list(self._world.orders.resting.values()), token)

    def _questions(self, orders: list[Order], token: int) -> Sequence[Effect]:
        if not orders:
            self.answered_now.append(token)
            return ()
        self.asked[token] = len(orders)
        return [self._world.ask(order, token=token) for order in orders]

    def _count_positions(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        return (AskPositions(accounts=self._world.traded, token=token),)

    # --- words and the end

    def _halt(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        world = self._world
        halted, trouble = world.halted, world.trouble
        world.undo.append(lambda: setattr(world, "trouble", trouble))
        world.undo.append(lambda: setattr(world, "halted", halted))
        world.halted = True
        world.trouble = trouble or self._cause()
        return (Alert(Level.PERSON, "halt", str(arguments["text"]), {}),)

    def _alert(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        return (Alert(Level.PERSON, "flow", str(arguments["text"]), {}),)

    def _note(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        return (Alert(Level.INFO, "note", str(arguments["text"]), {}),)

    def _finish(self, arguments: Mapping[str, object], token: int) -> Sequence[Effect]:
        world = self._world
        residues = residue_lines(world)
        view = self._view
        to_be_flat = bool(arguments.get("flat", True)) and not world.heard
        open_still = not view.settled or (to_be_flat and not (view.maker_flat and view.takers_flat))
        live = live_lines(world)
        failed = bool(arguments.get("failed")) or open_still or bool(live) or world.halted
        meant = "flat within dust" if to_be_flat else "hedged within dust" if world.heard else "holding as meant"
        kept = meant if residues else "hedged" if world.heard else "flat"
        if world.positions_doubted:  # the venues' last word on it was another
            kept += " by our books and not by the venues'"
        kept = f"{kept} so far" if live else kept
        words = ("not hedged" if world.heard else "not flat") if open_still else kept
        trouble = (f"halted: {world.trouble}",) if world.trouble else ()
        text = "; ".join((words, *trouble, *residues, *live))
        return (Finish(1 if failed else 0, text, left_open=open_still or bool(live)),)

    def _leg(self, arguments: Mapping[str, object]) -> Leg:
        return self._legs[str(arguments["leg"])]


def residue_lines(world: World) -> list[str]:
    """S7: every account that is not at its baseline, as `account: signed quantity symbol`.

    Beside a source, whose position is its owner's, only what is left open between it and the hedges.
    """
    if world.heard:
        return [f"{world.exposure:+f} {world.plan.market} not hedged"] if world.exposure else []
    return [
        f"{name}: {book.position:+f} {world.instruments[name].symbol}"
        for name, book in world.ledger.books.items()
        if book.position != 0
    ]


def live_lines(world: World) -> list[str]:
    """Every order that may still fill, as `account: side quantity symbol still live (id)`."""
    return [
        f"{order.account}: {order.side.value} {order.remaining} {order.symbol} still live ({order.client_id})"
        for table in (world.orders.resting, world.orders.covering)
        for order in table.values()
    ]


def _towards(signed: Decimal) -> Side:
    return _BUY if signed > 0 else _SELL


def _missing_book(account: str) -> Alert:
    return Alert(Level.WARNING, "no_book", f"{account} has no usable book: no order made", {"account": account})
