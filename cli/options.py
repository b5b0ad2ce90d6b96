"""What options and arguments of several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from engine.runtime.hedger_json import JsonOptions

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


def json_options(command: Command) -> Command:
    """What a hedger's JSON cannot say: parameters `plain_keys`, `rest_url` and `public_url`."""
    for names, metavar, words in (
        (("--public-url", "public_url"), "URL", "Of BiFu, where a hedger's JSON has none: markets and books."),
        (("--rest-url", "rest_url"), "URL", "Of BiFu, where a hedger's JSON has none: the account's list of orders."),
    ):
        command = click.option(*names, metavar=metavar, help=words)(command)
    return click.option("--plain-keys", is_flag=True, help="Allow keys that stand in a hedger's JSON themselves.")(
        command
    )


def json_options_of(plain_keys: bool, rest_url: str | None, public_url: str | None) -> JsonOptions:
    from engine.runtime.hedger_json import JsonOptions

    given = {"REST URL": rest_url, "Public URL": public_url}
    return JsonOptions(plain_keys, {name: url for name, url in given.items() if url is not None})
