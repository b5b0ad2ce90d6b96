"""A hedger's desk on a bench: source `s` is listened to, `h1` and `h2` hedge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from trading_kit import LIMITS, Bench, account, shipped_flow

from engine.trading.effects import Alert, Effect, PlaceOrder
from engine.trading.inputs import Reconfigured
from engine.trading.plan import AccountPlan, Limits
from exchanges.types import Fill, LinkState, LinkUpdate, Liquidity, OrderState, Quote, Side

D = Decimal
HEDGER = shipped_flow("hedger")
SETTINGS = {"min_qty": "1", "min_amt": "0", "max_age": "30s", "slippage": "10bps", "price_band": "100bps"}
HEARD = account("s", "a", lot=D("0.001"), min_qty=D("0.001"))
BUY, SELL = Side.BUY, Side.SELL


class HedgeBench(Bench):
    """Fills come by `heard`; the hedge venue's book is set by `quote`."""

    def __init__(
        self, settings: Mapping[str, str] | None = None, *, hedgers: tuple[AccountPlan, ...] = (account("h1", "b"),),
        limits: Limits = LIMITS, source: AccountPlan = HEARD,
    ) -> None:  # fmt: skip
        names = tuple(spec.name for spec in hedgers)
        super().__init__(
            {**SETTINGS, **(settings or {})}, flow=HEDGER, accounts=(source, *hedgers), limits=limits,
            roles={"source": ("s",), "hedgers": names},
        )  # fmt: skip

    def quote(self, bid: str, ask: str, *, at_ns: int | None = None) -> None:
        """Books of the hedge venues, from now on as new as `at_ns`, or as every step."""
        self._touch = (D(bid), D(ask), at_ns)
        self._show()

    def _show(self) -> None:
        bid, ask, at_ns = self._touch
        for name, spec in self.plan.accounts.items():
            if name != "s":
                key = (spec.venue, spec.instrument.symbol)
                self.desk.books[key] = Quote(*key, bid, D(50), ask, D(50), self.now if at_ns is None else at_ns)

    def give(self, given, *, after_ms: int = 1) -> list[Effect]:  # type: ignore[no-untyped-def]
        if hasattr(self, "_touch"):
            self.now += after_ms * 1_000_000
            self._show()
            return super().give(given, after_ms=0)
        return super().give(given, after_ms=after_ms)

    def heard(
        self, side: Side, qty: str, price: str = "100", *, trade: str = "", order: str = "", **changes: object
    ) -> list[Effect]:
        """The market maker's own order filled."""
        return self.give(self.heard_row(side, qty, price, trade=trade, order=order, **changes))

    def heard_row(
        self, side: Side, qty: str, price: str = "100", *, trade: str = "", order: str = "", **changes: object
    ) -> Fill:
        self.trade += 1
        plain = Fill(
            venue="a", account="s", symbol="ETHUSDT", client_id="theirs", order_id=order or "o1",
            trade_id=trade or f"m{self.trade}", side=side, qty=D(qty), price=D(price), fee=D(0), fee_asset="USDT",
            liquidity=Liquidity.MAKER, at_ms=0, recv_ns=self.now,
        )  # fmt: skip
        return replace(plain, **changes)  # type: ignore[arg-type]

    def link(self, name: str, state: LinkState) -> list[Effect]:
        return self.give(LinkUpdate(name, state, self.now))

    def done(self, client_id: str, qty: str | None = None, price: str | None = None) -> list[Effect]:
        """A hedge ended with `qty` filled, all of it unless told otherwise."""
        request = self.orders[client_id].request
        filled = request.qty if qty is None else D(qty)
        effects: list[Effect] = []
        if filled:
            effects += self.fill(client_id, str(filled), price=price or str(request.price or 100))
        if filled < request.qty:
            effects += self.update(client_id, OrderState.CANCELED, str(filled))
        return effects

    def reconfigure(self, settings: Mapping[str, str], *, version: int = 2, **limits: object) -> list[Effect]:
        return self.give(Reconfigured(version, settings, replace(self.desk.world.plan.limits, **limits)))  # type: ignore[arg-type]

    def open_qty(self) -> Decimal:
        return self.desk.world.exposure

    @property
    def last(self) -> str:
        return self.newest("hedge")


def orders(effects: list[Effect]) -> list[tuple[str, str, Decimal, Decimal | None]]:
    """(account, side, quantity, limit) of the hedges among effects."""
    return [
        (e.request.account, e.request.side.value, e.request.qty, e.request.price)
        for e in effects
        if isinstance(e, PlaceOrder)
    ]


def alerts(effects: list[Effect]) -> list[str]:
    return [e.code for e in effects if isinstance(e, Alert)]
