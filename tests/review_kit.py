"""A journal told by hand: quotes, orders and fills of two accounts on two venues, written by the real journal."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from journal_kit import MS, open_journal_for, run_start

from engine.runtime.journal_sqlite import SqliteJournal
from engine.trading.effects import Alert, PlaceOrder, Purpose, RoundBegan, RoundEnded, Urgency
from engine.trading.inputs import Answered, Input, Request, Started, TimerFired
from exchanges.types import (
    Accepted,
    Fill,
    FillKind,
    Instrument,
    Liquidity,
    Margin,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Position,
    Quote,
    SelfTrade,
    Side,
    TimeInForce,
)

D = Decimal
VENUES = {"hawk": "a", "chick": "b"}
TICK = TimerFired("chart", "tick", 1)
PAPER_VENUE = {
    "kind": "paper", "market": "synthetic", "latency_ns": 5 * MS, "feed_latency_ns": 5 * MS,
    "depth": {"step_ticks": 1, "growth": 1, "levels": 50},
}  # fmt: skip
PAPER = json.dumps({"a": PAPER_VENUE, "b": PAPER_VENUE})
PLAN = json.dumps({"limits": {"max_hedge_slippage_bps": "50"}})


def instrument(account: str, *, kind: MarketKind = MarketKind.PERP) -> Instrument:
    return Instrument(
        venue=VENUES[account], symbol="ETHUSD", market="ETH-PERP", kind=kind, base="ETH", quote="USD",
        tick=D("0.5"), lot=D("0.1"), min_qty=D("0.5"),
    )  # fmt: skip


class Story:
    """One run in a journal. Every word is a step, 10 ms after the last one."""

    def __init__(self, path: Path, *, run: int = 1, venues: str = PAPER, speed: str = "1x") -> None:
        self.journal: SqliteJournal = open_journal_for(path)
        accounts = tuple((name, instrument(name)) for name in VENUES)
        self.journal.run_started(run_start(run, venues=venues, speed=speed, plan=PLAN, accounts=accounts))
        self.run = run
        self.seq = 0
        self.round = 0
        self.orders: dict[str, PlaceOrder] = {}
        self._quotes: list[Quote] = []
        self._trade = 0

    @property
    def at_ns(self) -> int:
        return self.seq * 10 * MS

    def quote(self, venue: str, bid: str, ask: str, *, offered: str = "5") -> None:
        """What the next step reads; 7 are bid."""
        self._quotes.append(Quote(venue, "ETHUSD", D(bid), D(7), D(ask), D(offered), self.at_ns))

    def step(self, given: Input = TICK, *effects: object) -> None:
        self.seq += 1
        for effect in effects:
            if isinstance(effect, PlaceOrder):
                self.journal.intents([(effect, self.seq, self.at_ns, 1)])
        self.journal.step(self.seq, self.at_ns, 1, given, self._quotes, [], effects)  # type: ignore[arg-type]
        self._quotes = []

    def start(self, *, hawk: str = "1000", chick: str = "1000", held: tuple[Position, ...] = ()) -> None:
        self.step(Started(held, self._margins(hawk, chick)))

    def begin(self, *, expected: str | None = "10") -> None:
        self.round += 1
        self.step(TICK, RoundBegan(self.round, "buy", None if expected is None else D(expected)))

    def place(
        self, name: str, side: Side, qty: str, *, price: str | None = None, purpose: Purpose = Purpose.HEDGE,
        account: str = "chick", given: Input = TICK,
    ) -> None:  # fmt: skip
        """An order that this story calls `name`; its id is its own in every run."""
        request = OrderRequest(
            client_id=f"e{self.run}{name}", account=account, symbol="ETHUSD", side=side, qty=D(qty),
            price=None if price is None else D(price), type=OrderType.LIMIT if price else OrderType.MARKET,
            tif=TimeInForce.GTC, post_only=price is not None, reduce_only=False, valid_ms=2_000,
            self_trade=SelfTrade.CANCEL_TAKER,
        )  # fmt: skip
        effect = PlaceOrder(
            request=request, venue=VENUES[account], urgency=Urgency.HEDGE, purpose=purpose, leg=purpose.value,
            round=self.round, attempt=1, covers=D(0), epoch=self.round, not_after_ns=9,
        )  # fmt: skip
        self.orders[name] = effect
        self.step(given, effect)

    def rest(self, name: str, side: Side, qty: str, price: str, *, purpose: Purpose = Purpose.OPEN) -> None:
        """A maker order of hawk."""
        self.place(name, side, qty, price=price, purpose=purpose, account="hawk")

    def fill_of(self, name: str, qty: str, price: str, *, fee: str = "0", **changes: object) -> Fill:
        self._trade += 1
        effect = self.orders[name]
        request = effect.request
        fields: dict[str, object] = {
            "venue": effect.venue, "account": request.account, "symbol": request.symbol, "client_id": request.client_id,
            "order_id": f"o-{name}", "trade_id": f"t{self._trade}", "side": request.side, "qty": D(qty),
            "price": D(price), "fee": D(fee), "fee_asset": "USD", "at_ms": 1, "recv_ns": self.at_ns,
            "liquidity": Liquidity.TAKER if request.price is None else Liquidity.MAKER,
        }  # fmt: skip
        return Fill(**{**fields, **changes})  # type: ignore[arg-type]

    def fill(self, name: str, qty: str, price: str, **changes: object) -> None:
        self.step(self.fill_of(name, qty, price, **changes))  # type: ignore[arg-type]

    def outside(
        self, account: str, side: Side, qty: str, price: str, kind: FillKind = FillKind.LIQUIDATION, *,
        liquidity: Liquidity = Liquidity.TAKER,
    ) -> None:  # fmt: skip
        """A fill that no order of ours made."""
        self._trade += 1
        self.step(
            Fill(
                VENUES[account], account, "ETHUSD", "", f"x{self._trade}", f"t{self._trade}", side, D(qty), D(price),
                D(0), "USD", liquidity, 1, self.at_ns, kind,
            )
        )  # fmt: skip

    def shows(self, name: str, cum: str, state: OrderState = OrderState.PARTIALLY_FILLED) -> None:
        """A snapshot of an order."""
        request = self.orders[name].request
        self.step(
            OrderUpdate(
                request.account, request.symbol, request.client_id, f"o-{name}", request.side, request.qty, state,
                D(cum), request.price, 1, self.at_ns,
            )
        )  # fmt: skip

    def over(self, *, opened: str = "2", given: Input = TICK, alert: Alert | None = None) -> None:
        """The round's end, in the step of `given`; what it says of money is not what a report counts."""
        ended = RoundEnded(self.round, D(opened), D(opened), D(0), D(0), D(0), D(0))
        self.step(given, ended, *(() if alert is None else (alert,)))

    def end(
        self, *, hawk: str = "1000", chick: str = "1000", held: tuple[Position, ...] = (), exit_code: int | None = 0,
        read: bool = True,
    ) -> None:  # fmt: skip
        """Close the journal; without `read` the venues were not asked, without an exit code the process died."""
        if read:
            self.journal.venue_end(held, self._margins(hawk, chick))
        if exit_code is not None:
            self.journal.run_ended(exit_code, 2)
        self.journal.close()
        assert not self.journal.failed, self.journal.failure

    def answered(self, name: str, *, signed_ns: int, written_ns: int) -> None:
        client_id = self.orders[name].request.client_id
        self.step(Answered(client_id, Request.PLACE, Accepted(f"o-{name}", signed_ns, written_ns)))

    @staticmethod
    def _margins(hawk: str, chick: str) -> tuple[Margin, ...]:
        return tuple(Margin(name, D(equity), D(equity), D(0)) for name, equity in (("hawk", hawk), ("chick", chick)))


def whole_round(story: Story) -> None:
    """Bought, hedged in two parts, held while both books rise, sold, hedged: worth +0.5 (see test_report_money)."""
    story.begin()
    story.quote("a", "99", "101")
    story.quote("b", "98", "100")
    story.rest("open", Side.BUY, "2", "99")
    story.fill("open", "2", "99", fee="0.1")
    story.place("hedge", Side.SELL, "2")
    story.fill("hedge", "1", "98", fee="0.2")
    story.fill("hedge", "1", "97.5", fee="0.2")
    story.quote("a", "109", "111")
    story.quote("b", "107", "109")
    story.rest("close", Side.SELL, "2", "111", purpose=Purpose.CLOSE)
    story.fill("close", "2", "111", fee="0.1")
    story.place("hedge2", Side.BUY, "2")
    story.fill("hedge2", "2", "109", fee="0.4")
    story.over()
