"""`eagle hedger`: the user's own form, one config file and nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import FILE, JOURNAL, json_options, json_options_of, vault_options
from cli.streams import format_option, write_note

USAGE = "Usage: eagle hedger <config_file>"


@click.command()
@click.argument("files", nargs=-1, type=FILE, metavar="CONFIG_FILE")
@click.option("--journal", type=FILE, default=JOURNAL, show_default=True, metavar="FILE", help="The record of the run.")
@format_option("text", "json", "csv")
@click.option("--logs", metavar="FOLDER|off", help="Where the logs go; else the config's, else logs/ by the journal.")
@click.option("--metrics", metavar="FILE", help="Keep a file with the newest metrics, as Prometheus text.")
@click.option(
    "--metrics-listen",
    "listen",
    metavar="HOST:PORT",
    help="Serve them at /metrics, on loopback; further pairs at the next ports.",
)
@click.option("--live", is_flag=True, help="Allow a config that names real venues.")
@click.option("--word", metavar="LIVE", help="The word for real money, for a start that nobody can be asked at.")
@click.option("--rehearse", is_flag=True, help="With --live: treat local venues as if they were real ones.")
@json_options
@vault_options
def hedger(
    files: tuple[str, ...], journal: str, style: str, logs: str | None, metrics: str | None, listen: str | None,
    live: bool, word: str | None, rehearse: bool, plain_keys: bool, rest_url: str | None, public_url: str | None,
    vault: str, passphrase_fd: int | None,
) -> int:  # fmt: skip
    """Hedge what a market maker's account on BiFu fills.

    CONFIG_FILE is the JSON with token_parameter and private_ws_client, or a YAML config of one or several pairs. It is
    read again while the run goes on, and applied when its _version has grown. Ctrl-C once hedges what is open and ends,
    twice hedges it at any price now, three times leaves at once. A file that cannot be used ends with exit code 1.

    \b
    Examples:
      eagle hedger hedger.json
      eagle hedger hedger.yaml --metrics-listen 127.0.0.1:9109
      eagle hedger hedger.json --plain-keys --rest-url http://api.example --public-url https://public.example
    """
    if len(files) != 1:
        write_note(USAGE)
        return 1
    from cli import setups, view
    from cli.locate import CannotUse, read_flow_source, read_source
    from cli.outputs import OutputOptions, parse_address
    from cli.performing import perform
    from cli.resolve import resolver
    from engine.chart.model import FlowError

    (file,) = files
    options = setups.Options(
        markets={}, rounds=None, seed=1, speed=1, journal=Path(journal), repeat=False, live=live,
        word=word, rehearse=rehearse,
        outputs=OutputOptions(
            logs, None if metrics is None else Path(metrics), None if listen is None else parse_address(listen)
        ),
        resolve=resolver(vault, passphrase_fd), json_options=json_options_of(plain_keys, rest_url, public_url),
    )  # fmt: skip
    try:
        source = read_source(file)
        setup = setups.setup_of(setups.sound_flow(read_flow_source("hedger")), source, options)
    except CannotUse as wrong:
        write_note(f"Error: failed to load config file {file}: {wrong.message.removeprefix(f'{file}: ')}")
        return 1
    except FlowError as wrong:
        faults = f"{len(wrong.findings)} fault{'s' if len(wrong.findings) > 1 else ''}"
        write_note(f"Error: failed to load config file {file}: {faults}")
        for it in wrong.findings:
            write_note(f"  {it.span.file}:{it.span.line}: {it.message}{f'; {it.hint}' if it.hint else ''}")
        return 1
    return perform(setup, options, view.PlainView(), style=style)
