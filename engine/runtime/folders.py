"""Folders and files of a run: for their owner alone, on a machine that is shared, and nothing of the machine's own."""

from __future__ import annotations

import os
from errno import ENOTDIR
from pathlib import Path

FOR_OWNER = 0o700


def is_device(path: Path) -> bool:
    """Neither file nor folder is there, but such as /dev/null: not ours to replace or to close to others."""
    return path.exists() and not path.is_file() and not path.is_dir()


def make_folder(folder: Path) -> None:
    """The folder and all above it that are missing, each for its owner alone; one that is there stays as it is.

    Raises: OSError.
    """
    for place in (*reversed(folder.parents), folder):
        if not place.is_dir():
            try:
                place.mkdir(mode=FOR_OWNER, exist_ok=True)
            except FileExistsError as error:  # a file stands there, and its existence is not what is wrong
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR), str(place)) from error


def state_folder() -> Path:
    """Where the programs of a user keep what outlives them and is of no one run."""
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "eagle"
