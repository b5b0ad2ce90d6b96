"""`eagle hedger` on local venues, over sockets and between processes: pairs, restart, another version of its config."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import yaml
from cli_kit import Eagle, eagle
from test_cli_venue import Serving, serving
from test_hedger_json import EMPTY

__all__ = ["eagle"]

EAGLE = [sys.executable, "-c", "import sys; from cli.entry import main; sys.exit(main())"]
PATIENCE_S = 60
SERVED = ("bifu", "backpack", "--fills-per-second", "10", "--also", "BTC=60000", "--accounts", "maker,h1,h2")


@contextmanager
def hedging(folder: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*EAGLE, "hedger", "hedger.yaml", "--format", "json", *args], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    patience = Timer(PATIENCE_S, process.kill)  # what is waited for and never said ends it, and the test with it
    patience.start()
    try:
        yield process
    finally:
        patience.cancel()
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], *words: str) -> list[str]:
    """Read what it says until each of these was said."""
    assert process.stderr is not None
    waiting, seen = set(words), []
    for line in process.stderr:
        seen.append(line)
        waiting -= {it for it in waiting if it in line}
        if not waiting:
            return seen
    raise AssertionError(f"never said: {waiting}\n{''.join(seen[-30:])}")


def stop(process: subprocess.Popen[str]) -> tuple[int, Any]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out, err
    return process.returncode, json.loads(out)


def config_of(it: Serving) -> dict[str, Any]:
    """As served, with its hedges before thresholds and without limits that the made-up market breaks."""
    assert isinstance(it.config, dict)
    return dict(it.config)


def write(folder: Path, config: dict[str, Any]) -> None:
    new = folder / "hedger.yaml.new"
    new.write_text(yaml.safe_dump(config, sort_keys=False))
    new.replace(folder / "hedger.yaml")


def equal(eagle: Eagle, it: Serving, *, run: int) -> None:
    """The journal agrees with itself and with both venues, to the last digit."""
    venues = [f"--venue={name}={url}" for name, url in zip(it.config["venues"], it.urls, strict=True)]  # type: ignore[call-overload]
    said = eagle("audit", "state/eagle.sqlite", "--run", run, *venues)
    assert "audit holds" in said.out, said.out
    assert (said.out.count(": equal"), said.code) == (2, 0), said.out


def known(folder: Path, market: str) -> int:
    """The market maker's trades in memory, by the metrics of one pair."""
    lines = (folder / f"m.{market}.prom").read_text().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith('eagle_dedup_trades{account="maker-bifu"} '))
    return int(float(value))


def heard(folder: Path) -> int:
    """Its fills of both pairs and of every run so far; one that comes while a run stops is left to the next."""
    with sqlite3.connect(folder / "state" / "eagle.sqlite") as journal:
        ((count,),) = journal.execute("SELECT count(*) FROM fills WHERE venue = 'bifu'").fetchall()
    return int(count)


def test_two_pairs_are_hedged_over_a_restart_and_nothing_is_told_twice(tmp_path: Path, eagle: Eagle) -> None:
    with serving(tmp_path, *SERVED) as it:
        write(tmp_path, config_of(it))
        for first in (1, 3):
            with hedging(tmp_path, "--metrics", "m.prom") as process:
                until(process, "hedge          ETH: ", "hedge          BTC: ")
                code, told = stop(process)
            assert 2 <= heard(tmp_path) <= max(known(tmp_path, market) for market in ("ETH", "BTC"))
            assert [row["market"] for row in told] == ["ETH", "BTC"]
            assert all(row["ending"].startswith("hedged") for row in told), told
            assert code in (0, 1)  # 1: a limit broke on the way, and was called
            for run in (first, first + 1):
                equal(eagle, it, run=run)
                said = eagle("replay", "state/eagle.sqlite", "--run", run)
                assert said.code == 0, said.out


def test_a_start_with_real_money_says_what_it_needs_and_a_hedger_can_have_all_of_it(
    tmp_path: Path, eagle: Eagle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of these could never be had: a day's limit is refused beside pairs, and BiFu tells no margin."""
    live = ("--live", "--rehearse", "--word", "LIVE")
    with serving(tmp_path, *SERVED) as it:
        config = config_of(it)
        write(tmp_path, config)
        monkeypatch.chdir(tmp_path)
        said = eagle("hedger", "hedger.yaml", *live)
        assert (said.code, [line.strip(" -").split(" ")[0] for line in said.err.splitlines()[-4:]]) == (
            1, ["set", "run", "name", "run"],
        ), said.err  # fmt: skip
        assert "set max_loss_run under `limits:`" in said.err
        for pair in config["pairs"].values():
            pair["limits"]["max_loss_run"] = 500
        write(tmp_path, config | {"alerts": {"command": ["true"]}})
        said = eagle("validate", "--online", "hedger.yaml")
        assert said.code == 0, said.out
        assert "ETH: only listened to" in said.out
        assert "BTC: only listened to" in said.out
        assert eagle("alert", "test", "--config", "hedger.yaml").code == 0
        with hedging(tmp_path, *live) as process:
            until(process, "hedge          ETH: ", "hedge          BTC: ")
            assert stop(process)[0] in (0, 1)


def test_what_a_killed_hedger_left_is_finished_pair_by_pair(tmp_path: Path, eagle: Eagle) -> None:
    """And what the source filled after its death, which no journal knows; the venues' books tell both."""
    with serving(tmp_path, *SERVED) as it:
        write(tmp_path, config_of(it))
        with hedging(tmp_path) as process:
            until(process, "hedge          ETH: ", "hedge          BTC: ")
        said = eagle("recover", "--config", "hedger.yaml", "--yes")
        assert [line.split(":")[0] for line in said.out.splitlines() if " hedged" in line] == ["ETH", "BTC"], said.out
        for run in (3, 4):
            equal(eagle, it, run=run)


def test_a_hedger_takes_over_nothing_where_somebody_else_traded_meanwhile(tmp_path: Path, eagle: Eagle) -> None:
    """S1: who hedged by hand what a dead hedger had left open had it hedged twice."""
    with serving(tmp_path, *SERVED) as it:
        write(tmp_path, config_of(it))
        with hedging(tmp_path) as process:
            until(process, "hedge          ETH: ", "hedge          BTC: ")
        symbol = it.config["markets"]["ETH"]["backpack"]  # type: ignore[call-overload]
        with sqlite3.connect(tmp_path / "state" / "eagle.sqlite") as journal:
            held = (1, "start", "h1-backpack", symbol, "77", "2600")  # it was there, and is not any more
            journal.execute(
                "INSERT INTO holdings (run, moment, account, symbol, qty, entry_price) VALUES (?, ?, ?, ?, ?, ?)", held
            )
            before = journal.execute(sent := f"SELECT count(*) FROM intents WHERE symbol = '{symbol}'").fetchall()
        said = eagle("recover", "--config", "hedger.yaml", "--yes")
        assert said.code == 1, said.err
        assert "h1-backpack: the journal has " in said.err
        assert "If so somebody else traded there" in said.err
        with sqlite3.connect(tmp_path / "state" / "eagle.sqlite") as journal:
            assert journal.execute(sent).fetchall() == before


@pytest.mark.parametrize("watched", [False, True], ids=["died before anybody watched it", "killed under its guard"])
def test_a_guard_finishes_every_pair_of_a_hedger(watched: bool, tmp_path: Path, eagle: Eagle) -> None:
    """S13: it took the runs of one process for several processes, and looked at the first pair alone."""
    with serving(tmp_path, *SERVED) as it:
        write(tmp_path, config_of(it))
        with hedging(tmp_path) as process:
            until(process, "hedge          ETH: ", "hedge          BTC: ")
            if watched:
                guard = subprocess.Popen(
                    [*EAGLE, "guard", "--config", "hedger.yaml", "--once"], cwd=tmp_path, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )  # fmt: skip
                until(guard, "watching run 1")
        if watched:
            patience = Timer(2 * PATIENCE_S, guard.kill)  # on a busy machine it may have to take over twice
            patience.start()
            out, err = guard.communicate()
            patience.cancel()
            code = guard.returncode
        else:
            said = eagle("guard", "--config", "hedger.yaml", "--once")
            code, out, err = said.code, said.out, said.err
        assert code == 0, out + err
        assert "guard_took_over" in err, out + err
        for run in (3, 4):
            equal(eagle, it, run=run)


def test_another_version_of_the_config_is_applied_and_a_wrong_one_is_not(tmp_path: Path, eagle: Eagle) -> None:
    with serving(tmp_path, *SERVED) as it:
        config = config_of(it)
        write(tmp_path, config)
        with hedging(tmp_path) as process:
            until(process, "hedge          BTC: ")
            config["pairs"]["BTC"]["settings"]["min_amt"] = "11"
            write(tmp_path, config)
            until(process, "config_not_applied: hedger.yaml was edited and its _version is 0, not above 0")
            write(tmp_path, {**config, "_version": 1})
            until(process, "config         BTC: version 1: min_amt 10 -> 11", "config         ETH: version 1: nothing")
            write(tmp_path, {**config, "_version": 2, "settings": {"slippage": "3 apples", "max_age": "-1s"}})
            (line,) = [it for it in until(process, "config_refused") if "config_refused" in it]
            assert "version 1 goes on: line " in line
            write(tmp_path, {**config, "_version": 3, "use": {"source": "maker-bifu", "hedgers": ["h1-backpack"]}})
            until(process, "roles, accounts cannot change while it runs; start again for that")
            code, _ = stop(process)
            assert code in (0, 1)
        for run in (1, 2):  # the new version is one input of the journal, and its steps follow from it
            said = eagle("replay", "state/eagle.sqlite", "--run", run)
            assert said.code == 0, said.out


def test_other_keys_of_an_account_make_another_connection(tmp_path: Path) -> None:
    with serving(tmp_path, *SERVED) as it:
        config = config_of(it)
        write(tmp_path, config)
        with hedging(tmp_path) as process:
            until(process, "hedge          BTC: ")
            for account in config["accounts"]:
                if account["name"] == "h1-backpack":
                    path = Path(account["credentials"]["api_secret"]["secret"].removeprefix("file:"))
                    moved = path.with_name("moved")
                    moved.touch(mode=0o600)
                    moved.write_text(path.read_text())
                    account["credentials"]["api_secret"]["secret"] = f"file:{moved}"
            write(tmp_path, {**config, "_version": 1})
            until(process, "h1-backpack has other keys and a new connection")
            until(process, "hedge          ETH: h1-backpack")
            code, _ = stop(process)
            assert code in (0, 1)


PAPER_PAIRS = """\
version: 1
flow: hedger
venues:
  one: {kind: paper}
  two: {kind: paper}
markets:
  ETH-PERP: {one: ETH-PERP, two: ETH-PERP}
  BTC-PERP: {one: BTC-PERP, two: BTC-PERP}
accounts:
  - {name: mm, venue: one, owner: me, balance: 10000}
  - {name: h, venue: two, owner: me, balance: 10000}
use: {source: mm, hedgers: [h]}
pairs:
  ETH-PERP: {}
  BTC-PERP: {}
settings: {min_qty: 0.01, min_amt: 10}
limits: {max_order: 1, max_position: 10, max_gross: 20, max_net: 10, unhedged_soft: 1, unhedged_hard: 5}
"""


def test_several_pairs_on_paper_are_refused_instead_of_trading_the_first_alone(tmp_path: Path, eagle: Eagle) -> None:
    (tmp_path / "pairs.yaml").write_text(PAPER_PAIRS)
    said = eagle("run", "--flow", "hedger", "--config", tmp_path / "pairs.yaml", "--speed", "max", "--journal", "off")
    assert (said.code, said.out) == (2, "")
    assert "2 pairs, and their venues are paper, which trade one market each; serve them" in said.err


def test_without_a_file_it_tells_its_usage(eagle: Eagle) -> None:
    for args in ((), ("one.json", "two.json")):
        said = eagle("hedger", *args)
        assert (said.code, said.out, said.err) == (1, "", "Usage: eagle hedger <config_file>\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "Error: failed to load config file h.json: cannot be read (No such file or directory)"),
        ("{", "Error: failed to load config file h.json: 1 fault\n  h.json:1: the text is "),
        (EMPTY, "Error: failed to load config file h.json: 11 faults\n  h.json:3: token_parameter: Maker Exchange is"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_in_the_users_words(
    eagle: Eagle, tmp_path: Path, text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "h.json").write_text(text)
    said = eagle("hedger", "h.json")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(words)


def test_without_a_config_the_flow_shows_itself_and_audits_what_it_wrote(
    eagle: Eagle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.hedger_demo.ENDS_AFTER_S", 3)
    said = eagle("run", "--flow", "hedger", "--view", "plain")
    assert said.code == 0, said.err
    assert "audit of run 1: holds\nbifu's own books: equal\nbackpack's own books: equal\n" in said.err
    assert said.out.startswith("hedged\nlistened for ")
    assert "maker-bifu" in said.out
