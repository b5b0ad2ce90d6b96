"""Makes the folders of a run's files: what a strategy does is nobody else's business on a machine that is shared."""

from __future__ import annotations

import os
from errno import ENOTDIR
from pathlib import Path

FOR_OWNER = 0o700


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
