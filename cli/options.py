"""What options and arguments of several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

JOURNAL = "state/eagle.sqlite"  # where `eagle run` writes unless told otherwise
VAULT = "~/.config/eagle/vault"  # where `vault:` leads unless told otherwise
# Completed by tab as a file's name. Whether it can be used is told by who reads it.
FILE = click.Path(readable=False)


def vault_options(command: Command) -> Command:
    """`--vault` and `--passphrase-fd`, as parameters `vault` and `passphrase_fd`."""
    command = click.option(
        "--passphrase-fd", type=click.IntRange(min=0), metavar="N", help="Read its passphrase from this open file."
    )(command)
    return click.option(
        "--vault", type=FILE, default=VAULT, show_default=True, metavar="FILE", help="Where `vault:` leads."
    )(command)
