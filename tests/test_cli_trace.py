"""`eagle trace` and `eagle why` from the outside: a journal of two runs, told, drawn and read by a program."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli_kit import Eagle, Said, eagle

from cli.main import main
from cli.story import story_lines
from engine.review.story import Line, Moment

__all__ = ["eagle"]

D = Decimal
USUAL = "state/eagle.sqlite"


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; every test reads a copy."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for rounds in ("2", "1"):
            patch.setattr("sys.argv", ["eagle", "run", "--speed", "max", "--rounds", rounds])
            assert main() == 0
    return folder / USUAL


@pytest.fixture
def journal(two_runs: Path, tmp_path: Path) -> Path:
    """At its usual place in the directory that the test's `eagle` runs in."""
    (tmp_path / "state").mkdir()
    return Path(shutil.copy(two_runs, tmp_path / USUAL))


@pytest.mark.usefixtures("journal")
def test_a_round_of_the_usual_journal_is_told_between_its_head_and_its_times(eagle: Eagle) -> None:
    said = eagle("trace", "2", "--run", "1")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].startswith("run 1: eagle_chicken version 1 (")
    assert lines[2].startswith("round 2: ")
    assert lines[4].split() == ["time", "since", "net"]
    assert lines[5].split("round", 1) == ["    0.000           ", "    2 begins, opening side buy"]
    assert "time by state:" in lines
    assert any(line.endswith("MAKER_OPENING.resting") for line in lines[lines.index("time by state:") :])
    assert max(map(len, lines)) <= 100


def test_a_journal_may_be_named_and_the_newest_run_is_told(eagle: Eagle, journal: Path) -> None:
    moved = journal.rename("other.sqlite")
    assert eagle("trace", moved, "1").out.startswith("run 2: ")
    assert eagle("trace", moved, "2") == Said(2, "", "eagle: run 2 has no round 2; its only round is 1\n")
    assert eagle("trace", moved, "9..10", "--run", "1") == Said(
        2, "", "eagle: run 1 has no rounds 9..10; its rounds are 1..2\n"
    )


@pytest.mark.usefixtures("journal")
def test_a_range_is_told_round_by_round(eagle: Eagle) -> None:
    said = eagle("trace", "1..2", "--run", "1")
    assert [line.split(":")[0] for line in said.out.splitlines() if line.startswith(("run ", "round "))] == [
        "run 1", "round 1", "round 2",
    ]  # fmt: skip


@pytest.mark.usefixtures("journal")
def test_json_has_the_whole_round(eagle: Eagle) -> None:
    said = eagle("trace", "1", "--run", "1", "--format", "json")
    told = json.loads(said.out)
    (round_,) = told["rounds"]
    assert (told["run"]["number"], told["run"]["over"], round_["round"], round_["gap"]) == (1, True, 1, "")
    steps = round_["steps"]
    assert {step["given"]["input"] for step in steps} >= {"started", "answered", "order", "fill", "timer"}
    assert [step["seq"] for step in steps] == list(range(steps[0]["seq"], steps[-1]["seq"] + 1))
    opening = steps[0]["requests"][0]
    assert (opening["purpose"], opening["cause"]["verb"]) == ("open", "rest")
    hedges = [request for step in steps for request in step["requests"] if request["purpose"] == "hedge"]
    assert {hedge["cause"]["rule"] for hedge in hedges} == {"hedging"}
    assert all(hedge["cause"]["objections"][hedge["account"]] == "" for hedge in hedges)
    assert {hedge["client_id"] for hedge in hedges} <= set(round_["orders"])
    moves = [move for step in steps for move in step["moves"]]
    assert moves[0] == {
        "event": "", "source": "IDLE.ready", "target": "MAKER_OPENING.resting", "line": moves[0]["line"],
        "when": "may_open", "because": "E5",
    }  # fmt: skip
    assert sum(edge["count"] for edge in round_["journey"]["edges"]) == len(moves)
    assert D(steps[-1]["net"]) == 0
    assert D(steps[-1]["cash"]) == D(round_["cash"])


@pytest.mark.usefixtures("journal")
def test_a_quick_trace_says_that_reasons_are_missing(eagle: Eagle) -> None:
    said = eagle("trace", "1", "--no-replay")
    assert "rows, draws and choices are missing: the run was not replayed" in said.out.splitlines()
    assert "line " not in said.out


@pytest.mark.usefixtures("journal")
def test_a_long_replay_is_announced(eagle: Eagle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.journal_words.MANY_STEPS", 10)
    said = eagle("trace", "1")
    assert re.fullmatch(r"replaying \d+ steps for the reasons; --no-replay tells the facts alone\n", said.err)
    assert eagle("trace", "1", "--no-replay").err == ""


@pytest.mark.usefixtures("journal")
def test_the_path_is_drawn_on_the_flow_that_the_run_had(eagle: Eagle) -> None:
    one = eagle("trace", "1", "--run", "1", "--mermaid").out
    assert one.splitlines()[1].startswith('title: "eagle_chicken, version 1, sha256 ')
    assert one.splitlines()[1].endswith(': run 1, round 1"')
    assert "\n    IDLE --> MAKER_OPENING : (1)\n" in one
    both = eagle("trace", "1..2", "--run", "1", "--mermaid").out
    assert both.splitlines()[1].endswith(': run 1, rounds 1 to 2"')
    assert "\n    IDLE --> MAKER_OPENING : (1 ×2)\n" in both


@pytest.mark.usefixtures("journal")
def test_the_path_is_drawn_into_a_file_beside_the_story(eagle: Eagle) -> None:
    said = eagle("trace", "1", "--run", "1", "--svg", "round.svg")
    assert (said.code, said.out) == (0, eagle("trace", "1", "--run", "1").out)
    assert re.fullmatch(r"round.svg: run 1, round 1, on eagle_chicken [0-9a-f]{12}\n", said.err)
    drawn = ElementTree.parse("round.svg")
    assert drawn.findtext("{http://www.w3.org/2000/svg}title") == "eagle_chicken, version 1: run 1, round 1"
    assert eagle("trace", "1", "--svg", "no/such/round.svg") == Said(
        2, "", "eagle: --svg: no/such/round.svg cannot be written (No such file or directory)\n"
    )


@pytest.mark.usefixtures("journal")
def test_a_flow_that_this_program_cannot_read_cannot_be_drawn(eagle: Eagle) -> None:
    with sqlite3.connect(USUAL) as database:
        database.execute("UPDATE runs SET flow_text = 'flow: of another time'")
    database.close()
    said = eagle("trace", "1", "--mermaid")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("eagle: cannot be drawn: run 2: this program cannot read its flow: ")
    told = eagle("trace", "1")
    assert (told.code, told.err) == (0, "")
    assert "rows, draws and choices are missing: run 2: this program cannot read its flow: " in told.out


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["x"], "ROUND is a number such as 3 or a range such as 3..5, found 'x'"),
        (["5..3"], "ROUND: the range 5..3 runs backwards; write 3..5"),
        ([USUAL], f"ROUND is missing: after the journal {USUAL} comes what to look for in it"),
        (["a", "1", "2"], "[JOURNAL] ROUND is one word or two, found 3: a 1 2"),
        ([], "Missing argument '[JOURNAL] ROUND'"),
    ],
)
def test_words_that_name_no_round_are_usage(eagle: Eagle, words: list[str], error: str) -> None:
    assert eagle("trace", *words) == Said(2, "", f"eagle: {error}; see `eagle trace --help`\n")


def test_a_journal_that_is_none_is_one_line(eagle: Eagle) -> None:
    assert eagle("trace", "1") == Said(2, "", f"eagle: {USUAL}: there is no such journal\n")
    Path("text.sqlite").write_text("not a journal at all")
    assert eagle("trace", "text.sqlite", "1").code == 5


# --- why


@pytest.mark.usefixtures("journal")
def test_an_order_is_explained_from_its_event_to_its_end(eagle: Eagle) -> None:
    said = eagle("why", "e1r1lhedgea1")
    lines = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert lines[0].startswith("run 1: eagle_chicken version 1 (")
    assert lines[1].startswith("e1r1lhedgea1: chick-")
    words = [line.split(" ")[0] for line in lines[2:] if line[:1].isalpha()]
    assert words == ["event", "state", "rule", "order", "closes", "end"]
    assert max(map(len, lines)) <= 100


@pytest.mark.usefixtures("journal")
def test_reasons_as_json(eagle: Eagle) -> None:
    told = json.loads(eagle("why", USUAL, "e1r1lhedgea1", "--format", "json").out)
    placed = told["placed"]
    assert (placed["request"]["purpose"], placed["given"]["input"], placed["cause"]["rule"]) == (
        "hedge", "fill", "hedging",
    )  # fmt: skip
    assert (told["order"]["state"], told["gap"], told["cancels"], told["also_in"]) == ("filled", "", [], [])
    assert D(told["closed"][0]["qty"]) <= D(told["order"]["filled"])


@pytest.mark.usefixtures("journal")
def test_a_venue_id_of_several_runs_is_told_from_the_newest_with_a_note(eagle: Eagle) -> None:
    ours = eagle("why", USUAL, "1")
    assert (ours.code, ours.out) == (2, "")
    assert ours.err.startswith("eagle: run 2 has several orders 1: e2r1l")
    with sqlite3.connect(USUAL) as database:
        database.execute("UPDATE orders SET order_id = '77' WHERE client_id IN ('e1r1lopeninga1', 'e2r1lopeninga1')")
    database.close()
    told = eagle("why", "77")
    assert told.out.splitlines()[1].startswith("e2r1lopeninga1: ")
    assert told.err == "run 2 is told; other runs have an order 77 too: 1 (--run)\n"
    assert eagle("why", "77", "--run", "1").err == ""


@pytest.mark.usefixtures("journal")
def test_an_order_that_is_not_there_names_the_nearest(eagle: Eagle) -> None:
    said = eagle("why", "e2r1lopeninga9")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("eagle: run 2 has no order e2r1lopeninga9; the nearest: e2r1lopeninga1")


# --- the lay-out

STORY = [
    Moment(1_000_000_000, (Line("round", "1 begins"), Line("state", "A -> B", ("on x, line 3",))), None, 1, 10**9),
    Moment(1_250_000_000, (Line("fill", "a bought 2 at 100.0, fee 0.01 USD"),), D("2.0"), 1, 1_250_000_000),
    Moment(1_250_000_000, (Line("timer", "recheck of A is over " * 3),), None, 7, 3_000_000_000),
]


def test_a_narrow_page_wraps_the_words_and_keeps_the_columns() -> None:
    assert list(story_lines(STORY, start_ns=10**9, width=60)) == [
        "     time    since                                       net",
        "    0.000           round    1 begins",
        "                    state    A -> B",
        "                               on x, line 3",
        "    0.250   +0.250  fill     a bought 2 at 100.0,         +2",
        "                             fee 0.01 USD",
        "    0.250           timer    recheck of A is over recheck of",
        "                             A is over recheck of A is over",
        "                             the same 7 times, the last at 2.000",
    ]


def test_a_wide_page_has_the_net_position_at_its_end() -> None:
    lines = list(story_lines(STORY, start_ns=10**9, width=120))
    assert [len(line) for line in lines if line.endswith(("net", "+2"))] == [120, 120]


def test_a_long_net_position_takes_the_room_of_words() -> None:
    fill = Moment(0, (Line("fill", "word " * 9),), D("-0.0000000426"), 1, 0)
    assert [len(line) for line in story_lines([fill], start_ns=0, width=70)] == [70, 70, 48]
