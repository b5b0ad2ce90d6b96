"""What all processes of this machine have sent to a venue in the last minute (S11), in a file that they share.

A venue counts by address or key, not by process. Each process writes what it sends into a part of the file that is its
own while it lives, and reads the others': no lock stands between a fill and its hedge. A part whose process died keeps
what it sent until that is older than any venue counts; two that ask in the same moment may both get the last request.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import weakref
from hashlib import sha256
from pathlib import Path

from engine.errors import WindowUnusable
from engine.runtime.folders import make_folder

__all__ = ["RequestWindow", "window_name"]

S = 1_000_000_000
PARTS = 32  # processes at a time on one budget
SLOTS = 64  # seconds that a part remembers: no venue counts over more than a minute
PART = 3 + SLOTS  # its newest second, until when nothing leaves, until when no order leaves, and the slots
REFRESH_NS = (
    S // 20
)  # others are read again after so long: a reading takes some microseconds, and stands before a hedge
WEIGHT_BITS = 32  # of a slot; above it the second it stands for


def window_name(kind: str, scope: str) -> str:
    """The file of a budget: `scope` is what the venue counts by, such as its address. Another one after each boot."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        boot = "any"
    return f"{kind}-{sha256(scope.encode()).hexdigest()[:16]}-{boot}"


class RequestWindow:
    """The other processes' part of one budget. Times are those of the clock that all processes read alike."""

    def __init__(self, path: Path) -> None:
        """Raises: WindowUnusable."""
        try:
            make_folder(path.parent)
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            weakref.finalize(self, os.close, number)
            if os.fstat(number).st_size != PARTS * PART * 8:
                os.ftruncate(number, PARTS * PART * 8)
            self._words = memoryview(mmap.mmap(number, PARTS * PART * 8)).cast("Q")
            self._mine = self._claim(path)
        except OSError as error:
            raise WindowUnusable(
                f"{path}: requests cannot be counted with those of other processes: {error.strerror}; mend the folder"
            ) from error
        self._read_ns = -REFRESH_NS
        self._spent = 0
        self._until = (0, 0)
        # What a dead process left in this part counts as another's.
        self._left = self._seconds_of(self._mine)
        self._left_until = (self._words[self._mine + 1], self._words[self._mine + 2])

    def _claim(self, path: Path) -> int:
        """A part that no living process has; the lock on it goes with the process."""
        for part in range(PARTS):
            lock = path.with_name(f"{path.name}.{part}")
            number = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(number)
                continue
            weakref.finalize(self, os.close, number)
            return part * PART
        raise WindowUnusable(f"{path}: {PARTS} processes send requests to this venue; end one of them")

    # --- the budget asks

    def spent(self, now_ns: int, span_ns: int) -> int:
        """Weight that others have sent within `span_ns`, to the second and rather too much."""
        if now_ns - self._read_ns >= REFRESH_NS:
            self._read(now_ns, span_ns)
        return self._spent

    def blocked_ns(self, *, orders: bool) -> int:
        """Until when another process was told to send nothing, as it was when `spent` was asked last."""
        return self._until[orders]

    def sent(self, now_ns: int, weight: int) -> None:
        words, mine, second = self._words, self._mine, now_ns // S
        slot = mine + 3 + second % SLOTS
        kept = words[slot]
        words[slot] = (kept if kept >> WEIGHT_BITS == second else second << WEIGHT_BITS) + weight
        words[mine] = second

    def blocked(self, until_ns: int, orders_until_ns: int) -> None:
        words, mine = self._words, self._mine
        words[mine + 1], words[mine + 2] = until_ns, orders_until_ns

    # ---

    def _read(self, now_ns: int, span_ns: int) -> None:
        words, mine = self._words, self._mine // PART
        first, last = (now_ns - span_ns) // S, now_ns // S
        # Word by word of all parts at once: an order waits for this.
        newest, until, orders_until = (words[word::PART].tolist() for word in range(3))
        until[mine], orders_until[mine] = self._left_until
        seconds = list(self._left)
        for part, second in enumerate(newest):
            if second >= first and part != mine:
                seconds += self._seconds_of(part * PART)
        self._read_ns, self._until = now_ns, (max(until), max(orders_until))
        self._spent = sum([weight for second, weight in seconds if first <= second <= last])

    def _seconds_of(self, part: int) -> list[tuple[int, int]]:
        slots = self._words[part + 3 : part + PART].tolist()
        return [(slot >> WEIGHT_BITS, slot & (1 << WEIGHT_BITS) - 1) for slot in slots if slot]
