"""`eagle recover` and `eagle flatten`: close what earlier runs left open, in order or by market, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.options import FILE, JOURNAL, json_options, json_options_of, vault_options
from cli.streams import format_option, write_note

_IN_ORDER, _BY_MARKET = 1, 2


def _which(command: Callable[..., int]) -> Callable[..., Any]:
    """The options of both commands."""
    for option in (
        vault_options,
        json_options,
        format_option("text", "json", "csv"),
        click.option("--yes", is_flag=True, help="Do not ask; for scripts."),
        click.option("--journal", type=FILE, default=JOURNAL, show_default=True, metavar="FILE",
                     help="The record of the run that left something open."),
        click.option("--config", "config_path", type=FILE, required=True, metavar="FILE",
                     help="The config of that run: its accounts and venues."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command()
@_which
def recover(config_path: str, journal: str, yes: bool, style: str, **keys: Any) -> int:
    """Finish in order what an earlier run left open.

    Shows what its journal knows and asks first. Then it cancels that run's orders, hedges what is unhedged, lets the
    maker close and the takers flatten, as after one Ctrl-C. Only what runs of ours made is touched; a position that an
    account had before stays. Exit code 0 if the venues confirm flat within dust.

    A hedger's pairs are all finished: their positions are hedges and stay; what their source filled since is hedged.

    \b
    Examples:
      eagle recover --config eagle.yaml
      eagle recover --config eagle.yaml --yes --format json
    """
    return _finish(config_path, journal, yes, style, level=_IN_ORDER, **keys)


@click.command()
@_which
def flatten(config_path: str, journal: str, yes: bool, style: str, **keys: Any) -> int:
    """Flatten by market, now, what an earlier run left open.

    As `eagle recover`, but as after a second Ctrl-C: no order rests, positions go in matched pairs by market orders.

    \b
    Examples:
      eagle flatten --config eagle.yaml
    """
    return _finish(config_path, journal, yes, style, level=_BY_MARKET, **keys)


def _finish(
    config_path: str, journal: str, yes: bool, style: str, *, level: int, vault: str, passphrase_fd: int | None,
    plain_keys: bool, rest_url: str | None, public_url: str | None,
) -> int:  # fmt: skip
    from cli import setups
    from cli.findings import tell
    from cli.leftovers import left_over, must_tell, words_of
    from cli.locate import CannotUse, flow_path_for, read_flow_source, read_source
    from cli.outputs import OutputOptions
    from cli.resolve import resolver
    from cli.run import told_run
    from engine.chart.model import FlowError
    from engine.runtime.config import load_config, masked
    from engine.trading.plan import source_role

    options = setups.Options(
        markets={}, rounds=None, seed=1, speed=1, journal=Path(journal), repeat=False, live=True,
        outputs=OutputOptions(), resolve=resolver(vault, passphrase_fd), stop=level,
        json_options=json_options_of(plain_keys, rest_url, public_url),
    )  # fmt: skip
    config = read_source(config_path)
    flow = read_flow_source(flow_path_for(config))
    try:
        sound = setups.sound_flow(flow)
        read = load_config(config.text, file=config.file, flow=sound, json_options=options.json_options)
        must_tell(Path(journal))
        wall_ms = time.time_ns() // 1_000_000
        found = [left for pair in read.pairs if (left := left_over(Path(journal), pair, wall_ms=wall_ms)) is not None]
        if not found:
            write_note(f"by {journal} no run has left anything open on the accounts of {config_path}")
            if not source_role(sound):
                write_note("nothing was sent, and no venue was asked")
                return 0
            write_note("what its source has filled since is not in the journal: the venue is asked, and it is hedged")
        for left in found:
            write_note(f"run {left.run} left open, by {journal}:")
            for line in words_of(left):
                write_note(f"  {line}")
        if not yes and not _agreed(level, listens=bool(source_role(sound))):
            raise CannotUse("nothing was sent")
        setup = setups.setup_of(sound, config, options)
    except FlowError as wrong:
        return tell(wrong.findings, {flow.file: flow.text, config.file: masked(config.text)})
    return told_run(setup, options, wish="plain", style=style)


def _agreed(level: int, *, listens: bool) -> bool:
    from cli.ask import at_terminal, confirmed

    if not at_terminal():
        raise click.UsageError("nobody is there to be asked; add --yes to go on without")
    if listens:
        how = "hedge what is open" if level == _IN_ORDER else "hedge what is open at any price"
    else:
        how = "close it in order" if level == _IN_ORDER else "flatten it by market orders now"
    return confirmed(f"cancel these orders and {how}?", default=False)
