"""Starts a local venue on a calm market, lets clients that nobody here wrote trade on it, and tells what passed.

`make peers` runs it; each client has an environment of its own below build/peers, as their needs clash.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / "build" / "peers"
PAGE = HERE.parent / "docs" / "peers.md"
PEERS = [
    ("backpack", "bpx", "backpack_bpx.py"),
    ("backpack", "ccxt", "backpack_ccxt.py"),
    ("lighter", "lighter", "lighter_sdk.py"),
    ("lighter", "ccxt", "lighter_ccxt.py"),
    ("okx", "okx", "okx_python.py"),
    ("okx", "ccxt", "okx_ccxt.py"),
    ("binance", "binance_usds", "binance_usds.py"),
    ("binance", "ccxt", "binance_ccxt.py"),
    ("binance spot", "binance_connector", "binance_connector.py"),
    ("binance spot", "ccxt", "binance_ccxt.py"),
]
SYMBOLS = {
    "backpack": "ETH_USDC_PERP",
    "lighter": "ETH",
    "okx": "ETH-USDT-SWAP",
    "binance": "ETH/USDC:USDC",
    "binance spot": "ETH/USDC",
}
HEAD = """\
# Clients that nobody here wrote

Written by `make peers`, which lets public clients of the real venues trade on the [local ones](venues.md). It is no
part of `make test`: the clients' needs clash, so each gets an environment of its own.

"""


def calm_market(folder: Path, product: str) -> Path:
    """Bid 2600.00, offer 2601.00, sizes that change five times a second, no trades: room for orders in between.

    `product` is perp or spot.
    """
    quotes = ["local_ts_us,exch_ts_ms,update_id,bid_px,bid_qty,ask_px,ask_qty"]
    for step in range(3_000):
        size = f"{20 + step % 5}.5000"
        quotes.append(f"{1_700_000_000_000_000 + step * 200_000},,{step + 1},2600.00,{size},2601.00,{size}")
    trades = ["local_ts_us,exch_ts_ms,trade_id,px,qty,taker_side,kind"]
    trades.append("1700000000000000,,1,2600.00,0.0001,sell,")
    for kind, lines in (("bbo", quotes), ("trades", trades)):
        with gzip.open(folder / f"calm_{product}_ethusdc_{kind}.csv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")
    return folder / f"calm_{product}_ethusdc"


@contextmanager
def serving(kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    """The config that a local venue prints; it serves while this is entered. `kind` may end with its product."""
    kind, _, product = kind.partition(" ")
    eagle = Path(sys.executable).with_name("eagle")
    command = [
        str(eagle),
        "venue",
        "serve",
        kind,
        "--port",
        "0",
        "--market",
        str(calm_market(folder, product or "perp")),
        "--keys",
        str(folder),
    ]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or (lines[-1] and not lines[-1].startswith("# end")):
        lines.append(process.stdout.readline())
    try:
        yield yaml.safe_load("".join(lines))
    finally:
        process.terminate()
        process.wait()


def description(kind: str, config: dict[str, Any], folder: Path) -> Path:
    """What a peer's script needs to know, in a file."""
    venue = config["venues"][kind.partition(" ")[0]]
    accounts = {
        account["name"]: {
            field: Path(it["secret"].removeprefix("file:")).read_text().strip() if isinstance(it, dict) else str(it)
            for field, it in account["credentials"].items()
        }
        for account in config["accounts"]
    }
    told = {"url": venue["url"], "ws_url": venue["ws_url"], "symbol": SYMBOLS[kind], "accounts": accounts}
    path = folder / "venue.json"
    path.write_text(json.dumps(told))
    return path


def visit(kind: str, environment: str, script: str) -> tuple[str, list[dict[str, Any]]]:
    """Package and version, and the checks of one peer."""
    python = ENVIRONMENTS / environment / "bin" / "python"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(kind, folder) as config:
            path = description(kind, config, folder)
            done = subprocess.run(
                [python, str(HERE / script), str(path)], text=True, stdout=subprocess.PIPE, check=False
            )
    head, *checks = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode and all(check["holds"] for check in checks):
        checks.append({"check": "runs to its end", "holds": False, "seen": f"exit code {done.returncode}"})
    return f"{head['package']} {head['version']}", checks


def main() -> int:
    lines, failed = [HEAD, "| venue | client | passed | what |\n|---|---|---|---|\n"], 0
    for kind, environment, script in PEERS:
        client, checks = visit(kind, environment, script)
        passed = [check["check"] for check in checks if check["holds"]]
        for check in checks:
            if not check["holds"]:
                failed += 1
                print(f"{client}: FAIL {check['check']}: {check['seen']}")
        print(f"{kind}: {client}: {len(passed)} of {len(checks)} passed")
        lines.append(f"| {kind} | {client} | {len(passed)} of {len(checks)} | {'; '.join(passed)} |\n")
    PAGE.write_text("".join(lines))
    return 1 if failed else 0


sys.exit(main())
