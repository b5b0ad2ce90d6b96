"""Lighter's adapter in front of a scripted venue: queued is not done, nonces are one row, and nothing is guessed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from lighter_kit import ACCOUNT, Bench, D, order_row, play, trade_row
from transport_kit import Asked, Middle, as_json, run_virtual

from exchanges.budget import Budget, Use
from exchanges.errors import AuthFailed, LinkDown, OutcomeUnknown, RateLimited, Rejected
from exchanges.lighter.client import LighterClient
from exchanges.lighter.rest import Listing
from exchanges.lighter.signer import SignedTx, SignerThread
from exchanges.lighter.wire.scale import CancelTx, OrderTx
from exchanges.transport import OnAnswer, Request
from exchanges.types import (
    Accepted,
    AccountFacts,
    LinkState,
    Liquidity,
    OrderRequest,
    OrderState,
    Refusal,
    Refused,
    Reply,
    SelfTrade,
    Side,
    TimeInForce,
    Unknown,
)

LOST, RESYNC, TRUSTED = LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED


# --- what is sent


def test_orders_are_scaled_exactly_and_carry_the_shortest_expiry_and_self_trade_prevention() -> None:
    async def main(it: Bench) -> None:
        it.send(
            it.order(Side.SELL, "0.0200", "2600.1"),
            it.order(qty="1.5", tif=TimeInForce.IOC, post_only=False, self_trade=SelfTrade.CANCEL_MAKER),
            it.order(Side.SELL, price=None, worst_price=D(2500), reduce_only=True, self_trade=SelfTrade.CANCEL_BOTH),
            it.order(price="2600.10", post_only=False),
        )  # fmt: skip
        rests_ms = it.clock.wall_ms() + 360_000
        await asyncio.sleep(0.1)
        plain = {"AccountIndex": ACCOUNT, "ApiKeyIndex": 5, "MarketIndex": 0, "TriggerPrice": 0}
        shown = [{name: info[name] for name in info if name not in ("Sig", "ExpiredAt")} for info in it.venue.taken]
        assert shown == [
            plain | {"ClientOrderIndex": 1, "BaseAmount": 200, "Price": 260010, "IsAsk": 1, "Type": 0, "TimeInForce": 2,
                     "ReduceOnly": 0, "OrderExpiry": rests_ms, "Nonce": 100, "L2TxAttributes": {"6": 1, "7": 1}},
            plain | {"ClientOrderIndex": 2, "BaseAmount": 15_000, "Price": 260010, "IsAsk": 0, "Type": 0,
                     "TimeInForce": 0, "ReduceOnly": 0, "OrderExpiry": 0, "Nonce": 101, "L2TxAttributes": {"7": 1}},
            plain | {"ClientOrderIndex": 3, "BaseAmount": 200, "Price": 250000, "IsAsk": 1, "Type": 1, "TimeInForce": 0,
                     "ReduceOnly": 1, "OrderExpiry": 0, "Nonce": 102, "L2TxAttributes": {"6": 2, "7": 1}},
            plain | {"ClientOrderIndex": 4, "BaseAmount": 200, "Price": 260010, "IsAsk": 0, "Type": 0, "TimeInForce": 1,
                     "ReduceOnly": 0, "OrderExpiry": rests_ms, "Nonce": 103, "L2TxAttributes": {"6": 1, "7": 1}},
        ]  # fmt: skip
        assert {form["tx_type"][0] for form in it.venue.forms} == {"14"}

    play(main)


@pytest.mark.parametrize(
    ("given", "refusal", "words"),
    [
        ({"qty": "0.00005"}, Refusal.SIZE, "more than 4 decimals"),
        ({"qty": "0"}, Refusal.SIZE, "expected above 0"),
        ({"qty": "28147497671.0656"}, Refusal.SIZE, "does not fit"),
        ({"price": "2600.105"}, Refusal.PRICE, "more than 2 decimals"),
        ({"price": "42949672.96"}, Refusal.PRICE, "does not fit"),
        ({"price": None}, Refusal.PRICE, "needs a worst price"),
        ({"client_id": "0"}, Refusal.UNSUPPORTED, "whole numbers from 1 to 2^48 - 1"),
        ({"client_id": "281474976710656"}, Refusal.UNSUPPORTED, "whole numbers from 1 to 2^48 - 1"),
        ({"client_id": "e1r1"}, Refusal.UNSUPPORTED, "whole numbers from 1 to 2^48 - 1"),
    ],
)
def test_what_whole_numbers_cannot_say_is_refused_and_not_sent(
    given: dict[str, Any], refusal: Refusal, words: str
) -> None:
    async def main(it: Bench) -> None:
        [reply] = it.send(it.order(**given))
        assert isinstance(reply, Refused)
        assert (reply.refusal, words in reply.text) == (refusal, True)
        await asyncio.sleep(0.1)
        assert it.venue.forms == []

    play(main)


def test_an_id_that_was_used_is_refused_and_not_sent() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order(client_id="9"))
        await asyncio.sleep(0.1)
        [again] = it.send(it.order(client_id="9", qty="0.5"))
        assert isinstance(again, Refused)
        assert again.refusal is Refusal.DUPLICATE_ID
        await asyncio.sleep(0.1)
        assert len(it.venue.forms) == 1

    play(main)


def test_a_burst_leaves_without_waiting_for_answers() -> None:
    async def main(it: Bench) -> None:
        it.net.delay_ns = 100_000_000
        began_ns = it.clock.now_ns()
        got = it.send(*(it.order() for _ in range(5)))
        await asyncio.sleep(0.05)
        assert [info["Nonce"] for info in it.venue.taken] == [100, 101, 102, 103, 104]
        assert {asked.at_ns for asked in it.net.asked if "sendTx" in asked.url} == {began_ns}
        assert got == []
        await asyncio.sleep(0.1)
        assert got == [Accepted("")] * 5

    play(main)


# --- what the stream makes of it


def test_queued_is_not_done_the_stream_tells_what_became_of_it() -> None:
    async def main(it: Bench) -> None:
        [*got] = it.send(it.order(), it.order(Side.SELL))
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(order_row(1)), it.venue.now(
            order_row(2, is_ask=True, status="canceled-post-only", remaining_base_amount="0.0000"))]})  # fmt: skip
        assert got == [] or got == [Accepted("")] * 2
        first, second = it.updates
        assert (first.client_id, first.state, first.order_id, first.price) == (
            "1", OrderState.OPEN, str((1 << 48) + 1), D("2600.10"),
        )  # fmt: skip
        assert (second.client_id, second.state, second.refusal, second.text) == (
            "2", OrderState.FAILED, Refusal.POST_ONLY, "post-only",
        )  # fmt: skip

    play(main)


def test_a_fill_is_counted_once_whatever_comes_first() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        partly = order_row(1, filled_base_amount="0.0100", remaining_base_amount="0.0100")
        it.say("account_all_orders", orders={"0": [it.venue.now(partly)]})
        row = it.venue.now(trade_row(7, 1))
        it.say("account_all_trades", trades={"0": [row]})
        it.say("account_all_trades", trades={"0": [row]})
        [fill] = it.fills
        assert (fill.client_id, fill.side, fill.qty, fill.price, fill.liquidity) == (
            "1", Side.BUY, D("0.01"), D("2600.10"), Liquidity.MAKER,
        )  # fmt: skip
        assert (fill.fee, fill.fee_asset, fill.trade_id) == (D("26.001") * 28 / 1_000_000, "USDC", "7")
        assert it.updates[-1].state is OrderState.PARTIALLY_FILLED

    play(main)


def test_the_snapshot_of_trades_is_never_taken_for_fills() -> None:
    async def main(it: Bench) -> None:
        for shape in ({"0": [trade_row(1, 1)]}, [trade_row(2, 1)], {"total": 3}, None):
            it.say("account_all_trades", "subscribed", trades=shape)
        await asyncio.sleep(0.1)
        assert it.fills == []
        assert it.links[-1].state is TRUSTED

    play(main)


def test_a_match_with_oneself_is_both_a_buy_and_a_sell() -> None:
    async def main(it: Bench) -> None:
        it.say(
            "account_all_trades", trades={"0": [it.venue.now(trade_row(9, 1, ask_account_id=ACCOUNT, ask_client_id=2))]}
        )
        assert [(fill.side, fill.liquidity) for fill in it.fills] == [
            (Side.SELL, Liquidity.TAKER), (Side.BUY, Liquidity.MAKER),
        ]  # fmt: skip
        assert len({(fill.order_id, fill.trade_id) for fill in it.fills}) == 2

    play(main)


def test_fills_of_other_markets_and_accounts_are_not_ours() -> None:
    async def main(it: Bench) -> None:
        rows = [it.venue.now(trade_row(1, 1, market_id=3)), it.venue.now(trade_row(2, 1, bid_account_id=8))]
        it.say("account_all_trades", trades={"0": rows})
        it.say("account_all_orders", orders={"3": [it.venue.now(order_row(1, market_index=3))]})
        assert it.fills == it.updates == []

    play(main)


# --- nonces


def test_a_wrong_nonce_is_asked_for_anew_and_the_order_of_transactions_stays() -> None:
    async def main(it: Bench) -> None:
        it.venue.nonce = 300  # another program used the key meanwhile
        got = it.send(*(it.order() for _ in range(3)))
        await asyncio.sleep(0.3)
        assert got == [Accepted("")] * 3
        assert [(info["Nonce"], info["ClientOrderIndex"]) for info in it.venue.taken] == [(300, 1), (301, 2), (302, 3)]

    play(main)


def test_an_order_that_waited_for_a_nonce_until_its_time_was_over_is_not_sent() -> None:
    """S4, S16: its replacement may have left by then; the signer's ten minutes would let both in."""

    async def main(it: Bench) -> None:
        def wrong_nonce(_: object) -> object:
            it.net.delay_ns = 2_500_000_000  # the right one comes when the orders' time is over
            return as_json({"code": 21104, "message": "invalid nonce"}, status=400)

        it.venue.answers.append(wrong_nonce)
        got = it.send(it.order())
        await asyncio.sleep(0.1)
        later = it.send(it.order(), it.order())
        await asyncio.sleep(10)
        assert [type(reply) for reply in (*got, *later)] == [Refused, Refused, Refused]
        assert it.venue.taken == []

    play(main)


def test_a_refused_transaction_uses_no_nonce() -> None:
    async def main(it: Bench) -> None:
        it.venue.answers.append(lambda _: as_json({"code": 21739, "message": "not enough margin"}, status=400))
        got = it.send(it.order(), it.order())
        await asyncio.sleep(0.3)
        assert [type(reply) for reply in got] == [Refused, Accepted]
        assert isinstance(got[0], Refused)
        assert got[0].refusal is Refusal.MARGIN
        assert [info["Nonce"] for info in it.venue.taken] == [100]
        assert it.venue.taken[0]["ClientOrderIndex"] == 2

    play(main)


def test_a_key_that_somebody_else_uses_is_told_and_not_tried_for_ever() -> None:
    async def main(it: Bench) -> None:
        it.venue.answers += [lambda _: as_json({"code": 21104, "message": "invalid nonce"}, status=400)] * 9
        [*got] = it.send(it.order())
        await asyncio.sleep(1)
        got = it.send(it.order(client_id="50")) or got
        await asyncio.sleep(1)
        assert len(it.venue.forms) <= 10
        assert it.venue.taken[0]["ClientOrderIndex"] == 50

    play(main)


# --- unknown outcomes


def lost(it: Bench, *, taken: bool) -> None:
    """The answer to the next transaction is lost; the transaction itself may be too."""

    def lose(info: dict[str, Any]) -> OutcomeUnknown:
        if taken:
            it.venue.take(info)
        return OutcomeUnknown("no answer in time")

    it.venue.answers.append(lose)


def test_a_lost_transaction_is_made_void_by_its_own_nonce() -> None:
    async def main(it: Bench) -> None:
        lost(it, taken=False)
        got = it.send(it.order())
        await asyncio.sleep(0.3)
        assert isinstance(got[0], Unknown)
        [cancel] = it.venue.taken
        assert (cancel["Nonce"], cancel["Index"]) == (100, 1)  # a cancel of the very order, with its nonce
        (told,) = it.updates  # without being asked: what it covered is open
        assert (told.state, told.cum_qty) == (OrderState.FAILED, 0)
        assert "never taken" in told.text
        assert await it.client.get_order_info("ETH", "1") == told

    play(main)


def both_lost(it: Bench, monkeypatch: pytest.MonkeyPatch, *, cancel_taken: bool) -> list[SignedTx]:
    """An order and the cancel that is to make it void get no answer; returns the cancels that will be signed."""
    cancels: list[SignedTx] = []
    sign = it.signer.cancel

    def remember(tx: CancelTx, *, nonce: int) -> SignedTx:
        cancels.append(sign(tx, nonce=nonce))
        return cancels[-1]

    monkeypatch.setattr(it.signer, "cancel", remember)
    lost(it, taken=False)
    lost(it, taken=cancel_taken)
    return cancels


def test_of_an_order_and_its_void_without_answers_the_venue_is_asked_which_it_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would stay unknown for ever, and no hedge could leave beside it (S4)."""

    async def main(it: Bench) -> None:
        cancels = both_lost(it, monkeypatch, cancel_taken=True)
        it.send(it.order())
        await asyncio.sleep(0.3)
        with pytest.raises(OutcomeUnknown, match="may still arrive"):
            await it.client.get_order_info("ETH", "1")
        await asyncio.sleep(0.3)  # the next nonce is asked for: that of the order is used
        with pytest.raises(OutcomeUnknown, match="no list shows"):  # the venue does not know yet which it took
            await it.client.get_order_info("ETH", "1")
        it.venue.statuses[cancels[0].tx_hash] = {"status": 2}
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert (told.state, told.cum_qty, len(it.venue.forms)) == (OrderState.FAILED, D(0), 2)

    play(main)


def test_an_order_that_came_after_all_before_its_void_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Bench) -> None:
        both_lost(it, monkeypatch, cancel_taken=False)
        it.send(it.order(Side.SELL, price=None, worst_price=D("2500")))
        await asyncio.sleep(0.3)
        it.venue.take(json.loads(it.venue.forms[0]["tx_info"][0]))
        with pytest.raises(OutcomeUnknown, match="may still arrive"):
            await it.client.get_order_info("ETH", "1")
        await asyncio.sleep(0.3)
        filled = order_row(1, is_ask=True, type="market", status="filled", filled_base_amount="0.0200")
        it.venue.ended = [it.venue.now(filled)]
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert (told.state, told.cum_qty, len(it.venue.taken)) == (OrderState.FILLED, D("0.02"), 1)

    play(main)


def test_a_taken_transaction_whose_answer_was_lost_is_found() -> None:
    async def main(it: Bench) -> None:
        lost(it, taken=True)
        got = it.send(it.order(Side.SELL, price=None, worst_price=D("2500")))
        await asyncio.sleep(0.3)
        assert isinstance(got[0], Unknown)
        it.venue.ended = [
            it.venue.now(
                order_row(1, is_ask=True, type="market", status="filled", filled_base_amount="0.0200", price="2500.00")
            )
        ]
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert (told.state, told.cum_qty, told.price) == (OrderState.FILLED, D("0.02"), None)
        assert len(it.venue.forms) == 1  # its nonce is used, so that nothing is to be voided

    play(main)


def test_what_may_still_arrive_is_never_called_unknown_to_the_venue() -> None:
    """The venue is away: neither the cancel nor a question gets through."""

    async def main(it: Bench) -> None:
        lost(it, taken=False)
        it.venue.answers += [lambda _: LinkDown("did not leave")] * 2
        it.send(it.order())
        await asyncio.sleep(0.3)
        with pytest.raises(OutcomeUnknown, match="may still arrive"):
            await it.client.get_order_info("ETH", "1")
        await asyncio.sleep(0.3)  # asking has tried once more to void it
        it.venue.answers.clear()
        with pytest.raises(OutcomeUnknown, match="may still arrive"):
            await it.client.get_order_info("ETH", "1")
        await asyncio.sleep(0.3)
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert told.state is OrderState.FAILED

    play(main)


def test_what_the_sequencer_refuses_is_told_by_its_transaction() -> None:
    async def main(it: Bench) -> None:
        got = it.send(it.order())
        await asyncio.sleep(0.1)
        assert got == [Accepted("")]
        with pytest.raises(OutcomeUnknown, match="queued"):
            await it.client.get_order_info("ETH", "1")
        tx_hash = it.client._feed.tx_of("1").tx_hash  # type: ignore[union-attr]
        it.venue.statuses[tx_hash] = {"status": 1, "event_info": ""}
        with pytest.raises(OutcomeUnknown, match="pending"):
            await it.client.get_order_info("ETH", "1")
        it.venue.statuses[tx_hash] = {"status": 0, "event_info": json.dumps({"ae": "21739: not enough margin"})}
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert (told.state, told.refusal, "not enough margin" in told.text) == (OrderState.FAILED, Refusal.MARGIN, True)

    play(main)


def test_a_refusal_of_the_sequencer_is_looked_for_without_being_asked() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order(), it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(order_row(2))]})
        tx_hash = it.client._feed.tx_of("1").tx_hash  # type: ignore[union-attr]
        it.venue.statuses[tx_hash] = {"status": 0, "event_info": json.dumps({"ae": "21739"})}
        asked = len(it.net.asked)
        await asyncio.sleep(1)
        assert [(update.client_id, update.state) for update in it.updates] == [
            ("2", OrderState.OPEN), ("1", OrderState.FAILED),
        ]  # fmt: skip
        assert it.updates[-1].refusal is Refusal.MARGIN
        assert sum("/tx?" in asked.url for asked in it.net.asked[asked:]) == 1  # only of the quiet one

    play(main)


def test_an_end_that_the_stream_did_not_tell_is_looked_for_after_a_cancel() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(order_row(1))]})
        told = await it.client.get_order_info("ETH", "1")
        asked = len(it.net.asked)
        assert told is not None
        assert (told.state, len(it.net.asked)) == (OrderState.OPEN, asked)  # from the stream (S11)
        got: list[Reply] = []
        it.client.submit_cancel("ETH", "1", got.append)
        it.venue.ended = [it.venue.now(order_row(1, status="canceled", filled_base_amount="0.0050"))]
        await asyncio.sleep(1)
        assert got == [Accepted("")]
        assert (it.updates[-1].state, it.updates[-1].cum_qty) == (OrderState.CANCELED, D("0.005"))
        assert [it.path.rpartition("/")[2] for it in it.net.asked[asked:]] == [
            "sendTx", "accountInactiveOrders", "trades",
        ]  # fmt: skip
        it.client.submit_cancel("ETH", "1", got.append)
        assert isinstance(got[-1], Refused)
        assert got[-1].refusal is Refusal.NOT_FOUND

    play(main)


def test_the_fill_of_an_order_that_is_found_is_told_before_its_end() -> None:
    """The frame of the fill was lost; a run may be over before a comparison comes."""

    async def main(it: Bench) -> None:
        lost(it, taken=True)
        it.send(it.order(price=None, worst_price=D(2700)))
        await asyncio.sleep(0.1)
        it.venue.ended = [it.venue.now(order_row(1, type="market", status="filled", filled_base_amount="0.0200"))]
        it.venue.trades = [it.venue.now(trade_row(5, 1, size="0.0200"))]
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert told.state is OrderState.FILLED
        assert [(fill.client_id, fill.qty) for fill in it.fills] == [("1", D("0.02"))]

    play(main)


def test_a_fill_whose_frame_was_lost_is_read_without_being_asked() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(
            order_row(1, status="filled", filled_base_amount="0.0200", remaining_base_amount="0.0000"))]})  # fmt: skip
        it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 1, size="0.0200"))], D("0.02")
        await asyncio.sleep(3)
        assert [(fill.client_id, fill.trade_id, fill.qty) for fill in it.fills] == [("1", "5", D("0.02"))]

    play(main)


def test_a_fill_whose_frame_was_lost_is_asked_for_until_the_venue_answers() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        busy = it.venue.on_trades
        answers = [as_json({"code": 23000, "message": "Too Many Requests!"}, status=429)] * 2
        it.venue.on_trades = lambda *args: answers.pop() if answers else busy(*args)  # type: ignore[method-assign]
        it.venue.trades = [it.venue.now(trade_row(5, 1))]
        partly = order_row(1, filled_base_amount="0.0100")
        it.say("account_all_orders", orders={"0": [it.venue.now(partly)]})
        await asyncio.sleep(0.4)
        assert it.fills == []
        await asyncio.sleep(200)
        assert [fill.trade_id for fill in it.fills] == ["5"]
        asked = sum("/trades?" in asked.url for asked in it.net.asked)
        await asyncio.sleep(100)
        assert sum("/trades?" in asked.url for asked in it.net.asked) == asked  # and then no more

    play(main)


def test_positions_are_told_after_the_rows_that_make_them() -> None:
    """The frame of the fill was lost; a run may be over before a comparison comes (S17)."""

    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(
            order_row(1, status="filled", filled_base_amount="0.0200", remaining_base_amount="0.0000"))]})  # fmt: skip
        it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 1, size="0.0200"))], D("0.02")
        await it.client.get_account_positions()
        assert [(fill.client_id, fill.trade_id, fill.qty) for fill in it.fills] == [("1", "5", D("0.02"))]
        asked = len(it.net.asked)
        await it.client.get_account_positions()
        names = [asked.url.partition("?")[0].rpartition("/")[2] for asked in it.net.asked[asked:]]
        assert names == []  # nothing moved since, and nothing is missing (S11)

    play(main)


def test_positions_and_margin_are_of_one_answer() -> None:
    async def main(it: Bench) -> None:
        await asyncio.sleep(5.5)  # what was told at the start is too old to be told again
        asked = len(it.net.asked)
        told = await it.client.get_holdings()
        names = [asked.url.partition("?")[0].rpartition("/")[2] for asked in it.net.asked[asked:]]
        assert names == ["account"]
        assert told == (await it.client.get_account_positions(), await it.client.get_margin())

    play(main)


def test_a_fill_that_a_silent_stream_keeps_back_is_told_before_the_position_that_it_makes() -> None:
    """Who compares them would take it for somebody else's trade (S17; seed 71 of the catalogue on backpack,lighter)."""

    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(order_row(1))]})
        await it.client.get_account_positions()
        it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 1))], D("0.01")
        await asyncio.sleep(5.5)  # the last answer is too old to be told again
        await it.client.get_account_positions()
        assert [(fill.client_id, fill.trade_id, fill.qty) for fill in it.fills] == [("1", "5", D("0.01"))]

    play(main)


def test_the_look_before_a_cancel_comes_from_the_stream_while_it_is_trusted_and_from_the_venue_while_not() -> None:
    """S11: a question is 300 of weight; but what a lost stream told last may long be otherwise."""

    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(order_row(1))]})
        asked = len(it.net.asked)
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert (told.state, it.net.asked[asked:]) == (OrderState.OPEN, [])
        it.wire.cut()
        await asyncio.sleep(0)
        assert it.links[-1].state is LOST
        it.venue.active = [it.venue.now(order_row(1, filled_base_amount="0.0100"))]
        asked = len(it.net.asked)
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert (told.cum_qty, len(it.net.asked) > asked) == (D("0.01"), True)

    play(main)


def test_what_has_filled_is_known_where_no_request_is_left_for_its_price() -> None:
    """S11: how much counts at once; the row with the price comes when there is room for its 600 of weight."""

    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.venue.ended = [it.venue.now(
            order_row(1, status="canceled", filled_base_amount="0.0100", remaining_base_amount="0.0000"))]  # fmt: skip
        it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 1))], D("0.01")
        budget = it.client._rest._budget
        budget.take(it.clock.now_ns(), Use.TRADE, weight=budget.limit * Use.COUNT // 100)
        told = await it.client.get_order_info("ETH", "1")
        assert told is not None
        assert (told.state, told.cum_qty, it.fills) == (OrderState.CANCELED, D("0.01"), [])
        it.wire.cut()
        await asyncio.sleep(1)
        assert (it.links[-1].state, it.fills) == (TRUSTED, [])  # nor does the stream's trust wait for it
        await asyncio.sleep(90)
        assert [fill.trade_id for fill in it.fills] == ["5"]

    play(main)


def test_counting_leaves_room_for_what_finds_fills() -> None:
    """S11: who counts again and again would use up the questions that tell of a fill."""

    async def main(it: Bench) -> None:
        await asyncio.sleep(6)  # the last answer is too old to be told again
        budget = it.client._rest._budget
        budget.take(it.clock.now_ns(), Use.TRADE, weight=budget.limit * Use.COUNT // 100)
        with pytest.raises(RateLimited):
            await it.client.get_account_positions()
        it.wire.cut()
        await asyncio.sleep(1)
        assert it.links[-1].state is TRUSTED
        assert await it.client.get_order_info("ETH", "999") is None
        it.client.leaving()
        held = await it.client.get_account_positions()  # for the last time: nobody counts again
        assert [position.qty for position in held] == [0]

    play(main)


def test_a_resync_leaves_room_for_what_became_of_one_order() -> None:
    """S11, seed 475 of the simulation: a hedge whose outcome is unknown is asked about where a resync has to wait."""

    async def main(it: Bench) -> None:
        budget = it.client._rest._budget
        budget.take(it.clock.now_ns(), Use.TRADE, weight=budget.limit * Use.ASK // 100 - budget._spent)
        with pytest.raises(RateLimited):
            await it.client.get_active_orders("ETH")
        assert await it.client.get_order_info("ETH", "999") is None

    play(main)


def test_what_a_stream_begins_with_is_not_asked_for() -> None:
    """S11: the open position and the live order are in its first frames; what those leave out is asked."""

    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        partly = it.venue.now(order_row(1, filled_base_amount="0.0100"))
        it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 1))], D("0.01")
        it.say("account_all_orders", orders={"0": [partly]})
        it.say("account_all_trades", trades={"0": it.venue.trades})
        it.net.answers_pings = False
        for begins in (True, False):
            former, before = it.wire, len(it.net.asked)
            former.cut()
            while it.wire is former:
                await asyncio.sleep(0.0005)
            if begins:
                it.say("account_all_orders", "subscribed", orders={"0": [partly]})
                row = {"market_id": 0, "sign": 1, "position": "0.01"}
                it.say("account_all_positions", "subscribed", positions={"0": row})
            it.wire.answers_pings = True
            it.wire.receiver.pong()
            await asyncio.sleep(1)
            assert it.links[-1].state is TRUSTED
            names = {asked.url.partition("?")[0].rpartition("/")[2] for asked in it.net.asked[before:]}
            assert names & {"account", "accountActiveOrders", "trades"} == (
                set() if begins else {"account", "accountActiveOrders"}
            )

    play(main)


def test_a_fill_in_the_gap_is_read_though_the_stream_begins_with_its_position() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(order_row(1))]})
        former, it.net.answers_pings = it.wire, False
        former.cut()
        it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 1))], D("0.01")
        while it.wire is former:
            await asyncio.sleep(0.0005)
        row = {"market_id": 0, "sign": 1, "position": "0.01"}
        it.say("account_all_positions", "subscribed", positions={"0": row})
        it.wire.answers_pings = True
        it.wire.receiver.pong()
        await asyncio.sleep(1)
        assert [fill.trade_id for fill in it.fills] == ["5"]
        assert it.links[-1].state is TRUSTED

    play(main)


@pytest.mark.parametrize("what", ["fill", "end"])
def test_what_a_stream_began_with_is_not_believed_for_ever(what: str) -> None:
    """A trusted stream may lose frames: a comparison asks the venue, and not what the stream said at its beginning."""

    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", "subscribed", orders={"0": [it.venue.now(order_row(1))]})
        it.say("account_all_positions", "subscribed", positions={"0": {"market_id": 0, "sign": 1, "position": "0"}})
        if what == "fill":
            it.venue.active = [it.venue.now(order_row(1))]
            it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 1))], D("0.01")
        else:
            it.venue.ended = [it.venue.now(order_row(1, status="canceled"))]
        await asyncio.sleep(10)
        assert it.links[-1].state is TRUSTED
        assert [fill.trade_id for fill in it.fills] == (["5"] if what == "fill" else [])
        assert it.updates[-1].state is (OrderState.OPEN if what == "fill" else OrderState.CANCELED)

    play(main)


def test_orders_that_a_stream_began_with_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchanges.lighter.private.KEPT", 2)

    async def main(it: Bench) -> None:
        it.say("account_all_orders", orders={"0": [it.venue.now(order_row(n)) for n in (1, 2, 3)]})
        assert list(it.client._feed._seen) == ["2", "3"]

    play(main)


def test_a_trade_by_hand_in_a_gap_is_told_though_this_process_has_ordered_nothing_yet() -> None:
    """Seed 1575 of the catalogue: the ledger differed from the venue, and a person was called instead of a hedge."""

    async def main(it: Bench) -> None:
        it.wire.cut()
        it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 9))], D("0.01")
        await asyncio.sleep(1)
        assert it.links[-1].state is TRUSTED
        assert [fill.trade_id for fill in it.fills] == ["5"]

    play(main)


def test_before_the_first_order_a_stream_that_comes_back_costs_no_question_of_weight() -> None:
    async def main(it: Bench) -> None:
        before = len(it.net.asked)
        it.wire.cut()
        await asyncio.sleep(1)
        assert it.links[-1].state is TRUSTED
        assert {asked.path.rpartition("/")[2] for asked in it.net.asked[before:]} <= {"account"}

    play(main)


def test_a_nonce_is_asked_for_where_only_orders_may_still_ask() -> None:
    """Hedges wait for it."""

    async def main(it: Bench) -> None:
        budget = it.client._rest._budget
        budget.take(it.clock.now_ns(), Use.TRADE, weight=budget.limit * Use.ASK // 10 - budget._spent)
        it.venue.nonce = 300  # another program used the key meanwhile
        got = it.send(it.order())
        await asyncio.sleep(0.3)
        assert got == [Accepted("")]

    play(main)


# What a request counts at a premium account (docs, rate limits), warm connections among them.
WEIGHS = {"sendTx": 6, "nextNonce": 6, "accountInactiveOrders": 100, "apikeys": 150, "trades": 600}


def weight_of(asked: Asked) -> int:
    return WEIGHS.get(asked.url.partition("?")[0].rpartition("/")[2], 300)


def test_until_the_tier_is_known_requests_weigh_what_the_config_says() -> None:
    """S11: counted as one each, those of a start were 300 times as many at the venue as here."""

    async def main(it: Bench) -> None:
        assert it.client._rest.tier is None  # the venue does not tell it
        names = {asked.path.rpartition("/")[2] for asked in it.net.asked}
        assert names == {"", "apikeys", "accountLimits", "orderBookDetails", "nextNonce", "account"}  # no rows: 600
        it.send(it.order())
        await it.client.get_order_info("ETH", "999")
        await asyncio.sleep(1)
        asked = it.net.asked
        assert sum(weight_of(each) == 6 for each in asked) == 1 + 5 + 1  # the nonce, warm connections, the order
        assert it.client._rest._budget._spent == sum(map(weight_of, asked))

    play(main)


def test_a_warm_connection_counts_as_any_request_of_a_standard_account() -> None:
    """S11: each is a sixtieth of its minute; counted as one of 24,000 they were the venue's and not ours."""

    async def main(it: Bench) -> None:
        it.venue.tier = {"user_tier": "std", "current_maker_fee_tick": 0, "current_taker_fee_tick": 0}
        await it.client.connect()
        rest = it.client._rest
        before, spent = len(it.net.asked), rest._budget._spent
        await rest.http.warm()
        assert len(it.net.asked) - before == 5
        assert rest._budget._spent - spent == 5 * 24_000 // 60

    play(main, per_minute=24_000, connect=False)


def two_others(it: Bench) -> list[LighterClient]:
    """More accounts of its venue."""
    listing = Listing()
    return [
        LighterClient(
            name, venue="lighter", markets={"ETH": "ETH-PERP"}, signer=it.signer, transport=it.net, clock=it.clock,
            rng=Middle(), budget=Budget(24_000), rest_url="https://v", stream_url="wss://v/stream", listing=listing,
        )
        for name in ("chick", "hen")
    ]  # fmt: skip


def test_accounts_of_one_venue_ask_once_for_its_markets() -> None:
    async def main(it: Bench) -> None:
        others = two_others(it)
        before = len(it.net.asked)
        told = await asyncio.gather(*(client.get_contract_attributes("ETH") for client in others))
        assert told[0] == told[1]
        assert sum("orderBookDetails" in asked.url for asked in it.net.asked[before:]) == 1
        for client in others:
            await client.disconnect()

    play(main, connect=False)


@pytest.mark.parametrize("tells", [True, False])
def test_what_a_listing_was_told_is_not_asked_for_again_by_the_run(tells: bool) -> None:
    """S11: each start paid 300 of weight twice for each account's tier, and twice for the markets."""

    def names(it: Bench, since: int) -> list[str]:
        return [asked.path.rpartition("/")[2] for asked in it.net.asked[since:]]

    async def main(it: Bench) -> None:
        if tells:
            it.venue.tier = {"user_tier": "premium", "current_maker_fee_tick": 0, "current_taker_fee_tick": 0}
        lists, runs = two_others(it)
        await lists.get_contract_attributes("ETH")
        await lists.disconnect()
        assert names(it, 0) == ["accountLimits", "orderBookDetails"]
        await runs.connect()
        again = names(it, 2)
        assert ("orderBookDetails" in again, "accountLimits" in again) == (False, not tells)
        assert ("" in again, "apikeys" in again, "nextNonce" in again) == (True, True, True)
        await runs.disconnect()

    play(main, connect=False)


def test_accounts_that_connect_together_ask_for_the_clock_once() -> None:
    """S11: three accounts that come back from a cut paid 900 of a minute's weight for it, each time."""

    async def main(it: Bench) -> None:
        others = two_others(it)

        def greetings() -> int:
            return sum(urlsplit(asked.url).path == "/" for asked in it.net.asked)

        for times in (1, 2):
            before = greetings()
            it.venue.down.add("greeting")
            refused = await asyncio.gather(*(client.connect() for client in others), return_exceptions=True)
            assert [type(why) for why in refused] == [OutcomeUnknown, OutcomeUnknown]
            it.venue.down.clear()
            assert greetings() == before + 1, f"a failure is told to both, at time {times}"
        for expected in (1, 0, 1):  # too old, new, too old again
            before = greetings()
            await asyncio.gather(*(client.connect() for client in others))
            assert greetings() == before + expected
            for client in others:
                await client.disconnect()
            if not expected:
                await asyncio.sleep(1.5)

    play(main, connect=False)


def test_orders_that_are_asked_about_together_share_a_list() -> None:
    """S11: ten orders of a dead run, asked about each for itself some times a second, used up a minute's weight."""

    async def main(it: Bench) -> None:
        it.venue.active = [order_row(number) for number in range(901, 906)]
        before = len(it.net.asked)
        first = asyncio.gather(*(it.client.get_order_info("ETH", str(number)) for number in range(901, 911)))
        hurried = asyncio.ensure_future(it.client.get_order_info("ETH", "905"))
        await asyncio.sleep(0)
        hurried.cancel()  # who gives up takes nobody else along
        told = await first
        assert [None if it is None else it.client_id for it in told] == ["901", "902", "903", "904", "905", *[None] * 5]
        names = [asked.url.partition("?")[0].rpartition("/")[2] for asked in it.net.asked[before:]]
        assert names == ["accountInactiveOrders", "accountActiveOrders", "accountInactiveOrders"]
        it.venue.active = []
        assert await it.client.get_order_info("ETH", "901") is None, "a later question gets a new answer"

    play(main)


def test_coming_back_asks_for_neither_key_nor_tier_nor_markets_again() -> None:
    async def main(it: Bench) -> None:
        await it.client.disconnect()
        await asyncio.sleep(1.5)  # the clock is asked again, but not at once
        before = len(it.net.asked)
        await it.client.connect()
        names = {asked.url.partition("?")[0].rpartition("/")[2] for asked in it.net.asked[before:]}
        assert names == {"", "nextNonce", "account"}

    play(main)


def test_an_account_is_asked_again_only_after_something_moved_or_some_seconds() -> None:
    async def main(it: Bench) -> None:
        async def asks() -> int:
            before = sum("/account?" in asked.url for asked in it.net.asked)
            await it.client.get_account_positions()
            await it.client.get_margin()
            return sum("/account?" in asked.url for asked in it.net.asked) - before

        assert await asks() == 0  # it was asked a moment ago, to trust the stream
        await asyncio.sleep(6)
        assert await asks() == 1
        assert await asks() == 0
        it.send(it.order())
        assert await asks() == 2  # the order's answer came between the two questions
        await asyncio.sleep(0.1)
        assert await asks() == 0
        row = {"market_id": 0, "sign": 1, "position": "0.5"}
        it.say("account_all_positions", positions={"0": row})
        assert await asks() == 1
        it.wire.cut()
        await asyncio.sleep(0.001)
        assert await asks() == 2  # a stream that is not trusted shows nothing

    play(main)


@pytest.mark.parametrize("told", [True, False])
def test_what_an_account_holds_at_a_takeover_costs_no_rows(told: bool) -> None:
    """S11, seed 1152 of the matrix: 600 of weight for each account that a dead run left something on. Rows of a fill
    that comes before the first reading are asked for."""

    async def main(it: Bench) -> None:
        it.venue.position = D("0.02")
        it.net.answers_pings = False
        connecting = asyncio.ensure_future(it.client.connect())
        while not it.net.wires:
            await asyncio.sleep(0.0005)
        it.say("account_all_positions", "subscribed", positions={"0": {"market_id": 0, "sign": 1, "position": "0.02"}})
        if told:
            it.say("account_all_trades", trades={"0": [it.venue.now(trade_row(5, 900))]})
        it.wire.answers_pings = True
        it.wire.receiver.pong()
        await connecting
        assert any("/trades?" in asked.url for asked in it.net.asked) is told
        before = len(it.net.asked)
        held = await it.client.get_account_positions()
        assert ([position.qty for position in held], len(it.net.asked)) == ([D("0.02")], before)

    play(main, connect=False)


def test_rows_of_before_the_run_are_part_of_its_first_position() -> None:
    """An order's missing row is looked for from a minute before it was sent, as clocks differ: what comes along from an
    earlier run or a trade by hand was in the first reading (seed 9 of the catalogue on backpack,lighter)."""

    async def main(it: Bench) -> None:
        it.venue.position = D("-0.02")
        former = it.venue.now(trade_row(4, 900, size="0.0200", ask_account_id=ACCOUNT, bid_account_id=8))
        await asyncio.sleep(2)
        await it.client.connect()
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(
            order_row(1, status="filled", filled_base_amount="0.0200", remaining_base_amount="0.0000"))]})  # fmt: skip
        it.venue.trades = [it.venue.now(trade_row(5, 1, size="0.0200")), former]
        it.venue.position = D(0)
        await asyncio.sleep(3)
        assert [fill.trade_id for fill in it.fills] == ["5"]
        it.wire.cut()
        before = len(it.net.asked)
        await asyncio.sleep(1)
        assert it.links[-1].state is TRUSTED
        assert sum("/trades?" in asked.url for asked in it.net.asked[before:]) == 0  # all adds up

    play(main, connect=False)


def test_a_lost_fill_is_still_read_when_later_ones_have_come() -> None:
    """The venue refused the questions for it for half a minute; meanwhile other fills were told by the stream."""

    async def main(it: Bench) -> None:
        it.send(it.order(), it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(
            order_row(1, status="filled", filled_base_amount="0.0200", remaining_base_amount="0.0000"))]})  # fmt: skip
        it.venue.trades, it.venue.position = [it.venue.now(trade_row(5, 1, size="0.0200"))], D("0.03")
        it.venue.down = {"trades"}
        await asyncio.sleep(30)
        it.say("account_all_trades", trades={"0": [it.venue.now(trade_row(6, 2))]})
        it.venue.trades.insert(0, it.venue.now(trade_row(6, 2)))
        it.venue.down = set()
        await it.client.get_account_positions()
        assert sorted(fill.trade_id for fill in it.fills) == ["5", "6"]

    play(main)


def test_an_order_of_nobody_is_not_found_and_one_of_a_former_life_is() -> None:
    async def main(it: Bench) -> None:
        assert await it.client.get_order_info("ETH", "999") is None
        it.venue.active = [it.venue.now(order_row(998, filled_base_amount="0.0050"))]
        told = await it.client.get_order_info("ETH", "998")
        assert told is not None
        assert (told.state, told.cum_qty, told.client_id) == (OrderState.PARTIALLY_FILLED, D("0.005"), "998")

    play(main)


def lists_asked(it: Bench, since: int) -> list[str]:
    names = (asked.path.rpartition("/")[2] for asked in it.net.asked[since:])
    return [name for name in names if name.endswith("Orders")]


def test_an_order_of_a_former_life_is_looked_for_in_the_cheaper_list_first() -> None:
    """S11: 100 of weight where most were paid 400 for: hedges of a dead run have ended. One that the stream shows as
    open is looked for there."""

    async def main(it: Bench) -> None:
        it.venue.ended = [it.venue.now(order_row(998, status="filled", filled_base_amount="0.0200"))]
        before = len(it.net.asked)
        told = await it.client.get_order_info("ETH", "998")
        assert told is not None
        assert (told.state, lists_asked(it, before)) == (OrderState.FILLED, ["accountInactiveOrders"])
        it.venue.active = [it.venue.now(order_row(997))]
        it.say("account_all_orders", orders={"0": it.venue.active})
        before = len(it.net.asked)
        told = await it.client.get_order_info("ETH", "997")
        assert told is not None
        assert (told.state, lists_asked(it, before)) == (OrderState.OPEN, ["accountActiveOrders"])

    play(main)


def test_an_order_of_a_former_life_that_ends_between_two_lists_is_found() -> None:
    """S4: looked for among the ended ones while it was open, and among the open ones when it had ended, it would count
    as one that never was, and what it filled would be nobody's."""

    async def main(it: Bench) -> None:
        def ends(*_: object) -> object:
            it.venue.ended = [it.venue.now(order_row(998, status="filled", filled_base_amount="0.0200"))]
            return as_json({"code": 200, "orders": []})

        it.venue.on_accountActiveOrders = ends  # type: ignore[method-assign]
        told = await it.client.get_order_info("ETH", "998")
        assert told is not None
        assert (told.state, told.cum_qty) == (OrderState.FILLED, D("0.02"))

    play(main)


def test_rows_for_the_books_alone_leave_half_of_a_minute() -> None:
    """S11: a takeover may go on without them."""

    async def main(it: Bench) -> None:
        it.venue.trades = [it.venue.now(trade_row(5, 900))]
        assert [row.trade_id for row in await it.client.get_spare_fills("ETH", 0)] == ["5"]
        budget = it.client._rest._budget
        budget.take(it.clock.now_ns(), Use.TRADE, weight=budget.limit * Use.UPKEEP // 100 - budget._spent)
        with pytest.raises(RateLimited):
            await it.client.get_spare_fills("ETH", 0)
        assert [row.trade_id for row in await it.client.get_fills("ETH", 0)] == ["5"]

    play(main)


# --- streams


def test_a_gap_is_caught_up_before_the_stream_is_trusted() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        it.say("account_all_orders", orders={"0": [it.venue.now(order_row(1))]})
        it.wire.cut()
        it.venue.position = D("0.01")
        it.venue.trades = [it.venue.now(trade_row(5, 1))]
        it.venue.active = [it.venue.now(order_row(1, filled_base_amount="0.0100"))]
        await asyncio.sleep(3)
        assert [link.state for link in it.links] == [RESYNC, TRUSTED, LOST, RESYNC, TRUSTED]
        after = [type(event).__name__ for event in it.told[it.told.index(it.links[2]) :]]
        assert after[:5] == ["LinkUpdate", "LinkUpdate", "Fill", "OrderUpdate", "LinkUpdate"]
        assert len(it.fills) == 1

    play(main)


def test_pings_are_answered_and_something_is_said_every_minute() -> None:
    async def main(it: Bench) -> None:
        it.wire.say({"type": "ping"}, it.clock)
        assert it.wire.sent[-1] == '{"type":"pong"}'
        await asyncio.sleep(125)
        assert it.wire.sent.count('{"type":"ping"}') == 2
        assert it.links[-1].state is TRUSTED

    play(main)


def test_a_token_is_renewed_at_half_of_its_life_and_a_comparison_follows() -> None:
    async def main(it: Bench) -> None:
        first = [json.loads(text) for text in it.wire.sent]
        assert [said["channel"] for said in first] == [
            f"account_all_{name}/{ACCOUNT}" for name in ("orders", "trades", "positions")
        ]
        assert len(it.net.wires) == 1
        await asyncio.sleep(3.5 * 3600 - 1)
        assert not any("unsubscribe" in text for text in it.wire.sent)
        asked = len(it.net.asked)
        await asyncio.sleep(2.5)  # a comparison follows
        assert {"account"} <= {it.path.rpartition("/")[2] for it in it.net.asked[asked:]}
        later = [json.loads(text) for text in it.wire.sent if "subscribe" in text][3:]
        assert [said["type"] for said in later] == ["unsubscribe", "subscribe"] * 3
        assert {said["auth"] for said in later if "auth" in said} != {said["auth"] for said in first}
        assert len(it.net.wires) == 1

    play(main)


def test_the_token_of_questions_is_renewed_at_half_of_its_ten_minutes() -> None:
    async def main(it: Bench) -> None:
        it.venue.tokens.clear()
        for _ in range(4):
            await it.client.get_active_orders("ETH")
            await asyncio.sleep(151)
        first, second, third, fourth = (int(token.split(":")[0]) for token in it.venue.tokens)
        assert (first == second, third == fourth, third - first) == (True, True, 302)

    play(main)


@pytest.mark.parametrize(
    ("frame", "state"),
    [
        ({"error": {"code": 30003, "message": "Already Subscribed to : account_all_orders:77"}}, TRUSTED),
        ({"error": {"code": 30005, "message": "Invalid Channel"}}, LOST),
        ({"error": {"code": 20001, "message": "invalid param : auth field is required"}}, LOST),
        ({"type": "update/something_new", "channel": "x"}, TRUSTED),
        ({"type": "jsonapi/sendtx", "code": 200}, TRUSTED),
        ({"type": 7}, LOST),
        (b"<html>502</html>", LOST),
        (b"", LOST),
    ],
)
def test_what_the_stream_says_besides(frame: object, state: LinkState) -> None:
    async def main(it: Bench) -> None:
        it.wire.say(frame, it.clock)
        await asyncio.sleep(0.01)
        assert it.links[-1].state is state

    play(main)


def test_an_order_frame_in_the_other_spelling_of_its_channel_is_read() -> None:
    async def main(it: Bench) -> None:
        it.send(it.order())
        await asyncio.sleep(0.1)
        for channel in (f"account_all_orders:{ACCOUNT}", f"account_all_orders:0:{ACCOUNT}", "account_all_orders:0"):
            row = it.venue.now(order_row(1))
            it.wire.say({"type": "update/account_all_orders", "channel": channel, "orders": {"0": [row]}}, it.clock)
        assert [update.state for update in it.updates] == [OrderState.OPEN]

    play(main)


# --- connecting and asking


def test_quotes_come_from_the_ticker_newest_only_and_an_empty_side_is_no_quote_to_open_on() -> None:
    async def main(it: Bench) -> None:
        it.client.setup_quote_handler("ETH", it.quotes.append)
        await it.client.connect()
        wire = it.net.wires[-1]
        assert [json.loads(text)["channel"] for text in wire.sent] == ["ticker/0"]
        for number, bid in enumerate(("2600.00", "2600.01", "2600.02")):
            ticker = {"s": "ETH", "a": {"price": "2600.10", "size": "0.5"}, "b": {"price": bid, "size": "1"}}
            said = {"type": "update/ticker", "channel": "ticker:0", "nonce": number, "timestamp": 5, "ticker": ticker}
            wire.say(said, it.clock)
        await asyncio.sleep(0.001)
        assert [(quote.bid, quote.ask) for quote in it.quotes] == [(D("2600.02"), D("2600.10"))]
        ticker = {"s": "ETH", "a": {"price": "", "size": ""}, "b": {"price": "2600", "size": "1"}}
        wire.say(
            {"type": "update/ticker", "channel": "ticker:0", "nonce": 9, "timestamp": 5, "ticker": ticker}, it.clock
        )
        await asyncio.sleep(0.001)
        assert it.quotes[-1].crossed

    play(main, connect=False)


def test_instrument_margin_and_positions_are_read() -> None:
    async def main(it: Bench) -> None:
        it.venue.tier = {"user_tier": "std", "current_maker_fee_tick": 0, "current_taker_fee_tick": 40}
        await it.client.connect()
        told = await it.client.get_contract_attributes("ETH")
        assert (told.market, told.tick, told.lot, told.min_qty, told.min_notional) == (
            "ETH-PERP", D("0.01"), D("0.0001"), D("0.005"), D(10),
        )  # fmt: skip
        assert (told.maker_fee, told.taker_fee, told.initial_margin, told.maintenance_margin) == (
            0, D("0.00004"), D("0.05"), D("0.012"),
        )  # fmt: skip
        it.venue.position = D("-0.5")
        await asyncio.sleep(6)
        [position] = await it.client.get_account_positions()
        assert (position.symbol, position.qty) == ("ETH", D("-0.5"))
        margin = await it.client.get_margin()
        assert (margin.equity, margin.free) == (D("1000.5"), D(900))
        facts = await it.client.get_account_facts("ETH")
        assert replace(facts, clock_offset_ms=0) == AccountFacts(0, "std", 60, D(5), "isolated", None)
        assert abs(facts.clock_offset_ms or 0) <= 1_000
        with pytest.raises(Rejected, match="is not listed on Lighter"):
            await it.client.get_contract_attributes("NONE")
        with pytest.raises(Rejected, match="is a spot market"):
            await it.client.get_contract_attributes("A/B")

    play(main, connect=False)


REFUSED_AT_START = [
    ({"code": 21109, "message": "api key not found"}, AuthFailed, "21109"),
    ({"code": 200, "api_keys": []}, AuthFailed, "has no API key 5"),
    ({"code": 29500, "message": "internal"}, OutcomeUnknown, "29500"),
    ([], LinkDown, "cannot be read"),
]


@pytest.mark.parametrize(("answer", "error", "words"), REFUSED_AT_START, ids=["key", "no key", "down", "unreadable"])
def test_a_start_that_fails_says_why(answer: object, error: type[Exception], words: str) -> None:
    async def main(it: Bench) -> None:
        it.venue.on_apikeys = lambda *_: as_json(answer, status=200)  # type: ignore[method-assign]
        with pytest.raises(error, match=words):
            await it.client.connect()

    play(main, connect=False)


def test_a_clock_that_is_far_off_is_refused() -> None:
    async def main(it: Bench) -> None:
        it.venue.on_greeting = lambda *_: as_json({"timestamp": it.clock.wall_ms() // 1000 + 45})  # type: ignore[method-assign]
        with pytest.raises(AuthFailed, match="set the clock"):
            await it.client.connect()

    play(main, connect=False)


def test_a_standard_account_leaves_most_of_its_sixty_requests_to_orders() -> None:
    async def main(it: Bench) -> None:
        before = len(it.net.asked)
        assert before <= 16
        await asyncio.sleep(600)
        assert (len(it.net.asked) - before) / 10 <= 8  # a minute

    play(main, per_minute=60)


def test_a_standard_account_has_sixty_requests_a_minute_whatever_the_config_hopes_for() -> None:
    """Beyond them its firewall lets nothing in for a minute, no hedge and no cancel either."""

    async def main(it: Bench) -> None:
        it.venue.tier = {"user_tier": "std", "current_maker_fee_tick": 0, "current_taker_fee_tick": 0}
        await it.client.connect()
        got = it.send(*(it.order() for _ in range(100)))
        await asyncio.sleep(1)
        assert len(it.net.asked) == 60  # those of the start among them
        assert any(isinstance(reply, Refused) and reply.refusal is Refusal.RATE for reply in got)

    play(main, per_minute=24_000, connect=False)


def test_after_the_end_nothing_is_sent_any_more() -> None:
    async def perform(loop: Any) -> None:
        it = Bench(loop)
        await it.client.connect()
        lost(it, taken=False)
        it.net.delay_ns = 10_000_000
        got = it.send(it.order())
        await asyncio.sleep(0.001)
        await it.client.disconnect()
        assert isinstance(got[0], Unknown)
        got = it.send(it.order())
        assert isinstance(got[0], Refused)
        assert len(it.venue.forms) == 1

    run_virtual(perform)


async def slowly(work: Callable[[], Any]) -> Any:
    """Signs as long as the native library does on a slow machine, off the loop."""
    await asyncio.sleep(0.008)
    return work()


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SignerThread, "at_once", False)
    monkeypatch.setattr(SignerThread, "call", lambda _, work: slowly(work))


def test_what_is_being_signed_when_the_session_closes_is_answered_as_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its order would be in flight for ever, and what it was to hedge stay open."""
    slow(monkeypatch)

    async def main(it: Bench) -> None:
        got = it.send(it.order(), it.order())
        await asyncio.sleep(0.004)
        await it.client.disconnect()
        assert [type(reply) for reply in got] == [Refused, Refused]
        assert it.venue.forms == []
        await it.client.connect()
        got = it.send(it.order())
        await asyncio.sleep(0.1)
        assert got == [Accepted("")]

    play(main)


def ahead(it: Bench, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A signer with a thread that is always as fast as it can be; returns what it signs: client index and nonce."""
    signed: list[tuple[int, int]] = []
    sign = it.signer.order

    def noted(tx: OrderTx, *, nonce: int) -> SignedTx:
        signed.append((tx.client_index, nonce))
        if tx.client_index == 9:
            raise ValueError("no such number")
        return sign(tx, nonce=nonce)

    def begin(_: SignerThread, work: Callable[[], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work())
        except ValueError as error:
            done.set_exception(error)
        return done

    monkeypatch.setattr(it.signer, "order", noted)
    monkeypatch.setattr(SignerThread, "at_once", False)
    monkeypatch.setattr(SignerThread, "begin", begin)
    return signed


def test_what_is_signed_quickly_leaves_before_the_loop_goes_round() -> None:
    async def main(it: Bench) -> None:
        got = it.send(*(it.order() for _ in range(3)))
        assert [asked.url.rsplit("/", 1)[1] for asked in it.net.asked[-3:]] == ["sendTx"] * 3
        await asyncio.sleep(0.3)
        assert got == [Accepted("")] * 3
        assert [(info["ClientOrderIndex"], info["Nonce"]) for info in it.venue.taken] == [(1, 100), (2, 101), (3, 102)]

    play(main)


def test_what_is_signed_quickly_does_not_overtake_what_is_signed_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue takes nonces in their order only."""

    async def main(it: Bench) -> None:
        with monkeypatch.context() as at_first:
            slow(at_first)
            first = it.send(it.order())
            await asyncio.sleep(0.004)
            at_first.setattr(SignerThread, "at_once", True)
            second = it.send(it.order())
            await asyncio.sleep(0.3)
        assert (first, second) == ([Accepted("")], [Accepted("")])
        assert [(info["ClientOrderIndex"], info["Nonce"]) for info in it.venue.taken] == [(1, 100), (2, 101)]

    play(main)


def test_hedges_of_one_message_are_signed_before_the_loop_goes_round(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(it: Bench) -> None:
        signed = ahead(it, monkeypatch)
        got = it.send(*(it.order() for _ in range(3)))
        assert signed == [(1, 100), (2, 101), (3, 102)]
        await asyncio.sleep(0.3)
        assert got == [Accepted("")] * 3
        assert len(signed) == 3
        assert [info["Nonce"] for info in it.venue.taken] == [100, 101, 102]
        it.send(it.order())
        assert signed[3:] == [(4, 103)]

    play(main)


def in_a_row(
    it: Bench, monkeypatch: pytest.MonkeyPatch, *orders: OrderRequest, refused: int = 0
) -> tuple[list[Reply], list[str]]:
    """Sends orders together, with a signer that has a thread and is quick; returns replies and what came to pass.

    The first `refused` transactions come back at once: no connection.
    """
    left = iter([False] * refused)
    seen: list[str] = []
    ahead(it, monkeypatch)
    monkeypatch.setattr(SignerThread, "at_once", True)
    sign, send = it.signer.order, it.net.send

    def noted(tx: OrderTx, *, nonce: int) -> SignedTx:
        seen.append(f"signed {tx.client_index} with {nonce}")
        return sign(tx, nonce=nonce)

    def sent(request: Request, *, written: Callable[[], None], done: OnAnswer) -> None:
        if request.url.endswith("/sendTx"):
            seen.append("sent")
            if not next(left, True):
                done(LinkDown("refused"))
                return
        send(request, written=written, done=done)

    monkeypatch.setattr(it.signer, "order", noted)
    monkeypatch.setattr(it.net, "send", sent)
    with it.client.together():
        got = it.send(*orders)
        assert "sent" not in seen
    return got, seen


def test_those_of_a_row_are_signed_while_the_first_is_sent_and_have_left_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(it: Bench) -> None:
        got, seen = in_a_row(it, monkeypatch, *(it.order() for _ in range(3)))
        assert seen == ["signed 1 with 100", "signed 2 with 101", "signed 3 with 102", "sent", "sent", "sent"]
        await asyncio.sleep(0.3)
        assert got == [Accepted("")] * 3
        assert [(info["ClientOrderIndex"], info["Nonce"]) for info in it.venue.taken] == [(1, 100), (2, 101), (3, 102)]
        it.send(it.order())
        assert seen[6:] == ["signed 4 with 103", "sent"]

    play(main)


def test_a_row_in_a_row_leaves_at_the_end_of_the_outer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs may share the account."""

    async def main(it: Bench) -> None:
        with it.client.together():
            _, seen = in_a_row(it, monkeypatch, it.order(), it.order())
            assert "sent" not in seen
        assert seen[2:] == ["sent", "sent"]

    play(main)


def test_one_of_a_row_that_cannot_be_signed_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was signed behind it has the wrong nonce by that."""

    async def perform(loop: Any) -> None:
        it = Bench(loop)
        await it.client.connect()
        loop.set_exception_handler(lambda *_: None)
        got, seen = in_a_row(it, monkeypatch, it.order(client_id="9"), it.order(), it.order())
        assert seen[3:] == ["signed 1 with 100", "sent", "signed 2 with 101", "sent"]
        await asyncio.sleep(0.3)
        assert [type(reply) for reply in got] == [Refused, Accepted, Accepted]
        await it.client.disconnect()

    run_virtual(perform)


def test_where_one_of_a_row_does_not_leave_the_others_wait_for_the_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is gone: the first comes back at once, and which nonce is next is no longer known."""

    async def main(it: Bench) -> None:
        got, seen = in_a_row(it, monkeypatch, *(it.order() for _ in range(3)), refused=1)
        assert seen[3:] == ["sent"]
        await asyncio.sleep(0.3)
        assert [type(reply) for reply in got] == [Refused, Accepted, Accepted]
        assert [(info["ClientOrderIndex"], info["Nonce"]) for info in it.venue.taken] == [(2, 100), (3, 101)]

    play(main)


def test_what_was_signed_with_a_nonce_that_is_not_its_own_is_signed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not leave: what became of it would be asked of another nonce."""
    begun: list[tuple[Future[Any], Callable[[], Any]]] = []

    def begin(_: SignerThread, work: Callable[[], Any]) -> Future[Any]:
        begun.append((Future(), work))
        return begun[-1][0]

    async def finish() -> None:
        """The thread has done all that it was given and that nobody has called off."""
        waiting, begun[:] = begun[:], []
        for future, work in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(work())
        await asyncio.sleep(0.1)

    async def main(it: Bench) -> None:
        monkeypatch.setattr(SignerThread, "at_once", False)
        monkeypatch.setattr(SignerThread, "begin", begin)
        it.venue.nonce = 300  # another program used the key meanwhile
        got = it.send(*(it.order() for _ in range(3)))
        second, third = begun.pop(1), begun.pop(1)
        await finish()  # the first is refused for its nonce while the second is being signed
        begun.append(second)
        await finish()
        begun.append(third)
        while begun:
            await finish()
        assert got == [Accepted("")] * 3
        sent = [json.loads(form["tx_info"][0]) for form in it.venue.forms]
        assert [(info["ClientOrderIndex"], info["Nonce"]) for info in sent] == [
            (1, 100), (2, 101), (1, 300), (2, 301), (3, 302),
        ]  # fmt: skip

    play(main)


def test_a_refused_transaction_leaves_its_nonce_to_the_next_though_that_was_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(it: Bench) -> None:
        ahead(it, monkeypatch)
        it.venue.answers.append(lambda _: as_json({"code": 21739, "message": "not enough margin"}, status=400))
        got = it.send(*(it.order() for _ in range(3)))
        await asyncio.sleep(0.3)
        assert [type(reply) for reply in got] == [Refused, Accepted, Accepted]
        assert [(info["Nonce"], info["ClientOrderIndex"]) for info in it.venue.taken] == [(100, 2), (101, 3)]

    play(main)


def test_one_that_cannot_be_signed_ahead_is_told_in_its_turn_and_costs_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def perform(loop: Any) -> None:
        it = Bench(loop)
        await it.client.connect()
        loop.set_exception_handler(lambda *_: None)
        ahead(it, monkeypatch)
        got = it.send(it.order(client_id="9"), it.order(), it.order())
        await asyncio.sleep(0.3)
        assert [type(reply) for reply in got] == [Refused, Accepted, Accepted]
        assert [info["Nonce"] for info in it.venue.taken] == [100, 101]
        await it.client.disconnect()

    run_virtual(perform)


def test_a_signer_that_fails_costs_neither_the_answer_nor_the_next_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async def perform(loop: Any) -> None:
        it = Bench(loop)
        await it.client.connect()
        failed: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: failed.append(context))
        sign = it.signer.order

        def broken_once(tx: OrderTx, *, nonce: int) -> SignedTx:
            if tx.client_index == 1:
                raise ValueError("no such number")
            return sign(tx, nonce=nonce)

        monkeypatch.setattr(it.signer, "order", broken_once)
        got = it.send(it.order(), it.order())
        await asyncio.sleep(0.1)
        assert [type(reply) for reply in got] == [Refused, Accepted]
        assert [str(context["exception"]) for context in failed] == ["no such number"]
        await it.client.disconnect()

    run_virtual(perform)


def test_an_order_that_was_signed_anew_is_void_only_by_its_new_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch)

    async def main(it: Bench) -> None:
        it.venue.nonce = 300  # another program used the key meanwhile
        it.venue.answers.append(lambda _: None)
        lost(it, taken=False)
        got = it.send(it.order())
        await asyncio.sleep(0.014)  # refused for its nonce, and being signed with 300
        with pytest.raises(OutcomeUnknown):
            await it.client.get_order_info("ETH", "1")
        await asyncio.sleep(0.3)
        assert isinstance(got[0], Unknown)
        [cancel] = it.venue.taken
        assert (cancel["Nonce"], cancel["Index"]) == (300, 1)

    play(main)
