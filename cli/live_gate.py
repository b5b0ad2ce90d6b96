"""What must be true before a run may trade real money, and the traces of what was tried before it.

The leases of all accounts and the recovery at start are not here: no run at a venue begins without them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from cli.locate import CannotUse, Source, flow_path_for
from cli.private_file import write_private_bytes
from cli.streams import write_note
from engine.chart.model import Flow
from engine.runtime.config import Config
from engine.runtime.folders import make_folder, state_folder

WORD = "LIVE"
ONLINE, ALERTS = "online", "alerts"
ONLINE_FOR_MS = 3600 * 1000
ALERTS_FOR_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class _Passed:
    """When a check passed, and with which flow: the digest of its text."""

    at_ms: int
    flow: str


def note_passed(what: str, config: Source, *, flow: Flow, wall_ms: int) -> None:
    """Keep that a check of this very config passed with this very flow.

    Where that cannot be kept, it says that --live will not know.
    """
    path = _trace(config)
    try:
        make_folder(path.parent)
        kept = {name: asdict(it) for name, it in {**_passed(path), what: _Passed(wall_ms, flow.digest)}.items()}
        write_private_bytes(path, json.dumps(kept).encode(), replace=True)
    except (OSError, CannotUse) as error:
        write_note(f"{path}: cannot be written ({error}), so `eagle run --live` will not know that this passed")


def objections(config: Config, source: Source, *, flow: Flow, hedged: bool, wall_ms: int) -> list[str]:
    """Why this config may not trade real money now by this flow; each names what to do."""
    passed, limits = _passed(_trace(source)), [pair.limits for pair in config.pairs]
    missing = []
    if any(it.max_loss_run is None for it in limits):
        missing.append("max_loss_run")
    if not config.others and config.limits.max_loss_day is None:  # of several pairs the day is nobody's alone
        missing.append("max_loss_day")
    if hedged and any(it.max_round_cost_bps is None for it in limits):
        missing.append("max_round_cost")
    found = []
    if missing:
        found.append(f"set {', '.join(missing)} under `limits:`: nothing else bounds what a run may lose")
    if not _recent(passed, ONLINE, wall_ms, ONLINE_FOR_MS):
        found.append(f"run `{_validate(source, flow)}`: it must have passed within the last hour")
    elif passed[ONLINE].flow != flow.digest:
        found.append(
            f"run `{_validate(source, flow)}`: {flow.file} is not the flow that it passed with; it was edited, or"
            " it is another one"
        )
    if not (config.alerts.command or config.alerts.urls):
        found.append("name who is called, `command:` or `urls:` under `alerts:`")
    if not _recent(passed, ALERTS, wall_ms, ALERTS_FOR_MS):
        found.append(f"run `eagle alert test --config {source.file}`: it must have arrived within the last day")
    return found


def agreed(venues: list[str], word: str | None) -> None:
    """The word for it, typed by a person. Raises: CannotUse."""
    from cli.ask import ask, at_terminal

    if word is None:
        if not at_terminal():
            raise CannotUse(f"--live: nobody is there to type the word; --word {WORD} says it on the command line")
        word = ask(f"this trades real money on {', '.join(venues)}; type {WORD} to go on: ")
    if word != WORD:
        raise CannotUse(f"--live: the word is {WORD}; nothing was sent")


def _validate(config: Source, flow: Flow) -> str:
    """The command that checks a config with this flow."""
    found = Path(flow_path_for(config)).with_suffix("")  # what it takes by itself, perhaps by the name alone
    option = "" if Path(flow.file).with_suffix("") == found else f"--flow {flow.file} "
    return f"eagle validate --online {option}{config.file}"


def _recent(passed: dict[str, _Passed], what: str, wall_ms: int, within_ms: int) -> bool:
    return what in passed and 0 <= wall_ms - passed[what].at_ms <= within_ms


def _trace(config: Source) -> Path:
    return state_folder() / "checks" / f"{sha256(config.text.encode()).hexdigest()[:32]}.json"


def _passed(path: Path) -> dict[str, _Passed]:
    """What a trace says; one that cannot be read, or is of an earlier release, says nothing."""
    try:
        told = json.loads(path.read_bytes())
        found = {what: _Passed(it["at_ms"], it["flow"]) for what, it in told.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {what: it for what, it in found.items() if type(it.at_ms) is int and type(it.flow) is str}
