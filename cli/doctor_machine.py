"""Is the machine fit? Clocks, open files, disk, sockets. Whatever is tried leaves nothing behind."""

from __future__ import annotations

import os
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from shutil import disk_usage

from cli.examined import Examined, failed, ok, warning
from engine.runtime.clock import MS, S, counting_ns
from engine.runtime.control_socket import inside

COARSE_NS = MS  # clocks that step by more tell latencies badly
JUMP_NS = 50 * MS  # what the wall clock may gain or lose while we look
EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)  # this program is younger
FILES_LEAST, FILES_GOOD = 64, 256  # an account holds about three sockets, the journal and logs a dozen files
SPACE_LEAST, SPACE_GOOD = 100 << 20, 1 << 30
ROUND_BYTES = 10_000  # of the journal, measured over 1,000 rounds of the demo
FLUSHES = 15
SLOW_FLUSH_NS, BAD_FLUSH_NS = 10 * MS, 100 * MS
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Reading:
    """All clocks at about one moment. `counting` goes on while the machine sleeps."""

    wall_ns: int
    steady_ns: int
    counting_ns: int


def read_clocks() -> Reading:
    return Reading(time.time_ns(), time.monotonic_ns(), counting_ns())


def clock(first: Reading, read: Callable[[], Reading] = read_clocks) -> Iterator[Examined]:
    """`first` was read when the command began, so that time has passed since."""
    step_ns = _step_ns(read)
    last = read()
    at = datetime.fromtimestamp(last.wall_ns / S, tz=UTC)
    jumped_ns = (last.wall_ns - first.wall_ns) - (last.counting_ns - first.counting_ns)
    if last.steady_ns < first.steady_ns or last.counting_ns < first.counting_ns:
        yield failed("clock", "the monotonic clock ran backwards", "trade on another machine: no timer holds here")
    elif at < EARLIEST:
        told = f"the wall clock says {at:%Y-%m-%d %H:%M} UTC"
        yield failed("clock", told, "set it (timedatectl): venues refuse requests of another time")
    elif abs(jumped_ns) > JUMP_NS:
        told = f"the wall clock was moved by {jumped_ns / MS:+.0f} ms while this command looked"
        yield warning("clock", told, "let one service set it, slowly (chrony, systemd-timesyncd); look again")
    elif step_ns > COARSE_NS:
        yield warning(
            "clock", f"it steps by {step_ns / MS:.1f} ms", "choose another clock source: it tells no latencies"
        )
    else:
        yield ok("clock", f"{at:%Y-%m-%d %H:%M:%S} UTC, steps of {step_ns} ns or less, no jump")
    if hasattr(time, "CLOCK_BOOTTIME"):
        yield ok("suspend", "there is a clock that counts it (CLOCK_BOOTTIME)")
    else:
        yield warning("suspend", "no clock counts it; the wall clock stands in", "keep the machine awake while trading")


def _step_ns(read: Callable[[], Reading]) -> int:
    """The smallest step of the monotonic clock that could be seen."""
    seen = [read().steady_ns for _ in range(200)]
    steps = [after - before for before, after in pairwise(seen) if after > before]
    return min(steps, default=S)


def nearest(folder: Path) -> Path:
    """The folder, or the one in which it would be made."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def files() -> Iterator[Examined]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "without limit" if soft == resource.RLIM_INFINITY else str(soft)
    if soft == resource.RLIM_INFINITY or soft >= FILES_GOOD:
        yield ok("open files", f"{shown} allowed")
    elif soft >= FILES_LEAST:
        yield warning("open files", f"{shown} allowed", f"ulimit -n {FILES_GOOD}: many accounts need more")
    else:
        yield failed("open files", f"{shown} allowed", f"ulimit -n {FILES_GOOD}: sockets and journal do not fit")


def disk(folder: Path) -> Iterator[Examined]:
    """Space and the time of a flush where the journal is, or will be made."""
    free = disk_usage(folder).free
    told = f"{free / (1 << 30):.1f} GiB free in {folder}, about {free // ROUND_BYTES:,} rounds"
    if free < SPACE_LEAST:
        yield failed("disk space", told, "free some: a run stops opening when its journal cannot be written")
    elif free < SPACE_GOOD:
        yield warning("disk space", told, "free some, or move the journal: --journal FILE")
    else:
        yield ok("disk space", told)
    yield _flush(folder)


def _flush(folder: Path) -> Examined:
    try:
        spans_ns = sorted(_flushes(folder))
    except OSError as error:
        told = f"nothing can be written into {folder} ({error.strerror})"
        return failed("disk flush", told, "mend that, or name a journal elsewhere: --journal FILE")
    median_ns = int(statistics.median(spans_ns))
    told = f"{median_ns / MS:.2f} ms in {folder}, {spans_ns[-1] / MS:.2f} ms at the worst of {FLUSHES}"
    if median_ns > BAD_FLUSH_NS:
        return failed("disk flush", told, "put the journal onto a local disk: --journal FILE")
    if median_ns > SLOW_FLUSH_NS:
        return warning("disk flush", told, "a faster disk: with `sync: full` every order waits for one")
    return ok("disk flush", told)


def _flushes(folder: Path) -> Iterator[int]:
    """Times of a write of 4 KiB with fsync, in a file that never has a name where the system can do that."""
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FLUSHES):
            began_ns = time.monotonic_ns()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            yield time.monotonic_ns() - began_ns


def sockets(folder: Path, *, address: str = LOOPBACK) -> Iterator[Examined]:
    """A port of this machine, as for metrics, and a socket file beside the journal, as a run has."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
            listening.bind((address, 0))
            listening.listen(1)
    except OSError as error:
        yield failed("port", f"no port of {address} can be opened ({error.strerror})", "bring the loopback device up")
    else:
        yield ok("port", f"ports of {address} can be opened")
    name = f".eagle-doctor-{os.getpid()}.sock"
    try:
        with inside(folder), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(name)
            Path(name).unlink()
    except OSError as error:
        told = f"{folder} takes no socket ({error.strerror})"
        yield failed("socket", told, "runs cannot be reached by eagle status and stop: --journal on a local disk")
    else:
        yield ok("socket", f"{folder} takes sockets")
