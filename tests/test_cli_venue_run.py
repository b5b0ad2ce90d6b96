"""`eagle run` against local venues that speak Backpack's protocol: the whole way over sockets, between processes."""

from __future__ import annotations

import copy
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_kit import Eagle, eagle, write_recording
from test_cli_venue import Serving, serving
from trading_kit import eagle_flow

from cli.leftovers import lease_paths
from cli.options import VAULT
from cli.resolve import resolver
from engine.runtime import patience
from engine.runtime.config import load_config
from engine.runtime.lease import held

__all__ = ["eagle"]

EAGLE = [sys.executable, "-c", "import sys; from cli.entry import main; sys.exit(main())"]
SYMBOL = "ETH_USDC_PERP"
D = Decimal


def config_of(it: Serving, *, maker: str, takers: list[str], **more: object) -> dict[str, Any]:
    """A config on the venues that are served, at a quick pace; `use` names the accounts."""
    return {
        "version": 1, "market": "ETH-PERP", "markets": {"ETH-PERP": dict.fromkeys(it.config["venues"], SYMBOL)},  # type: ignore[call-overload]
        **it.config, "use": {"maker": maker, "takers": takers},
        "settings": {"quantity": "0.02", "rounds": 1, "hold": "20..60ms", "order_timeout": "2s"},
        "limits": {"orders_per_minute": 1000}, **more,
    }  # fmt: skip


def run(folder: Path, config: dict[str, Any], *args: str) -> subprocess.CompletedProcess[str]:
    (folder / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return subprocess.run(
        [*EAGLE, "run", "--config", "c.yaml", *args],
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )


def venue_fills(it: Serving) -> set[tuple[str, str, str, Decimal, Decimal]]:
    """Account, side, trade id, quantity and price of every fill in the venues' own ledgers."""
    found: set[tuple[str, str, str, Decimal, Decimal]] = set()
    for name, url in zip(it.config["venues"], it.urls, strict=True):  # type: ignore[call-overload]
        rows: Any = it.ledger(url)["fills"]
        found |= {
            (f"{row['account']}-{name}", row["side"], str(row["trade_id"]), Decimal(row["qty"]), Decimal(row["price"]))
            for row in rows
        }
    return found


def journal_fills(folder: Path) -> set[tuple[str, str, str, Decimal, Decimal]]:
    with sqlite3.connect(folder / "state" / "eagle.sqlite") as journal:
        rows = journal.execute("select account, side, trade_id, qty, price from fills").fetchall()
    return {(account, side, trade_id, Decimal(qty), Decimal(price)) for account, side, trade_id, qty, price in rows}


def test_a_round_across_two_venues_ends_flat_and_both_ledgers_agree(tmp_path: Path) -> None:
    with serving(tmp_path, "one=backpack", "two=backpack", "--accounts", "maker,taker") as it:
        ran = run(tmp_path, config_of(it, maker="maker-one", takers=["taker-two", "maker-two"]), "--format", "json")
        assert ran.returncode == 0, ran.stderr
        told = json.loads(ran.stdout)
        assert told["ending"] == "flat"
        fills = venue_fills(it)
        assert fills == journal_fills(tmp_path)
        assert len(fills) >= 4  # maker and taker, opening and closing
    audit = subprocess.run(
        [*EAGLE, "audit", "state/eagle.sqlite"], cwd=tmp_path, text=True, capture_output=True, check=False
    )
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_a_run_on_an_account_that_another_process_owns_is_refused_and_sends_nothing(tmp_path: Path) -> None:
    """S21: one account of the pool is enough; it is known by its key, whatever the config calls it."""
    with serving(tmp_path, "one=backpack", "two=backpack", "--accounts", "maker,taker") as it:
        config = config_of(it, maker="maker-one", takers=["taker-two", "maker-two"])
        text = yaml.safe_dump(config, sort_keys=False)
        read = load_config(text, file=str(tmp_path / "c.yaml"), flow=eagle_flow())
        paths = lease_paths(read, resolver(VAULT, None))
        with held({"hen": paths["taker-two"]}, journal=Path("their.sqlite")):
            refused = run(tmp_path, config)
        assert (refused.returncode, refused.stdout) == (3, "")
        assert f"taker-two is in use by process {os.getpid()}" in refused.stderr
        assert "as its hen, journal their.sqlite" in refused.stderr
        assert [it.ledger(url)["orders"] for url in it.urls] == [[], []]


def test_rounds_on_spot_end_within_dust_though_every_purchase_pays_its_fee_in_what_it_bought(tmp_path: Path) -> None:
    """S18: quantities count net of such fees, sales are bounded by what is held, and the venues' own ledgers agree."""
    recording = write_recording(tmp_path, "spot_ethusdt", seconds=120)
    asked = ("one=backpack", "two=backpack", "--accounts", "maker,taker", "--market", str(recording))
    with serving(tmp_path, *asked, "--market-speed", "10") as it:
        config = config_of(it, maker="maker-one", takers=["taker-two", "maker-two"])
        config |= {"market": it.config["market"], "markets": it.config["markets"]}
        config["settings"] |= {"quantity": "0.05", "rounds": 2}
        ran = run(tmp_path, config, "--format", "json")
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["ending"].startswith("flat within dust")
        fills = venue_fills(it)
        assert fills == journal_fills(tmp_path)
        with sqlite3.connect(tmp_path / "state" / "eagle.sqlite") as journal:
            rows = journal.execute("select side, qty, fee, fee_asset from fills").fetchall()
        bought = [(D(qty), D(fee)) for side, qty, fee, asset in rows if side == "buy" and asset == "ETH"]
        assert bought == [(D(qty), D(qty) / 1000) for side, qty, _, _ in rows if side == "buy"]
        audit = subprocess.run(
            [*EAGLE, "audit", *(word for url in it.urls for word in ("--venue", url))],
            cwd=tmp_path, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert audit.returncode == 0, audit.stdout + audit.stderr
        assert audit.stdout.count(": equal") == 2


def test_an_interrupt_ends_it_flat_and_leaves_no_order(tmp_path: Path) -> None:
    with serving(tmp_path, "one=backpack", "two=backpack", "--accounts", "maker,taker") as it:
        config = config_of(it, maker="maker-one", takers=["taker-two", "maker-two"])
        config["settings"] |= {"rounds": 0, "hold": "10s..20s"}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        process = subprocess.Popen(
            [*EAGLE, "run", "--config", "c.yaml", "--view", "plain"], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if " HOLDING " in line:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, "".join(seen) + err
        assert out.startswith("flat")
        orders: Any = [row for url in it.urls for row in it.ledger(url)["orders"]]  # type: ignore[attr-defined]
        assert orders
        assert [row for row in orders if row["end"] is None] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"args": ["--journal", "off"]},
            "--journal off: at a venue every order needs an id that never comes back (S15)",
        ),
        ({"args": ["--speed", "max"]}, "--market, --repeat and --speed are for paper venues"),
        ({"key": "x" * 44}, "c.yaml:{line}: api_key of maker-one is not the public key of its api_secret"),
        ({"secret": "not a key"}, "c.yaml:{line}: api_secret of maker-one: the secret is no Backpack key"),
        ({"quantity": "0.00005"}, "quantity 0.00005 is under the minimum 0.0001 of ETH_USDC_PERP on one"),
        ({"symbol": "NONE_USDC_PERP"}, "nothing was sent; check the symbol under `markets:`"),
        ({"owner": True}, "G719"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    served: tuple[Serving, Path], change: dict[str, Any], words: str
) -> None:
    it, folder = served
    config = config_of(it, maker="maker-one", takers=["taker-one"] if "owner" in change else ["taker-two"])
    config["accounts"] = copy.deepcopy(config["accounts"])
    for name in ("key", "secret"):
        if name in change:
            wrong = folder / f"wrong-{name}"
            wrong.write_text(change[name])
            wrong.chmod(0o600)
            config["accounts"][0]["credentials"][f"api_{name}"] = {"secret": f"file:{wrong}"}
    if "quantity" in change:
        config["settings"]["quantity"] = change["quantity"]
    if "symbol" in change:
        config["markets"]["ETH-PERP"]["one"] = change["symbol"]
    ran = run(folder, config, *change.get("args", ()))
    line = next(n for n, text in enumerate((folder / "c.yaml").read_text().splitlines(), 1) if "maker-one" in text)
    assert ran.returncode in (1, 2)
    assert words.format(line=line) in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [row for url in it.urls for row in it.ledger(url)["orders"]] == []  # type: ignore[attr-defined]


def test_a_venue_where_nobody_listens_is_awaited_and_then_told_with_its_address(
    eagle: Eagle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, "one=backpack", "two=backpack", "--accounts", "maker,taker") as it:
        config = config_of(it, maker="maker-one", takers=["taker-two"])
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))  # and its venues are gone
    monkeypatch.setattr(patience, "AWAY_FIRST_MS", 400)
    monkeypatch.setattr(patience, "AWAY_MOST_S", 1)
    said = eagle("run", "--config", "c.yaml")
    where = config["venues"]["one"]["url"].removeprefix("http://")
    why = f"GET did not leave: ConnectionRefusedError: Connection refused ({where})"
    assert f"one: {why}; asking again for up to 1 s\n" in said.err
    assert f"eagle: maker-one on one: {why}; nothing was sent; is the venue up, at this address?" in said.err
    assert said.code == 2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "one=backpack", "two=backpack", "--accounts", "maker,taker") as it:
        yield it, folder


def test_the_real_venue_stays_closed(eagle: Eagle, tmp_path: Path) -> None:
    config = {
        "version": 1, "market": "ETH-PERP", "markets": {"ETH-PERP": {"bp": SYMBOL}},
        "venues": {"bp": {"kind": "backpack"}},
        "accounts": [
            {"name": name, "venue": "bp", "owner": name, "credentials": {"api_key": {"secret": "env:NONE"}}}
            for name in ("hawk", "chick")
        ],
        "use": {"maker": "hawk", "takers": ["chick"]}, "settings": {"quantity": "0.02"},
    }  # fmt: skip
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    assert "G722" in eagle("run", "--config", tmp_path / "c.yaml").err
    assert "--live: nothing was sent; before" in eagle("run", "--config", tmp_path / "c.yaml", "--live").err
