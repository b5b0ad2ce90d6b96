"""`eagle vault init|set|list|rm|test`: the encrypted file that configs refer to as `vault:NAME`."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, vault_options
from cli.streams import format_option, write_note, write_result


@click.group()
def vault() -> None:
    """Keep secrets in one encrypted file, under names that configs refer to.

    \b
    Examples:
      eagle vault init
      eagle vault set hawk/api_secret
      eagle vault test --config eagle.yaml
    """


@vault.command()
@vault_options
def init(vault: str, passphrase_fd: int | None) -> int:
    """Make an empty vault.

    The passphrase is asked for twice, unless it comes from --passphrase-fd or systemd (credential eagle-vault).
    There is no way back to the secrets without it. One that is there is never replaced.

    \b
    Example:
      eagle vault init
    """
    from cli.keeping import make_vault

    path = Path(vault).expanduser()
    make_vault(path, passphrase_fd)
    write_note(f"{path}: an empty vault; put secrets into it: eagle vault set NAME")
    return 0


@vault.command("set")
@click.argument("name")
@click.option("--replace", is_flag=True, help="Replace the secret of this name.")
@vault_options
def set_secret(name: str, replace: bool, vault: str, passphrase_fd: int | None) -> int:
    """Put a secret under a name, such as hawk/api_secret.

    It is asked for without being shown, or read from standard input; it is never an argument, which others could see.

    \b
    Examples:
      eagle vault set hawk/api_secret
      eagle vault set hawk/api_secret < key.txt
    """
    from cli.keeping import put_secret

    path = Path(vault).expanduser()
    put_secret(path, passphrase_fd, name, replace=replace)
    write_note(f'{path}: holds {name}; a config refers to it as {{secret: "vault:{name}"}}')
    return 0


@vault.command("list")
@format_option("text", "json")
@vault_options
def list_names(vault: str, passphrase_fd: int | None, style: str) -> int:
    """Tell the names in the vault, no secret.

    \b
    Example:
      eagle vault list
    """
    import json

    from cli.resolve import opened_vault

    names = sorted(opened_vault(Path(vault).expanduser(), passphrase_fd).entries)
    if style == "json":
        write_result(json.dumps(names))
    elif names:
        write_result("\n".join(names))
    else:
        write_note("the vault is empty; put secrets into it: eagle vault set NAME")
    return 0


@vault.command()
@click.argument("name")
@vault_options
def rm(name: str, vault: str, passphrase_fd: int | None) -> int:
    """Take a secret out of the vault.

    \b
    Example:
      eagle vault rm hawk/api_secret
    """
    from cli.keeping import take_out

    path = Path(vault).expanduser()
    take_out(path, passphrase_fd, name)
    write_note(f"{path}: {name} is gone from it; a secret that others may know is to be changed at the venue too")
    return 0


@vault.command()
@click.option("--config", "config_path", type=FILE, metavar="FILE", help="Follow every reference of this config.")
@vault_options
def test(config_path: str | None, vault: str, passphrase_fd: int | None) -> int:
    """See that the vault opens, and that every secret of a config is where it says; no secret is shown.

    Exit code 1 if one cannot be read.

    \b
    Example:
      eagle vault test --config eagle.yaml
    """
    from cli.keeping import follow_all
    from cli.resolve import opened_vault, resolver

    if config_path is None:
        path = Path(vault).expanduser()
        count = len(opened_vault(path, passphrase_fd).entries)
        write_result(f"{path}: opens, and holds {count} secret{'' if count == 1 else 's'}")
        return 0
    lines, failed = follow_all(config_path, resolver(vault, passphrase_fd))
    write_result("\n".join(lines) or f"{config_path} refers to no secret")
    return 1 if failed else 0
