"""A burst of fills hedged on Lighter with the venue's own signer: does the k-th hedge leave within k native signatures?

    python bench/lighter_burst.py [--runs 3] [--samples 100]

Needs the signer: pip install 'eagle-flow[lighter]'. Five fills come one right after the other from a local BiFu and are
hedged by `eagle hedger` on a local Lighter in the same process, which stamps both ends; as it comes, and with
`keep_warm: 1ms` and `busy_poll: on`. A native signature is timed by itself before and after each run, in a process of
its own, as the machine is then: in a thread of its own, where the library is three times as fast as on the main one,
which is shown beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Thread

from figures import print_machine
from hedger import EAGLES, Bench

from exchanges.lighter.native import INSTALL, NativeSigner, installed
from exchanges.lighter.wire.scale import OrderTx

HERE = Path(__file__).resolve().parent
BURST = 5
GAP_MS = 300
SIGNATURES = 60


def sign() -> None:
    """Print what native signatures take, in ns: a line for those of a thread, a line for those of the main one."""
    signer = NativeSigner("1" * 80, account_index=1, api_key_index=2, chain_id=304)
    order = OrderTx(
        market_id=0, client_index=1, base_amount=100, price=260_000, is_ask=False, type=0, time_in_force=0,
        reduce_only=False, expiry_ms=0, self_trade=0, equality=1,
    )  # fmt: skip
    signer.order(order, nonce=0)

    def measure() -> None:
        took = []
        for number in range(SIGNATURES):
            time.sleep(0.02)
            began = time.perf_counter_ns()
            signer.order(order, nonce=number + 1)
            took.append(time.perf_counter_ns() - began)
        print(json.dumps(took))

    thread = Thread(target=measure)
    thread.start()
    thread.join()
    measure()


def signatures() -> tuple[list[int], list[int]]:
    done = subprocess.run([sys.executable, __file__, "--sign"], capture_output=True, text=True, check=True)
    in_thread, in_main = map(json.loads, done.stdout.splitlines())
    return in_thread, in_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=100, help="bursts of each run")
    parser.add_argument("--sign", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not installed():
        raise SystemExit(f"Lighter's own signer is not installed; run: {INSTALL}")
    if options.sign:
        sign()
        return
    print_machine()
    native: list[int] = []
    in_main: list[int] = []
    bursts: dict[str, list[list[int]]] = {"eagle": [], "eagle awake and warm": []}
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            before = signatures()
            bench = Bench("lighter", Path(folder), keep_warm="1ms")
            for name, taken in bursts.items():
                taken += bench.eagle(options.samples, EAGLES[name], burst=BURST, gap_ms=GAP_MS)
            bench.venue.kill()
            bench.venue.wait()
            for in_thread, on_main in (before, signatures()):
                native += in_thread
                in_main += on_main
    one, plain = statistics.median(native), statistics.median(in_main)
    print(f"{'us, medians':44}{'took':>9}{'of k in a thread':>18}{'of k on the main':>18}")
    print(f"{'one native signature, in a thread':44}{one / 1000:9.0f}")
    print(f"{'the same on the main thread':44}{plain / 1000:9.0f}")
    for name, taken in bursts.items():
        for place, values in enumerate(zip(*taken, strict=True), start=1):
            took = statistics.median(values)
            shares = f"{took / (place * one):18.2f}{took / (place * plain):18.2f}"
            print(f"{f'{name}, fill to hedge {place} of {BURST}':44}{took / 1000:9.0f}{shares}")
    print("target: at most k signatures for the k-th")
    print_machine()


if __name__ == "__main__":
    os.chdir(HERE.parent)
    main()
