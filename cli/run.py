"""`eagle run`: a flow on paper venues, live or as fast as the machine can."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FILE, JOURNAL, json_options, json_options_of, vault_options
from cli.streams import format_option

if TYPE_CHECKING:
    from cli.setups import Options, Setup

_VENUE_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=(.+)")
_SPEED = re.compile(r"([1-9][0-9]{0,3})x")


def _speed(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """`1x`, `10x` ... as a number, `max` as None."""
    if value == "max":
        return None
    found = _SPEED.fullmatch(value)
    if found is None:
        raise click.BadParameter(f"{value!r}; write 1x, a multiple such as 10x, or max", context, parameter)
    return int(found[1])


@click.command()
@click.option("--flow", "flow_path", type=FILE, metavar="PATH", help="The flow; else the config's or the eagle flow.")
@click.option("--config", "config_path", type=FILE, metavar="FILE", help="Accounts, venues, settings; else a demo.")
@click.option(
    "--market",
    "markets",
    multiple=True,
    metavar="PREFIX|VENUE=PREFIX",
    help="Replay a recording, for all venues or for one: PREFIX_bbo.csv.gz and PREFIX_trades.csv.gz.",
)
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="Stop after so many rounds.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="Of the made-up market and of every draw.",
)
@click.option(
    "--speed",
    callback=_speed,
    default="1x",
    show_default=True,
    metavar="1x|Nx|max",
    help="max runs in virtual time, as fast as the machine can.",
)
@click.option(
    "--journal", type=FILE, default=JOURNAL, show_default=True, metavar="FILE|off", help="The record of the run."
)
@click.option("--repeat", is_flag=True, help="Repeat recordings until --rounds are done; else the run ends with them.")
@format_option("text", "json", "csv")
@click.option(
    "--logs",
    metavar="FOLDER|off",
    help="Where the four logs go; else the config's, else logs/ beside the journal. With --speed max only if given.",
)
@click.option(
    "--view",
    "wish",
    type=click.Choice(["auto", "live", "plain"]),
    default="auto",
    show_default=True,
    help="A live picture, or one line after the other; auto draws on a terminal at live speeds.",
)
@click.option("--metrics", metavar="FILE", help="Keep a file with the newest metrics, as Prometheus text.")
@click.option(
    "--metrics-listen",
    "listen",
    metavar="HOST:PORT",
    help="Serve them at /metrics, on loopback; port 0: a free one.",
)
@click.option("--live", is_flag=True, help="Trade on the venues that the config names, after all checks.")
@click.option("--word", metavar="LIVE", help="The word for real money, for a start that nobody can be asked at.")
@click.option("--start-small", is_flag=True, help="The first round has the least size that every venue takes.")
@click.option("--rehearse", is_flag=True, help="With --live: treat local venues as if they were real ones.")
@click.option(
    "--keep-positions", is_flag=True, help="Leave alone what the accounts hold already; else a run refuses to begin."
)
@json_options
@vault_options
def run(
    flow_path: str | None, config_path: str | None, markets: tuple[str, ...], rounds: int | None, seed: int,
    speed: int | None, journal: str, repeat: bool, style: str, logs: str | None, metrics: str | None,
    listen: str | None, wish: str, live: bool, word: str | None, start_small: bool, rehearse: bool,
    keep_positions: bool, plain_keys: bool, rest_url: str | None, public_url: str | None, vault: str,
    passphrase_fd: int | None,
) -> int:  # fmt: skip
    """Run a flow until it ends, flat.

    The summary goes to stdout, progress to stderr. Ctrl-C once stops in order (no opening, cancel, hedge, close,
    flatten), twice flattens by market now, three times leaves at once. Exit code 0 only if the venues confirm flat
    within dust, or the position that a flow without hedging ends with; such a flow says itself what a stop closes.

    \b
    Examples:
      eagle run
      eagle run --config eagle.yaml
      eagle run --flow flows/eagle_chicken.yaml --speed max --rounds 1000 --journal off
      eagle run --flow flows/eagle_chicken.yaml --speed max --market recordings/binance_spot_ethusdt
    """
    from cli import setups
    from cli.demo import demo_config
    from cli.findings import tell
    from cli.locate import flow_path_for, read_flow_source, read_source
    from cli.outputs import OutputOptions, parse_address
    from cli.resolve import resolver
    from engine.chart.model import FlowError
    from engine.runtime.config import masked
    from engine.trading.plan import source_role

    if repeat and rounds is None:
        raise click.UsageError("--repeat needs --rounds: a recording that repeats has no end")
    options = setups.Options(
        markets=_markets(markets), rounds=rounds, seed=seed, speed=speed,
        journal=None if journal == "off" else Path(journal), repeat=repeat, live=live,
        outputs=OutputOptions(
            logs, None if metrics is None else Path(metrics), None if listen is None else parse_address(listen)
        ),
        resolve=resolver(vault, passphrase_fd), keep_positions=keep_positions,
        word=word, start_small=start_small, rehearse=rehearse,
        json_options=json_options_of(plain_keys, rest_url, public_url),
    )  # fmt: skip
    config = None if config_path is None else read_source(config_path)
    flow = read_flow_source(flow_path or flow_path_for(config))
    texts = {flow.file: flow.text}
    try:
        sound = setups.sound_flow(flow)
        if config is None and speed == 1 and not markets and source_role(sound):
            from cli.hedger_demo import perform_demo

            return perform_demo(sound, options, wish=wish, style=style)
        source = config or demo_config(sound)
        texts[source.file] = masked(source.text)
        setup = setups.setup_of(sound, config, options)
    except FlowError as wrong:
        return tell(wrong.findings, texts)
    return told_run(setup, options, wish=wish, style=style)


def told_run(setup: Setup, options: Options, *, wish: str, style: str) -> int:
    """Perform a run in its view, then write its summary; returns the exit code. Raises: EngineError."""
    from cli import view
    from cli.performing import perform

    return perform(setup, options, view.choose_view(wish, live_speed=options.speed is not None), style=style)


def _markets(given: tuple[str, ...]) -> dict[str, str]:
    """Venue -> prefix; "" stands for every venue."""
    markets: dict[str, str] = {}
    for text in given:
        found = _VENUE_PREFIX.fullmatch(text)
        venue, prefix = (found[1], found[2]) if found is not None else ("", text)
        if venue in markets:
            raise click.UsageError(f"--market: two recordings for {venue or 'all venues'}")
        if not prefix or not Path(f"{prefix}_bbo.csv.gz").is_file():
            raise click.UsageError(
                f"--market: there is no {prefix}_bbo.csv.gz; give the part before _bbo.csv.gz as the prefix"
            )
        markets[venue] = prefix
    return markets
