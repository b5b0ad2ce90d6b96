"""The paper venue as an engine sees it: answers, frames and their times, money, margin, the seam."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_clock import PaperClock

from exchanges.errors import LinkDown, MarketDataError, Rejected
from exchanges.market import MarketEvent, MarketQuote, MarketSeam, MarketTrade
from exchanges.paper import AccountBook, PaperClient, PaperVenue
from exchanges.synthetic import demo_instrument
from exchanges.types import (
    ZERO,
    Accepted,
    Fill,
    FillKind,
    Instrument,
    LinkState,
    LinkUpdate,
    Liquidity,
    Margin,
    MarketKind,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Position,
    PrivateEvent,
    Quote,
    Refusal,
    Refused,
    Reply,
    SelfTrade,
    Side,
    TimeInForce,
)

MS = 1_000_000
D = Decimal
THOUSAND = D(1000)
PERP = replace(
    demo_instrument("paper-a"), tick=D("0.5"), lot=D("0.01"), min_qty=D("0.02"), min_notional=D(1),
    maker_fee=D("-0.01"), taker_fee=D("0.05"),
)  # fmt: skip
SPOT = replace(
    PERP, symbol="ETHUSD", kind=MarketKind.SPOT, maker_fee=D("0.1"), taker_fee=D("0.1"), fee_in_received=True,
    initial_margin=D(1),
)  # fmt: skip
OPENING = MarketQuote(0, 200, 1_000, 202, 500)  # 100.0 x 10 to 101.0 x 5


class Desk:
    """A venue with two accounts at 3 ms order and 2 ms feed latency, and everything that `m` hears, with the time."""

    def __init__(
        self, events: Sequence[MarketEvent] = (), *, spec: Instrument = PERP, cash: Decimal = THOUSAND,
        base: Decimal = ZERO, connect: bool = True,
    ) -> None:  # fmt: skip
        self.spec = spec
        self.clock = PaperClock()
        self.fills: list[Fill] = []
        self.ended: list[str] = []
        self.venue = PaperVenue(
            "paper-a", [spec], sources={spec.symbol: iter((OPENING, *events))}, clock=self.clock,
            order_latency_ns=3 * MS, feed_latency_ns=2 * MS, reconnect_ns=50 * MS, history_max=3,
            on_fill=self.fills.append, on_end=self.ended.append,
        )  # fmt: skip
        balances = {spec.symbol: base} if base else None
        self.m = self.venue.open_account("m", cash=cash, base=balances)
        self.t = self.venue.open_account("t", cash=cash, base=balances)
        self.heard: list[tuple[float, PrivateEvent | Reply | Quote]] = []
        self.m.setup_order_update_handler(self.hear)
        if connect:
            self.clock.finish(self.m.connect())
            self.clock.finish(self.t.connect())
        self.venue.start()
        self.clock.run_until(self.clock.now_ns() + MS)
        self.heard.clear()
        self.zero_ns = self.clock.now_ns()

    def hear(self, what: PrivateEvent | Reply | Quote) -> None:
        self.heard.append(((self.clock.now_ns() - getattr(self, "zero_ns", 0)) / MS, what))

    def send(
        self, client: PaperClient, client_id: str, side: Side, price: str | None, qty: str, **more: object
    ) -> None:
        on_reply = more.pop("on_reply", self.hear)
        fields: dict[str, object] = {
            "type": OrderType.MARKET if price is None else OrderType.LIMIT,
            "tif": TimeInForce.IOC if price is None else TimeInForce.GTC,
            "post_only": False, "reduce_only": False, "valid_ms": 1000, "self_trade": SelfTrade.CANCEL_TAKER, **more,
        }  # fmt: skip
        order = OrderRequest(
            client_id, client.account, self.spec.symbol, side, D(qty), None if price is None else D(price),
            **fields,  # type: ignore[arg-type]
        )  # fmt: skip
        client.submit(order, on_reply)  # type: ignore[arg-type]

    def run(self, ms: float) -> None:
        self.clock.run_until(self.zero_ns + int(ms * MS))

    def answer(
        self, client: PaperClient, client_id: str, side: Side, price: str | None, qty: str, **more: object
    ) -> Reply:
        """Send one order and give back its reply alone."""
        replies: list[Reply] = []
        self.send(client, client_id, side, price, qty, on_reply=replies.append, **more)
        self.clock.run_until(self.clock.now_ns() + 5 * MS)
        (reply,) = replies
        return reply

    def update(self, client_id: str, side: Side, state: OrderState, *, at_ms: int, **more: object) -> OrderUpdate:
        fields: dict[str, object] = {"order_id": "1", "qty": D("0.5"), "cum_qty": D(0), "price": None, **more}
        return OrderUpdate(
            account="m", symbol=self.spec.symbol, client_id=client_id, side=side, state=state, at_ms=at_ms,
            recv_ns=(at_ms + 2) * MS, **fields,  # type: ignore[arg-type]
        )  # fmt: skip

    def fill(self, side: Side, qty: str, price: str, *, fee: str, at_ms: int, **more: object) -> Fill:
        fields: dict[str, object] = {
            "client_id": "a", "order_id": "1", "trade_id": "1", "fee_asset": "USD", "liquidity": Liquidity.TAKER, **more
        }  # fmt: skip
        return Fill(
            venue="paper-a", account="m", symbol=self.spec.symbol, side=side, qty=D(qty), price=D(price), fee=D(fee),
            at_ms=at_ms, recv_ns=(at_ms + 2) * MS, decoded_ns=(at_ms + 2) * MS, **fields,  # type: ignore[arg-type]
        )  # fmt: skip


def test_a_market_order_is_answered_after_the_round_trip_reply_then_fills_then_state() -> None:
    desk = Desk()
    desk.send(desk.m, "a", Side.BUY, None, "6")
    desk.run(4.9)
    assert desk.heard == []
    desk.run(5)
    at_ms = desk.clock.wall_ms() - 2
    assert desk.heard == [
        (5.0, Accepted("1")),
        (5.0, desk.fill(Side.BUY, "5", "101", fee="25.25", at_ms=at_ms)),
        (5.0, desk.fill(Side.BUY, "1", "101.5", fee="5.075", at_ms=at_ms, trade_id="2")),
        (5.0, desk.update("a", Side.BUY, OrderState.FILLED, at_ms=at_ms, qty=D(6), cum_qty=D(6))),
    ]
    assert desk.venue.ledger()["m"] == AccountBook("m", D("363.175"), D("966.175"), {"ETH-PERP": D(6)})


def test_a_resting_order_opens_fills_in_parts_and_is_cancelled() -> None:
    desk = Desk([MarketTrade(20 * MS, Side.SELL, 199, 30), MarketTrade(25 * MS, Side.SELL, 199, 1)])
    desk.send(desk.m, "a", Side.BUY, "100", "0.5", post_only=True)
    desk.run(30)
    desk.m.submit_cancel("ETH-PERP", "a", desk.hear)
    desk.run(40)
    desk.m.submit_cancel("ETH-PERP", "a", desk.hear)
    desk.run(50)
    opened = desk.zero_ns // MS + 3
    traded = 10 + 20  # the market starts when both accounts are connected, 10 ms in
    maker: dict[str, object] = {"liquidity": Liquidity.MAKER, "fee": "-0.3"}
    assert desk.heard == [
        (5.0, Accepted("1")),
        (5.0, desk.update("a", Side.BUY, OrderState.OPEN, at_ms=opened, price=D(100))),
        (21.0, desk.fill(Side.BUY, "0.3", "100", at_ms=traded, **maker)),  # type: ignore[arg-type]
        (
            21.0,
            desk.update("a", Side.BUY, OrderState.PARTIALLY_FILLED, at_ms=traded, price=D(100), cum_qty=D("0.3")),
        ),
        (26.0, desk.fill(Side.BUY, "0.01", "100", at_ms=traded + 5, **{**maker, "fee": "-0.01", "trade_id": "2"})),  # type: ignore[arg-type]
        (
            26.0,
            desk.update("a", Side.BUY, OrderState.PARTIALLY_FILLED, at_ms=traded + 5, price=D(100), cum_qty=D("0.31")),
        ),
        (35.0, Accepted("1")),
        (
            35.0,
            desk.update("a", Side.BUY, OrderState.CANCELED, at_ms=opened + 30, price=D(100), cum_qty=D("0.31")),
        ),
        (45.0, Refused(Refusal.NOT_FOUND, "no open order a in ETH-PERP")),
    ]


@pytest.mark.parametrize(
    ("order", "refused"),
    [
        (
            ("a", Side.BUY, "101", "1", {"post_only": True}),
            (Refusal.POST_ONLY, "post-only order would have taken liquidity"),
        ),
        (("a", Side.BUY, "100", "0.015", {}), (Refusal.SIZE, "quantity 0.015 is not a multiple of the lot 0.01")),
        (("a", Side.BUY, "100", "0.01", {}), (Refusal.SIZE, "quantity 0.01 is below the minimum 0.02")),
        (("a", Side.BUY, "100.3", "1", {}), (Refusal.PRICE, "price 100.3 is not a multiple of the tick 0.5")),
        (("a", Side.BUY, None, "1", {"type": OrderType.LIMIT}), (Refusal.PRICE, "a limit order needs a price")),
        (("a", Side.BUY, "100", "1", {"valid_ms": 2}), (Refusal.VENUE, "expired request: 3 ms old, valid for 2 ms")),
        (("open", Side.BUY, "100", "1", {}), (Refusal.DUPLICATE_ID, "an open order has the client id open")),
        (
            ("a", Side.SELL, None, "1", {"reduce_only": True}),
            (Refusal.REDUCE_ONLY, "there is no position that this order would reduce"),
        ),
        (("a", Side.BUY, "100", "98", {}), (Refusal.MARGIN, "needs 984.9000 more margin, 979.9000 is free")),
    ],
)  # fmt: skip
def test_refusals(order: tuple[str, Side, str | None, str, dict[str, object]], refused: tuple[Refusal, str]) -> None:
    desk = Desk()
    desk.answer(desk.m, "open", Side.BUY, "99.5", "2")
    client_id, side, price, qty, more = order
    assert desk.answer(desk.m, client_id, side, price, qty, **more) == Refused(*refused)


def test_orders_before_the_first_quote_and_of_unknown_symbols_are_refused() -> None:
    desk = Desk()
    replies: list[Reply] = []
    order = OrderRequest(
        "a", "m", "BTC-PERP", Side.BUY, D(1), D(1), OrderType.LIMIT, TimeInForce.GTC, False, False, 100, SelfTrade.NONE
    )
    desk.m.submit(order, replies.append)
    silent = PaperVenue("paper-b", [PERP], sources={"ETH-PERP": iter(())}, clock=desk.clock)
    silent.open_account("m", cash=D(1)).submit(replace(order, symbol="ETH-PERP"), replies.append)
    silent.start()
    desk.run(100)
    closed = "the market is closed: no quote yet, or the recording starts again"
    assert replies == [Refused(Refusal.UNSUPPORTED, "paper-a has no BTC-PERP"), Refused(Refusal.VENUE, closed)]


def test_margin_counts_the_worst_outcome_and_lets_reducing_orders_pass() -> None:
    desk = Desk(cash=D(100), spec=replace(PERP, taker_fee=D(0)))
    assert desk.answer(desk.m, "a", Side.BUY, None, "5") == Accepted("1")
    assert desk.clock.finish(desk.m.get_margin()) == Margin("m", D("97.5"), D("47.25"), D("25.125"))
    assert desk.answer(desk.m, "b", Side.BUY, "100", "5") == Refused(
        Refusal.MARGIN, "needs 50.2500 more margin, 47.2500 is free"
    )
    assert desk.answer(desk.m, "c", Side.SELL, "102", "9") == Accepted("3")
    assert desk.clock.finish(desk.m.get_account_positions()) == [
        Position("m", "ETH-PERP", D(5), D(101), mark_price=D("100.5"))
    ]


def test_spot_pays_fees_in_base_and_is_bounded_by_balances() -> None:
    desk = Desk(spec=SPOT, cash=D(300), base=D(1))
    assert desk.m.capabilities.reduce_only is False
    assert desk.answer(desk.m, "a", Side.BUY, "101", "1") == Accepted("1")
    assert desk.answer(desk.m, "b", Side.SELL, "102", "1.91") == Refused(
        Refusal.MARGIN, "sells 1.91 of a free balance of 1.900"
    )
    assert desk.answer(desk.m, "c", Side.SELL, "102", "1.5") == Accepted("3")
    assert desk.answer(desk.m, "d", Side.SELL, None, "0.5") == Refused(
        Refusal.MARGIN, "sells 0.50 of a free balance of 0.400"
    )
    assert desk.answer(desk.m, "e", Side.BUY, "99", "1") == Accepted("5")
    assert desk.answer(desk.m, "f", Side.BUY, "100", "1.01") == Refused(
        Refusal.MARGIN, "costs 101.000 of a free balance of 100.000"
    )
    assert desk.answer(desk.m, "g", Side.SELL, None, "0.4") == Accepted("7")
    assert [(fill.qty, fill.price, fill.fee, fill.fee_asset) for fill in desk.fills] == [
        (D(1), D(101), D("0.1"), "ETH"),
        (D("0.4"), D(100), D(4), "USD"),
    ]
    assert desk.venue.ledger()["m"] == AccountBook("m", D(235), D("385.75"), {"ETHUSD": D("1.5")})


def test_own_accounts_match_each_other_at_the_resting_price() -> None:
    """S8: nothing on the venue keeps a taker account off another account's resting order."""
    desk = Desk()
    assert desk.answer(desk.m, "maker", Side.BUY, "100.5", "1") == Accepted("1")
    assert desk.answer(desk.t, "hedge", Side.SELL, None, "1") == Accepted("2")
    assert [(fill.account, fill.side, fill.price, fill.trade_id, fill.liquidity) for fill in desk.fills] == [
        ("m", Side.BUY, D("100.5"), "1", Liquidity.MAKER),
        ("t", Side.SELL, D("100.5"), "1", Liquidity.TAKER),
    ]


def test_worst_price_bounds_a_market_order() -> None:
    desk = Desk()
    assert desk.answer(desk.m, "a", Side.BUY, None, "6", worst_price=D("101.4")) == Accepted("1")
    found = desk.clock.finish(desk.m.get_order_info("ETH-PERP", "a"))
    assert found is not None
    assert (found.state, found.qty, found.cum_qty) == (OrderState.CANCELED, D(6), D(5))


def test_modify() -> None:
    desk = Desk()
    desk.answer(desk.m, "a", Side.BUY, "99", "1", post_only=True)
    steps = [
        ("a", "99.3", "1"),
        ("a", "99", "1.001"),
        ("a", "101", "1"),
        ("a", "100", "100"),
        ("b", "99", "1"),
        ("a", "100", "2"),
    ]
    replies: list[Reply] = []
    for client_id, price, qty in steps:
        desk.m.submit_modify("ETH-PERP", client_id, replies.append, price=D(price), qty=D(qty))
        desk.clock.run_until(desk.clock.now_ns() + 5 * MS)
    assert replies == [
        Refused(Refusal.PRICE, "price 99.3 is not a multiple of the tick 0.5"),
        Refused(Refusal.SIZE, "quantity 1.001 is not a multiple of the lot 0.01"),
        Refused(Refusal.POST_ONLY, "post-only order would have taken liquidity"),
        Refused(Refusal.MARGIN, "needs 994.9500 more margin, 989.9500 is free"),
        Refused(Refusal.NOT_FOUND, "no open order b in ETH-PERP"),
        Accepted("1"),
    ]
    (update,) = desk.clock.finish(desk.m.get_active_orders("ETH-PERP"))
    assert (update.price, update.qty, update.state) == (D(100), D(2), OrderState.OPEN)


def test_queries_answer_for_open_and_lately_ended_orders_and_fills() -> None:
    desk = Desk()
    for number in range(5):
        desk.answer(desk.m, f"a{number}", Side.BUY, None, "0.5")
    desk.answer(desk.m, "open", Side.BUY, "99", "1")
    ask = desk.clock.finish
    found = [ask(desk.m.get_order_info("ETH-PERP", name)) for name in ("a0", "a1", "a2", "a4", "open", "never")]
    assert [update and (update.client_id, update.state) for update in found] == [
        None, None, ("a2", OrderState.FILLED), ("a4", OrderState.FILLED), ("open", OrderState.OPEN), None,
    ]  # fmt: skip
    fills = desk.fills
    assert ask(desk.m.get_fills("ETH-PERP", 0)) == fills[-3:], "older ones have left the bounded history"
    assert ask(desk.m.get_fills("ETH-PERP", fills[-1].at_ms)) == fills[-1:]
    assert ask(desk.t.get_fills("ETH-PERP", 0)) == []
    assert ask(desk.m.get_contract_attributes("ETH-PERP")) == PERP
    with pytest.raises(Rejected, match="unsupported: paper-a does not list BTC-PERP"):
        ask(desk.m.get_contract_attributes("BTC-PERP"))


def test_quotes_come_after_the_feed_latency_and_only_to_the_connected() -> None:
    desk = Desk([MarketQuote(20 * MS, 201, 100, 203, 150)], connect=False)
    desk.m.setup_quote_handler("ETH-PERP", desk.hear)
    desk.clock.finish(desk.m.connect())
    desk.run(30)
    desk.m.setup_quote_handler("ETH-PERP", desk.hear)
    first = Quote("paper-a", "ETH-PERP", D(100), D(10), D(101), D(5), 6 * MS, 6)
    second = Quote("paper-a", "ETH-PERP", D("100.5"), D(1), D("101.5"), D("1.5"), 22 * MS, 20)
    assert desk.heard == [
        (5.0, LinkUpdate("m", LinkState.RESYNC, 6 * MS)),
        (5.0, LinkUpdate("m", LinkState.TRUSTED, 6 * MS)),
        (5.0, first),
        (21.0, second),
    ]
    assert desk.clock.finish(desk.m.fetch_bbo_prices("ETH-PERP")) == replace(second, recv_ns=36 * MS, venue_ms=34)
    desk.clock.finish(desk.m.disconnect())
    assert desk.m.trusted is False
    assert desk.ended == ["ETH-PERP"]


SEAM: list[MarketEvent] = [
    MarketQuote(30 * MS, 210, 100, 213, 100),
    MarketSeam(40 * MS),
    MarketQuote(200 * MS, 100, 100, 101, 100),
]


def test_a_seam_is_a_reconnect_with_orders_cancelled_and_positions_settled_at_the_last_mid() -> None:
    desk = Desk(SEAM)
    desk.m.setup_quote_handler("ETH-PERP", desk.hear)
    desk.answer(desk.m, "a", Side.SELL, None, "1")
    desk.answer(desk.m, "rest", Side.BUY, "99", "1")
    desk.heard.clear()
    desk.run(45)
    desk.send(desk.m, "closed", Side.BUY, None, "1")
    with pytest.raises(LinkDown, match="paper-a is closed: the recording starts again"):
        desk.clock.finish(desk.m.get_account_positions())
    desk.run(210)
    seam_ms = 50
    settled = desk.fill(
        Side.BUY, "1", "105.75", fee="0", at_ms=seam_ms, client_id="", order_id="settlement-2", trade_id="2",
        kind=FillKind.SETTLEMENT,
    )  # fmt: skip
    closed = Refused(Refusal.VENUE, "the market is closed: no quote yet, or the recording starts again")
    assert desk.heard == [
        (31.0, Quote("paper-a", "ETH-PERP", D(105), D(1), D("106.5"), D(1), 42 * MS, 40)),
        (41.0, LinkUpdate("m", LinkState.LOST, 52 * MS, "the recording starts again")),
        (50.0, closed),
        (91.0, LinkUpdate("m", LinkState.RESYNC, 102 * MS)),
        (
            91.0,
            desk.update("rest", Side.BUY, OrderState.CANCELED, at_ms=seam_ms, order_id="2", qty=D(1), price=D(99)),
        ),
        (91.0, settled),
        (91.0, LinkUpdate("m", LinkState.TRUSTED, 102 * MS)),
        (201.0, Quote("paper-a", "ETH-PERP", D(50), D(1), D("50.5"), D(1), 212 * MS, 210)),
    ]
    assert desk.fills[-1] == settled
    assert desk.venue.ledger()["m"] == AccountBook("m", D("989.25"), D("989.25"), {"ETH-PERP": D(0)})
    assert desk.answer(desk.m, "next", Side.SELL, None, "1") == Accepted("3")


def test_a_seam_settles_spot_back_to_the_starting_balance() -> None:
    desk = Desk(SEAM, spec=SPOT, base=D(2))
    desk.answer(desk.m, "a", Side.BUY, "101", "1")
    desk.run(100)
    assert [(fill.side, fill.qty, fill.price, fill.kind) for fill in desk.fills[1:]] == [
        (Side.SELL, D("0.9"), D("105.75"), FillKind.SETTLEMENT)
    ]
    assert desk.venue.ledger()["m"] == AccountBook("m", D("994.175"), D("1205.675"), {"ETHUSD": D(2)})


def test_a_broken_source_ends_in_its_error() -> None:
    def broken() -> list[MarketEvent]:
        raise MarketDataError("file.csv.gz:7: cut off")

    clock, errors = PaperClock(), list[MarketDataError]()
    for on_failure in (None, errors.append):
        source = (event for _ in (0,) for event in broken())
        venue = PaperVenue("paper-a", [PERP], sources={"ETH-PERP": source}, clock=clock, on_failure=on_failure)
        if on_failure is None:
            with pytest.raises(MarketDataError, match=r"file\.csv\.gz:7: cut off"):
                venue.start()
        else:
            venue.start()
    assert [str(error) for error in errors] == ["file.csv.gz:7: cut off"]


def test_accounts_that_make_no_sense_are_refused() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="paper-a: account m exists already"):
        desk.venue.open_account("m", cash=D(1))
    with pytest.raises(ValueError, match="paper-a: ETH-PERP is no spot market"):
        desk.venue.open_account("x", cash=D(1), base={"ETH-PERP": D(1)})
    with pytest.raises(ValueError, match="paper-a: a paper venue needs instruments of one quote asset"):
        PaperVenue("paper-a", [PERP, replace(PERP, symbol="X", quote="EUR")], sources={}, clock=desk.clock)


def test_a_reducing_order_passes_even_without_free_margin() -> None:
    desk = Desk([MarketQuote(20 * MS, 20, 1_000, 22, 1_000)], cash=D(60), spec=replace(PERP, taker_fee=D(0)))
    assert desk.answer(desk.m, "a", Side.BUY, None, "5") == Accepted("1")
    desk.run(30)
    assert desk.clock.finish(desk.m.get_margin()) == Margin("m", D("-392.5"), D("-397.75"), D("2.625"))
    assert desk.answer(desk.m, "b", Side.SELL, None, "1") == Accepted("2")
    assert desk.answer(desk.m, "c", Side.BUY, None, "1") == Refused(
        Refusal.MARGIN, "needs 1.0500 more margin, -397.2000 is free"
    )


def test_a_client_id_is_free_again_once_its_order_has_ended() -> None:
    desk = Desk()
    assert [desk.answer(desk.m, "a", Side.BUY, None, "0.5") for _ in range(2)] == [Accepted("1"), Accepted("2")]
    assert desk.answer(desk.t, "a", Side.BUY, "99", "1") == Accepted("3")
    assert desk.answer(desk.m, "a", Side.BUY, "99", "1") == Accepted("4"), "ids are unique within an account only"


def test_each_account_sees_and_pays_for_its_own_orders_only() -> None:
    desk = Desk(cash=D(100))
    assert desk.answer(desk.t, "theirs", Side.BUY, "99", "9") == Accepted("1")
    assert desk.answer(desk.m, "mine", Side.BUY, "99", "9") == Accepted("2")
    (update,) = desk.clock.finish(desk.m.get_active_orders("ETH-PERP"))
    assert update.client_id == "mine"


def change(desk: Desk, client_id: str, price: str, qty: str) -> Reply:
    replies: list[Reply] = []
    desk.m.submit_modify(desk.spec.symbol, client_id, replies.append, price=D(price), qty=D(qty))
    desk.clock.run_until(desk.clock.now_ns() + 5 * MS)
    (reply,) = replies
    return reply


def test_a_modified_order_frees_what_it_held() -> None:
    desk = Desk(spec=SPOT, cash=D(100), base=D(1))
    desk.answer(desk.m, "buy", Side.BUY, "99", "1")
    desk.answer(desk.m, "sell", Side.SELL, "102", "1")
    assert [change(desk, "buy", "100", "1"), change(desk, "sell", "103", "1")] == [Accepted("1"), Accepted("2")]
    assert change(desk, "buy", "100", "1.01") == Refused(Refusal.MARGIN, "costs 101.000 of a free balance of 100.000")
    perp = Desk(cash=D(100))
    perp.answer(perp.m, "buy", Side.BUY, "99", "9.9")
    assert change(perp, "buy", "98", "9.8") == Accepted("1")


def test_a_modification_below_the_filled_quantity_is_refused() -> None:
    desk = Desk()
    desk.answer(desk.m, "a", Side.BUY, "101", "6")
    assert change(desk, "a", "101", "5") == Refused(Refusal.SIZE, "quantity 5 is not above the filled 5.00")


def test_a_seam_of_two_symbols_is_one_reconnect_and_leaves_the_unconnected_alone() -> None:
    other = replace(PERP, symbol="BTC-PERP")
    clock = PaperClock()
    sources = {symbol: iter((OPENING, MarketSeam(40 * MS))) for symbol in ("ETH-PERP", "BTC-PERP")}
    venue = PaperVenue("paper-a", [PERP, other], sources=sources, clock=clock, reconnect_ns=50 * MS)
    connected, quiet = (venue.open_account(name, cash=D(1000)) for name in ("m", "t"))
    heard: list[PrivateEvent] = []
    for client in (connected, quiet):
        client.setup_order_update_handler(heard.append)
    clock.finish(connected.connect())
    heard.clear()
    venue.start()
    clock.run_until(200 * MS)
    assert [event.state for event in heard if isinstance(event, LinkUpdate)] == [
        LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED,
    ]  # fmt: skip
    assert len(heard) == 3
    assert (connected.trusted, quiet.trusted) == (True, False)


def test_an_abandoned_question_is_harmless() -> None:
    desk = Desk()

    async def abandon() -> None:
        task = asyncio.create_task(desk.m.get_margin())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        task.cancel()
        await desk.m.get_margin()

    desk.clock.finish(abandon())


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "cancel", "quote", "trade"]),
        st.sampled_from(["m", "t"]),
        st.integers(min_value=194, max_value=208),
        st.integers(min_value=2, max_value=900),
        st.booleans(),
    ),
    max_size=25,
)


@pytest.mark.parametrize("spec", [PERP, SPOT])
@settings(max_examples=60, deadline=None)
@given(actions=ACTIONS)
def test_books_balance(spec: Instrument, actions: list[tuple[str, str, int, int, bool]]) -> None:
    """Positions are the sum of fills net of base fees, cash the sum of notionals and quote fees; ids are unique."""
    market: list[MarketEvent] = []
    for number, (what, _, ticks, lots, flag) in enumerate(actions):
        at_ns = (number + 1) * 10 * MS
        if what == "quote":
            market.append(MarketQuote(at_ns, ticks, lots, ticks + 1, lots))
        elif what == "trade":
            market.append(MarketTrade(at_ns, Side.BUY if flag else Side.SELL, ticks, lots))
    desk = Desk(market, spec=spec, cash=D(10_000), base=D(5) if spec is SPOT else D(0))
    for number, (what, account, ticks, lots, flag) in enumerate(actions):
        client = desk.m if account == "m" else desk.t
        if what in ("buy", "sell"):
            side = Side.BUY if what == "buy" else Side.SELL
            desk.send(client, f"c{number}", side, None if flag else str(ticks * spec.tick), str(lots * spec.lot))
        elif what == "cancel":
            client.submit_cancel(spec.symbol, f"c{number - 1}", desk.hear)
        desk.run((number + 1) * 10)
    desk.run(1_000)
    for account, book in desk.venue.ledger().items():
        mine = [fill for fill in desk.fills if fill.account == account]
        base_fees = sum(fill.fee for fill in mine if fill.fee_asset == spec.base)
        quote_fees = sum(fill.fee for fill in mine if fill.fee_asset == spec.quote)
        start = D(5) if spec is SPOT else D(0)
        position = start + sum(fill.side.sign * fill.qty for fill in mine) - base_fees
        cash = D(10_000) - sum(fill.side.sign * fill.qty * fill.price for fill in mine) - quote_fees
        assert (book.cash, book.positions.get(spec.symbol, D(0))) == (cash, position)
        assert spec is not SPOT or (book.cash >= 0 and position >= 0)
        assert len({(fill.order_id, fill.trade_id) for fill in mine}) == len(mine)
