"""Backpack's client beyond the cards: what its documents leave open, and what replies and frames must not do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest
from card_benches import SPEC, D
from test_backpack_wire import fill_frame, rest_order, said
from transport_kit import MS, Asked, MemoryTransport, Middle, Wire, as_json, run_virtual

from engine.runtime.loop import VirtualLoop
from exchanges.backpack.client import BATCH_MOST, BackpackClient
from exchanges.backpack.wire.request import Signer
from exchanges.budget import Budget
from exchanges.errors import AuthFailed, ExchangeError, LinkDown, OutcomeUnknown, Rejected
from exchanges.transport import Answered, Response
from exchanges.types import (
    Accepted,
    Fill,
    FillKind,
    LinkState,
    LinkUpdate,
    Margin,
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

SYMBOL = SPEC.symbol
SEED = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
MARKET = {
    "symbol": SYMBOL, "baseSymbol": "ETH", "quoteSymbol": "USDC", "marketType": "PERP", "orderBookState": "Open",
    "filters": {"price": {"tickSize": "0.05"}, "quantity": {"minQuantity": "0.002", "stepSize": "0.001"}},
}  # fmt: skip
ACCOUNT = {
    "futuresMakerFee": "2",
    "futuresTakerFee": "5",
    "spotMakerFee": "2",
    "spotTakerFee": "5",
    "leverageLimit": "10",
}


class Stage:
    """One account on a venue that is a table: `answers` by method and path, values or functions of the request."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.clock = loop.clock
        self.answers: dict[str, object] = {
            "GET api/v1/status": {"status": "Ok", "message": None},
            "GET api/v1/ping": "pong",
            "GET api/v1/market": MARKET,
            "GET api/v1/account": ACCOUNT,
            "GET api/v1/orders": [],
            "GET api/v1/position": [],
            "GET api/v1/order": Response(404, {}, b'{"code":"RESOURCE_NOT_FOUND","message":"Order not found"}'),
            "GET wapi/v1/history/fills": [],
            "GET wapi/v1/history/orders": [],
        }
        self.skew_ms = 0
        self.transport = MemoryTransport(loop.clock, self._answer, delay_ns=5 * MS)
        self.client = BackpackClient(
            "a", venue="v", markets={SYMBOL: "ETH-PERP"}, signer=Signer(SEED), transport=self.transport,
            clock=loop.clock, rng=Middle(), budget=Budget(10_000), rest_url="https://venue", stream_url="wss://venue",
        )  # fmt: skip
        self.told: list[Any] = []
        self.replies: list[Reply] = []
        self.client.setup_order_update_handler(self.told.append)

    def _answer(self, asked: Asked) -> Answered | None:
        if asked.path == "api/v1/time":
            return Response(200, {}, str(self.clock.wall_ms() + 2 + self.skew_ms).encode())
        answer = self.answers.get(f"{asked.method} {asked.path}")
        if callable(answer):
            answer = answer(asked)
        if answer is None or isinstance(answer, Response | LinkDown | OutcomeUnknown):
            return answer
        return as_json(answer)

    @property
    def wire(self) -> Wire:
        return self.transport.wires[-1]

    def order(self, client_id: str = "4242", *, valid_ms: int = 2_000) -> OrderRequest:
        return OrderRequest(
            client_id=client_id, account="a", symbol=SYMBOL, side=Side.BUY, qty=D(1), price=D("2000.25"),
            type=OrderType.LIMIT, tif=TimeInForce.GTC, post_only=False, reduce_only=False, valid_ms=valid_ms,
            self_trade=SelfTrade.CANCEL_TAKER,
        )  # fmt: skip

    def submit(self, client_id: str = "4242", *, valid_ms: int = 2_000) -> None:
        self.client.submit(self.order(client_id, valid_ms=valid_ms), self.replies.append)

    def say(self, **changes: object) -> None:
        self.wire.say(said(fill_frame(s=SYMBOL, **changes), f"account.orderUpdate.{SYMBOL}"), self.clock)

    def of(self, kind: type[Any]) -> list[Any]:
        return [it for it in self.told if isinstance(it, kind)]

    def asked(self, what: str) -> list[Asked]:
        return [it for it in self.transport.asked if f"{it.method} {it.path}" == what]


def stage(main: Callable[[Stage], Coroutine[Any, Any, None]], *, connect: bool = True) -> Stage:
    async def run(loop: VirtualLoop) -> Stage:
        it = Stage(loop)
        try:
            if connect:
                await it.client.connect()
            await main(it)
        finally:
            await it.client.disconnect()
        return it

    return run_virtual(run)


def placed(**changes: object) -> dict[str, Any]:
    """The reply to `Stage.order`."""
    usual = {
        "symbol": SYMBOL, "side": "Bid", "quantity": "1", "price": "2000.25", "executedQuantity": "0",
        "createdAt": 1_700_000_000_500,
    }  # fmt: skip
    return rest_order(**(usual | changes))


# --- start


@pytest.mark.parametrize(("skew_ms", "refused"), [(0, False), (900, False), (-900, False), (1200, True), (-5000, True)])
def test_a_clock_that_is_too_far_off_refuses_the_start_and_a_small_one_is_allowed_for(
    skew_ms: int, refused: bool
) -> None:
    async def main(it: Stage) -> None:
        it.skew_ms = skew_ms
        if refused:
            with pytest.raises(AuthFailed, match=f"the venue's clock is {skew_ms} ms from this machine's"):
                await it.client.connect()
            assert it.transport.wires == []
            return
        await it.client.connect()
        it.submit()
        [order] = it.asked("POST api/v1/order")
        sent_ms = int(order.headers["X-Timestamp"])
        assert sent_ms == it.clock.wall_ms() + skew_ms

    stage(main, connect=False)


def test_a_venue_under_maintenance_is_not_connected_to() -> None:
    async def main(it: Stage) -> None:
        it.answers["GET api/v1/status"] = {"status": "Maintenance", "message": "until noon"}
        with pytest.raises(LinkDown, match="the venue is closed: Maintenance: until noon"):
            await it.client.connect()

    stage(main, connect=False)


@pytest.mark.parametrize(
    ("what", "answer", "error"),
    [
        ("GET api/v1/market", Response(502, {}, b"<html>bad gateway</html>"), OutcomeUnknown),
        ("GET api/v1/market", Response(200, {}, b"<html>hello</html>"), LinkDown),
        ("GET api/v1/account", Response(401, {}, b'{"code":"UNAUTHORIZED","message":"no"}'), AuthFailed),
        ("GET api/v1/market", Response(400, {}, b'{"code":"INVALID_SYMBOL","message":"no"}'), Rejected),
        ("GET wapi/v1/history/fills", Response(200, {}, b"null"), LinkDown),
        ("GET api/v1/position", Response(500, {}, b""), OutcomeUnknown),
        ("GET api/v1/orders", None, OutcomeUnknown),
    ],
)
def test_a_start_that_cannot_be_is_one_clear_error(what: str, answer: Response | None, error: type) -> None:
    async def main(it: Stage) -> None:
        it.answers[what] = answer
        with pytest.raises(ExchangeError) as caught:
            await it.client.connect()
        assert type(caught.value) is error
        assert LinkState.TRUSTED not in [link.state for link in it.of(LinkUpdate)]

    stage(main, connect=False)


def test_a_subscription_that_the_venue_refuses_is_not_tried_for_ever_at_once() -> None:
    async def main(it: Stage) -> None:
        it.wire.say({"id": None, "error": {"code": "INVALID_SIGNATURE", "message": "bad"}}, it.clock)
        await asyncio.sleep(20)
        assert [link.state for link in it.of(LinkUpdate)][-1] is LinkState.LOST
        assert len(it.transport.wires) == 1

    stage(main)


# --- replies to orders


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (placed(), Accepted("77")),
        (placed(status="Filled", executedQuantity="1"), Accepted("77")),
        (placed(status="Expired", expiryReason="ImmediateOrCancel"), Accepted("77")),
        # The two shapes of a post-only order that would take: accepted and expired, or refused.
        (placed(status="Expired", expiryReason="PostOnlyTaker"), Refused(Refusal.POST_ONLY, "PostOnlyTaker")),
        (Response(400, {}, b'{"code":"INVALID_ORDER","message":"Order would immediately match and take"}'),
         Refused(Refusal.POST_ONLY, "INVALID_ORDER: Order would immediately match and take")),
        (Response(429, {}, b""), Refused(Refusal.RATE, "HTTP 429: empty body")),
        (Response(400, {}, b'{"code":"INVALID_ORDER","message":"clientId exists"}'),
         Unknown("duplicate_id: INVALID_ORDER: clientId exists")),
        (LinkDown("POST did not leave: refused"), Refused(Refusal.VENUE, "POST did not leave: refused")),
        (OutcomeUnknown("POST: the connection was lost"), Unknown("POST: the connection was lost")),
    ],
)  # fmt: skip
def test_replies_and_what_the_engine_is_told(answer: object, expected: Reply) -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = answer
        it.submit()
        await asyncio.sleep(1)

    assert stage(main).replies == [expected]


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, {}, b""), Response(200, {}, b"<html>welcome</html>"), Response(200, {}, b"[]"),
        Response(202, {}, b""), Response(204, {}, b""), Response(302, {"location": "/"}, b""),
        Response(403, {}, b"<html>Just a moment...</html>"), Response(404, {}, b"<html>nginx</html>"),
        Response(408, {}, b""), Response(500, {}, b'{"code":"INSUFFICIENT_MARGIN","message":"?"}'),
        Response(503, {}, b'{"code":"MAINTENANCE","message":"soon"}'), Response(200, {}, b'{"code":"INVALID_ORDER"}'),
        as_json(placed(clientId=1)), as_json(placed(clientId=None)), as_json(placed(status="Melted")),
    ],
)  # fmt: skip
def test_whatever_is_no_plain_answer_leaves_the_outcome_unknown(answer: Response) -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = answer
        it.submit()
        await asyncio.sleep(1)
        assert it.of(Fill) == []

    [reply] = stage(main).replies
    assert isinstance(reply, Unknown)
    assert reply.dead_ns == reply.signed_ns + (2_000 + 4 + 1_000) * MS  # window, misread clock, and a second


def test_a_step_of_our_clock_moves_no_timestamp() -> None:
    """S4: with the step in it, the venue would take an order for longer than "dead" is waited for."""

    async def main(it: Stage) -> None:
        before = int(it.asked("GET api/v1/orders")[-1].headers["X-Timestamp"]) - it.clock.now_ns() // MS
        it.clock._start_wall_ms += 900
        it.submit()
        await asyncio.sleep(0)
        stamp = int(it.asked("POST api/v1/order")[0].headers["X-Timestamp"])
        assert abs(stamp - it.clock.now_ns() // MS - before) <= 10

    stage(main)


def test_the_state_in_a_reply_counts_but_its_fills_wait_for_their_rows() -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = placed(status="Filled", executedQuantity="1")
        it.submit()
        await asyncio.sleep(0.05)
        assert it.replies == [Accepted("77")]
        assert it.of(OrderUpdate) == []
        await asyncio.sleep(0.1)  # no frame came: the reply's word is better than none
        [update] = it.of(OrderUpdate)
        assert (update.state, update.cum_qty) == (OrderState.FILLED, 1)
        it.answers["GET wapi/v1/history/fills"] = [
            {"clientId": "4242", "fee": "0.1", "feeSymbol": "USDC", "isMaker": False, "orderId": "77",
             "price": "2000.25", "quantity": "1", "side": "Bid", "symbol": SYMBOL, "tradeId": 5,
             "timestamp": "2023-11-14T22:13:21"},
        ]  # fmt: skip
        await asyncio.sleep(2.5)  # the stream never told: the row is fetched
        [fill] = it.of(Fill)
        assert (fill.client_id, fill.qty, fill.trade_id) == ("4242", 1, "5")

    stage(main)


def test_frames_win_over_a_reply_that_comes_later() -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = placed(status="New")
        it.submit()
        it.say(i="77", q="1", z="1", l="1", L="2000.25", X="Filled", T=1_700_000_000_500_000)
        await asyncio.sleep(1)
        assert [update.state for update in it.of(OrderUpdate)] == [OrderState.FILLED]
        assert len(it.of(Fill)) == 1

    assert stage(main).replies == [Accepted("77")]


def test_a_batch_goes_out_in_requests_that_are_not_too_large() -> None:
    def answer(asked: Asked) -> object:
        return [
            {"operation": "Ok", **placed(clientId=order["clientId"], id=str(order["clientId"]))}
            if order["clientId"] != 3
            else {"operation": "Err", "code": "INSUFFICIENT_MARGIN", "message": "no"}
            for order in json.loads(asked.body)
        ]

    async def main(it: Stage) -> None:
        it.answers["POST api/v1/orders"] = answer
        got: dict[str, Reply] = {}
        it.client.submit_batch([it.order(str(n)) for n in range(1, 26)], got.__setitem__)
        assert [len(json.loads(asked.body)) for asked in it.asked("POST api/v1/orders")] == [BATCH_MOST, BATCH_MOST, 5]
        await asyncio.sleep(1)
        assert list(got) == [str(n) for n in range(1, 26)]
        refused = {client_id: reply for client_id, reply in got.items() if not isinstance(reply, Accepted)}
        assert refused == {"3": Refused(Refusal.MARGIN, "INSUFFICIENT_MARGIN: no")}

    stage(main)


def test_a_batch_without_an_answer_leaves_every_order_unknown() -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/orders"] = Response(200, {}, b"[{}]")
        got: dict[str, Reply] = {}
        it.client.submit_batch([it.order("1"), it.order("2")], got.__setitem__)
        await asyncio.sleep(1)
        assert [type(reply) for reply in got.values()] == [Unknown, Unknown]

    stage(main)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (placed(status="Cancelled"), Accepted("77")),
        (Response(202, {}, b""), Accepted("")),  # taken, not executed yet
        (Response(200, {}, b""), Accepted("")),
        (Response(404, {}, b'{"code":"RESOURCE_NOT_FOUND","message":""}'),
         Refused(Refusal.NOT_FOUND, "RESOURCE_NOT_FOUND: ")),
        (Response(400, {}, b'{"code":"INVALID_ORDER","message":"Order not found"}'),
         Refused(Refusal.NOT_FOUND, "INVALID_ORDER: Order not found")),
        (Response(500, {}, b""), Unknown("HTTP 500: empty body")),
    ],
)  # fmt: skip
def test_cancels_and_what_the_engine_is_told(answer: object, expected: Reply) -> None:
    async def main(it: Stage) -> None:
        it.answers["DELETE api/v1/order"] = answer
        it.client.submit_cancel(SYMBOL, "4242", it.replies.append)
        await asyncio.sleep(1)
        [asked] = it.asked("DELETE api/v1/order")
        assert json.loads(asked.body) == {"clientId": 4242, "symbol": SYMBOL}
        assert asked.headers["X-Window"] == "2000"

    assert stage(main).replies == [expected]


@pytest.mark.parametrize(("valid_ms", "window"), [(2_000, "2000"), (60_000, "2000"), (700, "700")])
def test_an_order_is_valid_as_short_as_it_is_asked_for(valid_ms: int, window: str) -> None:
    async def main(it: Stage) -> None:
        it.submit(valid_ms=valid_ms)
        assert it.asked("POST api/v1/order")[0].headers["X-Window"] == window

    stage(main)


# --- asking


def test_no_such_order_is_said_only_while_the_stream_is_live() -> None:
    async def main(it: Stage) -> None:
        assert await it.client.get_order_info(SYMBOL, "4242") is None
        it.transport.refuse_ws = 1000
        it.wire.cut()
        await asyncio.sleep(0.1)
        with pytest.raises(LinkDown, match="its stream is not there to confirm it"):
            await it.client.get_order_info(SYMBOL, "4242")

    stage(main)


def test_an_answer_by_id_counts_only_if_it_can_be_this_order() -> None:
    """S15: the venue's history holds an order of the same client id, made long before, or on the other side."""

    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = None  # no answer
        it.submit()
        old = placed(status="Filled", executedQuantity="1", createdAt="2023-11-14T20:00:00")
        other_side = placed(status="Filled", executedQuantity="1") | {"side": "Ask"}
        for wrong in (old, other_side):
            it.answers["GET wapi/v1/history/orders"] = [wrong]
            assert await it.client.get_order_info(SYMBOL, "4242") is None
        it.answers["GET wapi/v1/history/orders"] = [old, placed(status="Filled", executedQuantity="1"), other_side]
        found = await it.client.get_order_info(SYMBOL, "4242")
        assert found is not None
        assert (found.state, found.cum_qty) == (OrderState.FILLED, 1)

    stage(main)


def test_a_history_that_still_shows_an_order_as_open_is_no_end() -> None:
    async def main(it: Stage) -> None:
        it.answers["GET wapi/v1/history/orders"] = [placed(status="New")]
        assert await it.client.get_order_info(SYMBOL, "4242") is None

    stage(main)


def test_an_order_that_never_was_is_not_looked_for_for_ever() -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = None  # no answer, and no order
        it.submit()
        await asyncio.sleep(75)
        before = len(it.asked("GET wapi/v1/history/orders"))
        assert before > 5
        await asyncio.sleep(60)
        assert len(it.asked("GET wapi/v1/history/orders")) == before
        it.say(T=(it.clock.wall_ms()) * 1000)  # it comes after all: it is ours, and counts
        assert [fill.client_id for fill in it.of(Fill)] == ["4242"]

    stage(main)


# --- the stream


def test_a_fill_of_our_id_that_cannot_be_ours_is_exposure_of_nobody() -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = placed()
        it.submit()
        await asyncio.sleep(0.1)
        it.say(i="9", c=4242, S="Ask", T=1_700_000_000_900_000)
        [fill] = it.of(Fill)
        assert (fill.client_id, fill.side) == ("", Side.SELL)

    stage(main)


def test_a_fill_without_an_id_waits_for_the_reply_that_may_tie_it() -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = placed(id="900")
        it.submit()
        it.say(i="900", c=..., q="1", z="0.5", T=1_700_000_000_500_000)
        assert it.of(Fill) == []
        await asyncio.sleep(0.1)  # the reply came
        [fill] = it.of(Fill)
        assert fill.client_id == "4242"

    stage(main)


def test_a_fill_without_an_id_is_nobodys_once_no_reply_is_awaited() -> None:
    async def main(it: Stage) -> None:
        it.say(i="900", c=..., T=1_700_000_000_500_000)
        assert [fill.client_id for fill in it.of(Fill)] == [""]
        it.answers["POST api/v1/order"] = None  # no answer: it waits, but not for ever
        it.submit()
        it.say(i="901", c=..., t=2, T=1_700_000_000_500_000)
        assert len(it.of(Fill)) == 1
        await asyncio.sleep(2.1)
        assert len(it.of(Fill)) == 2

    stage(main)


@pytest.mark.parametrize("origin", ["LIQUIDATION_AUTOCLOSE", "ADL_AUTOCLOSE", "SOMETHING_NEW"])
def test_what_the_venue_did_itself_never_waits(origin: str) -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = None
        it.submit()
        it.say(i="900", c=..., O=origin, T=1_700_000_000_500_000)
        [fill] = it.of(Fill)
        assert fill.kind is not FillKind.TRADE

    stage(main)


def test_a_gap_in_an_orders_own_count_is_exposure_at_once_and_its_rows_are_fetched() -> None:
    async def main(it: Stage) -> None:
        it.answers["POST api/v1/order"] = placed()
        it.submit()
        await asyncio.sleep(0.1)
        it.say(i="77", q="1", z="0.75", l="0.25", t=2, T=1_700_000_000_500_000)  # 0.5 came before and was lost
        await asyncio.sleep(0.01)
        assert [update.cum_qty for update in it.of(OrderUpdate) if update.cum_qty] == [D("0.75")]
        before = len(it.asked("GET wapi/v1/history/fills"))
        await asyncio.sleep(2)
        assert len(it.asked("GET wapi/v1/history/fills")) > before

    stage(main)


def test_a_message_that_is_new_to_us_is_noted_and_the_venue_compared() -> None:
    async def main(it: Stage) -> None:
        before = len(it.asked("GET api/v1/orders"))
        it.wire.say({"stream": f"account.rfqUpdate.{SYMBOL}", "data": {}}, it.clock)
        await asyncio.sleep(0.7)
        note = it.of(LinkUpdate)[-1]
        assert (note.state, note.text) == (
            LinkState.TRUSTED, f"stream account.rfqUpdate.{SYMBOL} is unknown here; comparing with the venue",
        )  # fmt: skip
        assert len(it.asked("GET api/v1/orders")) == before + 1

    stage(main)


def test_fills_are_told_while_the_venue_answers_no_question() -> None:
    """The stream does not wait for the clock, nor hang up because it cannot catch up."""

    async def main(it: Stage) -> None:
        answer = it.transport.answer
        it.transport.answer = lambda _: Response(502, {}, b"")
        it.wire.cut()
        await asyncio.sleep(30)
        it.say(c=None)
        await asyncio.sleep(0.1)
        assert (len(it.of(Fill)), it.client._link.state) == (1, LinkState.RESYNC)
        it.transport.answer = answer
        await asyncio.sleep(15)
        assert (len(it.of(Fill)), it.client._link.state) == (1, LinkState.TRUSTED)

    stage(main)


@pytest.mark.parametrize(("skew_ms", "told"), [(700, 0), (-2_500, 1)])
def test_a_clock_that_drifts_while_the_stream_lives_is_followed(skew_ms: int, told: int) -> None:
    async def main(it: Stage) -> None:
        it.skew_ms = skew_ms
        await asyncio.sleep(301)
        it.submit()
        [asked] = it.asked("POST api/v1/order")
        assert abs(int(asked.headers["X-Timestamp"]) - it.clock.wall_ms() - skew_ms) <= 10
        assert len([note for note in it.of(LinkUpdate) if "clock" in note.text]) == told
        assert it.of(LinkUpdate)[-1].state is LinkState.TRUSTED

    stage(main)


def test_a_clock_that_was_set_keeps_no_account_from_its_stream() -> None:
    """Seed 38 of the simulated catalogue: exposure was open for minutes, as no stream opened any more to tell of it."""

    async def main(it: Stage) -> None:
        it.skew_ms = 4_000
        it.wire.cut()
        await asyncio.sleep(2)
        assert it.of(LinkUpdate)[-1].state is LinkState.TRUSTED
        it.submit()
        [asked] = it.asked("POST api/v1/order")
        assert abs(int(asked.headers["X-Timestamp"]) - it.clock.wall_ms() - 4_000) <= 10

    stage(main)


def test_suspicion_that_comes_again_and_again_puts_a_comparison_off_no_further() -> None:
    async def main(it: Stage) -> None:
        before = len(it.asked("GET api/v1/orders"))
        for _ in range(10):
            it.wire.say({"stream": f"account.rfqUpdate.{SYMBOL}", "data": {}}, it.clock)
            await asyncio.sleep(0.2)
        assert len(it.asked("GET api/v1/orders")) >= before + 3

    stage(main)


def test_suspicion_during_a_comparison_makes_one_more() -> None:
    async def main(it: Stage) -> None:
        it.wire.say({"stream": f"account.rfqUpdate.{SYMBOL}", "data": {}}, it.clock)
        await asyncio.sleep(0.4)
        it.transport.delay_ns = 200 * MS
        before = len(it.asked("GET api/v1/orders"))
        await asyncio.sleep(0.2)  # the comparison has asked, and read nothing yet
        assert len(it.asked("GET api/v1/orders")) == before + 1
        it.wire.say({"stream": f"account.rfqUpdate.{SYMBOL}", "data": {}}, it.clock)
        await asyncio.sleep(1.2)
        assert len(it.asked("GET api/v1/orders")) == before + 2

    stage(main)


def test_a_defect_in_a_comparison_does_not_end_the_looking_for_fills() -> None:
    async def main(it: Stage) -> None:
        failed: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        rest = it.client._rest
        asked = rest.open_orders
        rest.open_orders = broken  # type: ignore[assignment,method-assign]
        await asyncio.sleep(6)
        rest.open_orders = asked  # type: ignore[method-assign]
        before = len(it.asked("GET api/v1/orders"))
        await asyncio.sleep(20)
        assert len(it.asked("GET api/v1/orders")) > before
        assert [repr(context["exception"]) for context in failed] == ["KeyError('no such')"]

    stage(main)


async def broken(*_: object) -> None:
    raise KeyError("no such")


@pytest.mark.parametrize("with_margin", [False, True])
def test_a_fill_that_a_silent_stream_keeps_back_is_told_before_the_position_that_it_makes(with_margin: bool) -> None:
    """Who compares them would take it for somebody else's trade (S17)."""

    async def main(it: Stage) -> None:
        it.answers["GET api/v1/capital/collateral"] = COLLATERAL
        it.submit()
        await asyncio.sleep(0.1)
        row = {"symbol": SYMBOL, "netQuantity": "1", "entryPrice": "1", "markPrice": "1", "mmf": "0"}
        it.answers["GET api/v1/position"] = [row]
        it.answers["GET wapi/v1/history/fills"] = [
            {"clientId": "4242", "fee": "0.1", "feeSymbol": "USDC", "isMaker": False, "orderId": "77",
             "price": "2000.25", "quantity": "1", "side": "Bid", "symbol": SYMBOL, "tradeId": 5,
             "timestamp": "2023-11-14T22:13:21"},
        ]  # fmt: skip
        if with_margin:
            [position], _ = await it.client.get_holdings()
        else:
            [position] = await it.client.get_account_positions()
        assert position.qty == 1
        assert [(fill.client_id, fill.trade_id) for fill in it.of(Fill)] == [("4242", "5")]

    stage(main)


def test_a_position_that_fills_do_not_explain_is_found_within_a_second_and_said() -> None:
    async def main(it: Stage) -> None:
        row = {"symbol": SYMBOL, "netQuantity": "0.5", "entryPrice": "1", "markPrice": "1", "mmf": "0"}
        it.answers["GET api/v1/position"] = [row]
        it.wire.say(said({"s": SYMBOL, "q": "0.5"}, f"account.positionUpdate.{SYMBOL}"), it.clock)
        await asyncio.sleep(2.5)
        note = it.of(LinkUpdate)[-1]
        assert note.text == f"{SYMBOL}: the venue's position is 0.5, its fills make 0"

    stage(main)


def test_quotes_of_a_backlog_only_the_newest_is_decoded() -> None:
    async def main(it: Stage) -> None:
        quotes: list[Quote] = []
        it.client.setup_quote_handler(SYMBOL, quotes.append)
        await it.client.connect()
        market = it.wire
        for number in range(50):
            book = {"s": SYMBOL, "b": "1", "B": "1", "a": f"{2 + number}", "A": "1", "u": str(100 + number), "T": 1}
            market.say(said(book, f"bookTicker.{SYMBOL}"), it.clock)
        assert quotes == []
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert [quote.ask for quote in quotes] == [51]
        late = {"s": SYMBOL, "b": "1", "B": "1", "a": "9", "A": "1", "u": "120", "T": 1}
        market.say(said(late, f"bookTicker.{SYMBOL}"), it.clock)  # overtaken: older than what was shown
        await asyncio.sleep(0.001)
        assert len(quotes) == 1

    stage(main, connect=False)


def test_a_quote_that_cannot_be_read_begins_the_market_stream_anew_and_leaves_the_private_one() -> None:
    async def main(it: Stage) -> None:
        it.client.setup_quote_handler(SYMBOL, lambda _: None)
        await it.client.connect()
        it.wire.say(said({"s": SYMBOL}, f"bookTicker.{SYMBOL}"), it.clock)
        await asyncio.sleep(1)
        assert len(it.transport.wires) == 3
        assert [wire.closed for wire in it.transport.wires] == [False, True, False]
        assert [link.state for link in it.of(LinkUpdate)] == [LinkState.RESYNC, LinkState.TRUSTED]

    stage(main, connect=False)


def test_margin_needs_both_answers() -> None:
    async def main(it: Stage) -> None:
        it.answers["GET api/v1/capital/collateral"] = {"netEquity": "100", "netEquityAvailable": "90", "collateral": []}
        it.answers["GET api/v1/position"] = [{"mmf": "0.05", "netQuantity": "-2", "markPrice": "10"}]
        assert await it.client.get_margin() == Margin("a", D(100), D(90), D(1))
        it.answers["GET api/v1/position"] = Response(200, {}, b"{}")
        with pytest.raises(OutcomeUnknown, match="v: positions: expected a list"):
            await it.client.get_margin()

    stage(main)


POSITION = {"symbol": SYMBOL, "netQuantity": "-2", "entryPrice": "1", "markPrice": "10", "mmf": "0.05"}
COLLATERAL = {
    "netEquity": "100", "netEquityAvailable": "90", "collateral": [{"symbol": "ETH", "totalQuantity": "3"}]
}  # fmt: skip


@pytest.mark.parametrize(("kind", "held"), [("PERP", D(-2)), ("SPOT", D(3))])
def test_positions_and_margin_take_two_requests_at_once(kind: str, held: Decimal) -> None:
    async def main(it: Stage) -> None:
        it.answers["GET api/v1/market"] = MARKET | {"marketType": kind}
        it.answers |= {"GET api/v1/position": [POSITION], "GET api/v1/capital/collateral": COLLATERAL}
        await it.client.connect()
        asked, began_ns = len(it.transport.asked), it.clock.now_ns()
        [position], margin = await it.client.get_holdings()
        assert (position.symbol, position.qty, margin) == (SYMBOL, held, Margin("a", D(100), D(90), D(1)))
        took = (it.transport.asked[asked:], it.clock.now_ns() - began_ns)
        assert [asked.path for asked in took[0]] == ["api/v1/position", "api/v1/capital/collateral"]
        alone_ns = it.clock.now_ns()
        await it.client.get_margin()
        assert 2 * took[1] == it.clock.now_ns() - alone_ns

    stage(main, connect=False)


@pytest.mark.parametrize("lost", ["GET api/v1/position", "GET api/v1/capital/collateral"])
@pytest.mark.parametrize("answer", [Response(500, {}, b""), Response(200, {}, b"null"), LinkDown("gone"), None])
def test_positions_and_margin_need_both_answers(lost: str, answer: object) -> None:
    async def main(it: Stage) -> None:
        it.answers |= {"GET api/v1/position": [], "GET api/v1/capital/collateral": COLLATERAL, lost: answer}
        with pytest.raises(ExchangeError):
            await it.client.get_holdings()

    stage(main)


def test_flat_is_an_empty_list_and_a_failure_is_never_flat() -> None:
    async def main(it: Stage) -> None:
        assert await it.client.get_account_positions() == []
        for answer in (Response(404, {}, b"<html>"), Response(200, {}, b""), LinkDown("gone")):
            it.answers["GET api/v1/position"] = answer
            with pytest.raises(ExchangeError):
                await it.client.get_account_positions()

    stage(main)


def test_a_full_page_of_fills_is_not_the_end_of_them() -> None:
    rows = [
        {"clientId": None, "fee": "0", "feeSymbol": "USDC", "isMaker": False, "orderId": str(n), "price": "1",
         "quantity": "1", "side": "Bid", "symbol": SYMBOL, "tradeId": n, "timestamp": "2023-11-14T22:13:20"}
        for n in range(1, 2302)
    ]  # fmt: skip

    def page(asked: Asked) -> object:
        offset = int(asked.url.partition("offset=")[2].partition("&")[0])
        return rows[offset : offset + 1000]

    async def main(it: Stage) -> None:
        it.answers["GET wapi/v1/history/fills"] = page
        assert len(await it.client.get_fills(SYMBOL, 0)) == 2301

    stage(main)
