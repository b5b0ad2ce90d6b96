"""Writes a file for its owner alone: whole or not at all, and never over another one that nobody gave up."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cli.locate import CannotUse


def write_private(path: Path, text: str, *, replace: bool) -> None:
    """As `write_private_bytes`, for text."""
    write_private_bytes(path, text.encode(), replace=replace)


def write_private_bytes(path: Path, content: bytes, *, replace: bool) -> None:
    """Mode 0600, on the disk before this returns. Without `replace` a file that is there stays, if it came late too.

    Raises: CannotUse; then nothing is left behind.
    """
    target = path.resolve()  # of a link, the file that it leads to
    fresh: Path | None = None
    claimed = False
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        fresh = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not replace:  # an empty file of this name is made first: it fails where there is one already
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            claimed = True
        fresh.replace(target)
        claimed = False
        _flush_folder(target.parent)
    except FileExistsError as error:
        raise CannotUse(f"{path}: is there already; nothing was written") from error
    except OSError as error:
        raise CannotUse(f"{path}: cannot be written ({error.strerror}); nothing was written") from error
    finally:
        if fresh is not None:
            fresh.unlink(missing_ok=True)
        if claimed:
            target.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """So that the new name, too, survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
