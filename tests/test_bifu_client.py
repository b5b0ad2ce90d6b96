"""BiFu's client: fills told once whatever the stream does, all else set aside with a word, no order ever sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from fuzz_bifu import ASSETS, DEPTH, META, ORDER, ROW, answer, frame, page
from transport_kit import MS, Asked, MemoryTransport, Middle, S, Wire, as_json, run_virtual

from engine.runtime.loop import VirtualLoop
from exchanges.bifu.client import BifuClient, Journalled, Settings
from exchanges.bifu.private import Pace
from exchanges.bifu.told import Aside, SetAside
from exchanges.bifu.wire.product import CONTRACT, SPOT
from exchanges.bifu.wire.request import Signer
from exchanges.budget import Budget
from exchanges.errors import AuthFailed, ExchangeError, LinkDown, OutcomeUnknown, Rejected
from exchanges.transport import Answered, Response
from exchanges.types import (
    Fill,
    LinkState,
    LinkUpdate,
    Liquidity,
    OrderRequest,
    OrderState,
    OrderType,
    Refusal,
    Refused,
    Reply,
    SelfTrade,
    Side,
    TimeInForce,
)

D = Decimal
SYMBOL, ORDER_ID = "BNB-USDT", ROW["orderId"]
ACTIVE, HISTORY = (f"GET {it.path[1:]}" for it in (SPOT.active, SPOT.history))
HOUR_MS = 3_600_000
SETTINGS = Settings("https://venue", "https://public", "wss://stream")


class Stage:
    """One account on a venue that is a table: `answers` by method and path, values or functions of the request."""

    def __init__(
        self, loop: VirtualLoop, *, settings: Settings = SETTINGS, journalled: Journalled | None = None
    ) -> None:
        self.clock = loop.clock
        self.answers: dict[str, object] = {
            "GET api/v1/public/meta/getMetaData": META,
            "GET api/v1/public/quote/getTicker": [{"lastPrice": "634"}],
            "GET api/v1/public/quote/getDepth": DEPTH,
            "GET api/v1/private/spot/account/getAccountAsset": ASSETS,
            ACTIVE: page(),
            HISTORY: page(),
        }
        self.skew_ms = 0
        self.transport = MemoryTransport(loop.clock, self._answer, delay_ns=5 * MS)
        self.client = BifuClient(
            "a", venue="bifu", markets={SYMBOL: "BNB-SPOT"}, settings=settings, signer=Signer("k", "s"),
            transport=self.transport, clock=loop.clock, rng=Middle(), budget=Budget(10_000), journalled=journalled,
        )  # fmt: skip
        self.told: list[Any] = []
        self.asides: list[SetAside] = []
        self.client.setup_order_update_handler(self.told.append)
        self.client.setup_aside_handler(self.asides.append)

    def _answer(self, asked: Asked) -> Answered | None:
        said = self.answers.get(f"{asked.method} {asked.path}")
        if callable(said):
            said = said(asked)
        if said is None or isinstance(said, Response | LinkDown | OutcomeUnknown):
            return said
        return as_json(answer(said, at_ms=self.venue_ms))

    @property
    def venue_ms(self) -> int:
        return self.clock.wall_ms() + self.skew_ms

    @property
    def wire(self) -> Wire:
        return self.transport.wires[-1]

    def row(self, number: int = 1, **changes: object) -> dict[str, Any]:
        trade = f"00000000-0000-4000-8000-{number:012d}"
        return ROW | {"matchFillId": trade, "id": str(7000 + number), "matchTime": str(self.venue_ms)} | changes

    def order(self, cum: str = "0.05", **changes: object) -> dict[str, Any]:
        """The order of the rows as the venue lists it, made and changed now."""
        value, now = str(D(cum) * 634), str(self.venue_ms)
        return ORDER | {"cumFillSize": cum, "cumFillValue": value, "createdTime": now, "updatedTime": now} | changes

    def say(self, *rows: object) -> None:
        self.wire.say(frame(*rows), self.clock)

    def of(self, kind: type[Any]) -> list[Any]:
        return [it for it in self.told if isinstance(it, kind)]

    @property
    def fills(self) -> list[tuple[str, Decimal]]:
        return [(it.trade_id[-2:] if "-" in it.trade_id else it.trade_id, it.qty) for it in self.of(Fill)]

    @property
    def states(self) -> list[LinkState]:
        states = [it.state for it in self.of(LinkUpdate)]
        return [state for last, state in zip([None, *states], states, strict=False) if state is not last]

    def asked(self, what: str) -> list[Asked]:
        return [it for it in self.transport.asked if f"{it.method} {it.path}" == what]


def stage(
    main: Callable[[Stage], Coroutine[Any, Any, None]], *, connect: bool = True, settings: Settings = SETTINGS,
    journalled: Callable[[int], Journalled] | None = None,
) -> Stage:  # fmt: skip
    async def run(loop: VirtualLoop) -> Stage:
        known = None if journalled is None else journalled(loop.clock.wall_ms())
        it = Stage(loop, settings=settings, journalled=known)
        try:
            if connect:
                await it.client.connect()
            await main(it)
        finally:
            await it.client.disconnect()
        return it

    return run_virtual(run)


# --- the stream


def test_a_fill_is_told_whole_and_nothing_is_subscribed() -> None:
    async def main(it: Stage) -> None:
        it.say(it.row())

    it = stage(main)
    (fill,) = it.of(Fill)
    assert fill == Fill(
        "bifu", "a", SYMBOL, "", ORDER_ID, "00000000-0000-4000-8000-000000000001", Side.BUY, D("0.050"), D("634"),
        D("0.01"), "USDT", Liquidity.MAKER, fill.at_ms, fill.recv_ns, decoded_ns=fill.decoded_ns,
    )  # fmt: skip
    assert (it.wire.sent, it.asides) == ([], [])
    assert it.client.remembered == 1


def test_the_stream_and_the_questions_are_signed_over_their_path_in_the_venue_s_time() -> None:
    async def main(it: Stage) -> None:
        await asyncio.sleep(1)
        it.wire.cut()
        await asyncio.sleep(2)

    it = stage(main)
    urls, signed = [url for url, _ in it.transport.opened], [headers for _, headers in it.transport.opened]
    assert urls == ["wss://stream/api/v1/private/spot/ws"] * 2
    assert all(
        headers == Signer("k", "s").headers(SPOT.stream_path, timestamp_ms=int(headers["Decode-MM-Auth-Timestamp"]))
        for headers in signed
    )
    assert signed[0] != signed[1]  # afresh at each opening
    assert it.asked(ACTIVE)[0].headers["Decode-MM-Auth-Access-Key"] == "k"
    assert all(not asked.headers for asked in it.transport.asked if "/public/" in asked.url)


def test_a_fill_that_is_only_exercised_is_told_no_second_time() -> None:
    async def main(it: Stage) -> None:
        it.client.exercise_fill()  # there was none yet
        it.say(it.row())
        for _ in range(20):
            it.client.exercise_fill()
        await asyncio.sleep(1)

    it = stage(main)
    assert (len(it.of(Fill)), it.wire.sent, it.client.remembered) == (1, [], 1)


def test_a_ping_is_answered_with_its_own_time() -> None:
    async def main(it: Stage) -> None:
        it.wire.say({"type": "ping", "time": "1693208170000"}, it.clock)

    assert [json.loads(text) for text in stage(main).wire.sent] == [{"type": "pong", "time": "1693208170000"}]


def test_several_rows_of_a_message_are_told_in_order_and_a_bad_one_blocks_none() -> None:
    async def main(it: Stage) -> None:
        it.say(it.row(1), it.row(2, fillSize="0"), it.row(3))

    it = stage(main)
    assert it.fills == [("01", D("0.050")), ("03", D("0.050"))]
    (aside,) = it.asides
    assert (aside.why, aside.alarm, aside.fill) == (Aside.BAD_ROW, True, None)
    assert aside.text == (
        f"a fill of order {ORDER_ID} cannot be read: a fill of fillSize 0 and fillValue 31.70: both must be above 0"
    )


def more(it: Stage) -> list[bool]:
    return [fill.more for fill in it.of(Fill)]


def test_all_rows_of_a_message_but_the_last_that_is_told_say_that_more_follow() -> None:
    """Requirement 11: what they come to is hedged. One that is told to nobody ends nothing."""

    async def main(it: Stage) -> None:
        it.say(it.row(1))
        it.say(it.row(2), it.row(3), it.row(4), it.row(4), it.row(5, direction="TAKER"))

    it = stage(main)
    assert [trade for trade, _ in it.fills] == ["01", "02", "03", "04"]
    assert more(it) == [False, True, True, False]


def test_what_one_comparison_finds_says_that_more_follow() -> None:
    async def main(it: Stage) -> None:
        await asyncio.sleep(2)
        it.answers[HISTORY] = page(it.order("0.05", status="FILLED"), it.order("0.02", id="77", status="FILLED"))
        await asyncio.sleep(20)

    it = stage(main)
    assert it.fills == [("cum:0.05", D("0.05")), ("cum:0.02", D("0.02"))]
    assert more(it) == [True, False]


def test_a_journal_that_cannot_be_asked_about_one_row_keeps_none_back_that_was_read_before_it() -> None:
    """They count as told, and no comparison would ever find them missing."""

    def broken(order_id: str) -> list[Fill]:
        raise OSError(order_id)

    async def main(it: Stage) -> None:
        old = it.row(3, orderId="78", matchTime=str(it.venue_ms - 2_000))
        message = json.dumps(frame(it.row(1), it.row(2), old)).encode()
        with pytest.raises(OSError, match="78"):
            it.client._feed.take(message, 0)

    it = stage(
        main,
        journalled=lambda now_ms: Journalled(
            fills_since_ms=now_ms - 1_000, since={SYMBOL: now_ms - HOUR_MS}, recall=broken
        ),
    )
    assert [trade for trade, _ in it.fills] == ["01", "02"]
    assert more(it) == [True, False]


def test_a_bad_row_is_not_remembered_so_that_its_corrected_form_counts() -> None:
    async def main(it: Stage) -> None:
        it.say(it.row(2, fillSize="0"))
        it.say(it.row(2))

    assert stage(main).fills == [("02", D("0.050"))]


def test_what_a_bad_row_had_to_say_the_order_list_tells() -> None:
    async def main(it: Stage) -> None:
        await asyncio.sleep(2)
        it.answers[ACTIVE] = page(it.order("0.05"))
        it.say(it.row(1, matchFillId=None, id=None))
        await asyncio.sleep(3)

    it = stage(main)
    assert it.fills == [("cum:0.05", D("0.05"))]
    assert it.client.repaired == 1


def test_a_row_that_is_told_twice_counts_once() -> None:
    async def main(it: Stage) -> None:
        it.say(it.row(1), it.row(1))
        it.say(it.row(1))
        await asyncio.sleep(5)
        it.wire.cut()
        await asyncio.sleep(5)
        it.say(it.row(1, matchTime=str(it.venue_ms - 10_000)))

    assert stage(main).fills == [("01", D("0.050"))]


# --- what is not hedged


@pytest.mark.parametrize(
    ("changes", "why", "text"),
    [
        ({"direction": "TAKER"}, Aside.TAKER, "the account took liquidity, and this is hedged by nobody"),
        ({"matchAccountId": ROW["accountId"]}, Aside.SELF_MATCH, "the account traded with itself"),
        ({"symbolId": "90000001"}, Aside.OTHER_MARKET, "in market 90000001: no market of this config"),
        ({"accountId": "1"}, Aside.OTHER_ACCOUNT, "of account 1, which is not the configured one"),
    ],
)
def test_a_fill_that_is_not_hedged_is_set_aside_with_an_alarm_once(
    changes: dict[str, object], why: Aside, text: str
) -> None:
    async def main(it: Stage) -> None:
        it.say(it.row(1, **changes), it.row(1, **changes), it.row(2))
        await asyncio.sleep(2)

    it = stage(main, settings=replace(SETTINGS, account_id=ROW["accountId"]))
    assert it.fills == [("02", D("0.050"))]
    (aside,) = it.asides
    assert (aside.why, aside.alarm) == (why, True)
    assert text in aside.text
    assert aside.fill is not None
    assert aside.fill.qty == D("0.050")
    assert it.client.set_aside == {why.value: 1}


def test_a_market_that_is_not_hedged_alarms_once_an_hour_and_is_counted_and_told_each_time() -> None:
    """A maker in several markets fills in all of them: a call for each fill hid those that matter."""

    async def main(it: Stage) -> None:
        it.say(it.row(1, symbolId="1"), it.row(2, symbolId="1"), it.row(3, symbolId="2"))
        it.say(it.row(4, direction="TAKER"), it.row(5, direction="TAKER"), it.row(6, symbolId="1", direction="TAKER"))
        await asyncio.sleep(3_599)
        it.say(it.row(7, symbolId="1"))
        await asyncio.sleep(2)
        it.say(it.row(8, symbolId="1"))
        await asyncio.sleep(1)

    it = stage(main)
    assert [(aside.why.value, aside.alarm) for aside in it.asides] == [
        ("other_market", True), ("other_market", False), ("other_market", True),
        ("taker", True), ("taker", True), ("taker", True),
        ("other_market", False), ("other_market", True),
    ]  # fmt: skip
    assert all(aside.fill is not None for aside in it.asides)
    assert it.client.set_aside == {"other_market": 5, "taker": 3}


@pytest.mark.parametrize("changes", [{"direction": "?"}, {"direction": None}, {"matchAccountId": ""}])
def test_a_fill_of_unknown_role_is_exposure(changes: dict[str, object]) -> None:
    async def main(it: Stage) -> None:
        it.say(it.row(1, **changes))

    it = stage(main)
    assert [(fill.qty, fill.liquidity) for fill in it.of(Fill)] == [(D("0.050"), Liquidity.UNKNOWN)]


def test_what_the_list_counts_of_a_taker_fill_is_not_told_as_missed() -> None:
    async def main(it: Stage) -> None:
        it.say(it.row(1, direction="TAKER"))
        it.answers[ACTIVE] = page(it.order("0.050"))
        it.wire.cut()
        await asyncio.sleep(5)

    it = stage(main)
    assert (it.fills, it.states[-1]) == ([], LinkState.TRUSTED)


def test_a_provisional_fill_that_turns_out_to_be_a_taker_s_says_that_it_was_passed_on() -> None:
    async def main(it: Stage) -> None:
        it.wire.cut()
        it.answers[HISTORY] = page(it.order("0.05", status="FILLED", timeInForce="GOOD_TIL_CANCEL"))
        filled_ms = it.venue_ms
        await asyncio.sleep(5)
        it.say(it.row(1, direction="TAKER", matchTime=str(filled_ms)))

    it = stage(main)
    assert [(fill.qty, fill.liquidity) for fill in it.of(Fill)] == [(D("0.05"), Liquidity.UNKNOWN)]
    (aside,) = it.asides
    assert aside.text.endswith("; 0.050 of it was passed on before its role was known")
    assert aside.fill is None


# --- reconnects and restarts


def test_fills_missed_while_the_stream_was_away_are_told_before_it_is_trusted() -> None:
    async def main(it: Stage) -> None:
        it.say(it.row(1))
        it.wire.cut()
        it.answers[HISTORY] = page(it.order("0.07", status="FILLED"))
        filled_ms = it.venue_ms
        await asyncio.sleep(5)
        it.say(it.row(2, fillSize="0.02", fillValue="12.68", matchTime=str(filled_ms)))  # the row, at last

    it = stage(main)
    assert it.fills == [("01", D("0.050")), ("cum:0.07", D("0.02"))]
    assert [fill.price for fill in it.of(Fill)] == [634, 634]
    kinds = [it.state if isinstance(it, LinkUpdate) and not it.text else type(it).__name__ for it in it.told]
    assert (
        kinds.index("Fill")
        < len(kinds) - 1 - kinds[::-1].index("Fill")
        < (len(kinds) - 1 - kinds[::-1].index(LinkState.TRUSTED))
    )


def test_an_order_that_has_just_changed_waits_for_its_rows() -> None:
    async def main(it: Stage) -> None:
        it.wire.cut()
        it.answers[ACTIVE] = page(it.order("0.050"))
        row = it.row(1)
        await asyncio.sleep(0.6)
        assert (it.states[-1], it.fills) == (LinkState.RESYNC, [])
        it.say(row)
        await asyncio.sleep(3)

    it = stage(main)
    assert (it.fills, it.states[-1]) == ([("01", D("0.050"))], LinkState.TRUSTED)


def test_what_had_filled_before_the_first_start_is_nobody_s() -> None:
    async def main(it: Stage) -> None:
        old_ms = it.venue_ms - 60_000
        order = it.order("0.3", createdTime=str(old_ms), updatedTime=str(old_ms + 1))
        it.answers[ACTIVE] = page(order)
        await it.client.connect()
        it.say(it.row(9, matchTime=str(old_ms + 1)))  # a replay of it
        it.answers[ACTIVE] = page(it.order("0.35", createdTime=str(old_ms)))
        it.wire.cut()
        await asyncio.sleep(5)

    it = stage(main, connect=False)
    assert it.fills == [("cum:0.35", D("0.05"))]
    assert [(aside.why, aside.alarm) for aside in it.asides] == [(Aside.BASELINE, False), (Aside.BEFORE, False)]
    assert it.asides[0].fill is not None
    assert it.asides[0].fill.qty == D("0.3")


def test_a_restart_tells_what_was_missed_and_nothing_twice() -> None:
    fill = Fill(
        "bifu", "a", SYMBOL, "", ORDER_ID, "t-01", Side.BUY, D("0.05"), D(634), D(0), "USDT", Liquidity.MAKER, 0, 0
    )

    def before(now_ms: int) -> Journalled:
        return Journalled([replace(fill, at_ms=now_ms - 9_000)], since={SYMBOL: now_ms - 60_000})

    async def main(it: Stage) -> None:
        made = str(it.venue_ms - 30_000)
        it.answers[HISTORY] = page(it.order("0.08", createdTime=made, updatedTime=str(it.venue_ms - 5_000)))
        await it.client.connect()
        it.say(it.row(1, matchFillId="t-01", matchTime=str(it.venue_ms - 9_000)))

    it = stage(main, connect=False, journalled=before)
    assert it.fills == [("cum:0.08", D("0.03"))]
    assert it.client.compared_ms > it.client.since[SYMBOL] > 0


def test_fills_are_told_while_the_stream_stays_away() -> None:
    async def main(it: Stage) -> None:
        it.transport.refuse_ws = 1_000
        it.wire.cut()
        for cum, wait_s in (("0.01", 3), ("0.02", 10)):
            it.answers[ACTIVE] = page(it.order(cum))
            await asyncio.sleep(wait_s)

    it = stage(main)
    assert it.fills == [("cum:0.01", D("0.01")), ("cum:0.02", D("0.01"))]
    assert it.states[-1] is LinkState.LOST


def test_a_row_that_a_provisional_of_a_former_run_may_stand_for_is_settled_by_the_list_at_once() -> None:
    provisional = Fill(
        "bifu", "a", SYMBOL, "", ORDER_ID, "cum:0.05", Side.BUY, D("0.05"), D(634), D(0), "USDT", Liquidity.MAKER, 0, 0
    )

    async def main(it: Stage) -> None:
        it.answers[ACTIVE] = lambda _: page(it.order("0.1"))
        it.say(it.row(2))
        assert it.fills == []
        await asyncio.sleep(3)

    it = stage(
        main, journalled=lambda now_ms: Journalled([replace(provisional, at_ms=now_ms - 9_000)], since={SYMBOL: 1})
    )
    assert it.fills == [("cum:0.1", D("0.05"))]


def test_memory_is_swept_and_a_replay_of_what_it_forgot_is_not_told_again() -> None:
    journal: list[Fill] = []

    async def main(it: Stage) -> None:
        it.client.setup_order_update_handler(lambda told: journal.append(told) if isinstance(told, Fill) else None)
        first = it.row(1)
        it.say(first)
        await asyncio.sleep(2 * 3600 + 601)
        assert it.client.remembered == 0
        it.say(first, it.row(2))
        assert it.client.remembered == 2

    stage(main, journalled=lambda _: Journalled(recall=lambda order: [it for it in journal if it.order_id == order]))
    assert [fill.trade_id[-2:] for fill in journal] == ["01", "02"]


def test_a_list_without_an_end_is_not_trusted_and_says_what_to_set() -> None:
    async def main(it: Stage) -> None:
        it.answers[HISTORY] = page(it.order("0"), more=True)
        with pytest.raises(LinkDown, match=r"getHistoryOrderPage has more than 50 pages of 100: raise pages_most"):
            await it.client.connect()

    it = stage(main, connect=False)
    assert [asked.url.partition("pageNo=")[2] for asked in it.asked(HISTORY)][:2] == [
        "0&pageSize=100",
        "1&pageSize=100",
    ]


def test_a_list_that_is_said_to_be_newest_first_is_read_to_what_is_older() -> None:
    product = replace(SPOT, history=replace(SPOT.history, newest_first=True))

    async def main(it: Stage) -> None:
        it.answers[HISTORY] = page(it.order("0", updatedTime=str(it.venue_ms - 3_600_000)), more=True)
        await it.client.connect()

    it = stage(main, connect=False, settings=replace(SETTINGS, product=product))
    assert len(it.asked(HISTORY)) == 1


def test_the_list_is_compared_beside_the_stream_and_a_stream_that_missed_a_fill_begins_anew() -> None:
    async def main(it: Stage) -> None:
        await asyncio.sleep(10)
        it.answers[ACTIVE] = page(it.order("0.05"))
        await asyncio.sleep(60)

    it = stage(main, settings=replace(SETTINGS, pace=Pace(compare_ns=20 * S)))
    assert it.fills == [("cum:0.05", D("0.05"))]
    assert "the stream did not tell of 1 fill" in [told.text for told in it.of(LinkUpdate)]
    assert it.states[-1] is LinkState.TRUSTED


def test_what_a_comparison_finds_after_an_odd_message_is_no_reason_to_begin_anew() -> None:
    """One cut became a dozen, each with a fill in its gap, for 11 s (simulated hedger, seed 111 of single faults)."""

    async def main(it: Stage) -> None:
        it.answers[ACTIVE] = page(it.order("0.05"))
        it.wire.say({"type": "who-knows"}, it.clock)
        await asyncio.sleep(5)

    it = stage(main)
    assert it.fills == [("cum:0.05", D("0.05"))]
    assert it.states.count(LinkState.LOST) == 0


def test_a_message_that_is_none_or_unknown_leads_to_a_comparison() -> None:
    async def main(it: Stage) -> None:
        asked = len(it.asked(ACTIVE))
        it.wire.say({"type": "who-knows"}, it.clock)
        await asyncio.sleep(1)
        assert len(it.asked(ACTIVE)) == asked + 1
        it.wire.say(b"no json", it.clock)
        await asyncio.sleep(3)
        assert len(it.asked(ACTIVE)) == asked + 2
        assert it.states[-3:] == [LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED]

    stage(main)


def test_refused_keys_and_a_clock_apart_stop_the_start() -> None:
    async def main(it: Stage) -> None:
        it.transport.refuse_keys = True
        with pytest.raises(AuthFailed, match="HTTP 401"):
            await it.client.connect()
        it.transport.refuse_keys = False
        it.skew_ms = 20_000
        with pytest.raises(AuthFailed, match=r"the venue's clock is \d{5} ms from this machine's, at most 15000"):
            await it.client.connect()

    stage(main, connect=False)


# --- the interface


def test_no_order_and_no_cancel_leaves() -> None:
    replies: list[Reply] = []

    async def main(it: Stage) -> None:
        before = len(it.transport.asked)
        order = OrderRequest(
            client_id="1", account="a", symbol=SYMBOL, side=Side.BUY, qty=D(1), price=D(1), type=OrderType.LIMIT,
            tif=TimeInForce.GTC, post_only=True, reduce_only=False, valid_ms=1, self_trade=SelfTrade.NONE,
        )  # fmt: skip
        it.client.submit(order, replies.append)
        replies.append(await it.client.cancel_order(SYMBOL, "1"))
        with pytest.raises(NotImplementedError):
            it.client.submit_batch([order], lambda _, reply: replies.append(reply))
        with pytest.raises(NotImplementedError):
            it.client.setup_quote_handler(SYMBOL, lambda _: None)
        assert len(it.transport.asked) == before
        assert not it.client.capabilities.orders

    stage(main)
    heard = "account a on bifu is listened to for fills only"
    assert replies == [
        Refused(Refusal.UNSUPPORTED, f"{heard}: it places no order"),
        Refused(Refusal.UNSUPPORTED, f"{heard}: it cancels no order"),
    ]


def test_questions_are_answered_by_what_the_venue_is_known_to_tell() -> None:
    async def main(it: Stage) -> None:
        client = it.client
        it.answers[ACTIVE] = page(it.order("0"))
        it.answers[HISTORY] = page(it.order("1.000", status="FILLED", clientOrderId="m-2"))
        (open_order,) = await client.get_active_orders(SYMBOL)
        ended = await client.get_order_info(SYMBOL, "m-2")
        assert (open_order.client_id, open_order.state) == ("m-1", OrderState.OPEN)
        assert ended is not None
        assert (ended.state, ended.cum_qty) == (OrderState.FILLED, D(1))
        assert await client.get_order_info(SYMBOL, "m-3") is None
        quote = await client.fetch_bbo_prices(SYMBOL)
        assert (quote.bid, quote.ask) == (D("634.00"), D("634.10"))
        assert [(it.symbol, it.qty) for it in await client.get_account_positions()] == [(SYMBOL, D("3.5"))]
        assert (await client.get_account_facts(SYMBOL)).clock_offset_ms is not None
        assert (await client.get_contract_attributes(SYMBOL)).market == "BNB-SPOT"
        for question in (client.get_margin(), client.get_fills(SYMBOL, 0), client.fetch_bbo_prices("ETH-USDT")):
            with pytest.raises(Rejected):
                await question
        it.answers[ACTIVE] = page({"id": "7"})
        with pytest.raises(OutcomeUnknown, match="an order cannot be read"):
            await client.get_active_orders(SYMBOL)

    stage(main)


def test_no_answer_is_an_error_and_never_an_empty_list() -> None:
    async def main(it: Stage) -> None:
        for said in (None, Response(502, {}, b"<html>"), Response(200, {}, b"{}"), Response(200, {}, b"[]")):
            it.answers[ACTIVE] = said
            with pytest.raises(ExchangeError):
                await it.client.get_active_orders(SYMBOL)

    stage(main)


def test_the_contract_side_has_its_own_stream_and_rows() -> None:
    product = replace(CONTRACT, active=replace(SPOT.active), history=replace(SPOT.history))
    contract = META | {"contractList": [META["symbolList"][0] | {"contractId": "10000001", "contractName": SYMBOL}]}

    async def main(it: Stage) -> None:
        it.answers["GET api/v1/public/meta/getMetaData"] = contract
        await it.client.connect()
        it.wire.say(frame(it.row(1, contractId="10000001"), kind="contract-trade-event"), it.clock)
        with pytest.raises(Rejected, match="tells no contract positions"):
            await it.client.get_account_positions()

    it = stage(main, connect=False, settings=replace(SETTINGS, product=product))
    assert it.fills == [("01", D("0.050"))]
    assert it.transport.opened[0][0] == "wss://stream/api/v1/private/contract/ws"
