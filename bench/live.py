"""What the live view of a run costs: processor time of the run and of the drawing, as a share of one core, at 1x.

    python bench/live.py [--pairs 3] [--seconds 10]

One run, on a pseudo terminal of its own, is looked at in turns: nobody looks, then a watcher draws it on another
terminal (the same two programs as `eagle run` and its view). Linux only: other systems do not tell the time of others.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import print_head, print_machine, print_row

WIDTH, HEIGHT = 120, 40
TARGET_PERCENT = 3
DRAWN = b" book "  # in the last table of a picture: the program has drawn itself for the first time
PATIENCE_S = 30
EAGLE = Path(sys.executable).with_name("eagle")


class OnTerminal:
    """A program on a pseudo terminal that is read all the time."""

    def __init__(self, *words: str, folder: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        self._process = subprocess.Popen(
            [EAGLE, *words], stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment
        )
        os.close(slave)
        self._mark = b""
        self._seen = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, mark: bytes) -> None:
        self._mark = mark
        if not self._seen.wait(PATIENCE_S):
            raise SystemExit(f"{mark!r} was not written within {PATIENCE_S} s")

    def cpu_s(self) -> float:
        """Processor time of the whole process so far: the clock that clock_getcpuclockid(3) names for it."""
        return time.clock_gettime(~self._process.pid << 3 | 2)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def _read(self) -> None:
        said = b""
        try:
            while data := os.read(self._master, 1 << 16):
                said = said[-100:] + data
                if self._mark and self._mark in said:
                    self._seen.set()
        except OSError:
            return  # how Linux says that the program has gone


@contextmanager
def program(*words: str, folder: str) -> Iterator[OnTerminal]:
    running = OnTerminal(*words, folder=folder)
    try:
        yield running
    finally:
        running.stop()


def share(seconds: float, *programs: OnTerminal) -> list[float]:
    """Percent of one core that each took over the next seconds."""
    before, began = [each.cpu_s() for each in programs], time.perf_counter()
    time.sleep(seconds)
    spent_s = time.perf_counter() - began
    return [100 * (each.cpu_s() - cpu_s) / spent_s for each, cpu_s in zip(programs, before, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    alone, watched, drawing = [], [], []
    print_machine()
    with (
        tempfile.TemporaryDirectory() as folder,
        program("run", "--rounds", "100000", "--view", "plain", folder=folder) as run,
    ):
        run.wait_for(b"fill  ")
        for _ in range(options.pairs):
            alone += share(options.seconds, run)
            with program("status", "--watch", folder=folder) as view:
                view.wait_for(DRAWN)
                of_run, of_view = share(options.seconds, run, view)
            watched.append(of_run)
            drawing.append(of_view)
    costs = [on - off + view for on, off, view in zip(watched, alone, drawing, strict=True)]
    print_head(f"% of a core, at 1x, {WIDTH} x {HEIGHT} cells")
    print_row("the run, nobody looks", alone, digits=2)
    print_row("the run, somebody looks", watched, digits=2)
    print_row("the drawing process", drawing, digits=2)
    print_row("the live view: what looking adds, and drawing", costs, digits=2, note=f"target <= {TARGET_PERCENT}")


if __name__ == "__main__":
    main()
