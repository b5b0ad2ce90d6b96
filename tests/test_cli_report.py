"""`eagle report` as a person meets it: what it prints, what it writes, and what it says when it cannot."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli_kit import Eagle, Said, eagle
from review_kit import D, Story, whole_round

import cli.report_files
from engine.runtime import schema
from exchanges.types import Position

__all__ = ["eagle"]

JOURNAL = "state.sqlite"


def told(*, speed: str = "1x", exit_code: int | None = 0, run: int = 1, read: bool = True) -> None:
    """A journal in the current directory: one round, and a baseline that the venues count."""
    story = Story(Path(JOURNAL), run=run, speed=speed)
    story.start(held=(Position("hawk", "ETHUSD", D(3), mark_price=D(100)),))
    whole_round(story)
    held = (Position("hawk", "ETHUSD", D(3), mark_price=D(110)),)
    story.end(hawk="1053.8", chick="976.7", held=held, exit_code=exit_code, read=read)


# --- text


TEXT = """\
run 1, paper: toy on ETH-PERP
  110.0 ms of time at 1x, its clock from 1970-01-01 00:00:01 UTC; seed 7; 0.1.0
  ended flat, confirmed by the venues (exit code 0)

Money, USD
                                     USD  bps of volume
  volume                          833.50
  spread                               0           0.00
  fees                           -1.0000         -12.00
  funding                              0           0.00
  slippage                       -0.5000          -6.00
  drift                          +2.0000          24.00
  P&L                            +0.5000           6.00
  what was held before          +30.0000
  change of the venues' equity  +30.5000
  unexplained                          0           0.00
"""


def test_the_first_screen(eagle: Eagle) -> None:
    told()
    said = eagle("report", JOURNAL)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[:16] == TEXT.splitlines()


@pytest.mark.parametrize("width", [80, 60])
def test_no_line_is_wider_than_the_terminal(eagle: Eagle, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    told()
    lines = eagle("report", JOURNAL).out.splitlines()
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if line != line.rstrip()]


def test_sections_tables_and_their_words(eagle: Eagle) -> None:
    told()
    out = eagle("report", JOURNAL).out
    for line in (
        "  account  venue  position  fills  volume",
        "  1 done, 32,727 an hour",
        "  1 round: 0.2000 USD expected, -0.5000 realised",
        "  outside rounds (cleanups, flattening): 0 USD",
        "  sample: 110.0 ms, 1 round  P&L USD  bps of what rounds opened",
        "  optimistic                 +1.0000                      50.00",
        "  taken beyond the size shown: 0",
    ):
        assert line in out, line


def test_virtual_time_measures_no_latency(eagle: Eagle) -> None:
    told(speed="max")
    out = eagle("report", JOURNAL).out
    assert "110.0 ms of virtual time" in out
    assert "no hedge has all five stamps" in out


def test_a_run_that_died_is_reported_as_such(eagle: Eagle) -> None:
    told(exit_code=None, read=False)
    said = eagle("report", JOURNAL)
    assert said.code == 0
    assert "  has no end in the journal: it goes on, or its process died\n" in said.out
    assert "  equity was not read at both ends of chick, hawk: the P&L is not reconciled\n" in said.out
    assert "unexplained" not in said.out


def test_a_run_without_anything_is_still_a_report(eagle: Eagle) -> None:
    Story(Path(JOURNAL)).end(read=False, exit_code=1)
    said = eagle("report", JOURNAL)
    assert (said.code, said.err) == (0, "")
    assert "  failed or not flat (exit code 1)\n" in said.out
    assert "  0 done, - an hour\n" in said.out
    assert "Cost of a round" not in said.out


# --- for scripts


def test_json_has_decimals_as_text_and_the_computed_figures(eagle: Eagle) -> None:
    told()
    found = json.loads(eagle("report", JOURNAL, "--format", "json").out)
    assert found["money"] == {
        "volume": "833.5", "spread": "0", "fees": "1", "funding": "0", "slippage": "-0.5", "drift": "2",
        "pnl": "0.5", "rest": "0",
    }  # fmt: skip
    assert found["venue"] == {
        "pnl": "0.5", "held_before": "30", "equity_change": "30.5", "unread": [], "unexplained": "0",
    }  # fmt: skip
    assert [account["account"] for account in found["accounts"]] == ["chick", "hawk"]
    assert (found["run"]["exit_code"], found["rounds"]["done"]) == (0, 1)


def test_csv_is_one_figure_a_line_by_its_path(eagle: Eagle) -> None:
    told(exit_code=None)
    rows = list(csv.reader(io.StringIO(eagle("report", JOURNAL, "--format", "csv").out)))
    assert rows[0] == ["figure", "value"]
    found = dict(rows[1:])
    assert len(found) == len(rows) - 1
    assert (found["money.pnl"], found["accounts.hawk.money.drift"], found["run.exit_code"]) == ("0.5", "20", "")
    assert found["purposes.hedge.slippage"] == "-0.5"
    assert found["paper.assumes.0"].startswith("As simulated: a resting order waits")


def test_another_run_of_the_journal(eagle: Eagle) -> None:
    told()
    story = Story(Path(JOURNAL), run=2)
    story.end()
    assert json.loads(eagle("report", JOURNAL, "--format", "json").out)["run"]["number"] == 2
    assert json.loads(eagle("report", JOURNAL, "--format", "json", "--run", 1).out)["run"]["number"] == 1
    assert eagle("report", JOURNAL, "--run", 9) == Said(
        2, "", f"eagle: {JOURNAL}: the journal holds no run 9, only 1 to 2\n"
    )


# --- the page and the picture


class Elements(HTMLParser):
    """What a page consists of, and whether its elements close in the order in which they opened."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_but_itself(eagle: Eagle) -> None:
    told()
    said = eagle("report", JOURNAL, "--html", "report.html")
    assert (said.code, said.err) == (0, "report.html: written\n")
    assert said.out.startswith("run 1, paper: toy on ETH-PERP\n")
    page = Elements()
    content = Path("report.html").read_text("utf-8")
    page.feed(content)
    assert page.open == []
    tags = [tag for tag, _ in page.tags]
    assert [tags.count(tag) for tag in ("h1", "script", "link", "img", "iframe")] == [1, 0, 0, 0, 0]
    charts = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(charts) == 6
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)
    fetched = [attrs[name] for _, attrs in page.tags for name in ("src", "href", "xlink:href") if attrs.get(name)]
    assert all(str(target).startswith("#") for target in fetched)
    assert "@import" not in content
    assert "url(http" not in content
    ids = [attrs["id"] for _, attrs in page.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert {str(target)[1:] for target in fetched} <= set(ids)


def test_the_page_shows_what_the_terminal_shows_in_light_and_dark(eagle: Eagle) -> None:
    told()
    eagle("report", JOURNAL, "--html", "report.html")
    content = Path("report.html").read_text("utf-8")
    page = Elements()
    page.feed(content)
    for text in ("Money, USD", "change of the venues' equity", "+30.5000", "This is a simulation", "optimistic"):
        assert text in page.text, text
    assert "prefers-color-scheme: dark" in content
    assert "var(--line)" in content
    assert "#0101" not in content  # every stand-in colour was replaced


def test_equal_journals_give_equal_pages_and_pictures(eagle: Eagle) -> None:
    told()
    for name in ("one", "two"):
        eagle("report", JOURNAL, "--html", f"{name}.html", "--plot", f"{name}.svg")
    assert Path("one.html").read_bytes() == Path("two.html").read_bytes()
    assert Path("one.svg").read_bytes() == Path("two.svg").read_bytes()


def test_text_from_outside_cannot_become_markup(eagle: Eagle) -> None:
    told()
    with sqlite3.connect(JOURNAL) as journal:
        journal.execute("UPDATE runs SET program = '<script>alert(1)</script>'")
    journal.close()
    eagle("report", JOURNAL, "--html", "report.html")
    assert "<script" not in Path("report.html").read_text("utf-8")


@pytest.mark.parametrize(("name", "magic"), [("p.png", b"\x89PNG\r\n"), ("P.SVG", b"<?xml")])
def test_the_picture(eagle: Eagle, name: str, magic: bytes) -> None:
    told()
    said = eagle("report", JOURNAL, "--plot", name)
    assert (said.code, said.err) == (0, f"{name}: written\n")
    assert Path(name).read_bytes().startswith(magic)


def test_a_run_without_anything_has_a_page_and_a_picture_too(eagle: Eagle) -> None:
    Story(Path(JOURNAL)).end(read=False)
    assert eagle("report", JOURNAL, "--html", "r.html", "--plot", "r.png").code == 0


# --- what it refuses, in one line


def test_outputs_that_cannot_work_are_refused_before_the_journal_is_read(eagle: Eagle, tmp_path: Path) -> None:
    told()
    before = Path(JOURNAL).read_bytes()
    Path("folder.png").mkdir()
    for option, name, words in (
        ("--plot", "p.pdf", "p.pdf must end in .png or .svg"),
        ("--plot", "folder.png", "folder.png is a directory; name a file in a folder that is there"),
        ("--html", "no/r.html", "no/r.html cannot be written: there is no such folder; name a file in a folder that"
         " is there"),
        ("--html", JOURNAL, f"{JOURNAL} is the journal itself; name another file"),
        ("--html", tmp_path / JOURNAL, f"{tmp_path / JOURNAL} is the journal itself; name another file"),
    ):  # fmt: skip
        assert eagle("report", JOURNAL, option, name) == Said(2, "", f"eagle: {option}: {words}\n")
    assert Path(JOURNAL).read_bytes() == before


def test_a_file_that_cannot_be_written(eagle: Eagle, monkeypatch: pytest.MonkeyPatch) -> None:
    told()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert eagle("report", JOURNAL, "--html", "r.html") == Said(
        2, "", "eagle: --html: r.html cannot be written (No space left on device)\n"
    )


def test_charts_without_their_extra_are_one_clear_line(eagle: Eagle, monkeypatch: pytest.MonkeyPatch) -> None:
    told()
    monkeypatch.setattr(cli.report_files, "find_spec", lambda _: None)
    said = eagle("report", JOURNAL, "--html", "r.html")
    assert said == Said(
        2, "", 'eagle: --html draws charts and needs an extra; install it: pip install "eagle-flow[report]"\n'
    )
    assert not Path("r.html").exists()
    assert eagle("report", JOURNAL).code == 0


def test_journals_that_are_none(eagle: Eagle) -> None:
    assert eagle("report", "none.sqlite") == Said(2, "", "eagle: none.sqlite: there is no such journal\n")
    Path("empty.sqlite").touch()
    Path("notes.sqlite").write_text("nothing of ours, and long enough")
    for name in ("empty.sqlite", "notes.sqlite"):
        said = eagle("report", name)
        assert (said.code, said.out, said.err.count("\n")) == (5, "", 1)
    told()
    with sqlite3.connect(JOURNAL) as journal:
        journal.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    journal.close()
    said = eagle("report", JOURNAL)
    assert (said.code, said.out) == (5, "")
    assert said.err.endswith("update the program or name another path\n")
