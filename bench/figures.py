"""What the benchmarks share: rows of min / median / max, a word on the machine, runs in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def print_machine() -> None:
    """How busy the machine is: figures of a busy one are pessimistic, ratios hold."""
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load over 1, 5, 15 minutes: {loads}")


def print_head(unit: str) -> None:
    print(f"{unit:50}{'min':>10}{'median':>10}{'max':>10}")


def print_row(name: str, values: Sequence[float], *, digits: int = 0, note: str = "") -> None:
    spread = (min(values), statistics.median(values), max(values))
    print(f"{name:50}{''.join(f'{value:10.{digits}f}' for value in spread)}   {note}".rstrip())


def in_own_process(script: str, *arguments: str, python: str = sys.executable) -> dict[str, float]:
    """The figures that a script prints as JSON in a fresh interpreter, so that runs share no heap and no caches."""
    done = subprocess.run([python, script, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{script} {' '.join(arguments)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures
