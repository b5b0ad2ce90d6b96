"""The number of the next run, from a file apart from the journal, so that client order ids never come back (S15)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import CounterCorrupt, CounterUnwritable, CounterUsedUp

UINT32_RUNS = 1_023  # the highest run number of venues with 32-bit ids: 10 bits of it are the run


def next_run(path: Path, *, limit: int | None = None, above: int = 0) -> int:
    """A number greater than every one given before and than `above`; on the disk before this returns.

    `limit` is the highest number that fits into the client order ids of the run's venues. `above` is for a lost file:
    the highest run number that the journal or the venues know.
    Raises: CounterCorrupt, CounterUnwritable, CounterUsedUp; then nothing has changed.
    """
    try:
        with _lock(path):
            number = max(last_run(path), above) + 1
            if limit is not None and number > limit:
                raise CounterUsedUp(
                    f"{path}: run {number} does not fit into the client order ids of this pool (at most {limit}): "
                    "use new accounts or sub-accounts, and a new file for them"
                )
            _replace(path, f"{number}\n")
            return number
    except OSError as error:
        raise CounterUnwritable(f"{path}: run number cannot be written: {error.strerror}") from error


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One process at a time; the kernel lets go when it dies."""
    with os.fdopen(os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def last_run(path: Path) -> int:
    """The highest number given, 0 without a file. Raises: CounterCorrupt, OSError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return 0
    digits = text.strip()
    if not digits.isdigit() or len(digits) > 18:
        raise CounterCorrupt(
            f"{path}: expected the last run number, found {text[:20]!r}; write the highest run number ever used into it"
        )
    return int(digits)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
