"""A journal beside the venue's own ledger: what is equal, and every way in which they may differ."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_kit import Eagle, eagle
from journal_kit import record

from engine.errors import JournalCorrupt, VenueLedgerBad
from engine.runtime.venue_audit import VenueAudit, audit_venue
from engine.runtime.venue_ledger import read_venue_ledger

__all__ = ["eagle"]

URL = "http://127.0.0.1:1/eagle/ledger"
Ledger = dict[str, Any]


def ledger_of(path: Path) -> Ledger:
    """What a venue would hold that has seen exactly this run; its accounts have names of their own."""
    journal = sqlite3.connect(path)
    journal.row_factory = sqlite3.Row
    orders = [dict(row) for row in journal.execute("SELECT * FROM orders WHERE run = 1")]
    fills = [dict(row) for row in journal.execute("SELECT * FROM fills WHERE run = 1 ORDER BY seq")]
    held = journal.execute("SELECT account, symbol, qty FROM holdings WHERE run = 1 AND moment = 'end'").fetchall()
    (at_ms,) = journal.execute("SELECT started_wall_ms FROM runs").fetchone()
    journal.close()
    names = sorted({row["account"] for row in orders})
    return {
        "version": 1, "venue": "paper-a", "kind": "backpack", "forgotten": 0,
        "accounts": {
            f"at-{name}": {"positions": {row["symbol"]: row["qty"] for row in held if row["account"] == name}}
            for name in names
        },
        "orders": [
            {
                "account": f"at-{row['account']}", "symbol": row["symbol"], "order_id": row["order_id"],
                "client_id": row["client_id"], "side": row["side"], "qty": row["qty"], "filled": row["cum_qty"],
                "end": "filled", "kind": "trade", "at_ms": at_ms,
            }
            for row in orders
        ],
        "fills": [
            {
                "account": f"at-{row['account']}", "symbol": row["symbol"], "order_id": row["order_id"],
                "client_id": row["client_id"], "trade_id": row["trade_id"], "side": row["side"], "qty": row["qty"],
                "price": row["price"], "fee": row["fee"], "fee_asset": row["fee_asset"],
                "maker": row["liquidity"] == "maker", "kind": "trade", "at_ms": at_ms,
            }
            for row in fills
        ],
        "faults": [],
    }  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "toy.db"
    record(path, rounds=2)
    traded_on(path, {"paper-a": {"kind": "backpack"}})
    return path


def traded_on(path: Path, venues: object) -> None:
    """As if the run had been at this venue: a paper one has no ledger beside the journal."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE runs SET venues = ?", (json.dumps(venues),))


def compared(path: Path, ledger: Ledger, **more: Any) -> VenueAudit:
    return audit_venue(path, read_venue_ledger(json.dumps(ledger), url=URL), **more)


def test_equal_ledgers_are_equal_under_other_names(journal: Path) -> None:
    report = compared(journal, ledger_of(journal))
    assert report.lines() == [
        "paper-a: 8 orders and 8 fills compared with the venue's own ledger",
        "paper-a: equal",
    ]
    assert report.accounts["maker"] == "at-maker"


@pytest.mark.parametrize(
    ("leg", "theirs", "codes"),
    [("adopted", "9", []), ("hedge", "9", ["order_differs"]), ("adopted", "0.01", ["order_differs"])],
)
def test_an_order_known_by_its_fills_alone_may_have_been_larger(
    journal: Path, leg: str, theirs: str, codes: list[str]
) -> None:
    """It was adopted after its run had no disk to write it on (S15)."""
    ledger = ledger_of(journal)
    order = ledger["orders"][0]
    order["qty"] = theirs
    with sqlite3.connect(journal) as database:
        database.execute("UPDATE orders SET leg = ? WHERE client_id = ?", (leg, order["client_id"]))
        database.execute("UPDATE intents SET reduce_only = 0 WHERE client_id = ?", (order["client_id"],))
    assert [finding.code for finding in compared(journal, ledger).findings] == codes


def _change(key: str, row: int, **fields: Any) -> Callable[[Ledger], None]:
    return lambda ledger: ledger[key][row].update(fields)


def _drop(key: str) -> Callable[[Ledger], None]:
    return lambda ledger: ledger[key].pop(0)


def _another(key: str, **fields: Any) -> Callable[[Ledger], None]:
    return lambda ledger: ledger[key].append({**ledger[key][0], **fields})


def _move(ledger: Ledger) -> None:
    ledger["accounts"]["at-maker"]["positions"]["ETH-PERP"] = "0.001"


DIFFERENT: list[tuple[str, Callable[[Ledger], None], list[str]]] = [
    ("a fee in the last digit", _change("fills", 0, fee="0.00000001"), ["fill_differs"]),
    ("a price", _change("fills", 0, price="1.01"), ["fill_differs"]),
    ("a role", _change("fills", 0, maker=False), ["fill_differs"]),
    ("a fill that we do not have", _another("fills", trade_id="x"), ["fill_missing"]),
    ("a liquidation that we do not have", _another("fills", trade_id="x", order_id="liq"), ["fill_missing"]),
    ("a fill that the venue does not have", _drop("fills"), ["fill_unknown"]),
    ("an order that the venue does not have", _drop("orders"), ["order_missing"]),
    ("the filled quantity of an order", _change("orders", 0, filled="0.01"), ["order_differs"]),
    ("the side of an order", _change("orders", 0, side="x"), ["order_differs"]),
    ("an order still open", _change("orders", 0, end=None), ["left_open"]),
    ("a position", _move, ["position_differs"]),
    ("rows that the venue has forgotten", lambda ledger: ledger.update(forgotten=3), ["ledger_incomplete"]),
    ("one account's orders at two", _change("orders", 0, account="at-taker-1"), ["account_unclear"]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "codes"), [row[1:] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT])
def test_a_difference_is_found(journal: Path, change: Callable[[Ledger], None], codes: list[str]) -> None:
    ledger = ledger_of(journal)
    change(ledger)
    report = compared(journal, ledger)
    assert not report.holds
    assert {finding.code for finding in report.findings} >= set(codes)
    if codes != ["account_unclear"]:
        assert [finding.code for finding in report.findings] == codes


def test_orders_of_others_are_told_and_later_trades_left_out(journal: Path) -> None:
    ledger = ledger_of(journal)
    _another("orders", order_id="900", client_id="31")(ledger)
    late = {"trade_id": "x", "order_id": "901", "at_ms": 1 << 60, "side": "buy", "qty": "3"}
    _another("fills", **late)(ledger)
    ledger["accounts"][ledger["fills"][-1]["account"]]["positions"]["ETH-PERP"] = "3"
    report = compared(journal, ledger)
    assert (report.holds, report.foreign) == (True, 1)
    assert "paper-a: 1 orders on these accounts are not of this run" in report.lines()


BAD = [
    ("no json", "Expecting value"),
    ("[]", "list indices must be integers"),
    ('{"version": 2}', "a ledger of version 2, expected 1; update the venue"),
    ('{"version": 1, "venue": "a"}', "no 'kind'"),
    ('{"version": 1, "venue": "a", "kind": "okx"}', "no 'forgotten'"),
    (
        '{"version":1,"venue":"a","kind":"okx","forgotten":0,"accounts":{},"orders":[{"order_id":1}],"fills":[]}',
        "no 'account'",
    ),
]


@pytest.mark.parametrize(("text", "words"), BAD)
def test_what_is_no_ledger_is_one_clear_error(text: str, words: str) -> None:
    with pytest.raises(VenueLedgerBad) as caught:
        read_venue_ledger(text, url=URL)
    assert str(caught.value).startswith(f"{URL}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("more", [{}, {"venue": "paper-a"}], ids=["by its own name", "named"])
def test_the_ledger_of_another_kind_of_venue_is_refused(journal: Path, more: dict[str, Any]) -> None:
    """It listed every order and fill as a difference, and none of them said that the address was wrong."""
    other = ledger_of(journal) | {"kind": "lighter", "venue": "two"}
    with pytest.raises(VenueLedgerBad) as refused:
        compared(journal, other, **more)
    assert str(refused.value) == (
        "--venue: paper-a of run 1 is a backpack venue, and this ledger that of a lighter venue (two); give the address"
        " of paper-a itself: --venue paper-a=URL"
    )


@pytest.mark.parametrize("venues", [{}, {"paper-a": {}}, {"paper-a": "backpack"}, []])
def test_a_journal_that_does_not_say_what_its_venue_was_is_damaged(journal: Path, venues: object) -> None:
    traded_on(journal, venues)
    with pytest.raises(JournalCorrupt, match=r"^run 1: the kind of its venue paper-a cannot be read"):
        compared(journal, ledger_of(journal))


def test_a_venue_that_the_run_does_not_have_is_told(journal: Path) -> None:
    with pytest.raises(VenueLedgerBad, match=r"^--venue: run 1 has no venue nix, only paper-a; write --venue NAME=URL"):
        compared(journal, ledger_of(journal), venue="nix")
    other = ledger_of(journal) | {"venue": "another name"}
    assert compared(journal, other).holds  # there is only one it could be


def test_the_command_compares_with_an_address(eagle: Eagle, journal: Path) -> None:
    page = json.dumps(ledger_of(journal)).encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        said = eagle("audit", journal, "--venue", url)
        as_json = json.loads(eagle("audit", journal, "--venue", f"paper-a={url}", "--format", "json").out)
        server.shutdown()
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith(
        "audit holds\npaper-a: 8 orders and 8 fills compared with the venue's own ledger\npaper-a: equal\n"
    )
    assert (as_json["holds"], as_json["venues"][0]["equal"]) == (True, True)


def test_an_address_that_does_not_answer_is_one_line(eagle: Eagle, journal: Path) -> None:
    said = eagle("audit", journal, "--venue", "http://127.0.0.1:1")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("eagle: http://127.0.0.1:1/eagle/ledger: cannot be read (")
    wrong = eagle("audit", journal, "--venue", "localhost")
    assert (wrong.code, wrong.err) == (
        2,
        "eagle: --venue: 'localhost' is no address; write one such as http://127.0.0.1:8711;"
        " see `eagle audit --help`\n",
    )  # fmt: skip
