"""`eagle alert test`: does a call for a person come through?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from cli.options import FILE, json_options, json_options_of, vault_options
from cli.streams import format_option, write_note, write_result

if TYPE_CHECKING:
    from engine.runtime.alert_channels import Call, Channel
    from engine.runtime.config import Config
    from engine.trading.effects import Alert


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of the call on one channel."""

    channel: str
    delivered: bool
    text: str
    seconds: float


@click.group()
def alert() -> None:
    """Calls for a person, as the `alerts:` of a config makes them.

    \b
    Example:
      eagle alert test --config eagle.yaml
    """


@alert.command()
@click.option("--config", "config_path", type=FILE, metavar="FILE", required=True, help="Its `alerts:` are tried.")
@click.option("--flow", "flow_path", type=FILE, metavar="PATH", help="The flow; else the config's or the eagle flow.")
@json_options
@vault_options
@format_option("text", "json", "csv")
def test(
    config_path: str, flow_path: str | None, plain_keys: bool, rest_url: str | None, public_url: str | None,
    vault: str, passphrase_fd: int | None, style: str,
) -> int:  # fmt: skip
    """Call once on every channel of a config, and tell what became of it.

    Nothing is traded. Exit code 0 only if every channel delivered; 2 if the config names none.

    \b
    Example:
      eagle alert test --config eagle.yaml
    """
    import time

    from cli.findings import tell
    from cli.live_gate import ALERTS, note_passed
    from cli.locate import flow_path_for, read_flow_source, read_source
    from cli.outputs import channels_of
    from cli.resolve import resolver
    from engine.chart.load import load_flow
    from engine.chart.model import FlowError
    from engine.runtime.config import load_config, masked
    from engine.trading.effects import Alert
    from engine.trading.vocabulary import trading_vocabulary

    source = read_source(config_path)
    flow = read_flow_source(flow_path or flow_path_for(source))
    try:
        loaded = load_flow(flow.text, file=flow.file, vocabulary=trading_vocabulary())
        options = json_options_of(plain_keys, rest_url, public_url)
        config = load_config(source.text, file=source.file, flow=loaded, json_options=options)
    except FlowError as wrong:
        return tell(wrong.findings, {source.file: masked(source.text), flow.file: flow.text})
    channels = channels_of(config, resolver(vault, passphrase_fd))
    if not channels:
        raise click.UsageError(f"{source.file} calls nobody; write `command:` or `urls:` under `alerts:`")
    told = Alert(config.alerts.level, "test", "This is a test of `eagle alert test`; nothing has happened.", {})
    tried = call_all(
        channels, call_for(config, told, flow=loaded.name), within_s=config.alerts.timeout_ns / 1_000_000_000
    )
    write_result(_shown(tried, style))
    if not all(it.delivered for it in tried):
        return 1
    note_passed(ALERTS, source, flow=loaded, wall_ms=time.time_ns() // 1_000_000)
    return 0


def call_for(config: Config, told: Alert, *, flow: str) -> Call:
    """An alert that comes from no run."""
    import time

    from cli.program import program
    from engine.runtime.alerts import About, call_of

    about = About(run=0, flow=flow, market=config.market, program=program())
    return call_of(told, about, held_back=0, wall_ms=time.time_ns() // 1_000_000)


def call_all(channels: tuple[Channel, ...], call: Call, *, within_s: float) -> list[Tried]:
    """All at once, because a person waits for the answer."""
    import threading
    import time

    write_note(f"calling on {len(channels)} channel(s), up to {within_s:g} s for an attempt")
    hurry = threading.Event()
    hurry.set()
    tried: dict[int, Tried] = {}

    def attempt(number: int, channel: Channel) -> None:
        began = time.monotonic()
        outcome = channel.deliver(call, hurry=hurry)
        tried[number] = Tried(channel.name, outcome.delivered, outcome.text, round(time.monotonic() - began, 2))

    threads = [threading.Thread(target=attempt, args=each, daemon=True) for each in enumerate(channels)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [tried[number] for number in sorted(tried)]


def _shown(tried: list[Tried], style: str) -> str:
    if style == "json":
        import json

        return json.dumps([asdict(it) for it in tried], indent=2)
    if style == "csv":
        import csv
        import io

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(Tried.__dataclass_fields__)
        writer.writerows(asdict(it).values() for it in tried)
        return text.getvalue()
    width = max(len(it.channel) for it in tried)
    return "\n".join(
        f"{it.channel:<{width}}  {'delivered' if it.delivered else 'FAILED':<9}  {it.text} ({it.seconds:.2f} s)"
        for it in tried
    )
