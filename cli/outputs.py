"""What a run is to tell besides its screen and journal, checked before it begins: logs, metrics, calls for a person."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from cli.locate import CannotUse
from cli.resolve import Resolve
from engine.runtime.alert_channels import Channel, CommandChannel
from engine.runtime.clock import S
from engine.runtime.config import Config
from engine.runtime.folders import is_device
from engine.runtime.log_files import LogFile, open_logs
from engine.runtime.log_lines import Log

OFF = "off"
LOGS = "logs"  # beside the journal
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What the command line says. `logs` is a folder, "off", or None for what the config says."""

    logs: str | None = None
    metrics: Path | None = None
    metrics_listen: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """Found to be usable; nothing runs yet."""

    options: OutputOptions
    live: bool
    logs: dict[Log, LogFile] | None
    channels: tuple[Channel, ...]


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9109`, `[::1]:9109`, `localhost:0`. Raises: CannotUse for all but loopback."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[3]) > 65_535:
        raise CannotUse(f"--metrics-listen: {text!r} is no HOST:PORT; write 127.0.0.1:9109, or port 0 for a free one")
    host = "127.0.0.1" if found[2] == "localhost" else found[1] or found[2]
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise CannotUse(
            f"--metrics-listen: {host} is not this machine's loopback address, and the page has no password;"
            " listen on 127.0.0.1 and let a tunnel or a proxy of yours bring it further"
        )
    return host, int(found[3])


def prepare(config: Config, options: OutputOptions, *, journal: Path | None, live: bool, resolve: Resolve) -> Prepared:
    """Opens the logs. Raises: CannotUse, SecretUnreadable, UrlUnusable."""
    if options.metrics_listen is not None and not live:
        raise CannotUse("--metrics-listen: nobody can ask a run in virtual time (--speed max); use --metrics FILE")
    if options.metrics is not None and is_device(options.metrics):
        raise CannotUse(f"--metrics: {options.metrics} is no ordinary file, and would be replaced by one; name a file")
    channels = channels_of(config, resolve) if live else ()
    folder = _log_folder(config, options, journal=journal, live=live)
    logs = None if folder is None else _opened(folder, config)
    return Prepared(options, live, logs, channels)


def channels_of(config: Config, resolve: Resolve) -> tuple[Channel, ...]:
    """Every way to a person that the config names.

    Raises: SecretUnreadable, UrlUnusable.
    """
    alerts = config.alerts
    channels: list[Channel] = []
    if alerts.command:
        channels.append(CommandChannel(alerts.command, timeout_s=alerts.timeout_ns / S))
    urls = {name: resolve(reference, what=f"alerts.urls.{name}") for name, reference in alerts.urls.items()}
    if urls:
        from engine.runtime.alert_urls import UrlChannel

        channels += [UrlChannel(name, url, timeout_s=alerts.timeout_ns / S) for name, url in urls.items()]
    return tuple(channels)


def _log_folder(config: Config, options: OutputOptions, *, journal: Path | None, live: bool) -> Path | None:
    """In virtual time only --logs asks for logs: a simulation makes thousands of lines a second."""
    chosen = config.logs.folder if options.logs is None and live else options.logs
    if chosen is not None:
        return None if chosen == OFF else Path(chosen)
    return journal.with_name(LOGS) if live and journal is not None else None


def _opened(folder: Path, config: Config) -> dict[Log, LogFile]:
    try:
        return open_logs(folder, size=config.logs.size, keep=config.logs.keep)
    except OSError as error:
        raise CannotUse(
            f"{folder}: logs cannot be written there ({error.strerror}); name another folder with --logs, or --logs off"
        ) from error
