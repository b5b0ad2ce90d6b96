"""What the audit accepts, and every way in which a journal fails it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from journal_kit import ACCOUNTS, D, fill, open_journal_for, place, record, run_start, update

from engine.runtime.audit import AccountTotals, AuditReport, Finding, MarketTotals, audit
from engine.runtime.journal_sqlite import SqliteJournal
from engine.trading.adopted import adopted
from engine.trading.effects import PlaceOrder, Purpose
from engine.trading.inputs import Answered, Carried, NotSent, Recalled, Request, Started
from exchanges.types import FillKind, Margin, OrderState, Position, Refusal, Refused, Side


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "toy.db"
    record(path, rounds=2)
    return path


def change(path: Path, *statements: str) -> None:
    database = sqlite3.connect(path)
    with database:
        for sql in statements:
            database.execute(sql)
    database.close()


def codes(report: AuditReport) -> list[str]:
    return [finding.code for finding in report.findings]


def test_a_whole_run_holds(journal: Path) -> None:
    report = audit(journal)
    positions = {it.account: it.fills for it in report.accounts}
    assert report == AuditReport(
        run=1,
        fills=8,
        intents=8,
        sends=8,
        rounds=2,
        markets=[
            MarketTotals(
                "ETH-PERP",
                maker_volume=D("0.08"),
                largest_exposure=D("0.02"),
                longest_exposed_ms=30,
                dust_bound=D("0.002"),
            )
        ],
        accounts=[
            AccountTotals("maker", "ETH-PERP", venue=D(0)),
            AccountTotals("taker-1", "ETH-PERP", fills=positions["taker-1"], venue=positions["taker-1"]),
            AccountTotals("taker-2", "ETH-PERP", fills=positions["taker-2"], venue=positions["taker-2"]),
        ],
    )
    assert report.holds
    assert report.lines() == [
        "run 1: 2 rounds, 8 intents, 8 sends, 8 fills (0 from snapshots), 0 undo orders",
        "ETH-PERP: maker 0.00 + hedges 0.00 + undos 0 + flattens 0 + outside 0 = 0.00 (dust up to 0.002);"
        " largest 0.02, longest above dust 30 ms",
        *(
            f"{it.account}: baseline 0 + fills {it.fills} = {it.fills} ETH-PERP, venue {it.venue}"
            for it in report.accounts
        ),
        "audit holds",
    ]
    assert json.loads(json.dumps(report.as_json()))["markets"][0]["maker_volume"] == "0.08"


BROKEN = [
    (
        "a hedge that never filled",
        ["DELETE FROM fills WHERE client_id = 'e1r2s8'"],
        [
            ("round_uncovered", "ETH-PERP: exposure -0.02 at the end of round 2, dust is up to 0.002"),
            ("uncovered", "ETH-PERP: exposure -0.02 at the end of the run, dust is up to 0.002"),
            ("ledger_differs", None),
        ],
    ),
    (
        "a position that the venue has and the ledger has not",
        ["INSERT INTO holdings VALUES (1, 'end', 'maker', 'ETH-PERP', '0.5', '0', NULL)"],
        [("ledger_differs", "maker: baseline 0 + fills 0.00 = 0.00 ETH-PERP, the venue says 0.5 (difference 0.50)")],
    ),
    (
        "a baseline that is still there is not a difference",
        ["INSERT INTO holdings VALUES (1, 'start', 'maker', 'ETH-PERP', '3', '0', NULL)",
         "INSERT INTO holdings VALUES (1, 'end', 'maker', 'ETH-PERP', '3.00', '0', NULL)"],
        [],
    ),
    (
        "no word of the venue at the end",
        ["DELETE FROM balances WHERE moment = 'end' AND account = 'maker'"],
        [("no_venue_end", "maker: the venue's positions were not read at the end")],
    ),
    (
        "no baseline",
        ["DELETE FROM balances WHERE moment = 'start' AND account = 'maker'"],
        [("no_baseline", "maker: positions were not read at the start")],
    ),
    (
        "a fill of an order without intent",
        ["DELETE FROM intents WHERE client_id = 'e1r1s1'"],
        [
            ("no_intent", "step 4: maker buy 0.02 (trade t1) by order 'e1r1s1', which has no intent"),
            ("sent_without_intent", "place e1r1s1: 1 sends or drops, but 0 intents"),
        ],
    ),
    (
        "an intent that was neither sent nor dropped",
        ["DELETE FROM sends WHERE client_id = 'e1r1s3'"],
        [("not_sent", "place e1r1s3: 1 intents, but 0 sends or recorded drops")],
    ),
    (
        "a request that was sent twice",
        ["INSERT INTO sends (run, client_id, request, at_ns) VALUES (1, 'e1r1s3', 'place', 1)"],
        [("sent_without_intent", "place e1r1s3: 2 sends or drops, but 1 intents")],
    ),
    (
        "an id that came back in another run",
        ["DROP INDEX one_order_per_id",
         "INSERT INTO intents (run, seq, kind, account, symbol, client_id, not_after_ns, at_ns, wall_ms)"
         " VALUES (9, 1, 'place', 'maker', 'ETH-PERP', 'e1r1s1', 1, 1, 1)"],
        [("id_twice", "maker: client id e1r1s1 was used for 2 orders")],
    ),
    (
        "a run without end",
        ["UPDATE runs SET exit_code = NULL"],
        [("unfinished", "run 1 has no end: it goes on, or its process died")],
    ),
    (
        "an order that filled beyond its quantity",
        ["UPDATE orders SET qty = '0.01' WHERE client_id = 'e1r1s1'"],
        [("over_filled", "maker: order e1r1s1 over 0.01 filled 0.02")],
    ),
    (
        "a snapshot quantity that no row explains",
        ["UPDATE orders SET row_qty = '0.01' WHERE client_id = 'e1r1s1'"],
        [("unexplained", "maker: order e1r1s1 filled 0.02, fill rows explain 0.01")],
    ),
    (
        "a fill of another symbol",
        ["INSERT INTO fills SELECT run, venue, account, 'DOGE', 'x', trade_id, seq, at_ns, client_id, side, '5', '5',"
         " price, fee, fee_asset, liquidity, kind, at_ms, 0, purpose, round, decided_ns,"
         " bid, ask, touch_qty FROM fills WHERE client_id = 'e1r1s1'"],
        [("not_ours", "step 4: maker buy 5 (trade t1) of DOGE, which is not of this run")],
    ),
    (
        "a fill on an account of another run",
        ["UPDATE fills SET account = 'stranger' WHERE client_id = 'e1r2s8'"],
        [("not_ours", None), ("round_uncovered", None), ("uncovered", None), ("ledger_differs", None)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("statements", "expected"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_journal(journal: Path, statements: list[str], expected: list[tuple[str, str | None]]) -> None:
    change(journal, *statements)
    report = audit(journal)
    assert codes(report) == [code for code, _ in expected]
    texts = {code: text for code, text in expected if text is not None}
    assert {it.code: it.text for it in report.findings if it.code in texts} == texts
    assert report.lines()[-1] == ("audit holds" if not expected else f"audit fails: {len(expected)}")


# --- coverage, from hand-made runs


class Script:
    """A run on three accounts, one fact at a time; the venue's end follows from the fills."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._journal: SqliteJournal = open_journal_for(path)
        self._journal.run_started(run_start(accounts=ACCOUNTS))
        self._seq = 0
        self._held = dict.fromkeys(("maker", "taker-1", "taker-2"), D(0))
        self.give(Started((), self._margins()))

    def give(self, given: object) -> None:
        self._seq += 1
        self._journal.step(self._seq, self._seq, 0, given, [], [], [])  # type: ignore[arg-type]

    def asks(self, client_id: str, qty: str, *, side: Side, account: str, purpose: Purpose) -> PlaceOrder:
        self._seq += 1
        effect = place(client_id, side=side, qty=D(qty), account=account, purpose=purpose)
        self._journal.intents([(effect, self._seq, 0, 0)])
        self._journal.sent(client_id, Request.PLACE, 0)
        return effect

    def fills(self, effect: PlaceOrder, qty: str | None = None, **changes: object) -> None:
        trade = fill(effect, f"t{self._seq}", **({} if qty is None else {"qty": D(qty)}), **changes)
        self._held[trade.account] += trade.qty * trade.side.sign
        self.give(trade)

    def outside(self, kind: FillKind, qty: str, *, side: Side, account: str) -> None:
        effect = place("", side=side, qty=D(qty), account=account)
        self._held[account] += D(qty) * side.sign
        self.give(fill(effect, f"t{self._seq}", kind=kind))

    def ends(self, dust_bound: Decimal | None = None, **held: Decimal) -> AuditReport:
        positions = {**self._held, **{name.replace("_", "-"): qty for name, qty in held.items()}}
        self._journal.venue_end([Position(name, "ETH-PERP", qty) for name, qty in positions.items()], self._margins())
        self._journal.run_ended(0, 9)
        self._journal.close()
        return audit(self._path, dust_bound=dust_bound)

    def _margins(self) -> tuple[Margin, ...]:
        return tuple(Margin(name, D(1), D(1), D(1)) for name in self._held)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path / "script.db")


def opened(script: Script, qty: str = "0.02") -> PlaceOrder:
    effect = script.asks("m1", qty, side=Side.BUY, account="maker", purpose=Purpose.OPEN)
    script.fills(effect)
    return effect


def hedge(script: Script, client_id: str, qty: str = "0.02", *, account: str = "taker-1") -> PlaceOrder:
    return script.asks(client_id, qty, side=Side.SELL, account=account, purpose=Purpose.HEDGE)


def test_a_fill_hedged_in_two_parts_on_two_accounts_is_covered(script: Script) -> None:
    opened(script)
    first, second = hedge(script, "h1", "0.015"), hedge(script, "h2", "0.005", account="taker-2")
    script.fills(second)
    script.fills(first, "0.010")
    script.fills(first, "0.005")
    report = script.ends()
    assert report.findings == []
    assert (report.markets[0].maker, report.markets[0].hedges) == (D("0.02"), D("-0.02"))


def test_a_fill_taken_back_on_the_maker_is_one_recorded_undo(script: Script) -> None:
    opened(script)
    script.fills(script.asks("u1", "0.02", side=Side.SELL, account="maker", purpose=Purpose.UNDO))
    report = script.ends()
    assert report.findings == []
    assert (report.undos, report.markets[0].undos) == (1, D("-0.02"))


def test_a_rest_below_every_minimum_is_dust(script: Script) -> None:
    opened(script, "0.0215")
    script.fills(hedge(script, "h1", "0.020"))
    assert script.ends().findings == []


def test_the_same_rest_is_exposure_where_the_bound_is_smaller(script: Script) -> None:
    opened(script, "0.0215")
    script.fills(hedge(script, "h1", "0.020"))
    assert script.ends(D("0.001")).findings == [
        Finding("uncovered", "ETH-PERP: exposure 0.0015 at the end of the run, dust is up to 0.001")
    ]


def test_two_hedges_of_one_fill_are_named_although_cleanup_repairs_them(script: Script) -> None:
    opened(script)
    first, second = hedge(script, "h1"), hedge(script, "h2", account="taker-2")
    script.fills(first)
    script.fills(second)
    script.fills(script.asks("f1", "0.02", side=Side.BUY, account="taker-2", purpose=Purpose.FLATTEN))
    assert script.ends().findings == [
        Finding("over_covered", "step 7: hedge taker-2 sell 0.02 (trade t6) took exposure from 0.00 to -0.02")
    ]


def test_a_hedge_in_the_wrong_direction_grows_exposure(script: Script) -> None:
    opened(script)
    script.fills(script.asks("h1", "0.02", side=Side.BUY, account="taker-1", purpose=Purpose.HEDGE))
    assert codes(script.ends()) == ["over_covered", "uncovered"]


def test_a_liquidation_while_the_hedge_is_on_its_way_is_not_the_hedges_fault(script: Script) -> None:
    opened(script)
    first = hedge(script, "h1")
    script.outside(FillKind.LIQUIDATION, "0.02", side=Side.SELL, account="maker")
    script.fills(first)
    script.fills(script.asks("h2", "0.02", side=Side.BUY, account="taker-1", purpose=Purpose.HEDGE))
    report = script.ends()
    assert report.findings == []
    assert report.markets[0].outside == D("-0.02")


def test_a_liquidation_before_the_hedge_was_asked_for_excuses_nothing(script: Script) -> None:
    opened(script)
    script.outside(FillKind.LIQUIDATION, "0.02", side=Side.SELL, account="maker")
    script.fills(hedge(script, "h1"))
    script.fills(script.asks("f1", "0.02", side=Side.BUY, account="taker-1", purpose=Purpose.FLATTEN))
    assert codes(script.ends()) == ["over_covered"]


@pytest.mark.parametrize(("other_fills", "expected"), [("0.02", []), (None, ["over_covered", "uncovered"])])
def test_a_hedge_answers_the_other_half_of_a_pair_although_it_is_told_later(
    script: Script, other_fills: str | None, expected: list[str]
) -> None:
    """One half was cut short, the other's fill came with the resync of a stream: the hedge had been right."""
    cut_short = script.asks("f1", "0.02", side=Side.SELL, account="taker-1", purpose=Purpose.FLATTEN)
    other = script.asks("f2", "0.02", side=Side.BUY, account="taker-2", purpose=Purpose.FLATTEN)
    script.give(update(cut_short, OrderState.CANCELED))
    if other_fills is None:
        script.give(update(other, OrderState.CANCELED))  # it was known before the hedge that nothing will come of it
    script.fills(script.asks("h1", "0.02", side=Side.SELL, account="taker-1", purpose=Purpose.HEDGE))
    if other_fills is not None:
        script.fills(other, other_fills)
    assert codes(script.ends()) == expected


@pytest.mark.parametrize(
    ("purpose", "ended", "expected"),
    [
        ("flatten", False, []),
        ("hedge", False, []),
        ("open", False, ["over_covered", "uncovered"]),
        ("hedge", True, ["over_covered", "uncovered"]),
    ],
)
def test_a_hedge_answers_what_a_dead_run_had_on_its_way(
    script: Script, purpose: str, ended: bool, expected: list[str]
) -> None:
    """Whether its venue had taken it nobody knew (S4); it had not, and the next hedge takes the rest back."""
    order = Recalled(
        client_id="d1", account="taker-2", venue="two", symbol="ETH", side=Side.BUY, qty=D("0.02"), price=None,
        purpose=purpose, leg="", round=1, order_id="", state=OrderState.PENDING, filled=D(0),
        provisional=D(0), trades=(),
    )  # fmt: skip
    script.give(Carried(1, 0, (), (order,)))
    if ended:
        script.give(Answered("d1", Request.PLACE, Refused(Refusal.VENUE, "no")))
    script.fills(script.asks("h1", "0.02", side=Side.SELL, account="taker-1", purpose=Purpose.HEDGE))
    if not expected:
        script.fills(script.asks("h2", "0.02", side=Side.BUY, account="taker-2", purpose=Purpose.HEDGE))
    assert codes(script.ends()) == expected


@pytest.mark.parametrize("first", ["sell fills first", "buy is refused"])
def test_a_hedge_answers_another_hedge_that_is_on_its_way(script: Script, first: str) -> None:
    """Both halves of a pair were cut short, one after the other; the hedge of the first is still on its way, or is
    refused in the end (seed 165 of a simulated storm)."""
    buy = script.asks("h1", "0.02", side=Side.BUY, account="taker-1", purpose=Purpose.HEDGE)
    sell = script.asks("h2", "0.02", side=Side.SELL, account="taker-2", purpose=Purpose.HEDGE)
    script.fills(sell)
    if first == "sell fills first":
        script.fills(buy)
    else:
        script.give(Answered(buy.request.client_id, Request.PLACE, Refused(Refusal.MARGIN, "no margin")))
        script.fills(script.asks("h3", "0.02", side=Side.BUY, account="taker-1", purpose=Purpose.HEDGE))
    assert codes(script.ends()) == []


def test_accounts_flattened_in_pairs_may_pass_through_exposure(script: Script) -> None:
    opened(script)
    script.fills(hedge(script, "h1"))
    script.fills(script.asks("f1", "0.02", side=Side.SELL, account="maker", purpose=Purpose.FLATTEN))
    script.fills(script.asks("f2", "0.02", side=Side.BUY, account="taker-1", purpose=Purpose.FLATTEN))
    assert script.ends().findings == []


def test_a_snapshot_counts_before_its_rows_and_once(script: Script) -> None:
    effect = script.asks("m1", "0.02", side=Side.BUY, account="maker", purpose=Purpose.OPEN)
    script.give(update(effect, OrderState.PARTIALLY_FILLED, "0.02"))
    script.fills(hedge(script, "h1"))
    script.fills(effect, "0.02")
    report = script.ends()
    assert report.findings == []
    assert (report.fills, report.provisional) == (3, 1)


def test_a_fill_without_order_of_ours_is_named_unless_the_venue_made_it(script: Script) -> None:
    script.outside(FillKind.TRADE, "0.001", side=Side.BUY, account="maker")
    script.outside(FillKind.SETTLEMENT, "0.001", side=Side.SELL, account="maker")
    assert script.ends().findings == [
        Finding("no_intent", "step 2: maker buy 0.001 (trade t1) by order '', which has no intent")
    ]


def test_an_order_that_was_adopted_needs_no_intent(script: Script) -> None:
    """Its run had no disk to write one on; that it was taken over is in the journal."""
    opened(script)
    untold = place("e7r1lhedgea1", side=Side.SELL, account="taker-1")
    script.give(adopted(fill(untold, "t"), venue=untold.venue))
    script.fills(untold)
    report = script.ends()
    assert report.findings == []
    (market,) = report.markets
    assert (market.flattens, market.outside) == (D("-0.02"), D(0))


def test_a_fee_taken_in_base_is_missing_from_the_position(script: Script) -> None:
    effect = script.asks("m1", "0.02", side=Side.BUY, account="maker", purpose=Purpose.OPEN)
    script.fills(effect, fee=D("0.001"), fee_asset="ETH")
    script.fills(hedge(script, "h1", "0.019"))
    report = script.ends(maker=D("0.019"))
    assert report.findings == []
    assert report.markets[0].exposure == 0


def test_a_dropped_request_needs_no_send(tmp_path: Path) -> None:
    journal = open_journal_for(tmp_path / "drop.db")
    journal.run_started(run_start(accounts=()))
    journal.intents([(place("m1"), 1, 0, 0)])
    journal.step(2, 0, 0, NotSent("m1", Request.PLACE, "stale"), [], [], [])
    journal.run_ended(0, 9)
    journal.close()
    assert audit(tmp_path / "drop.db").findings == []


def test_a_minimum_notional_widens_what_is_dust(tmp_path: Path) -> None:
    instrument = ACCOUNTS[0][1]
    costly = replace(instrument, min_notional=D(11))
    journal = open_journal_for(tmp_path / "notional.db")
    journal.run_started(run_start(accounts=(("maker", costly),)))
    effect = place("m1", qty=D("0.003"))
    journal.intents([(effect, 1, 0, 0)])
    journal.sent("m1", Request.PLACE, 0)
    journal.step(1, 0, 0, Started((), (Margin("maker", D(1), D(1), D(1)),)), [], [], [])
    journal.step(2, 0, 0, fill(effect, price=D(2_500)), [], [], [])
    journal.venue_end([Position("maker", "ETH-PERP", D("0.003"))], [Margin("maker", D(1), D(1), D(1))])
    journal.run_ended(0, 9)
    journal.close()
    report = audit(tmp_path / "notional.db")
    assert report.findings == []
    assert report.markets[0].dust_bound == D("0.005")


def test_only_the_first_thousand_findings_are_kept() -> None:
    report = AuditReport(run=1)
    for number in range(1_002):
        report.add("x", str(number))
    assert (len(report.findings), report.more_findings) == (1_000, 2)
    assert report.lines()[-2:] == ["and 2 more findings", "audit fails: 1002"]
