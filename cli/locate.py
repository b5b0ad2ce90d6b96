"""Reads the files that a command is given; a flow that is not there is taken from the shipped ones."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import click

from cli.streams import write_note
from engine.chart.yaml_nodes import decode


class CannotUse(click.ClickException):
    """A path or option that names nothing usable."""

    exit_code = 2


DEFAULT_FLOW = "flows/eagle_chicken.yaml"


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the name by which its findings are told."""

    file: str
    text: str


def read_source(path: str) -> Source:
    """Raises: CannotUse, FlowError for what is not UTF-8."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CannotUse(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from error
    return Source(path, decode(raw, file=path))


def read_flow_source(path: str) -> Source:
    """The flow file at `path`; where there is none, the shipped flow of that name, said aloud unless only named.

    Raises: CannotUse, FlowError for what is not UTF-8.
    """
    if Path(path).exists():
        return read_source(path)
    name = Path(path).name
    shipped = resources.files("flows").joinpath(name if name.endswith(".yaml") else f"{name}.yaml")
    if not name or not shipped.is_file():
        raise CannotUse(f"{path}: no such file, and no shipped flow of that name; shipped: {', '.join(_shipped())}")
    if path != shipped.name.removesuffix(".yaml"):
        write_note(f"{path} is not here: using the shipped flow {shipped.name}")
    return Source(str(Path(path).with_name(shipped.name)), decode(shipped.read_bytes(), file=path))


def flow_path_for(config: Source | None) -> str:
    """The flow of a command that was given none: the one that the config names, else the eagle flow."""
    from engine.runtime.config import flow_named

    named = None if config is None else flow_named(config.text, file=config.file)
    return named or DEFAULT_FLOW


def flow_path_of_table(flow: str, *, table: str) -> str:
    """Where the flow of a table is: in `flows/`, beside the table, here; else the shipped one of that name."""
    places = (Path("flows") / f"{flow}.yaml", Path(table).parent / f"{flow}.yaml", Path(f"{flow}.yaml"))
    return str(next((place for place in places if place.is_file()), places[0]))


def _shipped() -> list[str]:
    return sorted(entry.name for entry in resources.files("flows").iterdir() if entry.name.endswith(".yaml"))
