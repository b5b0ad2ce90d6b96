"""Every row of the fault catalogue, by its number and name: the fault is played, and what the row asks for happens.

docs/simulate.md has the table. Rows that no plan can play name the test that plays them, which must exist.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from catalogue_kit import MS, S, Seen, lived
from cli_kit import ROOT

from cli.simulated import SimulatedWorld
from engine.errors import NotFlatBefore
from engine.runtime.journal_read import open_journal
from engine.runtime.simulate.alone import over
from engine.runtime.simulate.catalogue import CATALOGUE, START, Row
from engine.trading.effects import Alert, AskOrder, CancelOrder, Purpose
from engine.trading.inputs import Answered, MarketSeen
from exchanges.accounts import Holding
from exchanges.types import Fill, LinkState, LinkUpdate, OrderUpdate, Refused, Unknown

HEDGES = (Purpose.HEDGE, Purpose.UNDO)


def asked_and_never_sent_again(seen: Seen) -> None:
    """1: an unknown outcome is asked about by its id if no stream tells it, and no other order covers the same."""
    unknown = {it.client_id for _, it in seen.given(Answered) if isinstance(it.reply, Unknown)}
    told = {it.client_id for _, it in seen.given(OrderUpdate)}
    asked = {it.client_id for _, it in seen.effects(AskOrder)}
    assert unknown
    assert unknown <= asked | told
    assert unknown & asked
    assert "outcome_unknown" in seen.alerts
    assert sum(it.request.qty for _, it in seen.placed(*HEDGES)) == _filled(seen)
    assert seen.outcome.exposed_ns < 4 * S


def taken_over(seen: Seen) -> None:
    """2: the next life takes over and covers what the dead one left."""
    assert seen.outcome.lives == 2
    assert seen.outcome.exposed_ns < 5 * S


def noticed_within_two_seconds(seen: Seen) -> None:
    """3: the silent stream is noticed, the venue polled meanwhile, the fill hedged."""
    assert 0 < seen.outcome.unknown_ns < 2 * S
    assert seen.outcome.exposed_ns < 3 * S


def told_after_the_gap(seen: Seen) -> None:
    """4: what filled in the gap is asked for at once when the stream is back."""
    assert 0 < seen.outcome.unknown_ns < S
    assert seen.outcome.exposed_ns < S


def somebody_else_at_once(seen: Seen) -> None:
    """5: each refusal moves on to another account within 250 ms."""
    refused = [(at_ns, it.client_id) for at_ns, it in seen.given(Answered) if isinstance(it.reply, Refused)]
    who = {it.request.client_id: it.request.account for _, it in seen.placed()}
    assert len(refused) == 2
    for at_ns, client_id in refused:
        after = [it.request.account for placed_ns, it in seen.placed(*HEDGES) if 0 <= placed_ns - at_ns <= 250 * MS]
        assert after
        assert after[0] != who[client_id]


def nothing_opened_while_away(seen: Seen) -> None:
    """7, 28: no opening while nobody is let in, and the rounds go on afterwards."""
    (down_ns, *_) = seen.struck()
    away_ns = seen.outcome.played[0].took_ns
    opened = [at_ns for at_ns, _ in seen.placed(Purpose.OPEN)]
    assert not [at_ns for at_ns in opened if down_ns + 100 * MS < at_ns < down_ns + away_ns]
    assert [at_ns for at_ns in opened if at_ns > down_ns + away_ns]


def hedged_what_filled_before_the_cancel(seen: Seen) -> None:
    """8: the share that filled before the cancel took hold is hedged."""
    assert [it for at_ns, it in seen.placed(Purpose.HEDGE) if 0 < at_ns - seen.struck()[0] < S]


def no_more_than_filled(seen: Seen) -> None:
    """9: whatever comes first, a reply or a fill, each quantity counts once: no hedge beside those of the fills."""
    assert len(seen.outcome.played) > 10
    assert sum(it.request.qty for _, it in seen.placed(*HEDGES)) == _filled(seen)


def counted_once(seen: Seen) -> None:
    """10: as many rows of fills in the journal as the venues had, though each was told twice."""
    with open_journal(seen.journal) as journal:
        ((rows,),) = journal.execute("SELECT count(*) FROM fills WHERE provisional = 0")
    assert rows == seen.outcome.fills


def known_all_the_same(seen: Seen) -> None:
    """11: a frame that comes late, never or cut off leaves no fill unknown for long."""
    assert 0 < seen.outcome.unknown_ns < 4 * S


def remainder_sent_at_once(seen: Seen) -> None:
    """12: what a taker left open is sent again, in the step that tells it."""
    first = seen.struck()[0]
    again = [at_ns for at_ns, _ in seen.placed(*HEDGES) if first < at_ns < first + S]
    assert len(again) >= 3
    assert again[0] - first < 100 * MS


def cleaned_up_in_pairs(seen: Seen) -> None:
    """13: orders of the cleanup carry their purpose, and what they fill is hedged by their other half alone."""
    flattened = seen.placed(Purpose.FLATTEN)
    assert len(flattened) >= 4
    assert len({it.request.side for _, it in flattened}) == 2
    assert len(seen.outcome.played) > 2


def halted_by_policy(seen: Seen) -> None:
    """14: a trade by hand is hedged, told, and halts the run."""
    assert {"fill_trade", "halt"} <= set(seen.alerts)
    assert "halted" in seen.outcome.ending
    assert seen.outcome.exposed_ns < 4 * S


def asked_then_cancelled(seen: Seen) -> None:
    """15: an order that stays pending is asked about three times, then cancelled by its id."""
    stuck = next(it.request.client_id for _, it in seen.placed(Purpose.HEDGE))
    asked = [at_ns for at_ns, it in seen.effects(AskOrder) if it.client_id == stuck]
    cancelled = [at_ns for at_ns, it in seen.effects(CancelOrder) if it.client_id == stuck]
    assert len(asked) >= 3
    assert cancelled
    assert seen.outcome.exposed_ns < 9 * S


def asked_less_and_went_on(seen: Seen) -> None:
    """16: after 429 few requests leave before the venue lets us in again: openings are refused here; the rounds end."""
    (banned_ns,) = seen.struck()
    replies = [(at_ns, it.reply) for at_ns, it in seen.given(Answered) if 0 < at_ns - banned_ns < 2 * S]
    assert "no request left" in " ".join(it.text for _, it in replies if isinstance(it, Refused))
    assert sum("TOO_MANY" in it.text for _, it in replies if isinstance(it, Refused)) <= 3
    assert seen.outcome.exposed_ns < 4 * S


def ended_in_order(seen: Seen) -> None:
    """17: asked once, it opens nothing more and is flat within 30 s."""
    (asked_ns,) = seen.struck()
    assert not [at_ns for at_ns, _ in seen.placed(Purpose.OPEN) if at_ns > asked_ns]
    assert seen.outcome.span_ns + S - asked_ns < 30 * S
    assert (seen.outcome.exit_code, seen.outcome.ending) == (0, "flat")


def hedged_without_a_journal(seen: Seen) -> None:
    """18: no opening without a durable intent, but what is open is hedged and closed; exit code 4."""
    (full_ns,) = seen.struck()
    with open_journal(seen.journal) as journal:
        written = {name for (name,) in journal.execute("SELECT client_id FROM intents WHERE kind = 'place'")}
    unwritten = [it for _, it in seen.placed() if it.request.client_id not in written]
    assert unwritten
    assert Purpose.OPEN not in {it.purpose for it in unwritten}
    assert [at_ns for at_ns, _ in seen.placed(*HEDGES) if at_ns > full_ns]
    assert (seen.outcome.exit_code, seen.outcome.ending) == (4, "flat")


def not_opened_while_books_differ(seen: Seen) -> None:
    """20: a book that stands away from the others, or still, closes the market: nothing is opened until it is back."""
    closed = [at_ns for at_ns, it in seen.given(MarketSeen) if not it.open]
    opened = [at_ns for at_ns, it in seen.given(MarketSeen) if it.open]
    assert closed
    until_ns = next(at_ns for at_ns in opened if at_ns > closed[0])
    assert until_ns > seen.struck()[0] + 3 * S
    assert not [at_ns for at_ns, _ in seen.placed(Purpose.OPEN) if closed[0] <= at_ns < until_ns]


def compared_before_acting(seen: Seen) -> None:
    """21: time that went missing is told, and no account is sent anything but cancels before it was compared."""
    (slept_ns, *_) = seen.struck()
    assert "clock_jumped" in seen.alerts
    woke_ns = slept_ns + 4 * S
    told = [(at_ns, it) for at_ns, it in seen.given(LinkUpdate) if at_ns > woke_ns]
    trusted = {it.account: at_ns for at_ns, it in reversed(told) if it.state is LinkState.TRUSTED}
    assert sorted(trusted) == ["chick", "hawk", "hen"]
    placed = [(at_ns, it.request.account) for at_ns, it in seen.placed() if at_ns >= woke_ns]
    assert placed
    assert not [account for at_ns, account in placed if at_ns < trusted[account]]


def nonces_in_order(seen: Seen) -> None:
    """22: a transaction that the sequencer refuses, or that never came, leaves no gap, and no id comes twice."""
    assert {"order_refused by the sequencer", "request_lost of a nonce"} <= {it.label for it in seen.outcome.played}
    ids = [it.request.client_id for _, it in seen.placed()]
    assert len(set(ids)) == len(ids)


def went_on_slowly(seen: Seen) -> None:
    """24: each write takes 600 ms: no fill is lost, and what is open is hedged within the bound."""
    assert seen.outcome.exposed_ns < 4 * S


def repriced(seen: Seen) -> None:
    """25: a post-only order that would cross is tried again at another moment, a few times a second at most."""
    refused = [at_ns for at_ns, it in seen.given(Answered) if isinstance(it.reply, Refused)]
    assert len(refused) == 2
    for at_ns in refused:
        again = [placed_ns for placed_ns, _ in seen.placed(Purpose.OPEN, Purpose.CLOSE) if placed_ns > at_ns]
        assert again[0] - at_ns >= 200 * MS


def read_anew(seen: Seen) -> None:
    """26: a refused price makes the market be read anew; the next order has the new tick, and a person is told."""
    refused = [at_ns for at_ns, it in seen.given(Answered) if isinstance(it.reply, Refused)]
    assert 1 <= len(refused) <= 3  # one of each account
    assert "relisted" in seen.alerts
    prices = [it.request.price for at_ns, it in seen.placed() if at_ns > refused[-1] + S and it.request.price]
    assert prices
    assert {price % Decimal("0.1") for price in prices} == {0}


def came_up_at_its_first_try(seen: Seen) -> None:
    """29: errors and requests without an answer end no start: it asks again, takes over, and covers what was left."""
    at_start = {it.label for it in seen.outcome.played if it.state == START}
    assert at_start == {"error_refused at a start", "request_lost at a start", "maintenance at a start"}
    assert (seen.outcome.lives, seen.outcome.starts_failed) == (2, 0)
    assert 5 * S < seen.outcome.exposed_ns < 10 * S  # a hedge was open: none is sent before all accounts are read


def _filled(seen: Seen) -> Decimal:
    return sum((it.qty for _, it in seen.given(Fill) if it.account == "hawk"), Decimal(0))


@dataclass(frozen=True, slots=True)
class Played:
    """What is played for a row, and what is expected of the run; `halts`: it ends with that, not flat and done."""

    rules: str
    expect: Callable[[Seen], None]
    kind: str = "backpack"
    halts: bool = False


PLAYED: Mapping[int, Played] = {
    1: Played("fault: ack_lost, on: place, nth: [1, 2]", asked_and_never_sent_again),
    2: Played("fault: killed, nth: 12, for: 500ms", taken_over),
    3: Played("fault: stream_stalled, of: private, nth: 1, account: hawk", noticed_within_two_seconds),
    4: Played("fault: stream_cut, of: fill, nth: 1, account: hawk", told_after_the_gap),
    5: Played("fault: order_refused, nth: [1, 2], venue: two, reason: margin", somebody_else_at_once),
    7: Played("fault: maintenance, at: 2s, for: 3s", nothing_opened_while_away),
    8: Played("fault: cancel_too_late, share: 0.5, nth: 1", hedged_what_filled_before_the_cancel),
    9: Played(
        "fault: ack_late, on: place, nth: [1, 2], delay: 700ms\nfault: frame_swapped, of: private, every: 3",
        no_more_than_filled,
    ),
    10: Played("fault: frame_twice, of: private, every: 1", counted_once),
    11: Played(
        "fault: frame_late, of: fill, nth: 1, delay: 4s\nfault: frame_lost, of: fill, nth: 3\n"
        "fault: frame_garbled, of: fill, nth: 4",
        known_all_the_same,
    ),
    12: Played("fault: partly_taken, every: 1, times: 3, share: 0.5, venue: two", remainder_sent_at_once),
    13: Played(
        "fault: partly_taken, every: 2, share: 0.5\nfault: frame_twice, of: fill, every: 2", cleaned_up_in_pairs
    ),
    14: Played("fault: foreign_trade, at: 2s, account: chick, lots: 40", halted_by_policy, halts=True),
    15: Played("fault: stuck_pending, nth: 1, venue: two, for: 6s", asked_then_cancelled, halts=True),
    16: Played("fault: rate_limited, on: any, nth: 3, for: 2s, venue: one", asked_less_and_went_on),
    17: Played("fault: stop_asked, at: 2s", ended_in_order),
    18: Played("fault: disk_full, at: 2s", hedged_without_a_journal, halts=True),
    20: Played("fault: price_jump, at: 2s, bps: 60, for: 3s, venue: one", not_opened_while_books_differ),
    21: Played("fault: suspended, at: 2s, for: 4s", compared_before_acting),
    22: Played("fault: order_refused, nth: 2\nfault: request_lost, on: place, nth: 4", nonces_in_order, kind="lighter"),
    24: Played("fault: disk_slow, at: 1s, delay: 600ms, for: 4s", went_on_slowly),
    25: Played("fault: order_refused, nth: [1, 2], venue: one, reason: post_only", repriced),
    26: Played("fault: tick_changed, at: 2s, to: 10", read_anew),
    28: Played("fault: keys_refused, at: 2s, for: 2s, venue: one", nothing_opened_while_away),
    29: Played(
        "fault: killed, nth: 9, for: 500ms\nfault: error_refused, phase: start, on: any, nth: [2, 9]\n"
        "fault: request_lost, phase: start, on: any, nth: [12, 30]\nfault: maintenance, phase: start, nth: 1, for: 2s",
        came_up_at_its_first_try,
    ),
}
ELSEWHERE: Mapping[int, str] = {
    6: "test_lease.py::test_a_second_process_is_refused_and_told_who_has_the_account",
    19: "test_online.py::test_what_is_wrong_is_told_with_what_to_do",
    23: "test_journal.py::test_a_file_that_is_not_a_sound_journal_is_refused_and_left_alone",
    27: "test_broken_configs.py::test_a_broken_config_is_told_exactly",
}


def _name(row: Row) -> str:
    return f"{row.number} {row.title}"


@pytest.mark.parametrize("row", [row for row in CATALOGUE if row.faults], ids=_name)
def test_row(row: Row, tmp_path: Path) -> None:
    case = PLAYED[row.number]
    seen = lived(case.rules, folder=tmp_path, kind=case.kind)
    acted = {name for it in seen.outcome.played for name in (it.fault, it.label)}
    assert acted & set(row.faults), "the fault was not played"
    assert seen.outcome.violations == ()
    if not case.halts:
        assert (seen.outcome.exit_code, seen.outcome.ending) == (0, "flat")
    case.expect(seen)


@pytest.mark.parametrize("kind", ["backpack", "lighter", "okx", "binance"])
def test_a_position_that_moves_without_a_row_halts_the_run(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """14: no stream and no list of fills tells of it; two readings of positions do (E12), and no order follows."""
    begin = SimulatedWorld.start

    def started(world: SimulatedWorld) -> None:
        begin(world)
        exchange = world.venues["two"].exchange
        (symbol,), balances = exchange.markets, exchange.accounts["chick"].balances

        def move() -> None:
            held = balances.holding(symbol)
            balances.holdings[symbol] = Holding(held.qty + Decimal("0.02"), held.entry_price)

        world.clock.post_at(8 * S, move)

    monkeypatch.setattr(SimulatedWorld, "start", started)
    seen = lived("fault: stop_asked, at: 60s", folder=tmp_path, kind=kind, rounds=50)
    (halted_ns,) = [at_ns for at_ns, it in seen.effects(Alert) if it.code == "limit"]
    assert seen.alerts.count("positions_differ") >= 2
    assert 8 * S < halted_ns < 60 * S
    assert not [at_ns for at_ns, _ in seen.placed() if at_ns > halted_ns]
    assert seen.outcome.exit_code == 1
    assert "by our books and not by the venues'; halted: positions differ" in seen.outcome.ending


@pytest.mark.parametrize("row", [row for row in CATALOGUE if not row.faults], ids=_name)
def test_row_elsewhere(row: Row) -> None:
    file, _, name = ELSEWHERE[row.number].partition("::")
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    assert name in {it.name for it in tree.body if isinstance(it, ast.FunctionDef)}


def test_every_row_has_a_test_and_stands_on_the_page() -> None:
    assert sorted({**PLAYED, **ELSEWHERE}) == [row.number for row in CATALOGUE] == list(range(1, 30))


def test_a_tick_that_comes_back_is_used_again(tmp_path: Path) -> None:
    """Without that the maker stood ten ticks from the touch for as long as the run went on, and filled hardly ever."""
    seen = lived("fault: tick_changed, at: 2s, to: 10, for: 4s", folder=tmp_path, rounds=4)
    assert seen.outcome.violations == ()
    assert seen.alerts.count("relisted") == 2


def test_venues_that_are_away_as_the_last_round_ends_are_waited_for(tmp_path: Path) -> None:
    """Nobody had asked the run to stop, and it left what was open after the twenty seconds of a stop (S3)."""
    away = "fault: maintenance, at: 3485ms, for: 45s"
    seen = lived(f"{away}, venue: one\n{away}, venue: two", folder=tmp_path, seed=10, rounds=1)
    assert len(seen.struck()) == 2
    assert seen.outcome.violations == ()
    assert (seen.outcome.exit_code, seen.outcome.ending) == (1, "flat; halted: age of unhedged size")


HARD = [  # cells that chance alone reached in none of a thousand seeds
    ("killed", "TAKER_CLOSING", "for: 500ms"),
    ("foreign_trade", "TAKER_HEDGING", "account: chick, lots: 40"),
    ("foreign_trade", "TAKER_CLOSING", "account: chick, lots: 40"),
    ("stuck_pending", "TAKER_HEDGING", "for: 800ms"),
    ("rate_limited", "TAKER_CLOSING", "on: place, for: 1s"),
    ("rate_limited", "HOLDING", "on: any, for: 2s"),
    ("killed", "HOLDING", "for: 500ms"),
    ("stop_asked", "HOLDING", ""),
    ("disk_full", "HOLDING", "for: 5s"),
    ("disk_full", "TAKER_CLOSING", "for: 5s"),
    ("maintenance", "IDLE", "for: 1s"),
    ("suspended", "IDLE", "for: 3s"),
]


@pytest.mark.parametrize(("fault", "phase", "more"), HARD)
def test_a_fault_that_rarely_meets_a_phase_acts_in_it(fault: str, phase: str, more: str, tmp_path: Path) -> None:
    seen = lived(f"fault: {fault}, nth: 1{', ' if more else ''}{more}", folder=tmp_path, phase=phase)
    assert {(it.fault, it.state) for it in seen.outcome.played} == {(fault, phase)}
    assert seen.outcome.violations == ()
    assert seen.outcome.alone is None or not over([seen.outcome.alone], [])


BY_HAND = "fault: foreign_trade, at: 3500ms, lots: 40, account: chick"
UNTOLD = "fault: frame_lost, of: private, account: chick"
AT_ONCE, LATER = "fault: killed, nth: 64, for: 500ms", "fault: killed, nth: 104, for: 500ms"


@pytest.mark.parametrize(
    ("rules", "refusal", "broken", "ending"),
    [
        ((BY_HAND, UNTOLD, AT_ONCE), "", (), ""),
        ((BY_HAND, LATER), "", (), "flat"),
        ((BY_HAND, UNTOLD, AT_ONCE), "hawk: the journal has 0, the venue 1", ("start_refused",), ""),
    ],
    ids=["nobody had heard of it", "it was told before the death", "refused for another account"],
)
def test_a_start_refuses_what_somebody_else_traded_before_a_death(
    rules: tuple[str, ...], refusal: str, broken: tuple[str, ...], ending: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """S1: no run had heard of the trade, so it is the owner's; where the dead run had, the next one brings it home."""
    if refusal:

        def refuse(*_: object) -> None:
            raise NotFlatBefore(refusal)

        monkeypatch.setattr("cli.simulated_life.check_carried", refuse)
    outcome = lived("\n".join(rules), folder=tmp_path).outcome
    struck = [it.at_ns for it in outcome.played if it.fault in ("foreign_trade", "killed")]
    assert len(set(struck)) == 2
    assert struck == sorted(struck)
    assert tuple(it.code for it in outcome.violations) == broken
    assert (outcome.ending, outcome.lives) == (ending, 2)
