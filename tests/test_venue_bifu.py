"""The local BiFu, spoken to as the notes on the venue say: signatures, pings, rows, lists, and its market maker."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from paper_clock import PaperClock
from venue_kit import MS, QUOTE, S, Wire, ask, decoded

from cli.fault_plan import load_fault_plan
from cli.locate import Source
from engine.runtime.chance import Stream
from exchanges.market import MarketEvent, MarketTrade
from exchanges.types import Instrument, MarketKind, Side
from exchanges.venues.bifu.demo import bifu_credentials, bifu_symbol, open_bifu
from exchanges.venues.bifu.maker import MakerOptions, MarketMaker
from exchanges.venues.bifu.model import Bifu
from exchanges.venues.bifu.wire import signer_of
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import Faults
from exchanges.venues.seam import Reply, Request

D = Decimal
SPOT_WS, CONTRACT_WS = "/api/v1/private/spot/ws", "/api/v1/private/contract/ws"
ORDERS = "/api/v1/private/spot/order/"


def plain(base: str, kind: MarketKind = MarketKind.SPOT) -> Instrument:
    return Instrument(
        venue="bifu", symbol=base, market=base, kind=kind, base=base, quote="USD", tick=D("0.01"), lot=D("0.0001"),
        min_qty=D("0.0001"), min_notional=D(0), maker_fee=D(0), taker_fee=D(0),
    )  # fmt: skip


@dataclass
class Stage:
    """A local BiFu with two accounts, alice's market maker on ETH-USDT, and what alice's connections hear."""

    plan: str = ""
    events: Iterable[MarketEvent] = (QUOTE,)
    clock: PaperClock = field(default_factory=PaperClock)

    def __post_init__(self) -> None:
        self.clock.run_until(self.clock.now_ns() + 1_700_000_000_000 * MS)
        listed = [bifu_symbol(plain("ETH")), bifu_symbol(plain("BTC")), bifu_symbol(plain("ETH", MarketKind.PERP))]
        sources = {it.symbol: iter(tuple(self.events)) for it in listed}
        self.exchange = Exchange("bifu", listed, sources=sources, clock=self.clock, first_order_id=10**17)
        for name in ("alice", "bob"):
            self.exchange.open_account(name, cash=D(10_000_000), base={"ETH-USDT": D(1_000), "BTC-USDT": D(1_000)})
        plan = f"faults:\n{self.plan}" if self.plan else ""
        rules = load_fault_plan(Source("plan.yaml", plan), venues={"bifu": ("alice", "bob")}) if plan else None
        self.faults = (
            None if rules is None
            else Faults(rules, venue="bifu", clock=self.clock, rng_of=lambda purpose: Stream(1, purpose))
        )  # fmt: skip
        self.venue: Bifu = open_bifu(self.exchange, self.faults)
        self.venue.start()
        self.run(0)

    def run(self, ns: int) -> None:
        self.clock.run_until(self.clock.now_ns() + ns)

    def headers(self, path: str, name: str = "alice", *, off_ms: int = 0) -> dict[str, str]:
        pair, stamp = bifu_credentials(self.exchange, name), str(self.exchange.now_ms() + off_ms)
        signed = hmac.new(pair["api_secret"].encode(), f"{path}|{stamp}".encode(), sha256).hexdigest()
        head = "decode-mm-auth-"
        return {f"{head}access-key": pair["api_key"], f"{head}timestamp": stamp, f"{head}signature": signed}

    def ask(self, method: str, path: str, *, query: str = "", body: Any = None, name: str = "alice") -> Any:
        raw = b"" if body is None else json.dumps(body).encode()
        status, said = decoded(ask(self.venue, Request(method, path, query, self.headers(path, name), raw, "p")))
        assert (status, said["code"]) == (200, "SUCCESS"), said
        return said["data"]

    def listen(self, path: str = SPOT_WS, name: str = "alice") -> tuple[Any, Wire]:
        wire = Wire()
        session = self.venue.open_stream(Request("GET", path, "", self.headers(path, name), b"", "p"), wire)
        assert not isinstance(session, Reply), session
        return session, wire

    def maker(self, **options: Any) -> MarketMaker:
        market = self.exchange.markets["ETH-USDT"]
        made = MarketMaker(
            self.exchange, self.exchange.accounts["alice"], [market], Stream(1, "maker"), MakerOptions(**options),
            self.faults,
        )  # fmt: skip
        made.start()
        return made


def rows(wire: Wire) -> list[dict[str, Any]]:
    frames = [frame for frame in wire.take() if frame["type"].endswith("-trade-event")]
    return [row for frame in frames for row in frame["msg"]["data"].get("orderFillTransaction", [])]


@pytest.mark.parametrize("path", [SPOT_WS, "/api/v1/private/ws", CONTRACT_WS])
def test_a_signed_connection_is_pushed_to_without_a_subscription(path: str) -> None:
    _, wire = Stage().listen(path)
    event = "contract-trade-event" if "contract" in path else "spot-trade-event"
    assert [frame["type"] for frame in wire.take()] == ["connected", event]


@pytest.mark.parametrize(
    "spoiled",
    [
        {"decode-mm-auth-signature": "0" * 64},
        {"decode-mm-auth-access-key": "nobody"},
        {"decode-mm-auth-timestamp": "1"},
        {"decode-mm-auth-signature": ""},
    ],
)
def test_a_connection_that_is_not_signed_right_is_refused(spoiled: dict[str, str]) -> None:
    stage = Stage()
    request = Request("GET", SPOT_WS, "", stage.headers(SPOT_WS) | spoiled, b"", "p")
    refused = stage.venue.open_stream(request, Wire())
    assert isinstance(refused, Reply)
    assert (refused.status, json.loads(refused.body)["code"]) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(("off_ms", "status"), [(29_000, 200), (-29_000, 200), (31_000, 401), (-31_000, 401)])
def test_a_signature_is_good_for_thirty_seconds(off_ms: int, status: int) -> None:
    stage, path = Stage(), f"{ORDERS}getActiveOrderPage2"
    reply = ask(stage.venue, Request("GET", path, "pageNo=0", stage.headers(path, off_ms=off_ms), b"", "p"))
    assert reply.status == status


def test_the_worked_example_of_the_notes() -> None:
    signature = "37c02a17b61b4ca5b8945167a2d4911e2691b9399dd3f4a3ef36bd090a8d92f3"
    head = "decode-mm-auth-"
    headers = {f"{head}access-key": "mm_demo_key", f"{head}timestamp": "1772171045855", f"{head}signature": signature}
    secrets = {"mm_demo_key": "mm_demo_secret_0001"}
    assert signer_of(SPOT_WS, headers, secrets, now_ms=1772171045855) == "mm_demo_key"


def test_five_pings_without_an_answer_end_a_connection() -> None:
    stage = Stage()
    _, wire = stage.listen()
    stage.run(59 * S)
    assert [frame["type"] for frame in wire.take()] == ["connected", "spot-trade-event", *["ping"] * 5]
    stage.run(2 * S)
    assert wire.take() == [("close", 1000, "ping timeout")]


@pytest.mark.parametrize(("echo", "alive"), [(lambda time: time, True), (lambda time: str(int(time) + 1), False)])
def test_only_the_time_that_was_sent_answers_a_ping(echo: Any, alive: bool) -> None:
    stage = Stage()
    session, wire = stage.listen()
    closed = False
    for _ in range(12):
        stage.run(10 * S)
        for frame in wire.take():
            if isinstance(frame, tuple):
                closed = True
            elif frame["type"] == "ping":
                session.on_text(json.dumps({"type": "pong", "time": echo(frame["time"])}))
    assert closed is not alive


def test_a_client_may_ping_too() -> None:
    session, wire = Stage().listen()
    wire.take()
    session.on_text('{"type":"ping","time":"17"}')
    assert wire.take() == [{"type": "pong", "time": "17"}]


def test_a_fill_comes_as_a_row_without_trade_id_and_price() -> None:
    stage = Stage()
    _, wire = stage.listen()
    stage.maker(rate=1, fills_most=1, lots_min=500, lots_max=500)
    stage.run(2 * S)
    (row,) = rows(wire)
    assert ("tradeId" in row, "price" in row, "fillPrice" in row) == (False, False, False)
    fill = stage.exchange.ledger.fills[0]
    assert row | {"orderSide": "", "fillValue": "", "matchFillId": ""} == {
        "id": "710000000000000001", "accountId": "690000000000000001", "symbolId": "90000001", "baseCoinId": "3",
        "quoteCoinId": "2", "orderId": fill.order_id, "orderSide": "", "fillSize": "0.0500", "fillValue": "",
        "fillFee": "0.000000", "direction": "MAKER", "version": "1",
        "tradeInBalanceTransactionId": "710000000000000001", "tradeOutBalanceTransactionId": "710000000000000001",
        "matchSequenceId": fill.trade_id, "matchIndex": "0", "matchTime": str(fill.at_ms),
        "matchAccountId": "700000000000000099", "matchOrderId": "0", "matchFillId": "", "extraType": "",
        "extraDataJson": "", "createdTime": str(fill.at_ms), "updatedTime": str(fill.at_ms),
    }  # fmt: skip
    assert D(row["fillValue"]) == fill.qty * fill.price
    assert int(row["matchFillId"][-12:]) == int(fill.trade_id)


def test_a_contract_fill_has_fields_of_its_own() -> None:
    stage = Stage()
    (_, spot), (_, contract) = stage.listen(), stage.listen(CONTRACT_WS)
    body = {"contractId": "10000003", "orderSide": "BUY", "type": "MARKET", "price": "0", "size": "0.01"}
    stage.ask("POST", "/api/v1/private/contract/order/createOrder", body=body)
    stage.run(0)
    (row,) = rows(contract)
    assert (row["contractId"], row["direction"], row["fillPrice"], row["isLiquidate"]) == (
        "10000003", "TAKER", "2600.10", False,
    )  # fmt: skip
    assert "symbolId" not in row
    assert rows(spot) == []


def test_both_sides_of_a_match_have_one_match_and_each_the_other_account() -> None:
    stage = Stage()
    (_, alice), (_, bob) = stage.listen(), stage.listen(name="bob")
    resting = {"symbolId": "90000001", "type": "LIMIT", "price": "2600.05", "size": "0.02", "orderSide": "BUY"}
    stage.ask("POST", f"{ORDERS}createOrder", body=resting)
    stage.ask(
        "POST", f"{ORDERS}createOrder", body=resting | {"orderSide": "SELL", "timeInForce": "IMMEDIATE_OR_CANCEL"},
        name="bob",
    )  # fmt: skip
    stage.run(0)
    ((hers,), (his,)) = rows(alice), rows(bob)
    assert hers["matchFillId"] == his["matchFillId"]
    assert (hers["direction"], hers["matchAccountId"], his["direction"], his["matchAccountId"]) == (
        "MAKER", his["accountId"], "TAKER", hers["accountId"],
    )  # fmt: skip
    assert (hers["matchOrderId"], his["matchOrderId"]) == (his["orderId"], hers["orderId"])


def test_an_order_that_rests_makes_a_message_without_rows() -> None:
    stage = Stage()
    _, wire = stage.listen()
    wire.take()
    body = {"symbolId": "90000001", "type": "LIMIT", "price": "2500", "size": "0.02", "orderSide": "BUY"}
    stage.ask("POST", f"{ORDERS}createOrder", body=body | {"timeInForce": "POST_ONLY", "clientOrderId": "c1"})
    (frame,) = wire.take()
    assert list(frame["msg"]["data"]) == ["order", "balance"]
    (order,) = frame["msg"]["data"]["order"]
    assert (order["status"], order["timeInForce"], order["clientOrderId"], order["cumFillSize"]) == (
        "OPEN", "POST_ONLY", "c1", "0",
    )  # fmt: skip


def test_the_lists_tell_what_each_order_has_filled() -> None:
    stage = Stage()
    stage.maker(rate=5, fills_most=20)
    stage.run(10 * S)
    active = stage.ask("GET", f"{ORDERS}getActiveOrderPage2", query="filterSymbolIdList=90000001&pageNo=0&pageSize=100")
    ended = stage.ask("GET", f"{ORDERS}getHistoryOrderPage", query="filterSymbolIdList=90000001&pageNo=0&pageSize=100")
    told = {order["id"]: D(order["cumFillSize"]) for order in active["dataList"] + ended["dataList"]}
    filled: dict[str, Decimal] = {}
    for fill in stage.exchange.ledger.fills:
        filled[fill.order_id] = filled.get(fill.order_id, D(0)) + fill.qty
    assert len(stage.exchange.ledger.fills) == 20
    assert {order: qty for order, qty in told.items() if qty} == filled
    one = stage.ask("GET", f"{ORDERS}getOrderById", query=f"orderIdList={next(iter(filled))}")
    assert D(one[0]["cumFillSize"]) == next(iter(filled.values()))


def test_lists_come_in_pages_and_only_of_the_asker() -> None:
    stage = Stage()
    entry = {"symbolId": "90000001", "type": "LIMIT", "price": "2500", "size": "0.02", "orderSide": "BUY"}
    made = stage.ask("POST", f"{ORDERS}createOrderBatch", body={"params": [entry] * 5 + [entry | {"size": "x"}]})
    assert [it["success"] for it in made["list"]] == [True] * 5 + [False]
    pages = [stage.ask("GET", f"{ORDERS}getActiveOrderPage2", query=f"pageNo={at}&pageSize=2") for at in (0, 1, 2)]
    assert [(len(it["dataList"]), it["nextFlag"]) for it in pages] == [(2, True), (2, True), (1, False)]
    other = stage.ask("GET", f"{ORDERS}getActiveOrderPage2", query="pageNo=0", name="bob")
    assert other == {"dataList": [], "nextFlag": False, "totals": "0"}
    stage.run(4 * S)  # a budget of ten requests a second
    gone = stage.ask("POST", f"{ORDERS}cancelOrderById", body={"orderIdList": [made["list"][0]["successOrderId"], "7"]})
    assert gone["cancelResultMap"] == {made["list"][0]["successOrderId"]: "SUCCESS", "7": "FAILED_ORDER_NOT_FOUND"}
    rest = stage.ask("POST", f"{ORDERS}cancelAllOrder", body={"filterSymbolIdList": ["90000001"]})
    assert len(rest["cancelResultMap"]) == 4


def test_requests_beyond_the_budget_are_refused() -> None:
    stage, path = Stage(), f"{ORDERS}getActiveOrderPage2"
    replies = [ask(stage.venue, Request("GET", path, "", stage.headers(path), b"", "p")).status for _ in range(31)]
    assert replies == [200] * 30 + [429]


def test_markets_are_listed_with_their_ids() -> None:
    listed = Stage().ask("GET", "/api/v1/public/meta/getMetaData")
    assert [(it["symbolId"], it["symbolName"]) for it in listed["symbolList"]] == [
        ("90000001", "ETH-USDT"), ("90000002", "BTC-USDT"),
    ]  # fmt: skip
    assert [(it["contractId"], it["contractName"]) for it in listed["contractList"]] == [("10000003", "ETH/USDT")]


# -- the market maker --------------------------------------------------------------------------------------------


def test_the_maker_is_hit_as_often_as_it_is_told() -> None:
    stage = Stage()
    _, wire = stage.listen()
    stage.maker(rate=2_000, lots_min=1, lots_max=3)
    stage.run(S)
    assert len(stage.exchange.ledger.fills) == 2_000
    assert [row["direction"] for row in rows(wire)] == ["MAKER"] * 2_000


def test_the_markets_own_trades_fill_the_maker() -> None:
    stage = Stage(events=(QUOTE, MarketTrade(2 * S, Side.SELL, 260_000, 60_000)))
    stage.maker(rate=0)
    stage.run(3 * S)
    assert [(fill.side, fill.price) for fill in stage.exchange.ledger.fills] == [(Side.BUY, D("2600.00"))]


def test_equal_seeds_make_equal_fills() -> None:
    def fills() -> list[Any]:
        stage = Stage()
        stage.maker(rate=20)
        stage.run(5 * S)
        return [replace(fill, recv_ns=0) for fill in stage.exchange.ledger.fills]

    assert fills() == fills()


# -- faults ------------------------------------------------------------------------------------------------------


def played(plan: str, *, fills: int = 3) -> tuple[Stage, list[dict[str, Any]]]:
    stage = Stage(plan=f"  - {{{plan}}}\n")
    _, wire = stage.listen()
    stage.maker(rate=1, fills_most=fills)
    stage.run((fills + 2) * S)
    return stage, rows(wire)


def test_a_row_that_cannot_be_read_spoils_no_other() -> None:
    _, told = played("fault: row_unreadable, nth: 2")
    assert [row["fillSize"] == "" for row in told] == [False, True, False]


def test_a_row_may_name_its_trade_in_another_way() -> None:
    _, told = played("fault: row_renamed, nth: 2")
    assert [("tradeId" in row, "matchFillId" in row) for row in told] == [(False, True), (True, False), (False, True)]


def test_rows_are_told_again_after_a_reconnect() -> None:
    stage = Stage(plan="  - {fault: rows_replayed, nth: 2}\n")
    _, wire = stage.listen()
    stage.maker(rate=1, fills_most=3)
    stage.run(5 * S)
    _, again = stage.listen()
    assert rows(again) == rows(wire)


def test_the_maker_takes() -> None:
    _, told = played("fault: maker_takes, nth: 2")
    assert [row["direction"] for row in told] == ["MAKER", "TAKER", "MAKER"]


def test_the_maker_meets_itself() -> None:
    _, told = played("fault: maker_meets_itself, nth: 2")
    own = [row for row in told if row["accountId"] == row["matchAccountId"]]
    assert [row["direction"] for row in own] == ["MAKER", "TAKER"]
    assert own[0]["matchFillId"] == own[1]["matchFillId"]


def test_the_maker_strays() -> None:
    _, told = played("fault: maker_strays, nth: 2")
    assert [row["symbolId"] for row in told] == ["90000001", "90000002", "90000001"]


def test_frames_are_lost_doubled_and_swapped_as_everywhere() -> None:
    _, lost = played("fault: frame_lost, of: fill, nth: 2")
    _, twice = played("fault: frame_twice, of: fill, nth: 2")
    _, swapped = played("fault: frame_swapped, of: fill, nth: 1")
    assert [[row["version"] for row in told] for told in (lost, twice, swapped)] == [
        ["1", "3"], ["1", "2", "2", "3"], ["2", "1", "3"],
    ]  # fmt: skip
