"""From a maker's fill on the wire to its hedge on the wire, stamped by the venue in another process, over loopback.

    python bench/hedge.py [--runs 5] [--samples 400]

The whole program (`eagle run`: journal, chart, ledger, adapter) beside a bare script with the same libraries that only
parses, signs and posts; also on a core of its own on which it never sleeps (`busy_poll`). They take turns in every run,
the bare one twice: it is measured against itself.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import print_machine

HERE = Path(__file__).resolve().parent
NAMES = ("maker", "taker")
SEEDS = {name: bytes([number] * 32) for number, name in enumerate(NAMES, start=1)}
CONFIG = """\
version: 1
market: ETH-PERP
markets: {{ETH-PERP: {{bench: ETH_USDC_PERP, other: ETH_USDC_PERP}}}}
venues:
  bench: {{kind: backpack, url: "http://127.0.0.1:{http}", ws_url: "ws://127.0.0.1:{ws}"}}
  other: {{kind: backpack, url: "http://localhost:{http}", ws_url: "ws://localhost:{ws}"}}
accounts:
  - {{name: maker, venue: bench, owner: me, credentials: {{api_key: {{secret: "file:maker-key"}}, api_secret: {{secret: "file:maker-secret"}}}}}}
  - {{name: taker, venue: other, owner: me, credentials: {{api_key: {{secret: "file:taker-key"}}, api_secret: {{secret: "file:taker-secret"}}}}}}
use: {{maker: maker, takers: [taker]}}
settings: {{quantity: 0.02, hold: 0ms..0ms, order_timeout: 60s, cleanup_rounds: 100000}}
limits: {{orders_per_minute: 100000, max_round_cost: 1000bps}}
guards: {{spread: 100bps, thin_depth_factor: 0, volatility: 1000bps}}
"""  # noqa: E501


def keys() -> dict[str, tuple[str, str]]:
    """Verifying key and seed of each account, base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = {}
    for name, seed in SEEDS.items():
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        made[name] = (base64.b64encode(public).decode(), base64.b64encode(seed).decode())
    return made


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = keys()
        self.venue = subprocess.Popen(
            [sys.executable, HERE / "hedge_venue.py", json.dumps({public: name for name, (public, _) in made.items()})],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.http, self.ws = self.heard()
        for name, texts in made.items():
            for what, text in zip(("key", "secret"), texts, strict=True):
                path = folder / f"{name}-{what}"
                path.write_text(text)
                path.chmod(0o600)
        plain = CONFIG.format(http=self.http, ws=self.ws)
        (folder / "c.yaml").write_text(plain)
        (folder / "awake.yaml").write_text(f"{plain}busy_poll: on\n")

    def fresh(self) -> dict[str, str]:
        """The environment of a run that knows of none before: no journal, and no requests that count as another's."""
        shutil.rmtree(self.folder / "state", ignore_errors=True)
        return {**os.environ, "XDG_STATE_HOME": tempfile.mkdtemp(dir=self.folder)}

    def heard(self, client: subprocess.Popen[bytes] | None = None) -> Any:
        """The venue's next word; a client that ends before is no measurement."""
        assert self.venue.stdout is not None
        while not select.select([self.venue.stdout], [], [], 0.5)[0]:
            if client is not None and client.poll() is not None:
                self.venue.kill()
                words = (self.folder / "out").read_text()[-2000:] if (self.folder / "out").exists() else ""
                raise SystemExit(f"{words}\nthe client ended with exit code {client.returncode}")
        return json.loads(self.venue.stdout.readline())

    def ask(self, job: dict[str, object]) -> None:
        assert self.venue.stdin is not None
        self.venue.stdin.write(json.dumps(job) + "\n")
        self.venue.stdin.flush()

    def eagle(self, config: str = "c.yaml", **job: object) -> list[list[int]]:
        self.ask(job)
        with (self.folder / "out").open("wb") as out:
            process = subprocess.Popen(
                [Path(sys.executable).with_name("eagle"), "run", "--config", config, "--view", "plain"],
                cwd=self.folder, env=self.fresh(), stdout=out, stderr=out,
            )  # fmt: skip
            taken: list[list[int]] = self.heard(process)
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            process.kill()
            process.wait()
        return taken

    def bare(self, kind: str = "bare", **job: object) -> list[list[int]]:
        self.ask({**job, "bare": True})
        process = subprocess.Popen(
            [sys.executable, __file__, f"--{kind}", str(self.http), str(self.ws)], stdout=subprocess.DEVNULL
        )
        taken: list[list[int]] = self.heard(process)
        process.kill()
        process.wait()
        return taken


async def bare_client(http: int, ws: int) -> None:
    """What no program with these libraries can do without: read, parse, sign, post. No ledger, no journal."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from websockets.asyncio.client import connect

    from engine.runtime.clock import counting_ns
    from exchanges.sockets import SocketTransport
    from exchanges.transport import Request

    key = Ed25519PrivateKey.from_private_bytes(SEEDS["maker"])
    public = keys()["maker"][0]
    transport = SocketTransport(now_ns=counting_ns, insecure_loopback=True)
    client_id = 0

    def post(qty: str) -> None:
        nonlocal client_id
        client_id += 1
        body = {"clientId": client_id, "orderType": "Market", "quantity": qty, "side": "Ask", "symbol": "ETH_USDC_PERP"}
        ms = time.time_ns() // 1_000_000
        text = "instruction=orderExecute&" + "&".join(f"{name}={body[name]}" for name in sorted(body))
        signature = base64.b64encode(key.sign(f"{text}&timestamp={ms}&window=2000".encode())).decode()
        headers = {"X-API-Key": public, "X-Signature": signature, "X-Timestamp": str(ms), "X-Window": "2000",
                   "Content-Type": "application/json; charset=utf-8"}  # fmt: skip
        url = f"http://127.0.0.1:{http}/api/v1/order"
        request = Request("POST", url, headers, json.dumps(body).encode(), counting_ns() + 10**10)
        transport.send(request, written=lambda: None, done=lambda _: None)

    async with (
        connect(f"ws://127.0.0.1:{ws}", compression=None, ping_interval=None) as stream,
        connect(f"ws://127.0.0.1:{ws}", compression=None, ping_interval=None) as market,
    ):
        newest = b""

        async def watch() -> None:
            nonlocal newest
            while True:
                newest = await market.recv(decode=False)
                json.loads(newest)

        watching = asyncio.create_task(watch())
        await market.send(json.dumps({"method": "SUBSCRIBE", "params": ["bookTicker.ETH_USDC_PERP"]}))
        names = ["account.orderUpdate.ETH_USDC_PERP"]
        await stream.send(json.dumps({"method": "SUBSCRIBE", "params": names, "signature": [public, "", "", ""]}))
        while not watching.done():
            said = json.loads(await stream.recv(decode=False))["data"]
            if said["e"] == "orderFill" and said["m"]:
                post(said["l"])


async def aiohttp_client(http: int, ws: int) -> None:
    """The same with aiohttp for the request, awaited: what a script in the field looks like."""
    import aiohttp
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from websockets.asyncio.client import connect

    key = Ed25519PrivateKey.from_private_bytes(SEEDS["maker"])
    public = keys()["maker"][0]
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
        connect(f"ws://127.0.0.1:{ws}", compression=None, ping_interval=None) as stream,
    ):
        names = ["account.orderUpdate.ETH_USDC_PERP"]
        await stream.send(json.dumps({"method": "SUBSCRIBE", "params": names, "signature": [public, "", "", ""]}))
        number = 0
        while True:
            said = json.loads(await stream.recv(decode=False))["data"]
            if said["e"] != "orderFill" or not said["m"]:
                continue
            number += 1
            body = {
                "clientId": number,
                "orderType": "Market",
                "quantity": said["l"],
                "side": "Ask",
                "symbol": "ETH_USDC_PERP",
            }
            ms = time.time_ns() // 1_000_000
            text = "instruction=orderExecute&" + "&".join(f"{name}={body[name]}" for name in sorted(body))
            signature = base64.b64encode(key.sign(f"{text}&timestamp={ms}&window=2000".encode())).decode()
            headers = {"X-API-Key": public, "X-Signature": signature, "X-Timestamp": str(ms), "X-Window": "2000",
                       "Content-Type": "application/json; charset=utf-8"}  # fmt: skip
            url = f"http://127.0.0.1:{http}/api/v1/order"
            async with session.post(url, headers=headers, data=json.dumps(body)) as answer:
                await answer.read()


def percentile(values: list[int], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


def print_line(name: str, values: list[int], *, floor: list[int] | None = None) -> None:
    p10, p50, p90, p99 = (percentile(values, share) for share in (0.1, 0.5, 0.9, 0.99))
    beside = ""
    if floor:
        low, middle = p10 / percentile(floor, 0.1), p50 / percentile(floor, 0.5)
        beside = f"{middle:6.2f} x the bare script at p50, {low:.2f} x at p10"
    print(f"{name:44}{p10:9.0f}{p50:9.0f}{p90:9.0f}{p99:9.0f}{len(values):8}   {beside}".rstrip())


def ratio(values: list[int], floor: list[int]) -> str:
    """At the median, and at the least disturbed end, where a busy machine shows less."""
    middle, low = (percentile(values, share) / percentile(floor, share) for share in (0.5, 0.1))
    return f"{middle:.2f} at p50, {low:.2f} at p10"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=400, help="fills of each run")
    for kind in ("bare", "aiohttp"):
        parser.add_argument(f"--{kind}", nargs=2, type=int, metavar=("HTTP", "WS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare or options.aiohttp:
        asyncio.run(bare_client(*options.bare) if options.bare else aiohttp_client(*options.aiohttp))
        return
    print_machine()
    names = (
        "bare",
        "bare again",
        "bare with aiohttp",
        "eagle",
        "eagle awake",
        "bare, 50 quotes ahead",
        "eagle, 50 quotes ahead",
    )
    quiet: dict[str, list[int]] = {name: [] for name in names}
    bursts: dict[str, list[list[int]]] = {name: [[] for _ in range(5)] for name in ("bare", "eagle")}
    medians: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.runs):
            bench = Bench(Path(tempfile.mkdtemp(dir=folder)))
            count = options.samples
            one = {
                "bare": bench.bare(samples=count)[0],
                "eagle": bench.eagle(samples=count)[0],
                "eagle awake": bench.eagle("awake.yaml", samples=count)[0],
                "bare again": bench.bare(samples=count)[0],
                "bare with aiohttp": bench.bare("aiohttp", samples=count // 2)[0],
                "eagle, 50 quotes ahead": bench.eagle(samples=count // 2, ahead=50)[0],
                "bare, 50 quotes ahead": bench.bare(samples=count // 2, ahead=50)[0],
            }
            for name, values in one.items():
                quiet[name] += values
            medians.append(statistics.median(one["eagle"]) / statistics.median(one["bare"]))
            for name, client in (("bare", bench.bare), ("eagle", bench.eagle)):
                for place, values in enumerate(client(samples=count // 10, burst=5, reply_ms=100)[:5]):
                    bursts[name][place] += values
            bench.venue.kill()
    print(f"{'us from fill to hedge, at the venue':44}{'p10':>9}{'p50':>9}{'p90':>9}{'p99':>9}{'fills':>8}")
    for name, values in quiet.items():
        print_line(name, values, floor=None if name == "bare" else quiet["bare"])
    runs = ", ".join(f"{median:.2f}" for median in sorted(medians))
    print(f"eagle to bare by run: {runs}; target 1.5, aim 1.3")
    ahead = ratio(quiet["eagle, 50 quotes ahead"], quiet["eagle"])
    print(f"eagle with 50 quotes ahead to without: {ahead}; target 1.5")
    print("burst of 5, replies after 100 ms")
    for name, places in bursts.items():
        for place, values in enumerate(places):
            print_line(f"{name}, hedge {place + 1}", values)
        print(f"{name}, fifth to first: {ratio(places[4], places[0])}; target 2.0")
    print_machine()


if __name__ == "__main__":
    os.chdir(HERE.parent)
    main()
