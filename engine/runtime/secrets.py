"""Secrets that a config refers to, read when they are needed; nothing here shows one."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from engine.errors import SecretUnreadable
from engine.runtime.credentials import Reference

LARGEST = 64 * 1024  # bytes; a secret is a line or a key file
SHORTEST_PIECE = 8  # characters; starring out shorter ones would hide half of every text
_SEPARATORS = re.compile(r"[/:@?&=#,\s]+")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_DIGIT = re.compile(r"[0-9]")


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that does not show when its holder is printed."""

    text: str

    def __repr__(self) -> str:
        return "Secret(***)"

    def pieces(self) -> tuple[str, ...]:
        """What must be starred out of a text: the secret, and tokens and passwords inside it if it is a URL."""
        parts = [part for part in _SEPARATORS.split(self.text) if len(part) >= SHORTEST_PIECE]
        return (self.text, *(part for part in parts if not _HOST.fullmatch(part) and _DIGIT.search(part)))


def read_secret(reference: Reference, *, what: str) -> Secret:
    """The secret behind a reference, without the line end. Raises: SecretUnreadable, which does not repeat it."""
    text = _from_env(reference.name, what) if reference.source == "env" else _from_file(Path(reference.name), what)
    if not text.strip():
        raise SecretUnreadable(f"{what}: {_place(reference)} is empty; write the secret into it")
    return Secret(text.strip("\r\n"))


def _from_env(name: str, what: str) -> str:
    text = os.environ.get(name)
    if text is None:
        raise SecretUnreadable(f"{what}: there is no environment variable {name}; set it, or refer to a file")
    return text


def _from_file(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise SecretUnreadable(
            f"{what}: {path} cannot be read ({error.strerror}); paths are relative to where eagle is started"
        ) from error
    if mode & 0o077:
        raise SecretUnreadable(f"{what}: others may read {path} (mode {mode:04o}); run: chmod 600 {path}")
    try:
        if len(raw) <= LARGEST:
            return raw.decode()
    except UnicodeDecodeError:
        pass
    raise SecretUnreadable(f"{what}: {path} holds no text of up to {LARGEST // 1024} KiB; is it the right file?")


def _place(reference: Reference) -> str:
    return f"the environment variable {reference.name}" if reference.source == "env" else reference.name
