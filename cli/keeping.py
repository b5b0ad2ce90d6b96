"""What `eagle vault` does: makes a vault, puts secrets in, takes them out, and follows the references of a config."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cli.locate import CannotUse, flow_path_for, read_flow_source, read_source
from cli.private_file import write_private_bytes
from cli.resolve import Resolve, asked, given_passphrase, opened_vault
from engine.chart.faults import name_hint
from engine.errors import SecretUnreadable
from engine.runtime.folders import make_folder
from engine.runtime.secrets import Secret
from engine.runtime.vault import LARGEST_SECRET, NAME, NAME_WORDS, new_vault

SHORTEST_PASSPHRASE = 8


def make_vault(path: Path, passphrase_fd: int | None) -> None:
    """An empty vault where nothing is yet. Raises: CannotUse."""
    if path.exists() or path.is_symlink():
        raise CannotUse(f"{path}: is there already; name another file: --vault FILE")
    passphrase = given_passphrase(passphrase_fd)
    if passphrase is None:
        passphrase = Secret(asked(f"passphrase of {path}: "))
        if asked("once more: ") != passphrase.reveal():
            raise CannotUse("the two passphrases differ; nothing was written")
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        raise CannotUse(f"a passphrase of {SHORTEST_PASSPHRASE} characters or more is needed; several words are best")
    try:
        make_folder(path.absolute().parent)
    except OSError as error:
        raise CannotUse(f"{path.parent}: cannot be made ({error.strerror})") from error
    write_private_bytes(path, new_vault(passphrase).sealed(), replace=False)


def put_secret(path: Path, passphrase_fd: int | None, name: str, *, replace: bool) -> None:
    """Asks for the secret, or reads it from standard input. Raises: CannotUse, SecretUnreadable."""
    if not NAME.fullmatch(name):
        raise click.UsageError(f"a name has {NAME_WORDS}")
    with _locked(path):
        vault = opened_vault(path, passphrase_fd)
        if name in vault.entries and not replace:
            raise CannotUse(f"{path}: holds {name} already; add --replace to replace it")
        write_private_bytes(path, vault.with_entry(name, _given(name)).sealed(), replace=True)


def take_out(path: Path, passphrase_fd: int | None, name: str) -> None:
    """Raises: CannotUse, SecretUnreadable."""
    with _locked(path):
        vault = opened_vault(path, passphrase_fd)
        if name not in vault.entries:
            raise CannotUse(f"{path}: holds no such name; {name_hint(name, vault.entries) or 'it is empty'}")
        write_private_bytes(path, vault.without_entry(name).sealed(), replace=True)


def follow_all(config_path: str, resolve: Resolve) -> tuple[list[str], int]:
    """A line for each reference of the config, and how many lead nowhere. Raises: CannotUse, FlowError."""
    from engine.chart.load import load_flow
    from engine.runtime.config import load_config
    from engine.trading.vocabulary import trading_vocabulary

    source = read_source(config_path)
    flow = read_flow_source(flow_path_for(source))
    loaded = load_flow(flow.text, file=flow.file, vocabulary=trading_vocabulary())
    config = load_config(source.text, file=source.file, flow=loaded)
    references = {what: at for it in config.accounts.values() for what, at in it.references.items()}
    references |= {f"alert URL {name}": at for name, at in config.alerts.urls.items()}
    lines, failed = [], 0
    for what, reference in references.items():
        try:
            resolve(reference, what=what)
            lines.append(f"ok      {what}: {reference.source}")
        except SecretUnreadable as wrong:
            failed += 1
            lines.append(f"failed  {wrong}")
    return lines, failed


def _given(name: str) -> Secret:
    if sys.stdin is not None and sys.stdin.isatty():
        text = asked(f"{name} (not shown): ")
    else:
        text = sys.stdin.read(LARGEST_SECRET + 1) if sys.stdin is not None else ""
    text = text.strip("\r\n")
    if not text.strip() or len(text) > LARGEST_SECRET or not text.isascii():
        raise CannotUse(f"{name}: expected a secret of 1 to {LARGEST_SECRET} plain characters; nothing was written")
    return Secret(text)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two commands at once must not lose a secret: the second waits for the first."""
    try:
        number = os.open(path.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise CannotUse(f"{path}: there is no vault ({error.strerror}); make one: eagle vault init") from error
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)
