"""The pages of the project say nothing that is not there: links, commands, options, files and names."""

from __future__ import annotations

import re
import subprocess

import click
import pytest
from pages_kit import ROOT, Page, broken_links, broken_references, pages, unknown_commands, unknown_keys
from settings_page import keys_of

from cli.main import eagle
from engine.chart.structure import shipped_schema

PAGES = pages()
CONFIG_KEYS = {key.name for key in keys_of(shipped_schema("config.schema.json"))}
# What no page and no text of the program may call the strategy (S10); in two parts, so that this file passes too.
PROMISES = re.compile(r"arbi" r"trag|risk[- ]?l" r"ess|risk[- ]f" r"ree", re.IGNORECASE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Page) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Page) -> None:
    assert list(unknown_commands(page, eagle)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_name_exists(page: Page) -> None:
    assert list(broken_references(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_key_of_a_config_exists(page: Page) -> None:
    assert list(unknown_keys(page, CONFIG_KEYS)) == []


def test_nothing_promises_a_gain() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    texts = [name for name in listed if name.endswith((".md", ".py", ".yaml", ".json", ".toml", ".svg"))]
    found = [name for name in texts if (ROOT / name).is_file() and PROMISES.search((ROOT / name).read_text("utf-8"))]
    assert found == []


def test_every_page_stands_in_the_order_of_reading() -> None:
    """docs/index.md links every page, so that a reader finds it."""
    index = next(page for page in PAGES if page.name == "docs/index.md")
    linked = {link.partition("#")[0] for link in index.links}
    others = [page.name.removeprefix("docs/") for page in PAGES if page.name.startswith("docs/") and page is not index]
    assert [name for name in others if name not in linked] == [], "add a line about them to docs/index.md"


# --- the checks themselves

PROGRAM = click.Group(
    "eagle",
    params=[click.Option(["--version"])],
    commands={
        "fly": click.Command("fly", params=[click.Option(["--high"]), click.Argument(["where"])]),
        "alert": click.Group("alert", commands={"test": click.Command("test", params=[click.Option(["-o"])])}),
    },
)


@pytest.mark.parametrize(
    "text",
    [
        "`eagle fly HERE --high=3`, `eagle --version`, `eagle COMMAND --help`, `--high`, `eagle alert test [-o]`",
        "```\n$ eagle fly here | head --lines 3\neagle: an error\n```\n`head --lines 3`",
    ],
)
def test_what_exists_is_no_finding(text: str) -> None:
    assert list(unknown_commands(Page("docs/x.md", text), PROGRAM)) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("`eagle swim`", "docs/x.md: `eagle swim`: there is no command swim"),
        ("`eagle alert fly`", "docs/x.md: `eagle alert fly`: there is no command fly"),
        ("`eagle fly here --low`", "docs/x.md: `eagle fly here --low`: fly has no option --low"),
        ("```\n.venv/bin/eagle fly -o x\n```", "docs/x.md: `eagle fly -o x`: fly has no option -o"),
        ("`--low`", "docs/x.md: `--low` is no option of any command"),
    ],
)
def test_what_does_not_exist_is_named(text: str, finding: str) -> None:
    assert list(unknown_commands(Page("docs/x.md", text), PROGRAM)) == [finding]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[a](gone.md)", "docs/x.md: gone.md: there is no such file"),
        ("[`a`](flow-format.md#gone)", "docs/x.md: flow-format.md#gone: no heading makes this anchor"),
        ("![a](gone.svg)", "docs/x.md: gone.svg: there is no such file"),
        ('<img alt="a" src="gone.svg">', "docs/x.md: gone.svg: there is no such file"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(text: str, finding: str) -> None:
    assert list(broken_links(Page("docs/x.md", text))) == [finding]


def test_links_that_lead_somewhere_are_no_finding() -> None:
    text = "[a](flow-format.md#values-and-their-units) [b](../README.md) [c](https://example.org/x#y)"
    assert list(broken_links(Page("docs/x.md", text))) == []


def test_a_key_that_no_config_has_is_named() -> None:
    text = "`limits.max_order`, `limits.max_wings`, `event.leg`, `guards.spread`"
    assert list(unknown_keys(Page("docs/x.md", text), CONFIG_KEYS)) == [
        "docs/x.md: `limits.max_wings` is no key of a config"
    ]


def test_two_headings_of_one_name_make_two_anchors() -> None:
    assert Page("x.md", "# Yes, `no`: 1\n```\n# not this\n```\n## Yes, no: 1").anchors == {"yes-no-1", "yes-no-1-1"}


@pytest.mark.parametrize(
    ("text", "findings"),
    [
        ("`engine/trading/desk.py: Desk.step`, `engine/trading/world.py: VALID_MS`, `other/thing.py`", []),
        ("`flows/eagle_chicken.yaml: CLEANUP.taking`, `flows/eagle_chicken.yaml: settings.hold`", []),
        ("`engine/trading/desk.py: Desk.fly`", ["`engine/trading/desk.py: Desk.fly`: there is no such name in it"]),
        ("`engine/gone.py`", ["`engine/gone.py`: there is no such file"]),
        ("[`Desk.step`](../engine/trading/desk.py)", []),
        (
            "[`Desk.fly`](../engine/trading/desk.py)",
            ["`Desk.fly`: there is no such name in ../engine/trading/desk.py"],
        ),
        ("`flows/eagle_chicken.yaml: FLYING`", ["`flows/eagle_chicken.yaml: FLYING`: there is no such name in it"]),
    ],
)
def test_a_file_or_name_that_is_not_there_is_named(text: str, findings: list[str]) -> None:
    assert list(broken_references(Page("docs/x.md", text))) == [f"docs/x.md: {finding}" for finding in findings]
