"""Follows references to secrets for commands: `resolver(...)` gives the one function that wiring calls.

The vault is opened at the first reference that leads there, once, and asks for its passphrase then: nothing is asked of
somebody whose config has no use for it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from cli.ask import at_terminal
from cli.locate import CannotUse

if TYPE_CHECKING:
    from engine.runtime.credentials import Reference
    from engine.runtime.secrets import Secret
    from engine.runtime.vault import Vault

CREDENTIAL = "eagle-vault"  # of systemd: LoadCredential=eagle-vault:FILE or LoadCredentialEncrypted=
LONGEST_PASSPHRASE = 4096  # bytes


class Resolve(Protocol):
    def __call__(self, reference: Reference, *, what: str) -> Secret:
        """The secret behind a reference; `what` begins the words of a refusal. Raises: SecretUnreadable."""


def resolver(vault: str, passphrase_fd: int | None) -> Resolve:
    """Reads secrets when they are asked for; the vault's stay in memory."""
    from engine.runtime.secret_sources import read_secret

    opened: list[Vault] = []

    def the_vault() -> Vault:
        if not opened:
            opened.append(opened_vault(Path(vault).expanduser(), passphrase_fd))
        return opened[0]

    def resolve(reference: Reference, *, what: str) -> Secret:
        return read_secret(reference, what=what, vault=the_vault)

    return resolve


def opened_vault(path: Path, passphrase_fd: int | None) -> Vault:
    """Raises: SecretUnreadable, CannotUse where nobody can be asked for the passphrase."""
    from engine.runtime.private_read import read_private
    from engine.runtime.secrets import Secret
    from engine.runtime.vault import LARGEST, CannotOpen, open_vault

    if not path.exists():
        raise CannotUse(f"{path}: there is no vault; make one: eagle vault init, or name one: --vault FILE")
    raw = read_private(path, what="vault", largest=LARGEST)
    try:
        return open_vault(raw, given_passphrase(passphrase_fd) or Secret(asked(f"passphrase of {path}: ")))
    except CannotOpen as wrong:
        raise CannotUse(f"{path}: {wrong}") from None


def given_passphrase(number: int | None) -> Secret | None:
    """From an open file or from systemd. Never from the environment: every child process has that."""
    if number is not None:
        return _from_open_file(number)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder and (given := Path(folder) / CREDENTIAL).is_file():
        return _checked(given.read_bytes()[:LONGEST_PASSPHRASE], f"the credential {CREDENTIAL}")
    return None


def asked(prompt: str) -> str:
    """What a person types without seeing it. Raises: CannotUse where nobody sits, click.Abort when they leave."""
    from getpass import getpass

    if not at_terminal() and not _has_terminal():
        raise CannotUse(
            "the vault needs its passphrase and nobody can be asked: give --passphrase-fd N, such as"
            f" `--passphrase-fd 3 3<FILE`, or the systemd credential {CREDENTIAL}"
        )
    try:
        return getpass(prompt, stream=None)
    except (EOFError, KeyboardInterrupt):
        sys.stderr.write("\n")
        raise click.Abort from None


def _has_terminal() -> bool:
    """Is there one behind a standard input that is something else?"""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _from_open_file(number: int) -> Secret:
    try:
        with os.fdopen(number, "rb", closefd=False) as file:
            raw = file.read(LONGEST_PASSPHRASE + 1)
    except OSError as error:
        raise CannotUse(
            f"--passphrase-fd: {number} cannot be read ({error.strerror}); open it: --passphrase-fd {number} "
            f"{number}<FILE"
        ) from error
    return _checked(raw, f"--passphrase-fd {number}")


def _checked(raw: bytes, what: str) -> Secret:
    from engine.runtime.secrets import Secret

    try:
        text = raw.decode().strip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or len(raw) > LONGEST_PASSPHRASE:
        raise CannotUse(f"{what} gives no passphrase: one line of text, up to {LONGEST_PASSPHRASE} bytes")
    return Secret(text)
