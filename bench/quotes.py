"""Quotes a second on recorded markets through the whole program, beside reading the same files alone.

    python bench/quotes.py PREFIX...

PREFIX stands for PREFIX_bbo.csv.gz and PREFIX_trades.csv.gz. Both paper venues replay it, so every quote counts twice.
Every run is a process of its own; reading alone, the run without a journal and the run with one take turns.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from figures import ROOT, in_own_process, print_head, print_machine, print_row

sys.path.insert(0, str(ROOT))

from cli.locate import read_source
from cli.screen import Screen
from cli.setups import Options, Setup, load_setup
from cli.wiring import perform_run
from engine.runtime.clock import S
from exchanges.market import MarketQuote

NO_PREFIX = "skipped: give recorded markets, python bench/quotes.py PREFIX..."
SEED = 1


def options_of(prefix: str, journal: Path | None) -> Options:
    return Options(
        markets={"": prefix}, rounds=None, seed=SEED, speed=None, journal=journal, repeat=False, live=False
    )  # fmt: skip


def loaded(options: Options) -> Setup:
    return load_setup(read_source(str(ROOT / "flows" / "eagle_chicken.yaml")), None, options)


def read(prefix: str) -> dict[str, float]:
    """The floor: every venue's file read to its end, nobody listens."""
    setup = loaded(options_of(prefix, None))
    began = time.perf_counter()
    quotes = quotes_until(setup, None)
    return {"quotes": quotes, "seconds": time.perf_counter() - began}


def quotes_until(setup: Setup, end_ns: int | None) -> int:
    """Quotes of all venues up to a time of the run, or all of them."""
    assert setup.axis is not None
    return sum(
        isinstance(event, MarketQuote) and (end_ns is None or event.offset_ns <= end_ns)
        for recording in setup.recordings.values()
        for event in recording.events(setup.axis)
    )


def traded(prefix: str, *, journal: bool) -> dict[str, float]:
    """`seconds` of the run, `loading` before it: a recording is read whole before anything is sent."""
    with tempfile.TemporaryDirectory() as folder:
        options = options_of(prefix, Path(folder) / "eagle.sqlite" if journal else None)
        screen, began = Screen(detailed=False), time.perf_counter()
        setup = loaded(options)
        loading = time.perf_counter() - began
        ran = perform_run(setup, options, screen)
        seconds = time.perf_counter() - began - loading
    if ran.exit_code:
        raise SystemExit(f"exit {ran.exit_code}: {ran.ending}")
    quotes = quotes_until(setup, int(ran.seconds * S))
    return {"quotes": quotes, "seconds": seconds, "loading": loading, "rounds": ran.tally.rounds}


def traded_without(prefix: str) -> dict[str, float]:
    return traded(prefix, journal=False)


def traded_with(prefix: str) -> dict[str, float]:
    return traded(prefix, journal=True)


CHILDREN = {"reading alone": read, "run, journal off": traded_without, "run, journal on": traded_with}


def print_market(prefix: str, *, runs: int) -> None:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CHILDREN}
    for _ in range(runs):
        for name, results in found.items():
            results.append(in_own_process(__file__, "--child", name, prefix))
    one, with_journal = found["run, journal off"][0], found["run, journal on"]
    print(f"\n{Path(prefix).name}: a run of {one['quotes']:,.0f} quotes and {one['rounds']:.0f} rounds")
    print_head(f"quotes/s, {runs} interleaved runs")
    for name, results in found.items():
        print_row(name, [result["quotes"] / result["seconds"] for result in results])
    whole = [result["quotes"] / (result["seconds"] + result["loading"]) for result in with_journal]
    print_row("the same with loading and checking the files", whole)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefixes", metavar="PREFIX", nargs="*")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child](options.prefixes[0])))
        return
    if not options.prefixes:
        print(NO_PREFIX)
        return
    for prefix in options.prefixes:
        if not Path(f"{prefix}_bbo.csv.gz").is_file():
            parser.error(f"there is no {prefix}_bbo.csv.gz")
    print_machine()
    for prefix in options.prefixes:
        print_market(str(Path(prefix).resolve()), runs=options.runs)
    print_machine()


if __name__ == "__main__":
    main()
