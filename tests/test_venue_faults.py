"""What a fault plan does to a local venue, fault by fault, on a virtual clock; and how wrong plans are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cli_kit import Eagle, eagle
from paper_clock import PaperClock
from venue_kit import (
    PERP,
    QUOTE,
    Answers,
    BackpackUser,
    D,
    LighterUser,
    Wire,
    exchange,
    lighter,
    picked,
    public,
    public_of,
    stream,
    subscription,
)

from cli.fault_plan import load_fault_plan
from cli.locate import Source
from engine.chart.model import FlowError
from engine.chart.structure import shipped_schema
from engine.runtime.chance import Stream
from exchanges.market import MarketEvent, MarketTrade
from exchanges.types import Side
from exchanges.venues.backpack.model import Backpack
from exchanges.venues.faults import BODIES, FRAMES, KINDS, REASONS, REQUESTS, START, STATUSES, Faults
from exchanges.venues.lighter.state import LighterOptions
from exchanges.venues.seam import Reply, Request

__all__ = ["eagle"]

S = 1_000_000_000
VENUES = {"backpack": ("alice", "bob")}


def plan_of(*rows: str) -> str:
    return "faults:\n" + "".join(f"  - {{{row}}}\n" for row in rows)


class Stage:
    """alice on a venue with faults, a stream of hers, and the clock."""

    def __init__(self, *rows: str, events: tuple[MarketEvent, ...] = (QUOTE,), names: tuple[str, ...] = ()) -> None:
        self.clock = PaperClock()
        made = exchange(events, clock=self.clock)
        plan = load_fault_plan(Source("faults.yaml", plan_of(*rows)), venues=VENUES)
        self.faults = Faults(plan, venue="backpack", clock=self.clock, rng_of=lambda purpose: Stream(1, purpose))
        self.venue = Backpack(made, {public_of(name): name for name in ("alice", "bob")}, faults=self.faults)
        self.faults.start(self.venue._act)
        self.user = BackpackUser(self.venue)
        self.session, self.wire = stream(self.venue)
        self.session.on_text(subscription(self.user, *(names or ("account.orderUpdate",))))

    def sent(self, instruction: str, method: str, path: str, **more: Any) -> Answers:
        answers = Answers()
        self.venue.request(self.user.signed(instruction, method, path, **more), answers.take)
        return answers

    def bid(self, price: str = "2599", quantity: str = "0.1", **fields: Any) -> Answers:
        order = {"symbol": PERP, "side": "Bid", "orderType": "Limit", "price": price, "quantity": quantity, **fields}
        return self.sent("orderExecute", "POST", "/api/v1/order", body=order)

    def buy(self, quantity: str = "0.1") -> Answers:
        order = {"symbol": PERP, "side": "Bid", "orderType": "Market", "quantity": quantity}
        return self.sent("orderExecute", "POST", "/api/v1/order", body=order)

    def cancel(self, **fields: Any) -> Answers:
        return self.sent("orderCancel", "DELETE", "/api/v1/order", body={"symbol": PERP, **fields})

    def run(self, ns: int) -> None:
        self.clock.run_until(self.clock.now_ns() + ns)

    @property
    def orders(self) -> int:
        return len(self.venue.exchange.ledger.orders)

    def events(self) -> list[str]:
        return [it["data"]["e"] if isinstance(it, dict) else it for it in self.wire.take()]


def status(answers: Answers) -> int:
    (reply,) = answers.replies
    assert isinstance(reply, Reply)
    return reply.status


def body(answers: Answers) -> Any:
    (reply,) = answers.replies
    assert isinstance(reply, Reply)
    return json.loads(reply.body)


# -- requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "carried_out"), [("ack_lost", 1), ("request_lost", 0)])
def test_a_lost_answer_cuts_the_connection(fault: str, carried_out: int) -> None:
    stage = Stage(f"fault: {fault}, nth: 1")
    assert stage.bid().replies == [None]
    assert stage.orders == carried_out
    assert status(stage.bid(clientId=2)) == 200


def test_a_late_reply_comes_behind_the_order_s_own_frames() -> None:
    stage = Stage("fault: ack_late, delay: 300ms")
    answers = stage.buy()
    assert answers.replies == []
    assert stage.events() == ["orderAccepted", "orderFill"]
    stage.run(300_000_000 - 1)
    assert answers.replies == []
    stage.run(1)
    assert body(answers)["status"] == "Filled"


@pytest.mark.parametrize(
    ("fault", "shape", "carried_out"),
    [("error_accepted", "json", 1), ("error_accepted", "html", 1), ("error_refused", "empty", 0)],
)
def test_a_5xx_says_nothing_of_what_was_carried_out(fault: str, shape: str, carried_out: int) -> None:
    stage = Stage(f"fault: {fault}, body: {shape}, status: 502, nth: 1")
    (reply,) = stage.bid().replies
    assert reply is not None
    assert reply.status == 502
    assert {"json": b'{"code":"SERVER_ERROR"', "html": b"<html>", "empty": b""}[shape] == reply.body[
        : {"json": 22, "html": 6, "empty": 9}[shape]
    ]
    assert stage.orders == carried_out


def test_a_block_by_rate_lasts() -> None:
    stage = Stage("fault: rate_limited, nth: 2, for: 10s")
    assert [status(stage.bid(clientId=number)) for number in range(3)] == [200, 429, 429]
    stage.run(10 * S)
    assert status(stage.bid(clientId=4)) == 200


def test_a_speed_bump_delays_the_engine_not_only_the_reply() -> None:
    stage = Stage("fault: speed_bump, delay: 300ms, on: any")
    answers = stage.bid()
    stage.run(299_000_000)
    assert stage.orders == 0
    stage.run(1_000_000)
    assert (stage.orders, body(answers)["status"]) == (1, "New")


def test_a_fault_meets_its_target_only() -> None:
    stage = Stage("fault: request_lost, on: cancel, account: alice", "fault: order_refused, symbol: ETH_USDC")
    assert status(stage.bid(clientId=1)) == 200
    assert stage.cancel(clientId=1).replies == [None]
    assert BackpackUser(stage.venue, "bob").limit("Bid", "2599", "0.1", clientId=1)[0] == 200
    assert BackpackUser(stage.venue, "bob").cancel(clientId=1)[0] == 200


# -- orders and cancels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "code"), [("margin", "INSUFFICIENT_MARGIN"), ("reduce_only", "INVALID_ORDER")])
def test_an_order_is_refused_for_a_reason(reason: str, code: str) -> None:
    stage = Stage(f"fault: order_refused, reason: {reason}, every: 2")
    assert status(stage.bid()) == 200
    refused = stage.bid()
    assert (status(refused), body(refused)["code"]) == (400, code)
    assert stage.orders == 1


def test_a_taker_gets_a_part() -> None:
    stage = Stage("fault: partly_taken, share: 0.4, nth: 1")
    resting = stage.bid()  # rests, so it is no hit
    assert body(resting)["status"] == "New"
    assert picked(body(stage.buy()), ("status", "executedQuantity")) == {
        "status": "Expired",
        "executedQuantity": "0.0400",
    }
    assert body(stage.buy())["status"] == "Filled"


def test_a_stuck_order_is_shown_by_no_query_until_it_reaches_the_book() -> None:
    stage = Stage("fault: stuck_pending, for: 5s, nth: 1")
    assert body(stage.bid(price="2600.10", clientId=5))["status"] == "New"
    assert stage.user.get("/api/v1/order", "orderQuery", symbol=PERP, clientId=5)[0] == 404
    assert stage.user.get("/api/v1/orders", "orderQueryAll") == (200, [])
    assert status(stage.cancel(clientId=5)) == 404
    assert stage.events() == []
    stage.run(5 * S)
    assert stage.events() == ["orderAccepted", "orderFill"]


def test_a_stuck_order_that_is_cancelled_meanwhile_never_reaches_the_book() -> None:
    """Seed 165 of the catalogue on OKX, which finds it by its client id: cancelled, and filled later all the same."""
    stage = Stage("fault: stuck_pending, for: 5s, nth: 1")
    assert body(stage.bid(price="2600.10", clientId=5))["status"] == "New"
    (order,) = stage.venue.exchange.ledger.orders.values()
    stage.venue.exchange.cancel(order)
    stage.run(5 * S)
    assert stage.venue.exchange.ledger.fills == []


def test_a_cancel_comes_too_late() -> None:
    stage = Stage("fault: cancel_too_late, nth: 1", "fault: cancel_too_late, share: 0.5, nth: 2")
    stage.bid(clientId=1)
    gone = stage.cancel(clientId=1)
    assert (status(gone), body(gone)["code"]) == (404, "RESOURCE_NOT_FOUND")
    stage.bid(clientId=2)
    assert picked(body(stage.cancel(clientId=2)), ("status", "executedQuantity")) == {
        "status": "Cancelled", "executedQuantity": "0.0500",
    }  # fmt: skip
    assert [fill.qty for fill in stage.venue.exchange.ledger.fills] == [D("0.1"), D("0.05")]


def test_a_cancel_is_accepted_first_and_carried_out_later() -> None:
    stage = Stage("fault: cancel_pending, delay: 2s")
    stage.bid(clientId=1)
    assert status(stage.cancel(clientId=1)) == 202
    assert stage.user.get("/api/v1/order", "orderQuery", symbol=PERP, clientId=1)[0] == 200
    stage.run(2 * S)
    assert stage.user.get("/api/v1/order", "orderQuery", symbol=PERP, clientId=1)[0] == 404


# -- frames ------------------------------------------------------------------------------------------------------

FRAMES_OF_TWO_BUYS = ["orderAccepted", "orderFill", "orderAccepted", "orderFill"]
FRAME_FAULTS = [
    ("fault: frame_lost, nth: 1", ["orderAccepted", "orderAccepted", "orderFill"]),
    ("fault: frame_twice, nth: 2", [*FRAMES_OF_TWO_BUYS, "orderFill"]),
    ("fault: frame_swapped, nth: 1", ["orderAccepted", "orderAccepted", "orderFill", "orderFill"]),
    ("fault: frame_late, delay: 1s, nth: 1", ["orderAccepted", "orderAccepted", "orderFill", "orderFill"]),
    ("fault: stream_cut, of: fill, nth: 1", ["orderAccepted", "cut"]),
    ("fault: stream_stalled, of: private, nth: 2", ["orderAccepted"]),
    ("fault: frame_lost, of: book", FRAMES_OF_TWO_BUYS),
    ("fault: frame_lost, account: bob", FRAMES_OF_TWO_BUYS),
]


@pytest.mark.parametrize(("row", "told"), FRAME_FAULTS, ids=[row for row, _ in FRAME_FAULTS])
def test_frames_are_lost_late_doubled_and_cut(row: str, told: list[str]) -> None:
    stage = Stage(row)
    stage.buy()
    stage.buy()
    stage.run(S)
    assert stage.events() == told


def test_a_garbled_frame_is_cut_off() -> None:
    class Raw(Wire):
        def send(self, text: str) -> None:
            self.came.append(text)

    stage = Stage("fault: frame_garbled")
    stage.session.outlet = raw = Raw()  # type: ignore[attr-defined]
    stage.buy()
    assert raw.came[1].startswith('{"stream":"account.orderUpdate"')
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(raw.came[1])


def test_a_stall_ends_and_what_was_not_told_never_comes() -> None:
    stage = Stage("fault: stream_stalled, nth: 1, for: 3s")
    stage.buy()
    stage.session.on_ping(b"x")
    assert stage.events() == ["orderAccepted"]
    stage.run(3 * S)
    stage.buy()
    assert stage.events() == ["orderAccepted", "orderFill"]


# -- time --------------------------------------------------------------------------------------------------------


def test_maintenance_comes_and_goes() -> None:
    stage = Stage("fault: maintenance, at: 5s, for: 10s")
    stage.run(5 * S)
    assert (status(stage.bid()), body(stage.bid())["code"]) == (503, "MAINTENANCE")
    assert public(stage.venue, "/api/v1/status")[1]["status"] == "Maintenance"
    stage.run(10 * S)
    assert status(stage.bid()) == 200


@pytest.mark.parametrize(("by", "message"), [("6s", "Request has expired"), ("-2s", "Timestamp is in the future")])
def test_a_skewed_clock_refuses_what_a_right_one_takes(by: str, message: str) -> None:
    stage = Stage(f"fault: clock_skewed, at: 1s, by: {by}, for: 1m")
    right = stage.venue.exchange.clock
    stage.run(S)
    request = stage.user.signed("balanceQuery", "GET", "/api/v1/capital", timestamp=right.wall_ms())
    answers = Answers()
    stage.venue.request(request, answers.take)
    assert body(answers)["message"] == message
    stage.run(60 * S)
    assert stage.user.call("balanceQuery", "GET", "/api/v1/capital", timestamp=right.wall_ms())[0] == 200


def test_a_changed_tick_refuses_old_prices_and_rounds_the_market() -> None:
    stage = Stage("fault: tick_changed, at: 1s, to: 10")
    stage.run(S)
    assert body(stage.bid(price="2599.99"))["code"] == "INVALID_PRICE"
    assert body(stage.bid(price="2599.90"))["status"] == "New"
    tick = public(stage.venue, "/api/v1/market", f"symbol={PERP}")[1]["filters"]["price"]["tickSize"]
    assert tick == "0.10"


@pytest.mark.parametrize(("to", "parts"), [(3, ["0.0004", "0.0003", "0.0003"]), (99, ["0.0001"] * 10)])
def test_what_the_market_takes_is_taken_in_parts_at_one_time_for_a_while(to: int, parts: list[str]) -> None:
    sold = tuple(MarketTrade(offset_ns, Side.SELL, 259990, 10) for offset_ns in (S, 3 * S))
    stage = Stage(f"fault: filled_in_parts, at: 500ms, to: {to}, for: 1s", events=(QUOTE, *sold))
    assert body(stage.bid(price="2599.95"))["status"] == "New"
    stage.run(4 * S)
    fills = [it["data"] for it in stage.wire.take() if it["data"]["e"] == "orderFill"]
    assert [it["l"] for it in fills] == [*parts, "0.0010"]
    assert len({it["T"] for it in fills}) == 2


def test_a_liquidation_after_the_second_fill_closes_the_position_and_its_orders() -> None:
    stage = Stage("fault: liquidation, nth: 2, account: alice")
    stage.bid(clientId=1)
    stage.buy()
    stage.buy()
    stage.run(0)
    told = [it["data"] for it in stage.wire.take()]
    assert [(it["e"], it["O"], it["S"]) for it in told[-3:]] == [
        ("orderCancelled", "USER", "Bid"),
        ("orderAccepted", "LIQUIDATION_AUTOCLOSE", "Ask"),
        ("orderFill", "LIQUIDATION_AUTOCLOSE", "Ask"),
    ]
    assert stage.user.get("/api/v1/position", "positionQuery") == (200, [])
    assert stage.user.get("/wapi/v1/history/fills", "fillHistoryQueryAll")[1][0]["systemOrderType"] is not None
    assert len(stage.user.get("/wapi/v1/history/fills", "fillHistoryQueryAll", fillType="User")[1]) == 2


def test_all_connections_are_cut_and_stalled_at_a_time() -> None:
    stage = Stage("fault: streams_stalled, at: 1s, for: 1s", "fault: streams_cut, at: 3s")
    stage.run(S)
    stage.buy()
    assert stage.events() == []
    stage.run(2 * S)
    assert stage.events() == ["cut"]


# -- chance, and what was played ---------------------------------------------------------------------------------


def _lost(*rows: str) -> list[int]:
    stage = Stage(*rows)
    return [number for number in range(200) if stage.bid(clientId=number).replies == [None]]


def test_chance_is_seeded_and_another_rule_changes_nothing_of_it() -> None:
    lost = _lost("fault: ack_lost, rate: 0.1")
    assert 5 < len(lost) < 40
    assert _lost("fault: ack_lost, rate: 0.1") == lost
    assert _lost("fault: ack_lost, rate: 0.1", "fault: request_lost, on: cancel, rate: 0.5") == lost


def test_a_rule_acts_no_more_often_than_it_may_and_what_it_played_is_kept() -> None:
    stage = Stage("fault: ack_lost, every: 2, times: 2")
    for number in range(8):
        stage.bid(clientId=number)
    assert stage.faults.played == [
        {"at_ms": 0, "fault": "ack_lost", "rule": 1, "account": "alice"},
        {"at_ms": 0, "fault": "ack_lost", "rule": 1, "account": "alice"},
    ]


@pytest.mark.parametrize("times", [1, 400])
def test_a_venue_is_away_for_longer_one_time_in_four_and_draws_that_by_itself(times: int) -> None:
    """What another rule draws goes no other way for it."""
    stage = Stage("fault: maintenance, rate: 1, for: 2s, longer: 30s", "fault: streams_cut, rate: 0.5")
    struck = list[int]()
    for _ in range(times):
        stage.faults.on_fill("alice", PERP, lambda rule: struck.append(rule.for_ns))
        stage.run(1)
    longer = [it for it in struck if it > 2 * S]
    assert (len(struck), times < 4 or 70 < len(longer) < 130) == (times, True)
    assert all(2 * S <= it < 30 * S for it in struck)
    assert times < 4 or max(longer) > 28 * S


# -- the file ----------------------------------------------------------------------------------------------------

WRONG = [
    ("fault: ack_lots", '3:13 fault: "ack_lots" is not allowed | did you mean "ack_lost"?'),
    ("nth: 1", "3:5 faults: key `fault` is missing"),
    ("fault: ack_late", "3:6 ack_late needs `delay` | add `delay:`"),
    ("fault: ack_lost, nth: x", '3:28 nth: "x" is no count | write a whole number without a unit, such as `3`'),
    ("fault: ack_lost, nth: 0", "3:28 nth is 0, expected 1 or above"),
    ("fault: ack_lost, rate: 1.5", "3:29 rate is 1.5, expected a part of 1 such as 0.05"),
    ("fault: ack_lost, nth: 1, rate: 0.1", "3:31 `rate` beside `nth` | a fault has one trigger; keep one"),
    ("fault: ack_lost, at: 3s", "3:23 `at` means nothing to ack_lost | did you mean \"rate\"?"),
    ("fault: ack_lost, account: eve", '3:32 no account is named "eve" | valid here: alice, bob'),
    ("fault: ack_lost, venue: x", '3:30 no venue is named "x" | valid here: backpack'),
    ("fault: streams_cut", "3:6 streams_cut needs a time | add `at: 10s`, or `nth: 3` for the third fill"),
    ("fault: streams_cut, at: 5", '3:30 at: "5" has no unit, expected a duration'),
    (
        "fault: error_refused, phase: start",
        "3:28 no venue knows in which phase a program is | leave the rule out here, or play the plan with"
        " `eagle simulate --faults`",
    ),
    ("fault: maintenance, at: 5s, for: 3s, longer: 3s",
     "3:43 longer is no longer than `for`, expected a longer time"),
    ("fault: maintenance, at: 5s", "3:6 maintenance needs `for` | add `for:`"),
    ("fault: streams_stalled, at: 5s, longer: 3s", "3:38 `longer` means nothing to streams_stalled"),
    ("fault: error_refused, status: 404", '3:36 status: "404" is not allowed | did you mean "504"?'),
]  # fmt: skip


@pytest.mark.parametrize(("row", "told"), WRONG, ids=[row for row, _ in WRONG])
def test_a_wrong_rule_is_told_at_its_place(row: str, told: str) -> None:
    text = f"# wrong\n{plan_of(row)}"
    with pytest.raises(FlowError) as caught:
        load_fault_plan(Source("faults.yaml", text), venues=VENUES)
    first = caught.value.findings[0]
    words = f"{first.span.line}:{first.span.column} {first.message}" + (f" | {first.hint}" if first.hint else "")
    if " | " not in told:
        words = words.partition(" | ")[0]
    assert words == told
    assert len(caught.value.findings) == 1


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("fault: maintenance, phase: start, nth: 1, for: 1s", ""),
        ("fault: request_lost, phase: start, on: any", ""),
        ("fault: maintenance, phase: start, at: 1s, for: 1s", "`at` means nothing to maintenance"),
        ("fault: frame_lost, phase: start", "`phase` means nothing to frame_lost"),
        ("fault: killed, phase: start, for: 1s", "`phase` means nothing to killed"),
        ("fault: request_lost, phase: HOLDING", 'phase: "HOLDING" is not allowed'),
    ],
)
def test_a_simulated_plan_may_strike_a_start(row: str, told: str) -> None:
    found = ""
    try:
        plan = load_fault_plan(Source("faults.yaml", plan_of(row)), venues=VENUES, simulated=True)
        assert [rule.phase for rule in plan.rules] == [START]
    except FlowError as wrong:
        found = " ".join(it.message for it in wrong.findings)
    assert found == told


def test_a_rule_of_a_start_acts_in_it_alone_and_no_other_acts_there() -> None:
    phase, clock, struck = [START], PaperClock(), []
    rows = (
        "fault: ack_lost", "fault: request_lost, phase: start", "fault: streams_cut, at: [1s, 3s]",
        "fault: maintenance, phase: start, nth: 1, for: 1s",
    )  # fmt: skip
    plan = load_fault_plan(Source("faults.yaml", plan_of(*rows)), venues=VENUES, simulated=True)
    faults = Faults(plan, venue="backpack", clock=clock, rng_of=lambda name: Stream(1, name), phase=lambda: phase[0])
    trading, starting, timed, coming_up = plan.rules
    faults.start(struck.append)
    faults.only = START
    faults.on_phase(START, struck.append)
    began_ns = clock.now_ns()
    clock.run_until(began_ns + 2 * S)
    assert faults.on_request("place", "alice") is starting
    assert struck == [coming_up]  # and not what comes by the clock: somebody else would trade while nobody listens
    phase[0], faults.only = "IDLE", ""
    assert faults.on_request("place", "alice") is trading
    clock.run_until(began_ns + 3 * S)
    assert struck == [coming_up, timed]


def test_a_wrong_plan_serves_nothing(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").write_text(plan_of("fault: ack_lots"))
    said = eagle("venue", "serve", "backpack", "--port", 0, "--fault-plan", "faults.yaml")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith('faults.yaml:2:13: error F204: fault: "ack_lots" is not allowed\n')
    assert eagle("venue", "serve", "backpack", "--fault-plan", "nix.yaml").code == 2


def test_the_schema_knows_what_the_venues_know() -> None:
    properties = shipped_schema("faults.schema.json")["properties"]["faults"]["items"]["properties"]
    known = {
        "fault": KINDS,
        "on": REQUESTS,
        "of": FRAMES,
        "reason": REASONS,
        "body": BODIES,
        "status": map(str, STATUSES),
    }
    assert {key: properties[key]["enum"] for key in known} == {key: list(words) for key, words in known.items()}


def test_every_fault_stands_in_the_docs() -> None:
    page = (Path(__file__).parents[1] / "docs" / "venues.md").read_text()
    rows = [f"| `{name}` | {kind.about} |" for name, kind in KINDS.items()]
    assert [row for row in rows if row not in page] == []


# -- the same plan on Lighter ------------------------------------------------------------------------------------


def _lighter(*rows: str) -> tuple[LighterUser, Wire]:
    """alice on a local Lighter with faults, and her order channel."""
    clock = PaperClock()
    plan = load_fault_plan(Source("faults.yaml", plan_of(*rows)), venues={"lighter": ("alice", "bob")})
    faults = Faults(plan, venue="lighter", clock=clock, rng_of=lambda purpose: Stream(1, purpose))
    user = LighterUser(lighter(options=LighterOptions(tier="premium"), clock=clock, faults=faults), clock)
    _, wire = user.listen("account_all_orders/101")
    wire.take()
    return user, wire


def _sent(user: LighterUser, form: dict[str, str]) -> Answers:
    answers = Answers()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    user.venue.request(Request("POST", "/api/v1/sendTx", "", headers, urlencode(form).encode(), "p"), answers.take)
    user.run(S)
    return answers


@pytest.mark.parametrize(
    ("row", "replies", "orders"),
    [
        ("fault: ack_lost", [None], 1),
        ("fault: request_lost", [None], 0),
        ("fault: error_accepted, status: 502", [502], 1),
        ("fault: error_refused, status: 504", [504], 0),
        ("fault: rate_limited", [429], 0),
        ("fault: ack_lost, on: cancel", [200], 1),
    ],
)
def test_a_transaction_is_lost_or_carried_out_without_a_word(row: str, replies: list[int | None], orders: int) -> None:
    user, wire = _lighter(row)
    told = _sent(user, user.order(2_000, 259_000)).replies
    assert [reply and reply.status for reply in told] == replies
    assert (len(user.venue.exchange.ledger.orders), len(wire.take())) == (orders, orders)
    assert user.venue.sequencer.nonces[101] == 1 + orders  # what was not queued uses no nonce


def test_the_sequencer_refuses_what_was_queued() -> None:
    user, wire = _lighter("fault: order_refused, reason: margin, nth: 1")
    assert status(_sent(user, user.order(2_000, 259_000))) == 200
    (frame,) = wire.take()
    assert frame["orders"]["0"][0]["status"] == "canceled-margin-not-allowed"


def test_a_taker_on_lighter_gets_a_part() -> None:
    user, wire = _lighter("fault: partly_taken, share: 0.4")
    _sent(user, user.order(1_000, 270_000, force=0, kind=1))
    (order,) = wire.take()[0]["orders"]["0"]
    assert picked(order, ("status", "filled_base_amount")) == {
        "status": "canceled-too-much-slippage", "filled_base_amount": "0.0400",
    }  # fmt: skip


def test_a_cancel_on_lighter_comes_too_late() -> None:
    user, wire = _lighter("fault: cancel_too_late")
    user.do(user.order(2_000, 259_000, ClientOrderIndex=8))
    told = user.do(user.cancel(8))
    assert [frame["orders"]["0"][0]["status"] for frame in wire.take()] == ["open", "filled"]
    assert user.get("tx", by="hash", value=told["tx_hash"])[1]["event_info"] == '{"ae":"21600"}'


def test_a_transaction_over_a_stream_meets_the_same_faults() -> None:
    user, _ = _lighter("fault: ack_lost")
    session, wire = user.listen()
    form = user.order(2_000, 259_000)
    session.on_text(json.dumps({"type": "jsonapi/sendtx", "data": {"tx_type": 14, "tx_info": form["tx_info"]}}))
    user.run(S)
    assert wire.take() == ["cut"]
    assert len(user.venue.exchange.ledger.orders) == 1


# -- what else a market and an account may go through ------------------------------------------------------------


def test_a_market_jumps_and_comes_back() -> None:
    events = tuple(QUOTE._replace(offset_ns=second * S) for second in range(6))
    stage = Stage("fault: price_jump, at: 1500ms, bps: -100, for: 2s", events=events)
    market = stage.venue.exchange.markets[PERP]
    bids = []
    for _ in range(5):
        stage.run(S)
        bids.append(market.book.top(Side.BUY))
    expected = QUOTE.bid - QUOTE.bid // 100
    assert [level and level[0] for level in bids] == [QUOTE.bid, expected, expected, QUOTE.bid, QUOTE.bid]


@pytest.mark.parametrize(("lots", "qty"), [(50, 50), (-30, -30)])
def test_somebody_trades_by_hand(lots: int, qty: int) -> None:
    stage = Stage(f"fault: foreign_trade, at: 1s, lots: {lots}, account: alice, symbol: {PERP}")
    stage.run(2 * S)
    market = stage.venue.exchange.markets[PERP]
    held = stage.venue.exchange.accounts["alice"].balances.holding(market.instrument.symbol).qty
    assert held == qty * market.instrument.lot
    assert [fill.client_id for fill in stage.venue.exchange.ledger.fills] == [""]


def test_a_venue_does_not_play_what_strikes_the_program() -> None:
    with pytest.raises(FlowError) as caught:
        load_fault_plan(Source("f.yaml", plan_of("fault: suspended, at: 1s, for: 3s")), venues=VENUES)
    (found,) = caught.value.findings
    assert (found.code, found.message) == ("N312", "no venue plays suspended")
    plan = load_fault_plan(
        Source("f.yaml", plan_of("fault: suspended, at: 1s, for: 3s")), venues=VENUES, simulated=True
    )  # fmt: skip
    assert [rule.fault for rule in plan.of_process().rules] == ["suspended"]
    assert plan.of_venues().rules == ()
