"""What is Binance's own about its client: two ways for orders, listen keys, names of fills, batches, limits, BNB."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from card_benches import BID, CASH, BinanceBench, BinanceSpotBench, D
from transport_kit import run_virtual

from engine.runtime.loop import VirtualLoop
from exchanges.binance import private
from exchanges.binance.client import BinanceClient
from exchanges.errors import AuthFailed, LinkDown
from exchanges.types import Accepted, FillKind, LinkState, OrderState, Refusal, Refused, Reply, Side, Unknown
from exchanges.venues.binance import model, streams
from exchanges.venues.binance.trading import BinanceOptions, Trading

BUY, SELL = Side.BUY, Side.SELL
S = 1_000_000_000
INSIDE = "2000.25"
BOTH = pytest.mark.parametrize("bench", [BinanceBench, BinanceSpotBench], ids=["futures", "spot"])


def play(bench: type[BinanceBench], act: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    async def run(loop: VirtualLoop) -> None:
        it = bench(loop)
        try:
            await it.connect()
            await act(it)
        finally:
            await it.close()

    run_virtual(run)


def order_stream(it: BinanceBench, name: str = "one") -> Any:
    """The connection for orders: on spot the second one to the WebSocket API, on futures the only one."""
    client = it.clients[name]
    assert isinstance(client, BinanceClient)
    return next(stream for stream in it.mounts[name].streams if stream.receiver is client._order_link)


@BOTH
def test_an_order_that_is_only_exercised_counts_nowhere(bench: type[BinanceBench]) -> None:
    async def act(it: BinanceBench) -> None:
        client = it.one
        assert isinstance(client, BinanceClient)
        before = (client._orders._spent, client._session._number, client._tracking.moves)
        asked = list(it.mounts["one"].asked)
        for _ in range(200):
            client.exercise_order(it.order(BUY, "1", INSIDE))
        assert (client._orders._spent, client._session._number, client._tracking.moves) == before
        assert it.mounts["one"].asked == asked

    play(bench, act)


@BOTH
def test_orders_go_by_rest_while_their_connection_is_away(bench: type[BinanceBench]) -> None:
    async def act(it: BinanceBench) -> None:
        stream = order_stream(it)
        stream.outlet.cut()
        await it.wait(10)
        order = it.order(BUY, "1", INSIDE, post_only=True)
        assert isinstance(await it.place(order), Accepted)
        path = f"{it.product.root}/order"
        assert f"POST {path}" in it.mounts["one"].asked
        assert it.links() == [LinkState.RESYNC, LinkState.TRUSTED]  # the account's own stream is as it was
        await it.wait(1_000)
        before = it.mounts["one"].asked.count(f"DELETE {path}")
        assert isinstance(await it.one.cancel_order(it.spec.symbol, order.client_id), Accepted)
        assert it.mounts["one"].asked.count(f"DELETE {path}") == before

    play(bench, act)


@BOTH
def test_what_waits_for_an_answer_when_the_connection_ends_is_unknown_and_is_not_sent_again(
    bench: type[BinanceBench],
) -> None:
    async def act(it: BinanceBench) -> None:
        it.lose_reply()
        order = it.order(BUY, "1", INSIDE, post_only=True)
        got: list[Reply] = []
        it.one.submit(order, got.append)
        await it.wait(50)
        assert got == []
        order_stream(it).outlet.cut()
        await it.wait(50)
        assert isinstance(got[0], Unknown)
        assert got[0].dead_ns > got[0].signed_ns > 0
        assert got[0].dead_ns - got[0].signed_ns < 2.1 * S  # S4: a window of 1 s, and the 1 s that a clock may be ahead
        await it.wait(5_000)
        [listed] = await it.one.get_active_orders(it.spec.symbol)
        assert listed.client_id == order.client_id

    play(bench, act)


def test_a_connection_for_orders_that_stays_away_is_told() -> None:
    async def act(it: BinanceBench) -> None:
        client = it.one
        assert isinstance(client, BinanceClient)
        client._order_link._url = "wss://venue/nowhere"
        order_stream(it).outlet.cut()
        await it.wait(12_000)
        assert "orders" in it.told["one"][-1].text  # type: ignore[union-attr]
        assert it.links()[-1] is LinkState.TRUSTED

    play(BinanceBench, act)


def test_a_listen_key_is_kept_for_as_long_as_the_account_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "LISTEN_KEY_NS", 36 * S)  # an hour, a hundred times as fast, at both ends
    monkeypatch.setattr(private, "LISTEN_NS", 36 * S)

    async def act(it: BinanceBench) -> None:
        await it.wait(3 * 36_000)
        assert it.mounts["one"].asked.count("POST /fapi/v1/listenKey") == 6 + 1
        assert it.links() == [LinkState.RESYNC, LinkState.TRUSTED]
        await it.place(it.order(BUY, "1"))
        assert len(it.fills()) == 1

    play(BinanceBench, act)


def test_a_stream_whose_listen_key_is_gone_is_begun_anew() -> None:
    async def act(it: BinanceBench) -> None:
        account = it.exchange.accounts["one"]
        it.model.close_listen_key(account, {})
        await it.wait(3_000)
        assert it.links() == [
            LinkState.RESYNC, LinkState.TRUSTED, LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED,
        ]  # fmt: skip
        await it.place(it.order(BUY, "1"))
        assert len(it.fills()) == 1

    play(BinanceBench, act)


def test_a_connection_lives_a_day_and_the_account_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LIFE_NS", 24 * S)  # a second for an hour

    async def act(it: BinanceBench) -> None:
        await it.wait(25_000)
        assert it.links()[-1] is LinkState.TRUSTED
        assert it.links().count(LinkState.LOST) == 1
        await it.place(it.order(BUY, "1"))
        assert len(it.fills()) == 1

    play(BinanceSpotBench, act)


def test_an_account_that_holds_both_sides_apart_is_not_traded() -> None:
    async def run(loop: VirtualLoop) -> None:
        it = BinanceBench(loop)
        it.model.options = it.model.trading.options = BinanceOptions(hedge_mode=True)
        with pytest.raises(AuthFailed, match="one-way"):
            await it.connect()
        await it.close()

    run_virtual(run)


@BOTH
def test_fills_of_a_former_life_are_told_with_our_client_id(bench: type[BinanceBench]) -> None:
    async def act(it: BinanceBench) -> None:
        first, second = it.order(BUY, "1"), it.order(SELL, "0.5")
        await it.place(first)
        await it.place(second)
        client = it.one
        assert isinstance(client, BinanceClient)
        again = BinanceClient(
            "one", venue="v", markets={it.spec.symbol: it.spec.market}, signer=client._rest._signer,
            transport=it.mounts["one"], clock=it.clock, rng=client._rng, budget=client._rest._http._budget,
            product=it.product, hosts=client._hosts,
        )  # fmt: skip
        told = await again.get_fills(it.spec.symbol, it.clock.wall_ms() - 60_000)
        assert [fill.client_id for fill in told] == [first.client_id, second.client_id]
        asked = it.mounts["one"].asked.count(f"GET {it.product.root}/allOrders")
        await again.get_fills(it.spec.symbol, it.clock.wall_ms() - 60_000)
        assert it.mounts["one"].asked.count(f"GET {it.product.root}/allOrders") == asked == 1

    play(bench, act)


def test_a_liquidation_that_the_stream_did_not_tell_is_found_as_what_it_is() -> None:
    async def act(it: BinanceBench) -> None:
        await it.place(it.order(BUY, "1"))
        it.swallow("one")
        it.exchange.liquidate(it.exchange.accounts["one"], it.spec.symbol)
        await it.wait(20_000)
        assert [(fill.kind, fill.client_id == "", fill.side) for fill in it.fills()] == [
            (FillKind.TRADE, False, BUY), (FillKind.LIQUIDATION, True, SELL),
        ]  # fmt: skip
        asked = it.mounts["one"].asked.count("GET /fapi/v1/allOrders")
        await it.wait(60_000)
        assert it.mounts["one"].asked.count("GET /fapi/v1/allOrders") == asked

    play(BinanceBench, act)


def test_defect_27_a_batch_goes_in_requests_of_five_each_order_once() -> None:
    async def act(it: BinanceBench) -> None:
        orders = [it.order(BUY, "0.01", "1900", post_only=True) for _ in range(12)]
        orders[3] = replace(orders[3], client_id="no good")
        got: dict[str, Reply] = {}
        it.one.submit_batch(orders, got.__setitem__)
        await it.wait()
        assert it.mounts["one"].asked.count("POST /fapi/v1/batchOrders") == 3
        taken = [order for order in orders if isinstance(got[order.client_id], Accepted)]
        assert len(taken) == 11
        assert got["no good"] == Refused(
            Refusal.UNSUPPORTED, "client id 'no good': Binance takes 1 to 36 letters, digits and .:/_-"
        )
        listed = await it.one.get_active_orders(it.spec.symbol)
        assert sorted(it.client_id for it in listed) == sorted(order.client_id for order in taken)

    play(BinanceBench, act)


@BOTH
def test_orders_of_an_account_are_counted_before_the_venue_refuses_them(bench: type[BinanceBench]) -> None:
    async def act(it: BinanceBench) -> None:
        got: list[Reply] = []
        most = it.product.orders_in_10s
        for _ in range(most + 1):
            it.one.submit(it.order(BUY, "0.01", "1900", post_only=True), got.append)
        await it.wait()
        assert sum(isinstance(reply, Accepted) for reply in got) == most
        [refused] = [reply for reply in got if isinstance(reply, Refused)]
        assert refused.refusal is Refusal.RATE
        await it.wait(10_000)
        assert isinstance(await it.place(it.order(BUY, "0.01", "1900", post_only=True)), Accepted)

    play(bench, act)


def test_a_change_that_would_take_ends_a_post_only_order() -> None:
    async def act(it: BinanceBench) -> None:
        order = it.order(BUY, "1", INSIDE, post_only=True)
        await it.place(order)
        got: list[Reply] = []
        it.one.submit_modify(it.spec.symbol, order.client_id, got.append, price=D("2001"), qty=D(1))
        it.one.submit_modify(it.spec.symbol, "never", got.append, price=D("2001"), qty=D(1))
        await it.wait()
        assert [type(reply) for reply in got] == [Refused, Accepted]
        assert it.updates(order.client_id)[-1].state is OrderState.CANCELED
        assert it.fills() == []

    play(BinanceBench, act)


def test_the_switch_cancels_what_is_left_when_we_are_gone_and_is_taken_away_in_order() -> None:
    async def run(loop: VirtualLoop) -> None:
        it = BinanceBench(loop)
        for client in it.clients.values():
            assert isinstance(client, BinanceClient)
            guarded = BinanceClient(
                client.account, venue="v", markets=client._markets, signer=client._rest._signer,
                transport=client._transport, clock=it.clock, rng=client._rng, budget=client._rest._http._budget,
                product=it.product, hosts=client._hosts, cancel_after_s=30,
            )  # fmt: skip
            guarded.setup_order_update_handler(it.told[client.account].append)
            it.clients[client.account] = guarded
        await it.connect()
        for name in ("one", "two"):
            await it.place(it.order(BUY, "1", "1900", account=name, post_only=True))
        await it.wait(100_000)
        assert [len(it.exchange.accounts[name].open) for name in ("one", "two")] == [1, 1]
        await it.one.disconnect()
        it.unreachable("two")
        await it.wait(31_000)
        assert [len(it.exchange.accounts[name].open) for name in ("one", "two")] == [1, 0]
        await it.close()

    run_virtual(run)


@BOTH
def test_coming_back_reads_neither_the_position_mode_nor_the_markets_again(bench: type[BinanceBench]) -> None:
    """Seed 1419 of the catalogue in parts on Binance: after two sleeps of the machine a new life had to wait 27 s."""

    async def act(it: BinanceBench) -> None:
        asked: list[str] = []
        rest = it.one._rest
        ask = rest._http.ask
        rest._http.ask = lambda call: asked.append(call.path.split("?")[0].rpartition("/")[2]) or ask(call)
        await it.one.disconnect()
        await it.one.connect()
        learned = {"dual", "symbolConfig", "leverageBracket", "commissionRate", "commission", "exchangeInfo"}
        assert asked
        assert not learned & set(asked)
        assert it.told["one"][-1].state is LinkState.TRUSTED

    play(bench, act)


def test_a_spot_fill_moves_the_balance_by_what_was_delivered() -> None:
    async def act(it: BinanceSpotBench) -> None:
        await it.place(it.order(BUY, "1"))
        [fill] = it.fills()
        assert (fill.fee, fill.fee_asset) == (D("0.0005"), "ETH")
        [held] = await it.one.get_account_positions()
        assert held.qty == 20 + 1 - D("0.0005")
        await it.wait(20_000)
        assert "do not explain" not in " ".join(getattr(event, "text", "") for event in it.told["one"])
        margin = await it.one.get_margin()
        assert margin.free < 10 * CASH - 2_000
        assert abs(margin.equity - (10 * CASH + 20 * (BID + D("0.25")))) < 3

    play(BinanceSpotBench, act)


def test_a_limit_of_the_websocket_api_holds_orders_back_for_as_long_as_the_venue_says() -> None:
    async def act(it: BinanceBench) -> None:
        trading = it.model.trading
        assert isinstance(trading, Trading)
        for _ in range(300):
            trading._orders.take("one", now_ns=it.clock.now_ns())
        reply = await it.place(it.order(BUY, "0.01", "1900", post_only=True))
        assert isinstance(reply, Refused)
        assert reply.refusal is Refusal.RATE
        asked = len(it.mounts["one"].asked)
        again = await it.place(it.order(BUY, "0.01", "1900", post_only=True))
        assert isinstance(again, Refused)
        assert len(it.mounts["one"].asked) == asked
        await it.wait(10_000)
        assert isinstance(await it.place(it.order(BUY, "0.01", "1900", post_only=True)), Accepted)

    play(BinanceBench, act)


def test_a_stream_is_not_trusted_before_its_subscription_was_answered() -> None:
    async def act(it: BinanceSpotBench) -> None:
        it.mounts["one"].late_frames['"id":"user"'] = 3 * S
        it.cut("one")
        await it.wait(2_000)
        assert it.links()[-1] is LinkState.RESYNC  # its pong came long ago
        await it.wait(3_000)
        assert it.links()[-1] is LinkState.TRUSTED

    play(BinanceSpotBench, act)


@BOTH
def test_a_question_that_came_too_early_has_no_answer_and_the_clock_is_read_anew(bench: type[BinanceBench]) -> None:
    async def act(it: BinanceBench) -> None:
        client = it.one
        assert isinstance(client, BinanceClient)
        client._rest.clock._ahead_ms += 3_000
        with pytest.raises(LinkDown, match="-1021"):
            await client.get_margin()
        await it.wait()
        assert (await client.get_margin()).equity > 0
        client._rest.clock._ahead_ms += 3_000
        await it.wait(1_000)
        refused = await it.place(it.order(BUY, "1", INSIDE, post_only=True))
        assert isinstance(refused, Refused)
        assert refused.refusal is Refusal.VENUE
        assert isinstance(await it.place(it.order(BUY, "1", INSIDE, post_only=True)), Accepted)

    play(bench, act)


def test_a_subscription_that_is_refused_is_tried_again() -> None:
    async def act(it: BinanceSpotBench) -> None:
        keys = dict(it.model.keys)
        it.model.keys.clear()
        it.cut("one")
        await it.wait(2_000)
        assert it.links()[-1] is LinkState.LOST
        it.model.keys.update(keys)
        await it.wait(40_000)
        assert it.links()[-1] is LinkState.TRUSTED

    play(BinanceSpotBench, act)
