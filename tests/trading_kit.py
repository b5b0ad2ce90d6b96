"""A desk on a bench: a plan with plain instruments, and short ways to say what the venues do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.chart.settings import settings_values
from engine.chart.yaml_nodes import read_nodes
from engine.trading.desk import Desk
from engine.trading.effects import ArmTimer, AskPositions, CancelOrder, DisarmTimer, Effect, PlaceOrder
from engine.trading.inputs import Answered, Counted, Day, Input, MarketSeen, Request, Started, TimerFired
from engine.trading.plan import AccountPlan, Guards, Limits, Plan
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import (
    Accepted,
    Capabilities,
    ClientIdStyle,
    Fill,
    Instrument,
    LinkState,
    LinkUpdate,
    Liquidity,
    Margin,
    MarketKind,
    OrderState,
    OrderUpdate,
    Position,
    Quote,
    Refusal,
    Refused,
    SelfTrade,
)

D = Decimal
S = 1_000_000_000
MS = 1_000_000

LIMITS = Limits(
    max_order=D(10), max_position=D(20), max_gross=D(60), max_net=D(10), unhedged_soft=D(5), unhedged_hard=D(10),
    unhedged_soft_age_ns=S, unhedged_hard_age_ns=5 * S, max_loss_run=None, max_loss_day=None,
    min_margin_ratio=D("1.1"), min_liquidation_distance_bps=D(100), max_hedge_slippage_bps=D(50),
    orders_per_minute=10_000, margin_buffer=D("1.2"), dust_cap=D(1_000), max_round_cost_bps=None,
)  # fmt: skip

GUARDS = Guards(
    max_book_age_ns=S, volatility_window_ns=S, volatility_bps=D(1_000), volatility_calm_ns=S, thin_depth_factor=D(1),
    thin_pause_factor=2, spread_bps=D(100), spread_normal_quotes=3, basis_bps=D(1_000),
)  # fmt: skip


def instrument(venue: str, **changes: object) -> Instrument:
    plain = Instrument(
        venue=venue, symbol="ETHUSDT", market="ETH-PERP", kind=MarketKind.PERP, base="ETH", quote="USDT",
        tick=D("0.1"), lot=D("0.1"), min_qty=D("0.1"),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def capabilities(style: ClientIdStyle = ClientIdStyle.TEXT) -> Capabilities:
    return Capabilities(
        client_id=style, modify=True, batch=False, reduce_only=True, market_orders=True,
        self_trade=frozenset(SelfTrade), query_finds_terminal=True, dead_man_switch=False,
    )  # fmt: skip


def account(name: str, venue: str, **changes: object) -> AccountPlan:
    return AccountPlan(
        name=name, venue=venue, owner="me", instrument=instrument(venue, **changes), capabilities=capabilities()
    )


class FixedRng:
    """Chance that a test dictates: always the n-th choice, always the low end."""

    def __init__(self, choice: int = 0) -> None:
        self.choice = choice

    def below(self, n: int) -> int:
        return self.choice % n

    def between(self, low: int, high: int) -> int:
        return low


def eagle_flow() -> Flow:
    return shipped_flow("eagle_chicken")


def shipped_flow(name: str) -> Flow:
    path = Path(__file__).parents[1] / "flows" / f"{name}.yaml"
    return load_flow(path.read_text(encoding="utf-8"), file=f"flows/{name}.yaml", vocabulary=trading_vocabulary())


_EAGLE = eagle_flow()


class Bench:
    """A desk with accounts m (maker, venue a) and t1, t2 (takers, venue b unless told otherwise)."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        flow: Flow = _EAGLE,
        accounts: tuple[AccountPlan, ...] = (account("m", "a"), account("t1", "b"), account("t2", "b")),
        limits: Limits = LIMITS,
        choice: int = 0,
        roles: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        plain = {"quantity": "1.0"} if "quantity" in flow.settings else {}
        text = "".join(f"{name}: {value}\n" for name, value in {**plain, **(settings or {})}.items())
        values = settings_values(flow, read_nodes(text, file="settings").entries)  # type: ignore[union-attr]
        names = [spec.name for spec in accounts]
        self.plan = Plan(
            flow=flow, market="ETH-PERP", settings=values, accounts={spec.name: spec for spec in accounts},
            roles=roles or {"maker": (names[0],), "takers": tuple(names[1:])}, limits=limits, guards=GUARDS,
        )  # fmt: skip
        chance = {"taker": FixedRng(choice), "hold": FixedRng()}
        self.desk = Desk(self.plan, run=1, chance=chance)
        self.now = 0
        self.timers: dict[tuple[str, str], ArmTimer] = {}
        self.orders: dict[str, PlaceOrder] = {}
        self.cancels: list[CancelOrder] = []
        self.trade = 0
        self.log: list[Effect] = []

    def begin(self, *, equity: str = "100000", held: tuple[Position, ...] = (), day: Day | None = None) -> list[Effect]:
        """Books, links, margins, market open, Started; `held` are the positions at the start."""
        self.quote("100.0", "100.1")
        for name in self.plan.accounts:
            self.give(LinkUpdate(name, LinkState.TRUSTED, self.now))
        margins = tuple(Margin(name, D(equity), D(equity), D(0)) for name in self.plan.accounts)
        self.give(MarketSeen(open=True, reason="", text=""))
        return self.give(Started(held, margins, day))

    def quote(self, bid: str, ask: str) -> None:
        for spec in self.plan.accounts.values():
            key = (spec.venue, spec.instrument.symbol)
            self.desk.books[key] = Quote(*key, D(bid), D(50), D(ask), D(50), self.now)

    def give(self, given: Input, *, after_ms: int = 1) -> list[Effect]:
        self.now += after_ms * MS
        effects = self.desk.step(given, self.now)
        self.log += effects
        for effect in effects:
            if isinstance(effect, ArmTimer):
                self.timers[effect.owner, effect.name] = effect
            elif isinstance(effect, DisarmTimer):
                self.timers.pop((effect.owner, effect.name), None)
            elif isinstance(effect, PlaceOrder):
                lot = self.plan.accounts[effect.request.account].instrument.lot
                assert effect.request.qty % lot == 0, f"{effect.request.qty} is no whole number of lots of {lot}"
                self.orders[effect.request.client_id] = effect
            elif isinstance(effect, CancelOrder):
                self.cancels.append(effect)
        return effects

    # --- the venues speak

    def ack(self, client_id: str) -> list[Effect]:
        return self.give(Answered(client_id, Request.PLACE, Accepted(f"v-{client_id}")))

    def refuse(self, client_id: str, refusal: Refusal = Refusal.VENUE) -> list[Effect]:
        return self.give(Answered(client_id, Request.PLACE, Refused(refusal, "no")))

    def update(self, client_id: str, state: OrderState, cum: str = "0") -> list[Effect]:
        return self.give(self.told(client_id, state, cum))

    def told(self, client_id: str, state: OrderState, cum: str = "0") -> OrderUpdate:
        request = self.orders[client_id].request
        return OrderUpdate(
            account=request.account, symbol=request.symbol, client_id=client_id, order_id=f"v-{client_id}",
            side=request.side, qty=request.qty, state=state, cum_qty=D(cum), price=request.price, at_ms=0,
            recv_ns=self.now,
        )  # fmt: skip

    def row(self, order: str, qty: str, *, price: str = "100", trade: str = "", **changes: object) -> Fill:
        placed = self.orders[order]
        self.trade += 1
        plain = Fill(
            venue=placed.venue, account=placed.request.account, symbol=placed.request.symbol, client_id=order,
            order_id=f"v-{order}", trade_id=trade or f"t{self.trade}", side=placed.request.side, qty=D(qty),
            price=D(price), fee=D(0), fee_asset="USDT", liquidity=Liquidity.MAKER, at_ms=0, recv_ns=self.now,
        )  # fmt: skip
        return replace(plain, **changes)  # type: ignore[arg-type]

    def fill(self, client_id: str, qty: str, **changes: object) -> list[Effect]:
        return self.give(self.row(client_id, qty, **changes))  # type: ignore[arg-type]

    def fire(self, name: str, owner: str = "chart") -> list[Effect]:
        """Let the timer whose name ends so fire at its time."""
        timer = next(t for (who, key), t in self.timers.items() if who == owner and key.endswith(name))
        del self.timers[timer.owner, timer.name]
        self.now = max(self.now, timer.at_ns)
        return self.give(TimerFired(timer.owner, timer.name, timer.epoch), after_ms=0)

    def confirm(self) -> list[Effect]:
        """The venues hold what the ledger holds: the answer to the newest reading."""
        asked = [effect for effect in self.log if isinstance(effect, AskPositions)][-1]
        books = self.desk.world.ledger.books
        held = tuple(
            Position(name, spec.instrument.symbol, books[name].position) for name, spec in self.plan.accounts.items()
        )
        return self.give(Counted(asked.token, ok=True, quiet=True, positions=held, margins=()))

    # --- shorthands

    @property
    def state(self) -> str:
        return self.desk.state

    def newest(self, leg: str) -> str:
        """Client id of the newest order of a leg (`hedge` and `flatten` are legs too)."""
        return [client_id for client_id, placed in self.orders.items() if placed.leg == leg][-1]

    @staticmethod
    def placed(effects: list[Effect]) -> list[tuple[str, str, str, Decimal]]:
        """(account, leg, side, quantity) of the orders among effects."""
        return [
            (e.request.account, e.leg, e.request.side.value, e.request.qty)
            for e in effects
            if isinstance(e, PlaceOrder)
        ]
