"""The four logs of whole runs: what the journal says of money, a line each, under the same names."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from alert_kit import python, service
from cli_kit import FLOW, ROOT, Eagle, eagle  # noqa: F401
from log_kit import parsed, read_log

from cli.demo import demo_config
from cli.options import VAULT
from cli.outputs import OutputOptions, prepare
from cli.resolve import resolver
from engine.chart.load import load_flow
from engine.runtime import schema
from engine.runtime.config import Config, load_config
from engine.runtime.config_values import LogsConfig
from engine.runtime.log_files import LogFile
from engine.trading.vocabulary import trading_vocabulary

NAMES = ("orders", "positions", "errors", "performance")
JOURNAL = Path("state/eagle.sqlite")
# What a line adds to the columns of the journal.
ADDED = {"time", "seq", "at_ns", "event", "latency_us", "request", "refusal", "text"}


def rows(table: str, columns: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(JOURNAL) as journal:
        return journal.execute(f"SELECT {columns} FROM {table}").fetchall()


def logs(folder: str = "logs") -> dict[str, list[dict[str, str]]]:
    return {name: read_log(Path(folder) / f"{name}.log") for name in NAMES}


def of_event(lines: list[dict[str, str]], event: str) -> list[dict[str, str]]:
    return [line for line in lines if line["event"] == event]


@pytest.fixture
def run(eagle: Eagle) -> Eagle:  # noqa: F811
    return lambda *args: eagle("run", "--flow", FLOW, *args)


def test_every_order_and_fill_of_the_journal_has_its_lines(run: Eagle) -> None:
    assert run("--speed", "max", "--rounds", 30, "--logs", "logs").code == 0
    written = logs()
    placed = [(line["client_id"], line["account"], line["purpose"]) for line in of_event(written["orders"], "place")]
    assert sorted(placed) == sorted(rows("orders", "client_id, account, purpose"))
    columns = "account, client_id, trade_id, side, qty, price, fee, liquidity"
    told = [
        tuple(Decimal(line[name]) if name in ("qty", "price", "fee") else line[name] for name in columns.split(", "))
        for line in of_event(written["orders"], "fill")
    ]
    kept = [(*row[:4], *map(Decimal, row[4:7]), row[7]) for row in rows("fills", columns)]  # type: ignore[arg-type]
    assert len(told) > 100
    assert sorted(told) == sorted(kept)
    assert len(of_event(written["performance"], "round_ended")) == len(rows("rounds", "round")) == 30
    assert {line["seq"] for line in of_event(written["orders"], "fill")} == {
        str(seq) for (seq,) in rows("fills", "seq")
    }


def test_lines_use_the_names_of_the_journals_columns(run: Eagle) -> None:
    assert run("--speed", "max", "--rounds", 30, "--logs", "logs").code == 0
    models = {"place": schema.Intent, "fill": schema.Fill, "order": schema.Order, "round_ended": schema.Round}
    for lines in logs().values():
        for line in lines:
            if line["event"] in models:
                known = {*schema.columns(models[line["event"]]), *ADDED, "run"}
                assert set(line) - known <= {"order_id", "at_ms", "duration_ms", "first_fill_ms"}, line


def test_the_positions_log_ends_where_the_run_does(run: Eagle) -> None:
    assert run("--speed", "max", "--rounds", 30, "--logs", "logs").code == 0
    positions = of_event(logs()["positions"], "position")
    last = {line["account"]: Decimal(line["position"]) for line in positions}
    assert last == dict.fromkeys(["hawk", "chick-1", "chick-2", "chick-3"], Decimal(0))
    held = dict.fromkeys(last, "0")
    for line in positions:  # E12, in every line
        assert line["position"] != held[line["account"]]
        held[line["account"]] = line["position"]
        named = Decimal(line["maker_open_position"]) - Decimal(line["maker_close_position"])
        assert named + Decimal(line["taker_hedge_positions"]) == Decimal(line["net_position"])
        assert Decimal(line["net_position"]) + Decimal(line["in_flight"]) == Decimal(line["dust"])


def test_the_five_stamps_of_a_hedge_are_in_order(run: Eagle) -> None:
    assert run("--speed", "max", "--rounds", 10, "--logs", "logs").code == 0
    hedges = [line for line in of_event(logs()["performance"], "latency") if line["purpose"] == "hedge"]
    assert len(hedges) > 10
    for line in hedges:
        stamps = [int(line[f"{name}_ns"]) for name in ("received", "decoded", "decided", "signed", "written")]
        assert stamps == sorted(stamps)
        assert int(line["reaction_us"]) == (stamps[4] - stamps[0]) // 1_000


def test_each_log_says_of_which_run_it_is_and_how_it_ended(run: Eagle) -> None:
    for _ in range(2):
        assert run("--speed", "max", "--rounds", 1, "--logs", "logs").code == 0
    for lines in logs().values():
        ends = [line for line in lines if line["event"] in ("run_started", "finish")]
        assert [(line["run"], line["event"]) for line in ends] == [
            ("1", "run_started"), ("1", "finish"), ("2", "run_started"), ("2", "finish"),
        ]  # fmt: skip
        assert {line["market"] for line in ends[::2]} == {"ETH-PERP"}


def test_equal_runs_write_equal_logs(run: Eagle) -> None:
    for folder in ("one", "two"):
        assert run("--speed", "max", "--rounds", 5, "--logs", folder, "--journal", "off").code == 0
    texts = [[(Path(folder) / f"{name}.log").read_text() for name in NAMES] for folder in ("one", "two")]
    assert texts[0] == texts[1]


LIVE_JOURNAL = Path("state/live.sqlite")


@pytest.mark.parametrize(
    ("said", "config", "journal", "live", "folder"),
    [
        (None, None, LIVE_JOURNAL, True, "state/logs"),
        (None, None, None, True, None),
        (None, "mine", LIVE_JOURNAL, True, "mine"),
        (None, "mine", None, True, "mine"),
        (None, "off", LIVE_JOURNAL, True, None),
        ("here", "mine", LIVE_JOURNAL, True, "here"),
        ("here", "off", None, True, "here"),
        ("off", "mine", LIVE_JOURNAL, True, None),
        (None, None, LIVE_JOURNAL, False, None),
        (None, "mine", LIVE_JOURNAL, False, None),
        ("here", None, None, False, "here"),
        ("off", None, LIVE_JOURNAL, False, None),
    ],
)
def test_where_logs_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str | None, config: str | None, journal: Path | None,
    live: bool, folder: str | None,
) -> None:  # fmt: skip
    """Live: beside the journal, or where option or config say; in virtual time only where the option says."""
    monkeypatch.chdir(tmp_path)
    given = replace(demo(), logs=LogsConfig(folder=config))
    prepared = prepare(given, OutputOptions(logs=said), journal=journal, live=live, resolve=resolver(VAULT, None))
    made = {path.parent for path in tmp_path.rglob("*.log")}
    assert made == (set() if folder is None else {tmp_path / folder})
    assert (prepared.logs is None) == (folder is None)
    for file in (prepared.logs or {}).values():
        file.close()


def demo() -> Config:
    flow = load_flow(Path(FLOW).read_text(), file="f", vocabulary=trading_vocabulary())
    return load_config(demo_config(flow).text, file="c", flow=flow)


def test_a_live_run_writes_beside_its_journal_for_its_owner_only(run: Eagle) -> None:
    run("--speed", "20x", "--rounds", 1)
    assert {path.name for path in Path("state/logs").iterdir()} == {f"{name}.log" for name in NAMES}
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path("state/logs").iterdir()} == {0o600}
    assert [lines[-1]["event"] for lines in logs("state/logs").values()] == ["finish", "finish", "finish", "figures"]


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_written(run: Eagle, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("x")
    said = run("--speed", "max", "--rounds", 1, "--logs", "notes/logs")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "eagle: notes/logs: logs cannot be written there (Not a directory); name another folder with --logs,"
        " or --logs off\n"
    )
    assert not JOURNAL.exists()


def test_a_disk_that_fills_up_costs_no_round_and_is_told_once(run: Eagle, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the screen, in the journal, and nothing else changes."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogFile, "_append", full)
    said = run("--speed", "max", "--rounds", 5, "--logs", "logs")
    assert (said.code, said.out.splitlines()[0]) == (0, "flat")
    told = [line for line in said.err.splitlines() if "logs_lost" in line]
    assert len(told) == 1
    assert re.search(
        r"warning +logs_lost: a log cannot be written: \S+/(orders|performance|errors|positions)\.log:"
        r" No space left on device; the run goes on without$",
        told[0],
    )
    assert [(seq, code) for seq, code in rows("alerts", "seq, code") if code == "logs_lost"] == [(0, "logs_lost")]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_no_secret_reaches_a_log_the_journal_the_screen_or_the_metrics(
    run: Eagle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL with a token that is refused, and a command that prints that token in its complaint."""
    text = (ROOT / "docs/examples/eagle_paper.yaml").read_text().replace("folder: state/logs ", "folder: logs ")
    with service(401) as chat:
        monkeypatch.setenv("CANARY_URL", chat.url)
        complain = python("import os, sys; sys.exit(os.environ['CANARY_URL'].split(':')[2].split('@')[0])")
        alerts = json.dumps({"level": "info", "command": complain, "urls": {"phone": {"secret": "env:CANARY_URL"}}})
        (tmp_path / "c.yaml").write_text(text[: text.index("alerts:")] + f"alerts: {alerts}\n")
        said = run("--config", "c.yaml", "--speed", "20x", "--rounds", 1, "--metrics", "m.prom")
    assert len(chat.got) >= 4
    assert "warning        alert_undelivered: URL phone: the service answered with HTTP status 401" in said.err
    assert "warning        alert_undelivered: command python" in said.err
    assert "exit code 1: ***; the alert was" in said.err
    assert 'eagle_alert_calls_total{channel="URL phone",outcome="failed"}' in (tmp_path / "m.prom").read_text()
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"canary" not in everything
    assert "canary" not in said.err + said.out


# --- the page

PAGE = (ROOT / "docs" / "logs.md").read_text()


def test_every_event_is_explained_and_the_lines_of_the_page_can_be_read() -> None:
    sources = [(ROOT / "engine" / "runtime" / f"{name}.py").read_text() for name in ("log_lines", "log_files", "logs")]
    events = {event for text in sources for event in re.findall(r'"event": "(\w+)"', text)}
    assert {"place", "fill", "lines_lost", "figures"} <= events
    assert [event for event in sorted(events) if not re.search(rf"\b{event}\b", PAGE)] == []
    shown = [parsed(line) for line in PAGE.splitlines() if line.startswith("time=")]
    assert [line["event"] for line in shown] == ["place", "fill"]
