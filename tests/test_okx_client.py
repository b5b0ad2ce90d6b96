"""OKX's client beyond the cards, in front of the local venue: the two ways of orders, spot, limits, what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from card_benches import ASK, BID, CASH, SHOWN, Outside
from okx_kit import CONTRACT, SPOT, SWAP, instrument
from transport_kit import MS, Middle, S, run_virtual
from venue_kit import D
from venue_mount import MemoryMount

from cli.fault_plan import load_fault_plan
from cli.locate import Source
from engine.runtime.chance import Stream
from engine.runtime.loop import VirtualLoop
from exchanges.errors import AuthFailed, LinkDown, OutcomeUnknown
from exchanges.okx.client import OkxClient
from exchanges.okx.limits import AddressLimits, public_budgets
from exchanges.okx.wire.request import Signer
from exchanges.types import (
    Accepted,
    Fill,
    LinkState,
    LinkUpdate,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Quote,
    Refusal,
    Refused,
    Reply,
    SelfTrade,
    Side,
    TimeInForce,
    Unknown,
)
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import FaultPlan, Faults
from exchanges.venues.okx.model import OkxVenue
from exchanges.venues.okx.state import OkxOptions
from exchanges.venues.okx.wire import Key

BUY, SELL = Side.BUY, Side.SELL
INSIDE = "2000.25"
ORDER = "POST /api/v5/trade/order"


class Stage:
    """One account on a local OKX with a swap and a spot market, 10 ms away and back."""

    def __init__(
        self, loop: VirtualLoop, symbols: tuple[str, ...] = (SWAP,), *, options: OkxOptions | None = None,
        faults: str = "", switch_s: int = 0, demo: bool = False,
    ) -> None:  # fmt: skip
        self.clock = loop.clock
        specs = {it: replace(instrument(it), tick=D("0.05"), lot=D("0.001"), min_qty=D("0.002")) for it in (SWAP, SPOT)}
        self.outside = {symbol: Outside(spec) for symbol, spec in specs.items()}
        sources = {symbol: outside.events() for symbol, outside in self.outside.items()}
        self.exchange = Exchange("v", specs.values(), sources=sources, clock=self.clock)
        self.account = self.exchange.open_account("a", cash=CASH, base={SPOT: D(2)})
        self.exchange.open_account("b", cash=CASH, base={SPOT: D(2)})
        keys = {"k": Key("a", "s", "p")}
        text = f"faults:\n  - {{{faults}}}\n"
        plan = load_fault_plan(Source("f.yaml", text), venues={"v": ("a", "b")}) if faults else FaultPlan()
        played = Faults(plan, venue="v", clock=self.clock, rng_of=lambda purpose: Stream(1, purpose))
        self.model = OkxVenue(self.exchange, keys, {SWAP: CONTRACT}, options, played)
        self.mount = MemoryMount(self.model, self.clock)
        self.client = self.made(*symbols, switch_s=switch_s, demo=demo)
        self.told: list[Any] = []
        self.quotes: list[Quote] = []
        self.client.setup_order_update_handler(self.told.append)
        self.client.setup_quote_handler(symbols[0], self.quotes.append)
        self._ids = iter(range(1, 1_000))
        self.model.start()

    def made(
        self, *symbols: str, switch_s: int = 0, demo: bool = False, address: AddressLimits | None = None
    ) -> OkxClient:
        return OkxClient(
            "a", venue="v", markets=dict.fromkeys(symbols or (SWAP,), "ETH"), signer=Signer("k", "s", "p", demo=demo),
            transport=self.mount, clock=self.clock, rng=Middle(), address=address or AddressLimits(**public_budgets()),
            rest_url="https://venue", stream_url="wss://venue/ws/v5", switch_s=switch_s,
        )  # fmt: skip

    def order(self, side: Side, qty: str, price: str | None = None, symbol: str = SWAP, **changes: Any) -> OrderRequest:
        plain = OrderRequest(
            client_id=f"e1r1a{next(self._ids)}", account="a", symbol=symbol, side=side, qty=D(qty),
            price=None if price is None else D(price), type=OrderType.MARKET if price is None else OrderType.LIMIT,
            tif=TimeInForce.IOC if price is None else TimeInForce.GTC, post_only=False, reduce_only=False,
            valid_ms=2_000, self_trade=SelfTrade.CANCEL_TAKER,
        )  # fmt: skip
        return replace(plain, **changes)

    async def place(self, order: OrderRequest) -> Reply:
        reply = await self.client.place_order(order)
        await asyncio.sleep(0.1)
        return reply

    def fills(self) -> list[Fill]:
        return [it for it in self.told if isinstance(it, Fill)]

    def updates(self, client_id: str) -> list[OrderUpdate]:
        return [it for it in self.told if isinstance(it, OrderUpdate) and it.client_id == client_id]

    def links(self) -> list[LinkState]:
        return [it.state for it in self.told if isinstance(it, LinkUpdate)]

    def notes(self) -> str:
        return "\n".join(it.text for it in self.told if isinstance(it, LinkUpdate))

    def says(self, text: str | object) -> None:
        """The venue says something on the private stream."""
        private = next(it for it in self.mount.streams if getattr(it.session, "private", False))
        said = text if isinstance(text, str) else json.dumps(text)
        private.receiver.frame(said.encode(), self.clock.now_ns())


Main = Callable[[Stage], Coroutine[Any, Any, None]]


def stage(main: Main, *symbols: str, connect: bool = True, **more: Any) -> None:
    async def run(loop: VirtualLoop) -> None:
        it = Stage(loop, symbols or (SWAP,), **more)
        try:
            if connect:
                await it.client.connect()
            await main(it)
        finally:
            await it.client.disconnect()

    run_virtual(run)


# --- the two ways of orders


def test_an_order_that_is_only_exercised_has_no_way_out_whichever_way_orders_go() -> None:
    """Not while the stream is there, nor while orders would go over REST; and the venue's limit is as it was."""

    async def main(it: Stage) -> None:
        for _ in range(100):
            it.client.exercise_order(it.order(BUY, "1", INSIDE))
        it.mount.no_streams = True
        it.mount.cut()
        await asyncio.sleep(0.1)
        asked = [what for what in it.mount.asked if what.startswith("POST")]
        for _ in range(100):
            it.client.exercise_order(it.order(BUY, "1", INSIDE))
        await asyncio.sleep(5)
        assert [what for what in it.mount.asked if what.startswith("POST")] == asked == []
        assert not it.client._rest.limits.place._spent
        assert it.client._tracking.unanswered == 0

    stage(main)


def test_what_goes_nowhere_refuses_to_command() -> None:
    async def main(it: Stage) -> None:
        with pytest.raises(AssertionError, match="no way to the venue"):
            it.client._nowhere.command("order")

    stage(main)


def test_orders_go_through_the_stream_and_without_it_over_rest() -> None:
    async def main(it: Stage) -> None:
        assert isinstance(await it.place(it.order(BUY, "1", INSIDE)), Accepted)
        assert ORDER not in it.mount.asked
        it.mount.no_streams = True
        it.mount.cut()
        await asyncio.sleep(0.1)
        order = it.order(BUY, "1", INSIDE)
        assert isinstance(await it.place(order), Accepted)
        assert it.mount.asked.count(ORDER) == 1
        assert isinstance(await it.client.cancel_order(SWAP, order.client_id), Accepted)
        assert "POST /api/v5/trade/cancel-order" in it.mount.asked

    stage(main)


@pytest.mark.parametrize("streams", [True, False])
def test_every_order_carries_its_time_and_an_unanswered_one_says_when_it_is_dead(streams: bool) -> None:
    async def main(it: Stage) -> None:
        if not streams:
            it.mount.no_streams = True
            it.mount.cut()
            await asyncio.sleep(0.1)
        it.mount.way_ns = 1_200 * MS
        sent_ns = it.clock.now_ns()
        reply = await it.client.place_order(it.order(BUY, "1"))
        assert isinstance(reply, Unknown)
        assert reply.signed_ns == sent_ns
        error_ms = 7  # half of the way of the clock's reading, and two
        assert reply.dead_ns == sent_ns + (1_000 + error_ms + 1_000) * MS
        it.mount.way_ns = 5 * MS
        await asyncio.sleep(3)
        assert it.fills() == []
        assert it.exchange.ledger.orders == {}

    stage(main)


def test_an_order_does_not_wait_on_a_stream_that_owes_an_answer() -> None:
    async def main(it: Stage) -> None:
        for stream in it.mount.streams:
            stream.outlet.swallow = True
        await asyncio.sleep(1.5)
        assert it.links()[-1] is LinkState.TRUSTED  # given up only after two seconds
        assert isinstance(await it.place(it.order(BUY, "1")), Accepted)
        assert it.mount.asked.count(ORDER) == 1

    stage(main)


def test_a_stream_that_ends_leaves_the_outcome_of_what_it_carried_unknown() -> None:
    async def main(it: Stage) -> None:
        got: list[Reply] = []
        order = it.order(BUY, "1", INSIDE)
        it.client.submit(order, got.append)
        await asyncio.sleep(0.007)  # the order is there, its answer on its way
        it.mount.cut()
        await asyncio.sleep(0.01)
        assert isinstance(got[0], Unknown)
        await asyncio.sleep(1)
        assert it.updates(order.client_id)[-1].state is OrderState.OPEN

    stage(main)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("fault: error_accepted, on: place, status: 504, times: 1", Unknown),
        ("fault: error_refused, on: place, body: html, times: 1", Unknown),
        ("fault: request_lost, on: place, times: 1", Unknown),
        ("fault: order_refused, reason: margin, times: 1", Refusal.MARGIN),
        ("fault: order_refused, reason: rate, times: 1", Refusal.RATE),
        ("fault: order_refused, reason: venue, times: 1", Refusal.VENUE),
        ("fault: rate_limited, on: place, times: 1", Refusal.RATE),
        ("fault: maintenance, at: [0s], for: 1h", Unknown),
    ],
)
@pytest.mark.parametrize("streams", [True, False])
def test_refused_is_only_what_the_venue_refused(rule: str, expected: object, streams: bool) -> None:
    async def main(it: Stage) -> None:
        await it.client.connect()
        if not streams:
            it.mount.no_streams = True
            it.mount.cut()
            await asyncio.sleep(0.1)
        reply = await it.place(it.order(BUY, "1", INSIDE))
        assert (reply.refusal if isinstance(reply, Refused) else type(reply)) is expected

    if "maintenance" in rule:
        rule = rule.replace("0s", "2s")

        async def later(it: Stage) -> None:
            await it.client.connect()
            await asyncio.sleep(3)
            assert isinstance(await it.place(it.order(BUY, "1", INSIDE)), expected)  # type: ignore[arg-type]

        stage(later, connect=False, faults=rule)
    else:
        stage(main, connect=False, faults=rule)


def test_a_batch_is_one_request_and_more_than_twenty_are_several() -> None:
    async def main(it: Stage) -> None:
        orders = [it.order(BUY, "0.01", "1990.00", post_only=True) for _ in range(23)]
        orders[3] = replace(orders[3], price=D("1990.01"))
        got: dict[str, Reply] = {}
        it.client.submit_batch(orders, got.__setitem__)
        await asyncio.sleep(0.1)
        assert list(got) == [order.client_id for order in orders]
        kinds = [type(reply) for reply in got.values()]
        assert kinds == [Accepted] * 3 + [Refused] + [Accepted] * 19
        assert len(await it.client.get_active_orders(SWAP)) == 22

    stage(main)


def test_a_resting_order_is_amended_and_what_cannot_be_is_refused() -> None:
    async def main(it: Stage) -> None:
        order = it.order(BUY, "1", INSIDE, post_only=True)
        await it.place(order)
        got: list[Reply] = []
        it.client.submit_modify(SWAP, order.client_id, got.append, price=ASK, qty=D(1))
        it.client.submit_modify(SWAP, "none", got.append, price=BID, qty=D(1))
        it.client.submit_modify("OTHER", order.client_id, got.append, price=BID, qty=D(1))
        await asyncio.sleep(0.1)
        refusals = {reply.refusal for reply in got if isinstance(reply, Refused)}
        assert refusals == {Refusal.UNSUPPORTED, Refusal.POST_ONLY, Refusal.NOT_FOUND}

    stage(main)


# --- limits


@pytest.mark.parametrize("streams", [True, False])
def test_orders_stay_within_the_venues_limit_and_say_so_at_once(streams: bool) -> None:
    async def main(it: Stage) -> None:
        if not streams:
            it.mount.no_streams = True
            it.mount.cut()
            await asyncio.sleep(0.1)
        got: list[Reply] = []
        for _ in range(61):
            it.client.submit(it.order(BUY, "0.01", "1990.00", post_only=True), got.append)
        assert [type(reply) for reply in got] == [Refused]
        assert isinstance(got[0], Refused)
        assert got[0].refusal is Refusal.RATE
        await asyncio.sleep(0.2)
        assert [type(reply) for reply in got[1:]] == [Accepted] * 60  # and the venue refused none
        await asyncio.sleep(2)
        assert isinstance(await it.place(it.order(BUY, "0.01", "1990.00", post_only=True)), Accepted)

    stage(main)


@pytest.mark.parametrize("streams", [True, False])
def test_after_too_many_of_the_venue_nothing_leaves_for_a_second(streams: bool) -> None:
    async def main(it: Stage) -> None:
        if not streams:
            it.mount.no_streams = True
            it.mount.cut()
            await asyncio.sleep(0.1)
        replies = [await it.place(it.order(BUY, "0.01", "1990.00")) for _ in range(2)]
        assert [reply.refusal for reply in replies if isinstance(reply, Refused)] == [Refusal.RATE] * 2
        assert len(it.model.faults.played) == 1  # type: ignore[union-attr]
        await asyncio.sleep(1)
        assert isinstance(await it.place(it.order(BUY, "0.01", "1990.00")), Accepted)

    stage(main, faults="fault: order_refused, reason: rate, times: 1")


# --- spot


def test_on_spot_a_buy_delivers_less_and_the_position_is_explained_by_its_fills() -> None:
    async def main(it: Stage) -> None:
        assert isinstance(await it.place(it.order(BUY, "1", symbol=SPOT)), Accepted)
        [fill] = it.fills()
        assert (fill.qty, fill.fee, fill.fee_asset) == (1, D("0.0005"), "ETH")
        [position] = await it.client.get_account_positions()
        assert (position.symbol, position.qty) == (SPOT, D("2.9995"))
        await asyncio.sleep(20)  # compared several times: nothing to be told
        assert "explain" not in it.notes()
        assert "make" not in it.notes()
        margin = await it.client.get_margin()
        cash = CASH - ASK
        assert (margin.equity, margin.free, margin.maintenance) == (cash + D("2.9995") * (BID + ASK) / 2, cash, 0)

    stage(main, SPOT)


def test_spot_sells_pay_in_quote_and_are_bounded_by_the_balance() -> None:
    async def main(it: Stage) -> None:
        await it.place(it.order(SELL, "1", symbol=SPOT))
        assert (it.fills()[0].fee, it.fills()[0].fee_asset) == (BID * D("0.0005"), "USDT")
        reply = await it.place(it.order(SELL, "1.5", "2100.00", symbol=SPOT))
        assert isinstance(reply, Refused)
        assert reply.refusal is Refusal.MARGIN
        assert not it.client.capabilities.reduce_only

    stage(main, SPOT)


def test_spot_instruments_say_that_fees_are_taken_from_what_is_bought() -> None:
    async def main(it: Stage) -> None:
        spec = await it.client.get_contract_attributes(SPOT)
        assert (spec.base, spec.quote, spec.lot, spec.fee_in_received) == ("ETH", "USDT", D("0.001"), True)
        swap = await it.client.get_contract_attributes(SWAP)
        assert (swap.lot, swap.min_qty, swap.fee_in_received) == (D("0.001"), D("0.002"), False)

    stage(main, SPOT)


def test_one_account_trades_several_markets() -> None:
    async def main(it: Stage) -> None:
        await it.place(it.order(BUY, "1", symbol=SPOT))
        await it.place(it.order(SELL, "1"))
        positions = {it.symbol: it.qty for it in await it.client.get_account_positions()}
        assert positions == {SWAP: -1, SPOT: D("2.9995")}
        assert [it.symbol for it in it.fills()] == [SPOT, SWAP]

    stage(main, SWAP, SPOT)


# --- the account


@pytest.mark.parametrize(
    ("options", "symbol", "words"),
    [
        (OkxOptions(position_mode="long_short_mode"), SWAP, "net_mode"),
        (OkxOptions(account_level="1"), SWAP, "spot mode"),
        (OkxOptions(demo=True), SWAP, "50101"),
    ],
)
def test_a_wrong_mode_refuses_the_start(options: OkxOptions, symbol: str, words: str) -> None:
    async def main(it: Stage) -> None:
        with pytest.raises(AuthFailed, match=words):
            await it.client.connect()
        assert it.mount.streams == []

    stage(main, symbol, connect=False, options=options)


def test_demo_trading_is_said_with_every_signed_request() -> None:
    async def main(it: Stage) -> None:
        assert isinstance(await it.place(it.order(BUY, "1")), Accepted)
        assert (await it.client.get_margin()).equity < CASH

    stage(main, options=OkxOptions(demo=True), demo=True)


def test_a_wrong_secret_refuses_the_start() -> None:
    async def main(it: Stage) -> None:
        it.model.okx.keys["k"] = Key("a", "other", "p")  # type: ignore[index]
        with pytest.raises(AuthFailed, match="50113"):
            await it.client.connect()

    stage(main, connect=False)


def test_what_validate_asks() -> None:
    async def main(it: Stage) -> None:
        facts = await it.client.get_account_facts(SWAP)
        assert (facts.leverage, facts.margin_mode, facts.can_withdraw) == (10, "cross", False)
        spot = await it.client.get_account_facts(SPOT)
        assert (spot.leverage, spot.margin_mode) == (None, "")
        quote = await it.client.fetch_bbo_prices(SWAP)
        assert (quote.bid, quote.ask, quote.bid_qty) == (BID, ASK, SHOWN)

    stage(main)


def test_margin_of_a_swap_account_counts_what_positions_need() -> None:
    async def main(it: Stage) -> None:
        await it.place(it.order(BUY, "1"))
        margin = await it.client.get_margin()
        mid = (BID + ASK) / 2
        assert margin.maintenance == mid * D("0.05")
        assert margin.free == margin.equity - mid / 10

    stage(main)


# --- the dead man's switch


def test_the_switch_is_armed_again_and_again_and_taken_away_by_a_disconnect() -> None:
    async def main(it: Stage) -> None:
        order = it.order(BUY, "1", INSIDE, post_only=True)
        await it.place(order)
        await asyncio.sleep(60)
        assert it.mount.asked.count("POST /api/v5/trade/cancel-all-after") >= 6
        assert len(it.account.open) == 1
        await it.client.disconnect()
        await asyncio.sleep(60)
        assert len(it.account.open) == 1

    stage(main, switch_s=30)


def test_when_nobody_arms_it_any_more_every_order_is_cancelled() -> None:
    async def main(it: Stage) -> None:
        await it.place(it.order(BUY, "1", INSIDE, post_only=True))
        it.mount.unreachable = True
        await asyncio.sleep(31)
        assert not it.account.open
        assert "switch could not be armed" in it.notes()

    stage(main, switch_s=30)


def test_without_the_setting_it_is_never_asked_for() -> None:
    async def main(it: Stage) -> None:
        await asyncio.sleep(60)
        assert "POST /api/v5/trade/cancel-all-after" not in it.mount.asked

    stage(main)


# --- streams


def test_streams_of_one_address_are_opened_three_a_second_and_none_is_refused() -> None:
    async def main(it: Stage) -> None:
        address = AddressLimits(**public_budgets())
        clients = [it.made(address=address) for _ in range(5)]
        began_ns = it.clock.now_ns()
        await asyncio.gather(*(client.connect() for client in clients))
        assert S < it.clock.now_ns() - began_ns < 2 * S
        for client in clients:
            await client.disconnect()

    stage(main, connect=False)


def test_a_stream_is_trusted_only_after_its_channel_is_confirmed() -> None:
    async def main(it: Stage) -> None:
        opening = asyncio.ensure_future(it.client.connect())
        it.mount.lost_frames.append('"event":"subscribe"')
        await asyncio.sleep(5)
        assert it.links() == [LinkState.RESYNC]
        with pytest.raises(LinkDown, match="too long"):
            await opening

    stage(main, connect=False)


def test_the_venues_farewell_is_answered_by_a_new_connection() -> None:
    async def main(it: Stage) -> None:
        it.says({"event": "notice", "code": "64008", "msg": "The connection will soon be closed", "connId": "a"})
        await asyncio.sleep(1)
        assert it.links()[2:] == [LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED]
        assert "64008" in it.notes()

    stage(main)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ("{", "cannot be read"),
        ({"event": "error", "code": "60018", "msg": "wrong channel"}, "wrong channel"),
        ({"event": "channel-conn-count-error", "channel": "orders"}, "too many connections"),
    ],
)
def test_what_cannot_be_read_or_says_an_error_begins_the_stream_anew(frame: object, words: str) -> None:
    async def main(it: Stage) -> None:
        it.says(frame)
        await asyncio.sleep(1)
        assert it.links()[2:] == [LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED]
        assert words in it.notes()

    stage(main)


def test_an_unreadable_row_is_noted_and_the_venue_compared_but_the_stream_stays() -> None:
    async def main(it: Stage) -> None:
        asked = len(it.mount.asked)
        it.says({"arg": {"channel": "orders"}, "data": [{"instId": SWAP}]})
        await asyncio.sleep(1)
        assert it.links()[-1] is LinkState.TRUSTED
        assert "cannot be read" in it.notes()
        assert "GET /api/v5/trade/fills" in it.mount.asked[asked:]

    stage(main)


def test_an_order_of_a_former_life_under_our_id_is_not_ours() -> None:
    """S15: the id is free again at the venue; what it answers about must have been made after our order was sent."""

    async def main(it: Stage) -> None:
        old = it.order(BUY, "1", INSIDE, client_id="e1r1a900")
        await it.place(old)
        await it.client.cancel_order(SWAP, old.client_id)
        await asyncio.sleep(120)
        await it.client.disconnect()
        client = it.made()  # another process of the same account
        await client.connect()
        it.mount.lost_frames.append('"op":"order"')
        it.exchange.markets[SWAP].book.refuse = lambda _: Refused(Refusal.VENUE)  # type: ignore[method-assign,assignment]
        assert isinstance(await client.place_order(replace(old, qty=D(2))), Unknown)
        assert await client.get_order_info(SWAP, old.client_id) is None
        await client.disconnect()

    stage(main)


def test_no_such_order_is_not_said_while_the_stream_is_away() -> None:
    async def main(it: Stage) -> None:
        assert await it.client.get_order_info(SWAP, "e9r9a9") is None
        it.mount.no_streams = True
        it.mount.cut()
        await asyncio.sleep(0.1)
        with pytest.raises(LinkDown, match="not there to confirm"):
            await it.client.get_order_info(SWAP, "e9r9a9")

    stage(main)


def test_fills_of_before_are_read_page_by_page_and_far_back() -> None:
    async def main(it: Stage) -> None:
        for _ in range(5):
            for _ in range(50):
                it.client.submit(it.order(BUY, "0.002"), lambda _: None)
            await asyncio.sleep(2.5)
        fills = await it.client.get_fills(SWAP, it.clock.wall_ms() - 60_000)
        assert len(fills) == 250
        assert [fill.trade_id for fill in fills] == [fill.trade_id for fill in it.fills()]
        old = await it.client.get_fills(SWAP, 0)
        assert len(old) == 250
        assert "GET /api/v5/trade/fills-history" in it.mount.asked

    stage(main)


@pytest.mark.parametrize("skew_ms", [1_500, -1_500])
def test_a_clock_too_far_apart_refuses_the_start(skew_ms: int) -> None:
    async def main(it: Stage) -> None:
        it.exchange.skew_ms = skew_ms
        with pytest.raises(AuthFailed, match="set the clock"):
            await it.client.connect()

    stage(main, connect=False)


def test_quotes_survive_a_reset_of_the_venues_numbers() -> None:
    async def main(it: Stage) -> None:
        public = next(stream for stream in it.mount.streams if not getattr(stream.session, "private", True))
        for number, bid, at_ms in ((50, "1990", 10), (1, "1991", 20), (60, "1980", 15)):
            row = {"asks": [["1999", "1", "0", "1"]], "bids": [[bid, "1", "0", "1"]], "ts": "", "seqId": number}
            row["ts"] = str(it.clock.wall_ms() + at_ms)
            frame = {"arg": {"channel": "bbo-tbt", "instId": SWAP}, "data": [row]}
            public.receiver.frame(json.dumps(frame).encode(), it.clock.now_ns())
            await asyncio.sleep(0)
            await asyncio.sleep(0.001)
        assert [quote.bid for quote in it.quotes[-2:]] == [1990, 1991]

    stage(main)


def test_a_silent_public_stream_begins_anew() -> None:
    async def main(it: Stage) -> None:
        public = next(stream for stream in it.mount.streams if not getattr(stream.session, "private", True))
        public.outlet.swallow = True
        await asyncio.sleep(6)
        assert public.over
        assert it.clock.now_ns() - it.quotes[-1].recv_ns < 6 * S
        fresh = [stream for stream in it.mount.streams if not getattr(stream.session, "private", True)]
        assert len(fresh) == 1

    stage(main)


def test_an_outcome_that_cannot_be_asked_stays_unknown() -> None:
    async def main(it: Stage) -> None:
        it.mount.unreachable = True
        with pytest.raises((LinkDown, OutcomeUnknown)):
            await it.client.get_order_info(SWAP, "e1r1a1")

    stage(main)
