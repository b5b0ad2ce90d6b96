"""Reads a file that is for its owner's eyes only, and nothing else: no link, no stranger's, open to nobody else."""

from __future__ import annotations

import os
import stat
from errno import ELOOP
from pathlib import Path

from engine.errors import SecretUnreadable

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_private(path: Path, *, what: str, largest: int) -> bytes:
    """The content, checked on the open file, so that nobody can change it in between.

    `what` begins the words of a refusal; a file of more than `largest` bytes is refused. Raises: SecretUnreadable.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == ELOOP and path.is_symlink():
            raise SecretUnreadable(
                f"{what}: {path} is a link, which is easily moved; name the file itself ({path.resolve()})"
            ) from error
        raise SecretUnreadable(
            f"{what}: {path} cannot be read ({error.strerror}); paths are relative to where eagle is started"
        ) from error
    try:
        _check(os.fstat(number), path, what)
        raw = _read(number, largest + 1)
    finally:
        os.close(number)
    if len(raw) > largest:
        raise SecretUnreadable(f"{what}: {path} holds more than {largest // 1024} KiB; is it the right file?")
    return raw


def _check(found: os.stat_result, path: Path, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretUnreadable(f"{what}: {path} is no file; name a file that holds one secret and nothing else")
    if found.st_uid != os.geteuid():
        raise SecretUnreadable(
            f"{what}: {path} belongs to user {found.st_uid}, you are {os.geteuid()}; have it given to you (chown)"
        )
    if found.st_mode & OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise SecretUnreadable(f"{what}: others may read {path} (mode {mode:04o}); run: chmod 600 {path}")


def _read(number: int, most: int) -> bytes:
    raw = bytearray()
    while len(raw) < most and (piece := os.read(number, most - len(raw))):
        raw += piece
    return bytes(raw)
