"""What the journal holds after a run, a crash, and a full disk; and which files it refuses."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from journal_kit import MS, D, Drive, fill, open_journal_for, place, quote, record, run_start, update

from engine import errors
from engine.runtime import journal_sqlite, order_rows, schema
from engine.runtime.audit import audit
from engine.runtime.counter import UINT32_RUNS, next_run
from engine.runtime.journal import NullJournal, Sync
from engine.runtime.journal_file import open_for_reading
from engine.runtime.journal_read import comparable_dump, open_journal, pick_run
from engine.runtime.journal_sqlite import SqliteJournal
from engine.trading.effects import Alert, CancelOrder, Level, PlaceOrder, Purpose
from engine.trading.inputs import Answered, Counted, Looked, NotSent, Request, TimerFired
from exchanges.types import Accepted, Liquidity, OrderState, Position, Refusal, Refused, Side


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eagle.db"


@pytest.fixture
def journal(path: Path) -> SqliteJournal:
    """A journal with run 1 begun; tests close it."""
    opened = open_journal_for(path)
    opened.run_started(run_start())
    return opened


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """What another process reads now."""
    database = sqlite3.connect(path)
    found = database.execute(sql).fetchall()
    database.close()
    return found


def step(journal: SqliteJournal, given: object, *effects: PlaceOrder, seq: int = 1) -> None:
    journal.step(seq, seq, 5, given, [], [], effects)  # type: ignore[arg-type]


# --- what it holds


def test_every_table_of_a_run(path: Path) -> None:
    record(path, rounds=2)
    counts = {model._meta.table_name: rows(path, f"SELECT count(*) FROM {model._meta.table_name}")[0][0]
              for model in schema.MODELS}  # fmt: skip
    assert counts == {
        "runs": 1, "accounts": 3, "rounds": 2, "intents": 8, "sends": 8, "orders": 8, "fills": 8, "transitions": 6,
        "alerts": 1, "quotes_used": 2, "inputs": 27, "holdings": counts["holdings"], "balances": 6,
    }  # fmt: skip
    assert rows(path, "SELECT number, flow, seed, started_wall_ms, ended_wall_ms, exit_code FROM runs") == [
        (1, "toy", 7, 5, 14, 0)
    ]
    assert rows(path, "SELECT * FROM rounds WHERE round = 2") == [
        (1, 2, "buy", None, 14, 140 * MS, 5, 26, 260 * MS, 5, "0.02", "0.02", "0", "200.1", "0.04", "-0.04")
    ]
    assert rows(path, "SELECT level, code, text, facts FROM alerts") == [
        (0, "stopped", "asked to stop", '{"by": "a person"}')
    ]
    assert rows(path, "SELECT name, market, base, lot, min_qty FROM accounts WHERE name = 'maker'") == [
        ("maker", "ETH-PERP", "ETH", "0.001", "0.002")
    ]
    assert rows(path, "SELECT seq, bid, bid_qty, ask, ask_qty, recv_ns, venue_ms FROM quotes_used") == [
        (1, "2501.10", "1", "2502.10", "2", 0, 3),
        (14, "2502.10", "1", "2503.10", "2", 13, 3),
    ]


def test_an_intent_tells_the_whole_request(path: Path, journal: SqliteJournal) -> None:
    journal.intents([(place("e1r1s1", purpose=Purpose.HEDGE, covers=D("0.02"), side=Side.SELL), 3, 4, 5)])
    journal.intents([(CancelOrder("maker", "ETH-PERP", "e1r1s1", 77), 6, 7, 8)])
    journal.close()
    names = schema.columns(schema.Intent)
    placed, cancelled = rows(path, f"SELECT {', '.join(names)} FROM intents")
    assert dict(zip(names, placed, strict=True)) == {
        "run": 1, "seq": 3, "kind": "place", "account": "maker", "symbol": "ETH-PERP", "client_id": "e1r1s1",
        "venue": "paper-a", "round": 1, "leg": "open", "attempt": 1, "purpose": "hedge", "side": "sell",
        "qty": "0.02", "price": "2500.1", "type": "limit", "tif": "gtc", "post_only": 1, "reduce_only": 0,
        "covers": "0.02", "epoch": 1, "not_after_ns": 9, "at_ns": 4, "wall_ms": 5,
    }  # fmt: skip
    assert [value for value in cancelled if value is not None] == [
        1, 6, "cancel", "maker", "ETH-PERP", "e1r1s1", 77, 7, 8
    ]  # fmt: skip


def test_a_run_row_says_how_its_venues_fill_and_at_which_pace_it_ran(path: Path) -> None:
    journal = open_journal_for(path)
    journal.run_started(run_start(venues='{"paper-a": {"kind": "paper"}}', speed="10x"))
    journal.close()
    with open_journal(path) as opened:
        run = pick_run(opened, None, path=path)
    assert (run.venues, run.speed) == ('{"paper-a": {"kind": "paper"}}', "10x")


def test_a_fill_has_the_time_of_its_step_and_a_holding_the_venues_mark(path: Path, journal: SqliteJournal) -> None:
    order = place("e1r1s1")
    journal.intents([(order, 1, 1, 1)])
    journal.step(7, 70 * MS, 5, update(order, OrderState.OPEN, "0.005"), [], [], [])  # provisional
    journal.step(8, 80 * MS, 5, fill(order, at_ms=50), [], [], [])
    journal.venue_end([Position("maker", "ETH-PERP", D("0.02"), D(2500), mark_price=D("2501.5"))], [])
    journal.close()
    assert rows(path, "SELECT seq, at_ns, at_ms FROM fills ORDER BY seq") == [(7, 70 * MS, 40), (8, 80 * MS, 50)]
    assert rows(path, "SELECT entry_price, mark_price FROM holdings") == [("2500", "2501.5")]


def test_orders_and_fills_carry_their_book_as_the_steps_had_read_it(path: Path, journal: SqliteJournal) -> None:
    early, order, other = place("e1"), place("e2"), place("e3", venue="paper-b")
    for seq, (placed, quotes) in enumerate(((early, []), (order, [quote("2500")]), (other, []))):
        journal.intents([(placed, seq, 1, 1)])
        journal.step(seq, 1, 1, TimerFired("chart", "x", 1), quotes, [], [placed])
    step(journal, fill(order, "t1", qty=D("0.01")), seq=8)
    journal.step(9, 3, 1, fill(order, "t2", qty=D("0.01")), [quote("2499")], [], [])
    journal.close()
    assert rows(path, "SELECT client_id, bid, bid_qty, ask, ask_qty FROM orders ORDER BY client_id") == [
        ("e1", None, None, None, None),
        ("e2", "2500", "1", "2501", "2"),
        ("e3", None, None, None, None),
    ]
    assert rows(path, "SELECT trade_id, bid, ask FROM fills") == [("t1", "2500", "2501"), ("t2", "2499", "2500")]


def test_a_fill_says_what_its_order_was_for_and_which_book_judges_it(path: Path, journal: SqliteJournal) -> None:
    buys = place("e1", purpose=Purpose.HEDGE, round=4)
    sells = place("e2", side=Side.SELL, purpose=Purpose.FLATTEN, round=4)
    for seq, order in enumerate((buys, sells)):
        journal.intents([(order, seq, 10 + seq, 1)])
    journal.step(2, 1, 1, TimerFired("chart", "x", 1), [quote("2500")], [], [buys, sells])
    journal.step(3, 1, 1, fill(buys, liquidity=Liquidity.TAKER), [quote("2400")], [], [])
    step(journal, fill(sells, liquidity=Liquidity.TAKER), seq=4)
    step(journal, fill(sells, "t2"), seq=5)
    step(journal, fill(sells, "t3", client_id="", order_id="x"), seq=6)
    journal.close()
    sql = "SELECT purpose, round, decided_ns, bid, ask, touch_qty FROM fills ORDER BY seq"
    assert rows(path, sql) == [
        ("hedge", 4, 10, "2500", "2501", "2"),
        ("flatten", 4, 11, "2500", "2501", "1"),
        ("flatten", 4, 11, "2400", "2401", None),
        (None, None, None, "2400", "2401", None),
    ]


def test_a_book_is_still_known_of_an_order_that_left_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_rows, "KEEP_ENDED", 0)
    journal = open_journal_for(path)
    journal.run_started(run_start())
    order = place("e1")
    journal.intents([(order, 1, 1, 1)])
    journal.step(1, 1, 1, TimerFired("chart", "x", 1), [quote("2500")], [], [order])
    step(journal, update(order, OrderState.CANCELED), seq=2)
    journal.flush()
    assert journal._orders._rows == {}
    step(journal, fill(order), seq=3)  # late: the row is read back and written anew
    journal.close()
    assert rows(path, "SELECT state, bid, bid_qty, ask, ask_qty FROM orders") == [("filled", "2500", "1", "2501", "2")]


def test_the_view_shows_what_filled(path: Path, journal: SqliteJournal) -> None:
    opened, idle = place("e1r1s1"), place("e1r1s2")
    journal.intents([(opened, 1, 1, 1)])
    journal.intents([(idle, 1, 1, 1)])
    step(journal, fill(opened, "t1", qty=D("0.005"), price=D("2500"), fee=D("0.1"), at_ms=50))
    step(journal, fill(opened, "t2", qty=D("0.015"), price=D("2504"), fee=D("-0.3"), at_ms=70), seq=2)
    journal.close()
    view = sqlite3.connect(path).execute("SELECT * FROM filled_orders")
    names = [column[0] for column in view.description]
    assert [dict(zip(names, row, strict=True)) for row in view] == [
        {
            "run": 1, "round": 1, "leg": "open", "purpose": "open", "account": "maker", "venue": "paper-a",
            "symbol": "ETH-PERP", "client_id": "e1r1s1", "order_id": "o-e1r1s1", "side": "buy", "qty": "0.02",
            "filled_qty": "0.020", "avg_price": "2503", "fee": "-0.2", "fee_asset": "USDC", "state": "filled",
            "first_fill_ms": 50, "last_fill_ms": 70,
        }
    ]  # fmt: skip
    view.connection.close()


def test_an_alert_that_comes_from_no_step_is_kept_apart_from_every_step(path: Path, journal: SqliteJournal) -> None:
    journal.alert(Alert(Level.WARNING, "logs_lost", "no space", {"folder": "logs"}), 7, 8)
    journal.close()
    with closing(sqlite3.connect(path)) as file:
        rows = file.execute("SELECT run, seq, level, code, text, facts, at_ns, wall_ms FROM alerts").fetchall()
    assert rows == [(1, 0, 1, "logs_lost", "no space", '{"folder": "logs"}', 7, 8)]


LIVES = [
    ("accepted", [Answered("c", Request.PLACE, Accepted("9"))], ("pending", "0", "9")),
    ("refused", [Answered("c", Request.PLACE, Refused(Refusal.MARGIN))], ("failed", "0", "")),
    ("a refused cancel is no failed order", [Answered("c", Request.CANCEL, Refused(Refusal.NOT_FOUND))],
     ("pending", "0", "")),
    ("not sent", [NotSent("c", Request.PLACE, "stale")], ("failed", "0", "")),
    ("open, then part, then cancelled", [("open", "0"), ("partially_filled", "0.01"), ("canceled", "0.01")],
     ("canceled", "0.01", "o-c")),
    ("late open after cancelled", [("canceled", "0"), ("open", "0")], ("canceled", "0", "o-c")),
    ("cancelled, but a row proves it filled", [("canceled", "0"), "fill"], ("filled", "0.02", "o-c")),
    ("found by asking", [Looked("c", 1, ok=True, update=update(place("c"), OrderState.OPEN, "0.01"))],
     ("open", "0.01", "o-c")),
    ("a row twice", ["fill", "fill"], ("filled", "0.02", "o-c")),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "expected"), [row[1:] for row in LIVES], ids=[str(row[0]) for row in LIVES])
def test_the_life_of_an_order(
    path: Path, journal: SqliteJournal, facts: list[object], expected: tuple[str, ...]
) -> None:
    order = place("c")
    journal.intents([(order, 1, 1, 1)])
    for seq, fact in enumerate(facts, start=2):
        if isinstance(fact, tuple):
            fact = update(order, OrderState(fact[0]), fact[1])
        step(journal, fill(order) if fact == "fill" else fact, seq=seq)
    journal.close()
    assert rows(path, "SELECT state, cum_qty, order_id FROM orders") == [expected]


def test_a_snapshot_is_a_provisional_fill_that_its_rows_explain(path: Path, journal: SqliteJournal) -> None:
    order = place("c")
    journal.intents([(order, 1, 1, 1)])
    step(journal, update(order, OrderState.PARTIALLY_FILLED, "0.015"), seq=2)
    step(journal, fill(order, "t1", qty=D("0.01")), seq=3)
    step(journal, fill(order, "t2", qty=D("0.01")), seq=4)
    journal.close()
    assert rows(path, "SELECT seq, trade_id, qty, news_qty, price, fee, provisional FROM fills ORDER BY seq") == [
        (2, "~c:0.015", "0.015", "0.015", "2500.1", "0", 1),
        (3, "t1", "0.01", "0", "2500.1", "0.01", 0),
        (4, "t2", "0.01", "0.005", "2500.1", "0.01", 0),
    ]


def test_a_dropped_request_is_a_send_with_its_reason(path: Path, journal: SqliteJournal) -> None:
    journal.intents([(place("c"), 1, 1, 1)])
    journal.sent("c", Request.PLACE, 8)
    step(journal, NotSent("c", Request.CANCEL, "superseded"), seq=9)
    journal.close()
    assert rows(path, "SELECT client_id, request, at_ns, dropped FROM sends") == [
        ("c", "place", 8, None),
        ("c", "cancel", 9, "superseded"),
    ]


def test_fees_in_two_assets_are_left_to_the_rows(path: Path, journal: SqliteJournal) -> None:
    order = place("c")
    journal.intents([(order, 1, 1, 1)])
    step(journal, fill(order, "t1", qty=D("0.01")))
    step(journal, fill(order, "t2", qty=D("0.01"), fee_asset="BNB"), seq=2)
    journal.close()
    assert rows(path, "SELECT fee FROM orders") == [(None,)]


def test_equal_seeds_give_equal_journals_wall_times_aside(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.db", "b.db", "c.db")]
    for file, seed, wall_ms in zip(paths, (7, 7, 8), (5, 99, 5), strict=True):
        record(file, rounds=3, seed=seed, wall_ms=wall_ms)
    first, second, third = [list(comparable_dump(file)) for file in paths]
    assert first == second
    assert first != third
    assert (
        len(first)
        == 1
        + 3
        + 3
        + 12
        + 12
        + 12
        + 12
        + 9
        + 1
        + 3
        + 40
        + len([line for line in first if line.startswith("holdings")])
        + 6
    )


# --- looking back


def test_an_order_that_left_memory_is_looked_up(
    path: Path, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_rows, "KEEP_ENDED", 2)
    orders = [place(f"c{number}") for number in range(5)]
    for number, order in enumerate(orders):
        journal.intents([(order, number, number, 1)])
        step(journal, fill(order, "t1", qty=D("0.015"), fee=D("0.01")), seq=number * 10)
        step(journal, update(order, OrderState.CANCELED, "0.015"), seq=number * 10 + 1)
        journal.flush()
    assert len(journal._orders._rows) == 2
    step(journal, fill(orders[0], "t1", qty=D("0.015")), seq=90)  # seen before it left memory
    step(journal, fill(orders[0], "t2", qty=D("0.005"), fee=D("0.02")), seq=91)  # late
    found = journal.lookup_order("c0")
    assert found is not None
    assert found.stored(1)[9:] == (
        "0.02", "2500.1", "o-c0", "filled", "0.020", "0.020", "50.0020", "2500.1", "0.03", "USDC", 50, 50,
        None, None, 0, None, None, None, None, None, None,
    )  # fmt: skip
    assert [(it.trade_id, it.qty, it.fee) for it in journal.lookup_fills(found)] == [
        ("t1", D("0.015"), D("0.01")),
        ("t2", D("0.005"), D("0.02")),
    ]
    assert journal.lookup_order("c9") is None
    journal.close()
    assert rows(path, "SELECT count(*) FROM fills WHERE client_id = 'c0'") == [(2,)]


def test_an_order_keeps_the_five_stamps(path: Path, journal: SqliteJournal) -> None:
    """Received and decoded from the fill that caused it, decided with its intent, signed and written by the client."""
    hedge, opening = place("h", account="taker", side=Side.SELL), place("o")
    journal.intents([(opening, 1, 100, 1)])
    step(journal, TimerFired("chart", "t", 1), opening, seq=1)
    cause = fill(opening, "t1", recv_ns=200, decoded_ns=210)
    journal.intents([(hedge, 2, 220, 1)])
    step(journal, cause, hedge, seq=2)
    step(journal, Answered("h", Request.PLACE, Accepted("o-h", 230, 240)), seq=3)
    step(journal, Answered("o", Request.PLACE, Refused(Refusal.RATE, "", 101, 102)), seq=4)
    journal.close()
    stamps = "SELECT client_id, received_ns, decoded_ns, decided_ns, signed_ns, written_ns FROM orders ORDER BY 1"
    assert rows(path, stamps) == [("h", 200, 210, 220, 230, 240), ("o", None, None, 100, 101, 102)]


# --- durability


def test_an_intent_is_there_before_anything_else_is_written(path: Path, journal: SqliteJournal) -> None:
    step(journal, TimerFired("chart", "t", 1))
    journal.intents([(place("c"), 1, 1, 1)])
    assert rows(path, "SELECT client_id FROM intents") == [("c",)]
    assert rows(path, "SELECT count(*) FROM inputs") == [(0,)]
    journal.flush()
    assert rows(path, "SELECT count(*) FROM inputs") == [(1,)]
    journal.close()


def test_steps_wait_in_memory_up_to_a_bound(path: Path, journal: SqliteJournal) -> None:
    for seq in range(journal_sqlite.FLUSH_STEPS + 1):
        step(journal, TimerFired("chart", "t", 1), seq=seq)
    assert rows(path, "SELECT count(*) FROM inputs") == [(journal_sqlite.FLUSH_STEPS,)]
    journal.close()


@pytest.mark.parametrize(("sync", "written"), [(Sync.NORMAL, []), (Sync.ROUNDS, [(13,)]), (Sync.FULL, [(13,)])])
def test_a_rounds_end_writes_everything_but_on_paper(path: Path, sync: Sync, written: list[tuple[int]]) -> None:
    journal = open_journal_for(path, sync=sync)
    journal.run_started(run_start())
    Drive(journal).rounds(1)
    assert rows(path, "SELECT ended_seq FROM rounds") == written
    assert rows(path, "SELECT seq FROM inputs ORDER BY seq DESC LIMIT 1") == written
    journal.close()
    assert rows(path, "SELECT ended_seq FROM rounds") == [(13,)]


@pytest.mark.parametrize(("sync", "levels"), [(Sync.NORMAL, [1, 1]), (Sync.ROUNDS, [2, 1]), (Sync.FULL, [2, 2])])
def test_which_writes_reach_the_disk_at_once(path: Path, sync: Sync, levels: list[int]) -> None:
    """`PRAGMA synchronous` (1 normal, 2 full) while the run's row is written, and while an intent is."""
    journal = open_journal_for(path, sync=sync)
    (level,) = journal._connection.execute("PRAGMA synchronous").fetchone()
    statements: list[str] = []
    journal._connection.set_trace_callback(statements.append)
    journal.run_started(run_start())
    journal.intents([(place("c"), 1, 1, 1)])
    journal._connection.set_trace_callback(None)
    journal.close()
    seen = []
    for sql in statements:
        if sql.startswith("PRAGMA synchronous ="):
            level = 2 if "FULL" in sql else 1
        elif sql.startswith(('INSERT INTO "runs"', 'INSERT INTO "intents"')):
            seen.append(level)
    assert seen == levels


def test_the_log_does_not_grow_with_the_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def log_bytes_after(checkpoint_rows: int) -> int:
        monkeypatch.setattr(journal_sqlite, "CHECKPOINT_ROWS", checkpoint_rows)
        file = path.with_name(f"{checkpoint_rows}.db")
        journal = open_journal_for(file)
        journal.run_started(run_start())
        Drive(journal).rounds(120)
        size = file.with_name(f"{file.name}-wal").stat().st_size
        journal.close()
        return size

    assert log_bytes_after(200) * 4 < log_bytes_after(1_000_000)


def test_files_are_for_their_owner_alone(path: Path, journal: SqliteJournal) -> None:
    journal.intents([(place("c"), 1, 1, 1)])
    files = sorted(path.parent.glob("eagle.db*"))
    assert [file.name for file in files] == ["eagle.db", "eagle.db-shm", "eagle.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    journal.close()
    path.chmod(0o644)
    open_journal_for(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_runs_follow_each_other_in_one_file(path: Path) -> None:
    record(path, run=1)
    again = open_journal_for(path)
    with pytest.raises(errors.JournalUnwritable, match="has a run 1 already: the file of run numbers was lost"):
        again.run_started(run_start(1))
    again.run_started(run_start(2))
    again.close()
    with open_journal(path) as reader:
        assert (pick_run(reader, None, path=path).number, pick_run(reader, None, path=path).exit_code) == (2, None)
        assert pick_run(reader, 1, path=path).exit_code == 0


def test_no_journal_takes_everything_and_keeps_nothing() -> None:
    nothing = NullJournal()
    nothing.run_started(run_start())
    nothing.intents([(place("c"), 1, 1, 1)])
    nothing.step(1, 1, 1, TimerFired("a", "b", 1), [], [], [])
    nothing.sent("c", Request.PLACE, 1)
    nothing.venue_end([], [])
    nothing.run_ended(0, 1)
    nothing.flush()
    nothing.close()
    assert not nothing.failed


KILLED = """
import os, signal, sys
from pathlib import Path
from journal_kit import Drive, open_journal_for, place, run_start
journal = open_journal_for(Path(sys.argv[1]))
journal.run_started(run_start())
drive = Drive(journal)
drive.rounds(1)
journal.intents([(place("last"), drive.seq + 1, 1, 1)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_loses_no_intent(path: Path) -> None:
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [(it.code, it.text) for it in audit(path).findings][:1] == [
        ("unfinished", "run 1 has no end: it goes on, or its process died")
    ]
    with open_journal(path) as reader:
        assert reader.execute("SELECT client_id FROM intents").fetchall()[-1] == ("last",)
    again = open_journal_for(path)
    again.run_started(run_start(2))
    again.close()
    assert not again.failed


# --- failing


def fill_the_disk(journal: SqliteJournal) -> None:
    """SQLite takes no further page, as on a full disk."""
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_keeps_intents_and_says_so(path: Path) -> None:
    lost: list[str] = []
    journal = open_journal_for(path, on_lost=lost.append)
    journal.run_started(run_start())
    fill_the_disk(journal)
    sent = 0
    while not journal.failed:
        sent += 1
        journal.intents([(place(f"c{sent}"), sent, 1, 1)])
    journal.intents([(place("after"), sent + 1, 1, 1)])
    step(journal, TimerFired("chart", "t", 1))
    journal.flush()
    assert journal.failure == f"{path}: database or disk is full"
    assert [line.split(": (1, ")[0] for line in lost] == [f"intent not in journal ({journal.failure})"] * 2
    assert "'after'" in lost[1]
    journal._connection.execute("PRAGMA max_page_count = 1000000")  # somebody made room
    journal.run_ended(4, 9)
    journal.close()
    assert rows(path, "SELECT count(*) FROM intents") == [(sent + 1,)]
    assert rows(path, "SELECT count(*) FROM inputs") == [(1,)]
    assert rows(path, "SELECT exit_code FROM runs") == [(None,)]


def test_a_batch_that_fails_stays_whole_in_memory(path: Path, journal: SqliteJournal) -> None:
    fill_the_disk(journal)
    for seq in range(500):
        step(journal, Counted(seq, ok=True, quiet=True, positions=(), margins=(), text="x" * 200), seq=seq)
    assert journal.failed
    written = rows(path, "SELECT count(*) FROM inputs")[0][0]
    assert isinstance(written, int)
    assert written % journal_sqlite.FLUSH_STEPS == 0
    assert len(journal._inputs) == 500 - written
    journal.close()
    assert rows(path, "SELECT count(*) FROM inputs") == [(written,)]


def test_what_waits_after_a_failure_is_bounded(journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_sqlite, "LOST_ROWS", 200)
    fill_the_disk(journal)
    for seq in range(1_000):
        step(journal, Counted(seq, ok=True, quiet=True, positions=(), margins=(), text="x" * 200), seq=seq)
    assert journal.failed
    assert len(journal._inputs) == 200
    journal.close()


def test_a_locked_file_fails_the_intent_and_not_the_caller(path: Path, journal: SqliteJournal) -> None:
    journal._connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.intents([(place("c"), 1, 1, 1)])
    assert journal.failure == f"{path}: database is locked"
    other.execute("ROLLBACK")
    other.close()
    journal.close()
    assert rows(path, "SELECT client_id FROM intents") == [("c",)]


def test_intents_that_are_decided_together_are_one_commit(path: Path, journal: SqliteJournal) -> None:
    said: list[str] = []
    journal._connection.set_trace_callback(said.append)
    journal.intents([(place("a"), 1, 1, 1), (CancelOrder("maker", "ETH-PERP", "m", 7), 1, 1, 1), (place("b"), 2, 1, 1)])
    journal._connection.set_trace_callback(None)
    assert [it.split()[0] for it in said] == ["BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"]
    assert rows(path, "SELECT seq, client_id FROM intents ORDER BY rowid") == [(1, "a"), (1, "m"), (2, "b")]


def test_of_intents_that_cannot_be_committed_together_each_one_is_told_and_kept(path: Path) -> None:
    lost: list[str] = []
    journal = open_journal_for(path, on_lost=lost.append)
    journal.run_started(run_start())
    other = sqlite3.connect(path, isolation_level=None)
    journal._connection.execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    journal.intents([(place("a"), 1, 1, 1), (place("b"), 2, 1, 1)])
    other.execute("ROLLBACK")
    other.close()
    assert [name in line for name, line in zip("ab", lost, strict=True)] == [True, True]
    journal.close()
    assert rows(path, "SELECT client_id FROM intents ORDER BY rowid") == [("a",), ("b",)]


def test_an_intent_that_no_journal_can_hold_costs_those_beside_it_nothing(path: Path) -> None:
    """Nor what waits for a last try at the end: a takeover finds all but that one."""
    lost: list[str] = []
    journal = open_journal_for(path, on_lost=lost.append)
    journal.run_started(run_start())
    journal.intents([(place("a"), 1, 1, 1)])
    journal.intents([(place("b"), 2, 1, 1), (place("a"), 3, 1, 1), (place("c"), 4, 1, 1)])
    assert journal.failed
    assert [line.split("(")[-1].startswith("1, 3, 'place'") for line in lost] == [True]
    assert rows(path, "SELECT client_id FROM intents ORDER BY rowid") == [("a",), ("b",), ("c",)]
    journal.intents([(place("d"), 5, 1, 1)])
    journal.close()
    assert rows(path, "SELECT client_id FROM intents ORDER BY rowid") == [("a",), ("b",), ("c",), ("d",)]


def test_an_id_that_is_used_twice_stops_the_run(journal: SqliteJournal) -> None:
    journal.intents([(place("c"), 1, 1, 1)])
    journal.intents([(place("c"), 2, 1, 1)])
    assert "UNIQUE constraint failed: intents.account, intents.client_id" in journal.failure
    journal.close()


def test_text_that_sqlite_cannot_hold_does_not_raise(path: Path, journal: SqliteJournal) -> None:
    journal.step(1, 1, 1, TimerFired("a", "\ud800", 1), [], [], [Alert(Level.INFO, "c", "\ud800!", {"k": "\ud800"})])
    journal.flush()
    assert not journal.failed
    step(journal, fill(place("c"), trade_id="\ud800"), seq=2)
    journal.flush()
    assert journal.failed
    journal.close()
    assert rows(path, "SELECT text, facts FROM alerts") == [("?!", '{"k": "\\ud800"}')]


# --- files that are refused, each left as it was


def foreign_file(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE bookmarks (url TEXT)")
    database.commit()
    database.close()


def newer_file(path: Path) -> None:
    record(path)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    database.close()


def older_file(path: Path) -> None:
    record(path)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {schema.VERSION - 1}")
    database.close()


def versionless_file(path: Path) -> None:
    record(path)
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 0")
    database.close()


def corrupt_file(path: Path) -> None:
    record(path, rounds=60)
    data = bytearray(path.read_bytes())
    for page in range(4, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)


def zeroed_file(path: Path) -> None:
    record(path, rounds=60)
    data = bytearray(path.read_bytes())
    data[4096 : 6 * 4096] = bytes(5 * 4096)
    path.write_bytes(data)


def foreign_file_with_log(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE bookmarks (url TEXT)")
    database.commit()
    database.close()


def truncated_file(path: Path) -> None:
    record(path, rounds=60)
    path.write_bytes(path.read_bytes()[:9_000])


REFUSED = [
    (lambda path: path.write_text("accounts:\n  maker: x\n"), errors.JournalForeign, "is not an SQLite file; name"),
    (lambda path: path.write_text("x"), errors.JournalForeign, "is not an SQLite file; name another path"),
    (foreign_file, errors.JournalForeign, "is an SQLite file of another program; name another path"),
    (foreign_file_with_log, errors.JournalForeign, "is an SQLite file of another program; name another path"),
    (newer_file, errors.JournalNewer, f"journal has version {schema.VERSION + 1}, this program writes version"),
    (older_file, errors.JournalCorrupt, f"journal has version {schema.VERSION - 1} of an older release, this program"),
    (versionless_file, errors.JournalCorrupt, r"journal is damaged \(version 0\); move it aside"),
    (corrupt_file, errors.JournalCorrupt, "journal is damaged .*; move it aside and start a new one"),
    (zeroed_file, errors.JournalCorrupt, r"journal is damaged \(.* Page 2: .*\); move it aside and start a new one"),
    (truncated_file, errors.JournalCorrupt, "journal is damaged .*; move it aside and start a new one"),
]


@pytest.mark.parametrize(("make", "error", "words"), REFUSED)
def test_a_file_that_is_not_a_sound_journal_is_refused_and_left_alone(
    path: Path, make: Callable[[Path], object], error: type[errors.JournalError], words: str
) -> None:
    make(path)
    before = path.read_bytes()
    for attempt in (open_journal_for, open_for_reading):
        with pytest.raises(error, match=words) as caught:
            attempt(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 5
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["eagle.db"]


def test_an_unwritable_path_is_refused_with_nothing_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for bad, words in (
        (tmp_path, "is a directory; name a file for the journal"),
        (tmp_path / "file" / "j.db", "journal cannot be made: Not a directory"),
        (tmp_path / "nowhere" / "j.db", "journal cannot be made: No such file or directory"),
    ):
        with pytest.raises(errors.JournalUnwritable, match=words) as caught:
            open_journal_for(bad)
        assert caught.value.exit_code == 4
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_device_is_no_journal_and_keeps_its_rights(path: Path) -> None:
    """`--journal /dev/null` by the superuser would otherwise close it to everybody else."""
    os.mkfifo(path, 0o666)
    before = path.stat().st_mode
    with pytest.raises(errors.JournalUnwritable, match="is no ordinary file; name one for the journal, or run without"):
        open_journal_for(path)
    with pytest.raises(errors.JournalForeign, match="is no ordinary file, and no journal"), open_journal(path):
        pass
    assert path.stat().st_mode == before


def test_a_journal_that_cannot_be_begun_leaves_no_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_database: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(schema, "create", refuse)
    with pytest.raises(errors.JournalUnwritable, match="journal cannot be written: database or disk is full"):
        open_journal_for(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_file_is_refused(path: Path) -> None:
    record(path)
    path.chmod(0o400)
    with pytest.raises(errors.JournalUnwritable, match="journal cannot be written: Permission denied"):
        open_journal_for(path)


def test_a_journal_without_a_run_says_so(path: Path) -> None:
    open_journal_for(path).close()
    with pytest.raises(errors.JournalUnreadable, match=r"eagle\.db: the journal holds no run$"):
        audit(path)


def test_reading_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    for bad, words in ((tmp_path / "none.db", "there is no such journal"), (tmp_path, "is a directory, not a journal")):
        with pytest.raises(errors.JournalUnreadable, match=words) as caught:
            open_for_reading(bad)
        assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", "blank"])
def test_a_file_that_a_kill_left_empty_becomes_a_journal(path: Path, content: bytes | str) -> None:
    if content == "blank":
        database = sqlite3.connect(path)
        database.execute("PRAGMA journal_mode = WAL")
        database.close()
    else:
        path.write_bytes(b"")
    record(path)
    assert rows(path, "SELECT number FROM runs") == [(1,)]


def test_a_journal_may_be_read_while_it_is_written(path: Path, journal: SqliteJournal) -> None:
    with open_journal(path) as reader:
        journal.intents([(place("c"), 1, 1, 1)])
        assert reader.execute("SELECT client_id FROM intents").fetchall() == [("c",)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM intents")
    journal.close()
    assert not journal.failed


# --- run numbers


def test_run_numbers_only_rise(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    assert [next_run(path), next_run(path), next_run(path, above=7), next_run(path, above=3)] == [1, 2, 8, 9]
    assert path.read_text() == "9\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["runs", "runs.lock"]


def test_a_run_number_is_on_the_disk_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S15: after a power cut it would be given again, and with it every id; first the file, then its name."""
    did: list[str] = []
    fsync, replace_ = os.fsync, Path.replace

    def noted_fsync(number: int) -> None:
        did.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    def noted_replace(self: Path, target: Path) -> Path:
        did.append("replace")
        return replace_(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    assert (next_run(tmp_path / "runs"), did) == (1, ["file", "replace", "folder"])


@pytest.mark.parametrize("content", ["", "twelve\n", "-3\n", "1 2\n", "9" * 30])
def test_a_damaged_counter_is_not_guessed_around(tmp_path: Path, content: str) -> None:
    path = tmp_path / "runs"
    path.write_text(content)
    with pytest.raises(errors.CounterCorrupt, match="write the highest run number ever used into it") as caught:
        next_run(path)
    assert caught.value.exit_code == 5
    assert path.read_text() == content


def test_the_last_run_number_does_not_wrap(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    path.write_text(f"{UINT32_RUNS - 1}\n")
    assert next_run(path, limit=UINT32_RUNS) == UINT32_RUNS
    with pytest.raises(errors.CounterUsedUp, match="run 1024 does not fit into the client order ids"):
        next_run(path, limit=UINT32_RUNS)
    assert path.read_text() == "1023\n"


def test_a_counter_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.CounterUnwritable, match="run number cannot be written: No such file") as caught:
        next_run(tmp_path / "nowhere" / "runs")
    assert caught.value.exit_code == 4


def test_a_dump_is_json_beside_the_table(path: Path) -> None:
    record(path, rounds=1)
    lines = list(comparable_dump(path))
    table, _, row = lines[0].partition(" ")
    assert (table, json.loads(row)[:2]) == ("runs", [1, "toy"])
    assert quote("1").bid_qty == D(1)
