"""The conformance cards: what every adapter must do in front of its venue, one behaviour each, in one place.

A card's text is its name in the docs. It sees the adapter through `BaseExchangeClient` only, and moves the outside
market through its bench.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from card_benches import ASK, BID, CASH, SHOWN, CardBench, D

from exchanges.errors import ExchangeError, Rejected
from exchanges.types import (
    Accepted,
    ClientIdStyle,
    Fill,
    LinkState,
    LinkUpdate,
    Liquidity,
    OrderRequest,
    OrderState,
    OrderUpdate,
    Refusal,
    Refused,
    Reply,
    Side,
    Unknown,
)

Run = Callable[[CardBench], Coroutine[Any, Any, None]]
CARDS: dict[str, tuple[str, Run]] = {}  # text -> (subject, card)

BUY, SELL = Side.BUY, Side.SELL
OPEN, PARTLY, FILLED, CANCELED = (
    OrderState.OPEN,
    OrderState.PARTIALLY_FILLED,
    OrderState.FILLED,
    OrderState.CANCELED,
)
INSIDE = "2000.25"  # between the outside market's bid and ask: alone at its price


def card(subject: str, text: str) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        assert text not in CARDS
        CARDS[text] = (subject, run)
        return run

    return add


def refused(reply: Reply) -> Refusal | None:
    return reply.refusal if isinstance(reply, Refused) else None


async def refusal(it: CardBench, order: OrderRequest) -> Refusal | None:
    """Why an order came to nothing: by its reply, or where that says "queued", by what became of it."""
    reply = await it.place(order)
    if not isinstance(reply, Accepted):
        return refused(reply)
    await it.wait(it.verdict_ms)
    end = await it.clients[order.account].get_order_info(order.symbol, order.client_id)
    return end.refusal if end is not None and end.state is OrderState.FAILED else None


async def no_order(it: CardBench) -> bool:
    return not await it.one.get_active_orders(it.spec.symbol)


# --- placing


@card("placing", "a post-only order rests, and is told as it was sent")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "0.500", INSIDE, post_only=True)
    reply = await it.place(order)
    assert isinstance(reply, Accepted)
    [update] = it.updates(order.client_id)
    [listed] = await it.one.get_active_orders(it.spec.symbol)
    asked = await it.one.get_order_info(it.spec.symbol, order.client_id)
    for told in (update, listed, asked):
        assert told is not None
        assert (told.account, told.symbol, told.client_id, told.order_id) == (
            "one", it.spec.symbol, order.client_id, reply.order_id or update.order_id,
        )  # fmt: skip
        assert (told.side, told.qty, told.price, told.state, told.cum_qty) == (BUY, D("0.5"), D(INSIDE), OPEN, 0)
    assert it.fills() == []


@card("placing", "a post-only order that would take is refused and leaves nothing")
async def _(it: CardBench) -> None:
    for side, price in ((BUY, ASK), (SELL, BID)):
        assert await refusal(it, it.order(side, "1", str(price), post_only=True)) is Refusal.POST_ONLY
    assert it.fills() == []
    assert await no_order(it)


@card("placing", "an order and a fill that are only exercised leave no trace, and the next order trades")
async def _(it: CardBench) -> None:
    real = it.order(BUY, "1", str(ASK), ioc=True)
    assert isinstance(await it.place(real), Accepted)
    before = (it.fills(), it.updates(real.client_id), await it.one.get_account_positions())
    for number in range(40):
        it.one.exercise_fill()
        it.one.exercise_order(it.order(BUY if number % 2 else SELL, "1", str(ASK), ioc=True))
        it.one.exercise_order(it.order(BUY, "1"))
    await it.wait(500)
    assert (it.fills(), it.updates(real.client_id), await it.one.get_account_positions()) == before
    assert await no_order(it)
    again = it.order(SELL, "1", str(BID), ioc=True)
    assert isinstance(await it.place(again), Accepted)
    assert len(it.fills()) == 2


@card("placing", "a limit order that crosses takes at the book's price")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "1", "2010")
    assert isinstance(await it.place(order), Accepted)
    [fill] = it.fills()
    assert (fill.qty, fill.price, fill.liquidity, fill.client_id) == (1, ASK, Liquidity.TAKER, order.client_id)
    assert it.updates(order.client_id)[-1].state is FILLED


@card("placing", "what an IOC order does not take ends, and what it took counts")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "7", str(ASK), ioc=True)
    await it.place(order)
    end = it.updates(order.client_id)[-1]
    assert (end.state, end.cum_qty) == (CANCELED, SHOWN)
    assert sum(fill.qty for fill in it.fills()) == SHOWN
    assert await no_order(it)


@card("placing", "a market order takes now")
async def _(it: CardBench) -> None:
    order = it.order(SELL, "1.5")
    assert isinstance(await it.place(order), Accepted)
    [fill] = it.fills()
    assert (fill.side, fill.qty, fill.price, fill.liquidity) == (SELL, D("1.5"), BID, Liquidity.TAKER)
    end = it.updates(order.client_id)[-1]
    assert (end.state, end.cum_qty, end.qty) == (FILLED, D("1.5"), D("1.5"))


@card("placing", "a reduce-only order reduces, and opens nothing")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "1", reduce_only=True)
    reply = await it.place(order)
    ended = [update.state for update in it.updates(order.client_id)]
    assert refused(reply) is Refusal.REDUCE_ONLY or ended[-1].terminal
    assert it.fills() == []
    await it.place(it.order(BUY, "1"))
    await it.place(it.order(SELL, "3", reduce_only=True))
    assert [position.qty for position in await it.one.get_account_positions() if position.qty] == []


@card("placing", "several orders in one request are answered one by one")
async def _(it: CardBench) -> None:
    good, bad, also = (
        it.order(BUY, "1", INSIDE, post_only=True),
        it.order(BUY, "1", it.off_tick, post_only=True),
        it.order(SELL, "1", "2000.40", post_only=True),
    )
    got: dict[str, Reply] = {}
    it.one.submit_batch([good, bad, also], got.__setitem__)
    await it.wait()
    assert list(got) == [good.client_id, bad.client_id, also.client_id]
    assert isinstance(got[good.client_id], Accepted)
    assert refused(got[bad.client_id]) is Refusal.PRICE
    assert isinstance(got[also.client_id], Accepted)
    assert {update.client_id for update in await it.one.get_active_orders(it.spec.symbol)} == {
        good.client_id, also.client_id,
    }  # fmt: skip


@card("placing", "price and quantity of a resting order can be changed")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "1", INSIDE, post_only=True)
    await it.place(order)
    got: list[Reply] = []
    it.one.submit_modify(it.spec.symbol, order.client_id, got.append, price=D("2000.10"), qty=D(2))
    await it.wait()
    assert isinstance(got[0], Accepted)
    [listed] = await it.one.get_active_orders(it.spec.symbol)
    assert (listed.price, listed.qty) == (D("2000.10"), 2)


@card("placing", "what is not declared is refused loudly, never imitated")
async def _(it: CardBench) -> None:
    if not it.capabilities.modify:
        with pytest.raises(NotImplementedError):
            it.one.submit_modify(it.spec.symbol, "1", lambda _: None, price=D(1), qty=D(1))
    if not it.capabilities.batch:
        with pytest.raises(NotImplementedError):
            it.one.submit_batch([], lambda *_: None)


# --- partial fills


@card("partial fills", "each fill is told once, before its order's state, and the counts agree")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "1", INSIDE, post_only=True)
    await it.place(order)
    for qty in ("0.250", "0.500", "0.250"):
        it.outside.trade(SELL, D(INSIDE), D(qty))
        await it.wait()
    fills = it.fills()
    assert [fill.qty for fill in fills] == [D("0.25"), D("0.5"), D("0.25")]
    assert len({fill.trade_id for fill in fills}) == 3
    assert {(fill.price, fill.side, fill.liquidity, fill.client_id) for fill in fills} == {
        (D(INSIDE), BUY, Liquidity.MAKER, order.client_id)
    }
    states = [(update.state, update.cum_qty) for update in it.updates(order.client_id)]
    assert states == [(OPEN, 0), (PARTLY, D("0.25")), (PARTLY, D("0.75")), (FILLED, 1)]
    kinds = [type(event) for event in it.told["one"] if not isinstance(event, LinkUpdate)]
    assert kinds == [OrderUpdate, *[Fill, OrderUpdate] * 3]


# --- cancels


@card("cancels", "a cancel ends a resting order")
async def _(it: CardBench) -> None:
    order = it.order(SELL, "1", INSIDE, post_only=True)
    await it.place(order)
    assert isinstance(await it.one.cancel_order(it.spec.symbol, order.client_id), Accepted)
    await it.wait()
    end = it.updates(order.client_id)[-1]
    assert (end.state, end.cum_qty) == (CANCELED, 0)
    assert await no_order(it)


@card("cancels", "a cancel after a partial fill keeps what filled")
async def _(it: CardBench) -> None:
    order = it.order(SELL, "1", INSIDE, post_only=True)
    await it.place(order)
    it.outside.trade(BUY, D(INSIDE), D("0.4"))
    await it.wait()
    await it.one.cancel_order(it.spec.symbol, order.client_id)
    await it.wait()
    end = it.updates(order.client_id)[-1]
    assert (end.state, end.cum_qty) == (CANCELED, D("0.4"))
    asked = await it.one.get_order_info(it.spec.symbol, order.client_id)
    assert asked is not None
    assert (asked.state, asked.cum_qty) == (CANCELED, D("0.4"))


@card("cancels", "a cancel that lost against a fill is refused, and asking tells the fill")
async def _(it: CardBench) -> None:
    order = it.order(SELL, "1", INSIDE, post_only=True)
    await it.place(order)
    it.outside.trade(BUY, D(INSIDE), D(1))
    await it.wait()
    assert refused(await it.one.cancel_order(it.spec.symbol, order.client_id)) is Refusal.NOT_FOUND
    asked = await it.one.get_order_info(it.spec.symbol, order.client_id)
    assert asked is not None
    assert (asked.state, asked.cum_qty) == (FILLED, 1)


@card("cancels", "an order that never was is not found by asking")
async def _(it: CardBench) -> None:
    assert await it.one.get_order_info(it.spec.symbol, it.next_id()) is None


@card("cancels", "a cancel of an order that never was is refused")
async def _(it: CardBench) -> None:
    assert refused(await it.one.cancel_order(it.spec.symbol, it.next_id())) is Refusal.NOT_FOUND


# --- refusals


@card("refusals", "a price off the tick")
async def _(it: CardBench) -> None:
    assert await refusal(it, it.order(BUY, "1", it.off_tick, post_only=True)) is Refusal.PRICE


@card("refusals", "a quantity off the lot, or below the minimum")
async def _(it: CardBench) -> None:
    assert await refusal(it, it.order(BUY, "1.0005", INSIDE)) is Refusal.SIZE
    assert await refusal(it, it.order(BUY, "0.001", INSIDE)) is Refusal.SIZE


@card("refusals", "more than the margin carries")
async def _(it: CardBench) -> None:
    assert await refusal(it, it.order(BUY, "1000", "1999.95")) is Refusal.MARGIN


@card("refusals", "a symbol that the venue does not list")
async def _(it: CardBench) -> None:
    order = replace(it.order(BUY, "1", INSIDE), symbol="NONE_USDC_PERP")
    assert await refusal(it, order) is Refusal.UNSUPPORTED
    with pytest.raises(Rejected):
        await it.one.get_contract_attributes("NONE_USDC_PERP")


@card("refusals", "a request that arrives after its validity")
async def _(it: CardBench) -> None:
    it.slow_way(3_000_000_000)
    reply = await it.place(it.order(BUY, "1", INSIDE, valid_ms=2_000))
    it.slow_way(5_000_000)
    await it.wait(10_000)
    assert not isinstance(reply, Accepted)
    assert await no_order(it)
    assert it.fills() == []


# --- ids


@card("ids", "a client id of an open order makes no second order")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "1", INSIDE, post_only=True)
    await it.place(order)
    second = await it.place(replace(order, price=D("2000.10")))
    assert not isinstance(second, Accepted)
    assert refused(second) in (None, Refusal.DUPLICATE_ID)
    [listed] = await it.one.get_active_orders(it.spec.symbol)
    assert listed.price == D(INSIDE)


@card("ids", "ended orders are answered for by our id")
async def _(it: CardBench) -> None:
    taken, canceled = it.order(BUY, "1"), it.order(BUY, "1", INSIDE, post_only=True)
    await it.place(taken)
    await it.place(canceled)
    await it.one.cancel_order(it.spec.symbol, canceled.client_id)
    await it.wait()
    for order, state in ((taken, FILLED), (canceled, CANCELED)):
        asked = await it.one.get_order_info(it.spec.symbol, order.client_id)
        assert asked is not None
        assert (asked.client_id, asked.state, asked.side, asked.qty) == (order.client_id, state, BUY, 1)


@card("ids", "the largest id comes back as it was sent")
async def _(it: CardBench) -> None:
    largest = {
        ClientIdStyle.TEXT: "e" * 32,
        ClientIdStyle.UINT32: str((1 << 32) - 1),
        ClientIdStyle.UINT48: str((1 << 48) - 1),
    }  # fmt: skip
    order = it.order(BUY, "1", client_id=largest[it.capabilities.client_id])
    assert isinstance(await it.place(order), Accepted)
    assert it.fills()[0].client_id == order.client_id


@card("ids", "two accounts do not hear of each other, and a match between them has one trade id")
async def _(it: CardBench) -> None:
    maker, taker = it.order(BUY, "1", INSIDE, post_only=True), it.order(SELL, "1", account="two")
    await it.place(maker)
    await it.place(taker)
    [bought], [sold] = it.fills("one"), it.fills("two")
    assert (bought.account, bought.side, bought.client_id) == ("one", BUY, maker.client_id)
    assert (sold.account, sold.side, sold.client_id) == ("two", SELL, taker.client_id)
    assert bought.trade_id == sold.trade_id
    assert (bought.price, sold.price) == (D(INSIDE), D(INSIDE))


# --- units


@card("units", "decimals keep their value, whatever their zeros")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "0.5000", "2000.250", post_only=True)
    await it.place(order)
    [listed] = await it.one.get_active_orders(it.spec.symbol)
    assert (listed.qty, listed.price) == (D("0.5"), D("2000.25"))


@card("units", "tick, lot, minimum and fees are those of the market and the account")
async def _(it: CardBench) -> None:
    got = await it.one.get_contract_attributes(it.spec.symbol)
    for name in ("symbol", "market", "kind", "base", "quote", "tick", "lot", "min_qty", "maker_fee", "taker_fee"):
        assert getattr(got, name) == getattr(it.spec, name), name
    assert (got.initial_margin, got.maintenance_margin) == (it.spec.initial_margin, it.spec.maintenance_margin)


@card("units", "fees are in the quote asset, positive where paid")
async def _(it: CardBench) -> None:
    await it.place(it.order(SELL, "1", INSIDE, post_only=True))
    it.outside.trade(BUY, D(INSIDE), D(1))
    await it.wait()
    await it.place(it.order(BUY, "2"))
    made, taken = it.fills()
    assert (made.fee, made.fee_asset) == (D(INSIDE) * it.spec.maker_fee, it.spec.quote)
    assert (taken.fee, taken.fee_asset) == (2 * ASK * it.spec.taker_fee, it.spec.quote)


@card("units", "positions are signed, and a flat one is absent or 0")
async def _(it: CardBench) -> None:
    async def qty(name: str) -> list[Any]:
        rows = await it.clients[name].get_account_positions()
        return [(row.account, row.symbol, row.qty) for row in rows if row.qty]

    assert await qty("one") == []
    await it.place(it.order(SELL, "1.5"))
    await it.place(it.order(BUY, "0.5", account="two"))
    assert await qty("one") == [("one", it.spec.symbol, D("-1.5"))]
    assert await qty("two") == [("two", it.spec.symbol, D("0.5"))]
    await it.place(it.order(BUY, "1.5"))
    assert await qty("one") == []


@card("units", "equity pays spread and fees, and a position binds margin")
async def _(it: CardBench) -> None:
    before = await it.one.get_margin()
    assert (before.equity, before.free, before.maintenance) == (CASH, CASH, 0)
    await it.place(it.order(BUY, "1"))
    after = await it.one.get_margin()
    mid = (BID + ASK) / 2
    assert abs(after.equity - (CASH - (ASK - mid) - ASK * it.spec.taker_fee)) < D("0.000001")
    assert abs(after.free - (after.equity - mid * it.spec.initial_margin)) < D("0.5")
    assert abs(after.maintenance - mid * it.spec.maintenance_margin) < D("0.5")


@card("units", "positions and margin told together are what each question tells alone")
async def _(it: CardBench) -> None:
    await it.place(it.order(BUY, "1"))
    positions, margin = await it.one.get_holdings()
    assert positions
    assert (list(positions), margin) == (list(await it.one.get_account_positions()), await it.one.get_margin())


@card("units", "times are milliseconds of the venue's clock")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "1")
    await it.place(order)
    now_ms = it.clock.wall_ms()
    quoted_ms = it.quotes[-1].venue_ms or now_ms  # 0 where a venue's quotes have no time
    for at_ms in (it.fills()[0].at_ms, it.updates(order.client_id)[-1].at_ms, quoted_ms):
        assert now_ms - 1_000 <= at_ms <= now_ms


# --- quotes


@card("quotes", "best bid and offer come by stream and by asking")
async def _(it: CardBench) -> None:
    quote, asked = it.quotes[-1], await it.one.fetch_bbo_prices(it.spec.symbol)
    for each in (quote, asked):
        assert (each.venue, each.symbol, each.bid, each.bid_qty, each.ask, each.ask_qty) == (
            "v", it.spec.symbol, BID, SHOWN, ASK, SHOWN,
        )  # fmt: skip
    it.outside.bid, it.outside.ask = D("1990"), D("1990.05")
    await it.wait()
    assert (it.quotes[-1].bid, it.quotes[-1].ask) == (D("1990"), D("1990.05"))
    assert it.quotes[-1].recv_ns > quote.recv_ns


# --- histories


@card("histories", "fills since a time are those of the stream, oldest first")
async def _(it: CardBench) -> None:
    await it.place(it.order(BUY, "1"))
    await it.wait(1_000)
    since_ms = it.clock.wall_ms()
    await it.place(it.order(SELL, "0.5"))
    await it.place(it.order(SELL, "0.5"))
    told = [
        (fill.order_id, fill.trade_id, fill.client_id, fill.side, fill.qty, fill.price, fill.fee) for fill in it.fills()
    ]

    async def asked(since: int) -> list[tuple[object, ...]]:
        return [
            (fill.order_id, fill.trade_id, fill.client_id, fill.side, fill.qty, fill.price, fill.fee)
            for fill in await it.one.get_fills(it.spec.symbol, since)
        ]

    assert await asked(0) == told
    assert await asked(since_ms) == told[1:]


# --- streams


@card("streams", "an account is resynced before it is trusted")
async def _(it: CardBench) -> None:
    assert it.links() == [LinkState.RESYNC, LinkState.TRUSTED]


@card("streams", "fills and ends of a gap are told before the stream is trusted again, once")
async def _(it: CardBench) -> None:
    partly, gone = it.order(BUY, "1", INSIDE, post_only=True), it.order(SELL, "1", "2000.45", post_only=True)
    await it.place(partly)
    await it.place(gone)
    it.outside.trade(SELL, D(INSIDE), D("0.2"))
    await it.wait()
    seen = len(it.told["one"])
    it.cut("one")
    it.outside.trade(SELL, D(INSIDE), D("0.3"))
    it.outside.trade(BUY, D("2000.45"), D(1))
    await it.wait(60)
    it.reconnect("one")
    await it.wait(2_000)
    news = it.told["one"][seen:]
    states = [event.state for event in news if isinstance(event, LinkUpdate)]
    assert states == [LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED]
    trusted = next(
        n for n, event in enumerate(news) if isinstance(event, LinkUpdate) and event.state is LinkState.TRUSTED
    )
    caught_up = news[:trusted]
    assert sorted(fill.qty for fill in caught_up if isinstance(fill, Fill)) == [D("0.3"), 1]
    assert [fill for fill in news[trusted:] if isinstance(fill, Fill)] == []
    assert it.updates(gone.client_id)[-1].state is FILLED
    assert it.updates(partly.client_id)[-1].cum_qty == D("0.5")


@card("streams", "a loss says why")
async def _(it: CardBench) -> None:
    it.cut("one")
    await it.wait(50)
    [lost] = [event for event in it.told["one"] if isinstance(event, LinkUpdate) and event.state is LinkState.LOST]
    assert lost.text


@card("streams", "an account that was disconnected connects again, and nothing is told twice")
async def _(it: CardBench) -> None:
    await it.place(it.order(BUY, "1"))
    await it.one.disconnect()
    await it.one.connect()
    await it.wait(1_000)
    assert it.links()[-1] is LinkState.TRUSTED
    assert len(it.fills()) == 1


@card("streams", "frames may come before the reply")
async def _(it: CardBench) -> None:
    it.delay_reply(500_000_000)
    order = it.order(BUY, "1")
    got: list[Reply] = []
    it.one.submit(order, got.append)
    await it.wait(200)
    assert got == []
    assert [(fill.client_id, fill.qty) for fill in it.fills()] == [(order.client_id, 1)]
    await it.wait(500)
    assert isinstance(got[0], Accepted)
    assert len(it.fills()) == 1
    assert it.updates(order.client_id)[-1].state is FILLED


@card("streams", "what the stream swallows is found and the stream begun anew")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "1", INSIDE, post_only=True)
    await it.place(order)
    it.swallow("one")
    it.outside.trade(SELL, D(INSIDE), D("0.4"))
    await it.wait(12_000)
    assert [fill.qty for fill in it.fills()] == [D("0.4")]
    assert LinkState.LOST in it.links()
    assert it.links()[-1] is LinkState.TRUSTED
    assert it.updates(order.client_id)[-1].cum_qty == D("0.4")


@card("streams", "while the stream is away fills are told all the same")
async def _(it: CardBench) -> None:
    order = it.order(BUY, "1", INSIDE, post_only=True)
    await it.place(order)
    it.no_streams("one")
    await it.wait(4_000)
    it.outside.trade(SELL, D(INSIDE), D("0.4"))
    await it.wait(it.alone_ms)
    assert it.links()[-1] is LinkState.LOST
    assert [fill.qty for fill in it.fills()] == [D("0.4")]


@card("unknown outcomes", "a lost reply leaves the outcome unknown, and asking finds the order")
async def _(it: CardBench) -> None:
    it.lose_reply()
    order = it.order(BUY, "1", INSIDE, post_only=True)
    assert isinstance(await it.place(order), Unknown)
    asked = await it.one.get_order_info(it.spec.symbol, order.client_id)
    assert asked is not None
    assert asked.state is OPEN
    it.lose_reply()
    taken = it.order(BUY, "1")
    assert isinstance(await it.place(taken), Unknown)
    asked = await it.one.get_order_info(it.spec.symbol, taken.client_id)
    assert asked is not None
    assert (asked.state, asked.cum_qty) == (FILLED, 1)


@card("unknown outcomes", "a failure to ask is an error, never flat and never unknown there")
async def _(it: CardBench) -> None:
    await it.place(it.order(BUY, "1"))
    await it.one.disconnect()
    it.unreachable("one")
    order_info = it.one.get_order_info(it.spec.symbol, it.next_id())
    for ask in (it.one.get_account_positions(), it.one.get_margin(), it.one.get_holdings(), order_info):
        with pytest.raises(ExchangeError):
            await ask
