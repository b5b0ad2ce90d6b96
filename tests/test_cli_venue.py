"""`eagle venue serve` as a process: what it prints, that it serves, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml
from cli_kit import Eagle, eagle, write_recording
from paper_clock import PaperClock

from cli.venue_wiring import KINDS, ServeOptions, _open, _sources
from exchanges.market import MarketEvent
from exchanges.synthetic import demo_instrument
from exchanges.venues.faults import FaultPlan

__all__ = ["eagle"]


@dataclass
class Serving:
    process: subprocess.Popen[str]
    config: dict[str, object]
    heads: list[str]

    @property
    def urls(self) -> list[str]:
        venues = self.config["venues"]
        assert isinstance(venues, dict)
        return [venue["url"] for venue in venues.values()]

    def ledger(self, url: str) -> dict[str, object]:
        with urlopen(f"{url}/eagle/ledger") as reply:
            told: dict[str, object] = json.load(reply)
        return told


@contextmanager
def serving(folder: Path, *args: str) -> Iterator[Serving]:
    command = [sys.executable, "-c", "import sys; from cli.entry import main; sys.exit(main())", "venue", "serve"]
    process = subprocess.Popen(
        [*command, *args, "--port", "0"], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        first = process.stderr.readline()  # comes after the config
        if not first.startswith("serving"):
            raise AssertionError(first + process.stderr.read())
        lines: list[str] = []
        while not lines or not lines[-1].startswith("# end"):
            lines.append(process.stdout.readline())
        yield Serving(process, yaml.safe_load("".join(lines)), [line for line in lines if line.startswith("#")])
    finally:
        process.kill()
        process.communicate()


def test_it_serves_what_it_prints_and_ends_cleanly(tmp_path: Path) -> None:
    with serving(tmp_path, "one=backpack", "two=backpack", "--accounts", "maker,taker=5000") as it:
        accounts = it.config["accounts"]
        assert isinstance(accounts, list)
        assert [row["name"] for row in accounts] == ["maker-one", "taker-one", "maker-two", "taker-two"]
        for url, name in zip(it.urls, ("one", "two"), strict=True):
            ledger = it.ledger(url)
            assert (ledger["venue"], ledger["kind"], ledger["orders"]) == (name, "backpack", [])
            with urlopen(f"{url}/api/v1/status") as reply:
                assert json.load(reply) == {"status": "Ok", "message": None}
        key = tmp_path / accounts[0]["credentials"]["api_secret"]["secret"].removeprefix("file:")
        assert key.stat().st_mode & 0o777 == 0o600
        it.process.send_signal(signal.SIGINT)
        _, words = it.process.communicate(timeout=20)
        assert (it.process.returncode, words) == (0, "one: 0 orders, 0 fills\ntwo: 0 orders, 0 fills\n")


def test_a_standard_account_of_lighter_is_told_the_times_that_its_requests_allow(tmp_path: Path, eagle: Eagle) -> None:
    """As printed, `validate --online` refuses its limit, and `validate` the flow's own times with a lower one."""
    with serving(tmp_path, "backpack", "lighter", "--tier", "premium") as it:
        assert not [head for head in it.heads if "60 requests a minute" in head]
    with serving(tmp_path, "backpack", "lighter") as it:
        assert [head for head in it.heads if "60 requests a minute" in head]
    config = {**it.config, "limits": {"orders_per_minute": 60}}
    for times, code in (({"order_timeout": "6s", "hold": "3s..5s"}, 0), ({}, 1)):
        config["settings"] = {"quantity": "0.01", **times}
        (tmp_path / "local.yaml").write_text(yaml.safe_dump(config))
        assert eagle("validate", tmp_path / "local.yaml").code == code


def test_accounts_may_be_one_user() -> None:
    def owners(kind: str, *, one_user: bool) -> set[str]:
        options = ServeOptions({"v": kind}, 0, {"a": "1", "b": "1"}, {}, None, "keys", 1, "standard", 1, one_user)
        spec = demo_instrument("v")
        opened = _open(
            options, "v", [(spec, iter(()))], plan=FaultPlan(), clock=PaperClock(), on_failure=lambda _: None
        )
        return {account.owner for account in opened.exchange.accounts.values()}

    assert owners("backpack", one_user=False) == {"a", "b"}
    assert owners("backpack", one_user=True) == owners("lighter", one_user=False) == {"me"}


def test_the_ledger_is_told_to_this_machine_by_its_own_name_only(tmp_path: Path) -> None:
    with serving(tmp_path, "backpack") as it:
        port = int(it.urls[0].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"GET /eagle/ledger HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 403 ")


def test_a_recording_drives_the_book(tmp_path: Path) -> None:
    prefix = write_recording(tmp_path, "binance_perp_ethusdt", seconds=2)
    with (
        serving(tmp_path, "backpack", "--market", str(prefix)) as it,
        urlopen(f"{it.urls[0]}/api/v1/depth?symbol=ETH_USDC_PERP&limit=5") as reply,
    ):
        assert json.load(reply)["bids"][-1][0].startswith("2600.")


def test_a_market_plays_faster_and_is_the_same() -> None:
    def first(speed: int) -> list[MarketEvent]:
        options = ServeOptions({"v": "backpack"}, 0, {}, {}, None, "keys", 1, "standard", speed)
        return list(islice(_sources(options, {"v": demo_instrument("v")})["v"], 20))

    assert first(10) == [event._replace(offset_ns=event.offset_ns // 10) for event in first(1)]


WRONG = [
    (("nix",), f"no local venue 'nix'; there are: {', '.join(KINDS)}"),
    (("backpack", "backpack"), "two venues of one name; give each its own, such as one=backpack two=backpack"),
    (("backpack", "--accounts", "x y"), "--accounts: 'x y'; write NAME or NAME=CASH, such as maker=5000"),
    (("backpack", "--accounts", "x,x"), "--accounts: x comes twice"),
    (("backpack", "--also", "btc"), "--also: 'btc'; write COIN=PRICE, such as BTC=60000"),
    (("backpack", "--market", "z=q"), "--market: no venue z; venues: backpack"),
]


@pytest.mark.parametrize(("args", "words"), WRONG)
def test_a_wrong_option_is_one_line(eagle: Eagle, args: tuple[str, ...], words: str) -> None:
    said = eagle("venue", "serve", *args)
    assert (said.code, said.out, said.err) == (2, "", f"eagle: {words}; see `eagle venue serve --help`\n")


def test_a_recording_that_is_not_there_is_one_line(eagle: Eagle) -> None:
    said = eagle("venue", "serve", "backpack", "--port", "0", "--market", "x_ethusdt")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("eagle: x_ethusdt_bbo.csv.gz: no such file; ")


def test_a_port_in_use_is_one_line(eagle: Eagle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = eagle("venue", "serve", "backpack", "--port", port)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"eagle: --port: 127.0.0.1:{port} cannot be used (")
