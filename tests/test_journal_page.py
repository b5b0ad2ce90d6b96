"""docs/journal.md names every table and column that it promises, and its queries run on a real journal."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from cli_kit import FLOW
from pages_kit import page

from cli.main import main
from engine.runtime import schema

PAGE = page("docs/journal.md").text
QUERIES = re.findall(r"^([^\n]+:|[^\n]+\?)\n\n```sql\n(.*?)```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A small run, opened as a reader would."""
    path = tmp_path_factory.mktemp("journal") / "j.sqlite"
    with pytest.MonkeyPatch.context() as patch:
        options = ["--speed", "max", "--rounds", "3", "--journal", str(path)]
        patch.setattr("sys.argv", ["eagle", "run", "--flow", FLOW, *options])
        assert main() == 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield connection


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
def test_a_query_of_the_page_runs(journal: sqlite3.Connection, title: str, query: str) -> None:
    rows = journal.execute(query).fetchall()
    assert bool(rows) != ("hopefully none" in title)


def test_every_query_has_a_title() -> None:
    assert len(QUERIES) == PAGE.count("```sql")


def test_every_table_is_told_of() -> None:
    told = re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    assert told == [model._meta.table_name for model in schema.MODELS]


def test_the_columns_of_the_view_are_those_of_the_page(journal: sqlite3.Connection) -> None:
    columns = [row[1] for row in journal.execute("PRAGMA table_info(filled_orders)")]
    (sentence,) = re.findall(r"^The view `filled_orders`.*?: (.*?)\.$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"`(\w+)`", sentence) == columns
