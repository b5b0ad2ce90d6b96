"""`eagle report` over a journal of 100,000 rounds: time and memory of the whole command, beside plain reading.

    python bench/report.py              1,000 real rounds, copied a hundred times with ids and times moved on
    python bench/report.py --long       100,000 real rounds (takes minutes)
    python bench/report.py --rounds N   a journal of about N rounds

The journal takes about 1 GB of the temporary folder. Every run is a process of its own; commands and floor take turns.
The floor is an interpreter that fetches the same rows of fills, rounds and orders and does nothing with them. That
copying changed nothing but the count is checked: the copy's P&L must be that of the source, times the copies, to the
last digit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from commands import FLOW, spent
from figures import ROOT, print_head, print_machine, print_row

sys.path.insert(0, str(ROOT))

from engine.review.report import report
from engine.review.report_orders import STAMPS
from engine.review.report_rows import fill_batches, read_terms, round_rows
from engine.runtime.journal_read import pick_run, stream_journal

SOURCE_ROUNDS = 1_000
TARGET_S, TARGET_MB = 5, 300
ONCE = frozenset({"runs", "accounts", "holdings", "balances"})  # rows of a run, not of its rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs (default 5)")
    parser.add_argument("--rounds", type=int, default=100_000, help="rounds of the journal (default 100,000)")
    parser.add_argument("--long", action="store_true", help="a real run instead of copied rows")
    parser.add_argument("--floor", metavar="JOURNAL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor is not None:
        read_plainly(Path(options.floor))
        return
    os.chdir(ROOT)
    print_machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = long_journal(folder, options.rounds) if options.long else copied_journal(folder, options.rounds)
        print(f"{journal.stat().st_size / 1_000_000:.0f} MB of journal")
        measure(journal, folder, runs=options.runs)
    print_machine()


def measure(journal: Path, folder: Path, *, runs: int) -> None:
    eagle = str(Path(sys.executable).with_name("eagle"))
    commands = {
        "plain reading (floor)": [sys.executable, str(Path(__file__)), "--floor", str(journal)],
        "eagle report": [eagle, "report", str(journal)],
        "eagle report --html": [eagle, "report", str(journal), "--html", str(folder / "report.html")],
    }
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            took = spent(command)
            found[name].append((took.wall_ms / 1000, took.cpu_ms / 1000, took.peak_mb))
    for place, (unit, target) in enumerate(
        (("wall time, s", f"target <= {TARGET_S}"), ("CPU time, s", ""), ("peak memory, MB", f"target <= {TARGET_MB}"))
    ):
        print_head(f"{unit}, {runs} interleaved runs")
        for name, results in found.items():
            note = target if name == "eagle report" else ""
            print_row(name, [result[place] for result in results], digits=2 if place < 2 else 0, note=note)


def read_plainly(journal: Path) -> None:
    """Fetch the rows that a report counts."""
    with stream_journal(journal) as connection:
        run = pick_run(connection, None, path=journal)
        number = (run.number,)
        for _ in fill_batches(connection, run.number, read_terms(connection, run)):
            pass
        for rows in (round_rows(connection, run.number), connection.execute(STAMPS, number)):
            for _ in rows:
                pass


# --- the journal


def long_journal(folder: Path, rounds: int) -> Path:
    journal = folder / "eagle.sqlite"
    eagle_run(journal, rounds)
    return journal


def copied_journal(folder: Path, rounds: int) -> Path:
    source, target = folder / "source.sqlite", folder / "eagle.sqlite"
    eagle_run(source, min(rounds, SOURCE_ROUNDS))
    copies = max(rounds // SOURCE_ROUNDS, 1)
    multiply(source, target, copies)
    one, many = report(source).money, report(target).money
    if one.pnl * copies != many.pnl or many.rest:
        raise SystemExit(f"the copy is not {copies} times its source: P&L {one.pnl} and {many.pnl}")
    return target


def eagle_run(journal: Path, rounds: int) -> None:
    eagle = str(Path(sys.executable).with_name("eagle"))
    options = ("--speed", "max", "--rounds", str(rounds), "--journal", str(journal))
    subprocess.run([eagle, "run", "--flow", FLOW, *options], check=True, capture_output=True)


def multiply(source: Path, target: Path, copies: int) -> None:
    """A journal whose rounds follow each other `copies` times: steps, rounds and times moved on, ids made others."""
    shutil.copy(source, target)
    journal = sqlite3.connect(target, isolation_level=None)
    journal.execute("PRAGMA journal_mode = OFF")
    journal.execute("PRAGMA synchronous = OFF")
    (steps, length_ns), (rounds,) = (
        journal.execute("SELECT max(seq), max(at_ns) FROM inputs").fetchone(),
        journal.execute("SELECT max(round) FROM rounds").fetchone(),
    )
    names = [name for (name,) in journal.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tables = {name: [row[1] for row in journal.execute(f"PRAGMA table_info({name})")] for name in names}
    journal.execute("ATTACH ? AS source", (str(source),))
    journal.execute("BEGIN")
    for copy in range(1, copies):
        for name, columns in tables.items():
            if name not in ONCE and not name.startswith("sqlite_"):
                moved = [_moved(column, copy, steps=steps, rounds=rounds, length_ns=length_ns) for column in columns]
                journal.execute(f"INSERT INTO main.{name} SELECT {', '.join(moved)} FROM source.{name}")
    journal.execute("COMMIT")
    journal.close()


def _moved(column: str, copy: int, *, steps: int, rounds: int, length_ns: int) -> str:
    """An SQL expression; null stays null."""
    if column == "id":
        return "NULL"
    if column in ("seq", "began_seq", "ended_seq"):
        return f"{column} + {copy * steps}"
    if column in ("round", "epoch"):
        return f"{column} + {copy * rounds}"
    if column.endswith("_ns"):
        return f"{column} + {copy * length_ns}"
    if column.endswith("_ms"):
        return f"{column} + {copy * length_ns // 1_000_000}"
    if column in ("client_id", "order_id", "trade_id"):
        return f"iif({column} = '', '', {column} || 'x{copy}')"
    return column


if __name__ == "__main__":
    main()
