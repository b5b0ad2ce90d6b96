"""The command line from inside: `eagle(...)` gives exit code, results and words; small recordings to run on."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.main import main

ROOT = Path(__file__).parents[1]
FLOW = str(ROOT / "flows" / "eagle_chicken.yaml")


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str


Eagle = Callable[..., Said]


@pytest.fixture
def eagle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Eagle:
    """Runs `eagle ARGS` in an empty directory of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*args: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["eagle", *map(str, args)])
        code = main()
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    return call


def write_recording(folder: Path, name: str, *, seconds: int, price: int = 2600) -> Path:
    """A lively market: a quote every 100 ms that walks up and down, a trade at either side after each."""
    quotes = ["local_ts_us,exch_ts_ms,update_id,bid_px,bid_qty,ask_px,ask_qty"]
    trades = ["local_ts_us,exch_ts_ms,trade_id,px,qty,taker_side,kind"]
    for step in range(seconds * 10):
        at_us = 1_700_000_000_000_000 + step * 100_000
        bid = price * 100 + abs(step % 40 - 20)
        quotes.append(f"{at_us},,{step + 1},{_cents(bid)},5.5,{_cents(bid + 1)},4.25")
        side, px = ("buy", bid + 1) if step % 2 else ("sell", bid)
        trades.append(f"{at_us + 50_000},,{step + 1},{_cents(px)},0.{step % 7 + 1:03},{side},")
    for kind, lines in (("bbo", quotes), ("trades", trades)):
        with gzip.open(folder / f"{name}_{kind}.csv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")
    return folder / name


def _cents(value: int) -> str:
    return f"{value // 100}.{value % 100:02}"
