"""Follows a reference to a secret to where it is kept: vault, file, command, environment variable, desktop keyring."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from engine.errors import SecretUnreadable
from engine.runtime.credentials import Reference
from engine.runtime.private_read import read_private
from engine.runtime.secrets import Secret
from engine.runtime.vault import LARGEST_SECRET, Vault

COMMAND_WITHIN_S = 30  # such as a password manager that asks its owner first


def read_secret(reference: Reference, *, what: str, vault: Callable[[], Vault]) -> Secret:
    """The secret behind a reference, without the line end; `vault` is called where it leads there.

    `what` begins the words of a refusal. Raises: SecretUnreadable, which does not repeat what was found.
    """
    match reference.source:
        case "vault":
            return _from_vault(reference.name, what, vault)
        case "file":
            text = _from_file(reference.name, what)
        case "cmd":
            text = _from_command(reference.name, what)
        case "env":
            text = _from_env(reference.name, what)
        case "keyring":
            text = _from_keyring(reference.name, what)
        case _:  # a number of the account: it stands in the config
            return Secret(reference.name)
    if not text.strip():
        raise SecretUnreadable(f"{what}: {_place(reference)} is empty; write the secret into it")
    if len(text) > LARGEST_SECRET:
        raise SecretUnreadable(
            f"{what}: {_place(reference)} gives more than {LARGEST_SECRET // 1024} KiB; is it right?"
        )
    return Secret(text.strip("\r\n"))


def _from_vault(name: str, what: str, vault: Callable[[], Vault]) -> Secret:
    found = vault().entries.get(name)
    if found is None:
        raise SecretUnreadable(f"{what}: the vault holds no {name}; put it there: eagle vault set {name}")
    return found


def _from_file(name: str, what: str) -> str:
    path = Path(name).expanduser()
    try:
        return read_private(path, what=what, largest=LARGEST_SECRET).decode()
    except UnicodeDecodeError:
        raise SecretUnreadable(f"{what}: {path} holds no text; is it the right file?") from None


def _from_command(line: str, what: str) -> str:
    """Standard output of a program that is started without a shell. Its standard error is the terminal's."""
    words = shlex.split(line)
    try:
        ran = subprocess.run(words, stdout=subprocess.PIPE, timeout=COMMAND_WITHIN_S, check=False)
        text = ran.stdout.decode()
    except OSError as error:
        raise SecretUnreadable(
            f"{what}: the command {words[0]} cannot be started ({error.strerror}); is it on the PATH?"
        ) from error
    except subprocess.TimeoutExpired:
        raise SecretUnreadable(f"{what}: the command {words[0]} gave nothing within {COMMAND_WITHIN_S} s") from None
    except UnicodeDecodeError:
        raise SecretUnreadable(f"{what}: what the command {words[0]} gives is no text") from None
    if ran.returncode:
        raise SecretUnreadable(
            f"{what}: the command {words[0]} ended with exit code {ran.returncode}; try it by itself, no shell runs it"
        )
    return text


def _from_env(name: str, what: str) -> str:
    text = os.environ.get(name)
    if text is None:
        raise SecretUnreadable(f"{what}: there is no environment variable {name}; set it, or refer to a file")
    return text


def _from_keyring(name: str, what: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise SecretUnreadable(f"{what}: keyring: needs an extra; run: pip install 'eagle-flow[keyring]'") from error
    service, _, user = name.partition("/")
    try:
        text: str | None = keyring.get_password(service, user)
    except KeyringError as error:
        raise SecretUnreadable(
            f"{what}: this machine's keyring cannot be used ({type(error).__name__}); a server rarely has one,"
            " the vault works everywhere"
        ) from None
    if text is None:
        raise SecretUnreadable(
            f"{what}: the keyring holds no {user} of {service}; put it there: keyring set {service} {user}"
        )
    return text


def _place(reference: Reference) -> str:
    match reference.source:
        case "env":
            return f"the environment variable {reference.name}"
        case "cmd":
            return f"what the command {shlex.split(reference.name)[0]} gives"
        case "keyring":
            return f"the keyring's entry {reference.name}"
        case _:
            return reference.name
