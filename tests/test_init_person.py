"""`eagle init` with a person: questions, second thoughts, and leaving; on a terminal, and the file that is written."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from cli_kit import FLOW, ROOT, Eagle, Said, eagle

from cli import ask as asking
from cli import init as init_command
from cli.init_judge import PAPER_WORDS
from cli.locate import CannotUse
from cli.private_file import write_private
from cli.run import run
from engine.chart.load import load_flow
from engine.runtime.config import load_config
from engine.trading.vocabulary import trading_vocabulary

__all__ = ["eagle"]

EAGLE = load_flow(Path(FLOW).read_text(), file="eagle_chicken.yaml", vocabulary=trading_vocabulary())
ENTER = ("",) * 21  # from the flow to the market guards


@pytest.fixture
def person(eagle: Eagle, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """`eagle init` with somebody who types these lines and then leaves."""

    def types(*lines: str, args: tuple[str, ...] = ()) -> Said:
        waiting = iter(lines)

        def answer(prompt: str) -> str:
            sys.stderr.write(prompt + "\n")
            line = next(waiting, None)
            if line is None:
                raise click.Abort
            return line

        for module in (init_command, asking):
            monkeypatch.setattr(module, "ask", answer)
        monkeypatch.setattr(init_command, "at_terminal", lambda: True)
        said = eagle("init", *args)
        assert next(waiting, None) is None, "not everything was asked for"
        return said

    return types


def test_a_person_who_presses_enter_gets_the_same_file_as_yes(eagle: Eagle, person: Callable[..., Said]) -> None:
    expected = eagle("init", "--dry-run").out
    said = person(*ENTER, "y", "n")
    assert (said.code, said.out) == (0, "")
    assert "eagle.yaml (config): 0 errors, 0 warnings\nexpected cost: 0.0728 USD a round (14.00 bps" in said.err
    assert expected in said.err
    assert Path("eagle.yaml").read_text() == expected


def test_a_wrong_answer_is_told_at_once_and_asked_again(person: Callable[..., Said]) -> None:
    lines = [
        *("", "kraken", "paper", "", "", ""),  # flow, venues twice, market, symbol, maker
        *("hawk", "chick", "", "", ""),  # takers twice, two owners, balance
        *("0", "0.00001", "0.01", "", "", "", "", "", ""),  # quantity three times, the other settings, no more of them
        *("", "", "", "y", "n"),  # limits, guards, words about the owner; write, do not run
    ]
    said = person(*lines)
    assert said.code == 0, said.err
    asked = said.err.splitlines()
    after = {line: asked[number + 1] for number, line in enumerate(asked[:-1])}
    again = "  takers, accounts as NAME@VENUE [chick-1@paper chick-2@paper chick-3@paper]: "
    assert after["  account hawk is maker and among the takers; takers must be accounts other than the maker"] == again
    assert "  quantity is 0, expected above 0; size of one round, base units" in asked
    assert "  quantity 0.00001 is under the minimum 0.0001 of ETH-PERP on paper; set it to 0.0001 or more" in asked
    config = load_config(Path("eagle.yaml").read_text(), file="eagle.yaml", flow=EAGLE)
    assert (str(config.settings["quantity"]), config.acknowledged) == ("0.01", {"paper": PAPER_WORDS})


@pytest.mark.parametrize("lines", [(), ENTER[:5], ENTER, (*ENTER, "n")], ids=["at once", "midway", "at the end", "no"])
def test_who_leaves_leaves_nothing_behind(person: Callable[..., Said], tmp_path: Path, lines: tuple[str, ...]) -> None:
    said = person(*lines)
    assert "nothing was written\n" in said.err
    assert said.code == (0 if lines[-1:] == ("n",) else 130)
    assert list(tmp_path.iterdir()) == []


def test_replacing_needs_a_yes(person: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "eagle.yaml").write_text("mine")
    assert person(*ENTER, "").code == 0
    assert (tmp_path / "eagle.yaml").read_text() == "mine"
    said = person(*ENTER, "maybe", "y", "n")
    assert "  expected y or n\n" in said.err
    assert (tmp_path / "eagle.yaml").read_text() != "mine"


def test_the_run_that_is_offered_is_that_of_the_config(
    person: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[list[str], bool]] = []

    def perform(args: list[str], *, standalone_mode: bool) -> int:
        ran.append((args, standalone_mode))
        return 7

    monkeypatch.setattr(run, "main", perform)
    assert person(*ENTER, "y", "y").code == 7
    assert ran == [(["--config", "eagle.yaml", "--rounds", "2"], False)]


# --- on a real terminal


class Terminal:
    """`eagle init` in a process of its own on a pseudo terminal."""

    def __init__(self, folder: Path, *args: str, out: int | None = None) -> None:
        self.master, slave = pty.openpty()
        script = "import sys; from cli.main import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, "init", *args], cwd=folder, stdin=slave,
            stdout=slave if out is None else out, stderr=slave,
            start_new_session=True, env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        )  # fmt: skip
        os.close(slave)
        self.seen = ""

    def wait_for(self, words: str) -> None:
        while words not in self.seen:
            self.read(words)

    def read(self, words: str) -> None:
        try:
            self.seen += os.read(self.master, 4096).decode(errors="replace")
        except OSError:
            pytest.fail(f"it ended without {words!r}; seen: {self.seen}")

    def interrupt(self, words: str) -> None:
        """Ctrl-C until `words` are there: one that comes just before the wait for a line only counts with the line."""
        while words not in self.seen:
            self.process.send_signal(signal.SIGINT)
            while words not in self.seen and select.select([self.master], [], [], 5)[0]:
                self.read(words)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        code = self.process.wait()
        os.close(self.master)
        return code


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    started = Terminal(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def test_an_interrupt_leaves_nothing_behind(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("[eagle_chicken]: ")
    terminal.type(b"\n")
    terminal.wait_for("NAME=KIND")
    terminal.interrupt("nothing was written\r\neagle: interrupted")
    assert terminal.end() == 130
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_input_leaves_nothing_behind(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("[eagle_chicken]: ")
    terminal.type(b"\x04")
    terminal.wait_for("nothing was written\r\neagle: interrupted")
    assert terminal.end() == 130
    assert list(tmp_path.iterdir()) == []


def test_answers_go_on_where_the_result_goes_to_a_file(tmp_path: Path) -> None:
    """Lines are then read without a line editor; a byte that is no text is refused like any other wrong answer."""
    with (tmp_path / "out.yaml").open("wb") as out:
        terminal = Terminal(tmp_path, "--dry-run", out=out.fileno())
        terminal.wait_for("[eagle_chicken]: ")
        terminal.type(b"\n\ncaf\xe9\n")
        terminal.wait_for("control character U+DCE9")
        terminal.type(b"\n" * (len(ENTER) - 2))
        terminal.wait_for("0 errors, 0 warnings")
        assert terminal.end() == 0
    config = load_config((tmp_path / "out.yaml").read_text(), file="out.yaml", flow=EAGLE)
    assert config.market == "ETH-PERP"


# --- the file


def test_a_file_that_came_in_the_meantime_stays(tmp_path: Path) -> None:
    (tmp_path / "late").write_text("theirs")
    with pytest.raises(CannotUse, match="is there already; nothing was written"):
        write_private(tmp_path / "late", "ours", replace=False)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("late", "theirs")]


@pytest.mark.parametrize("replace", [True, False])
def test_a_write_that_fails_leaves_all_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, replace: bool
) -> None:
    if replace:
        (tmp_path / "x").write_text("old")
    before = [(path.name, path.read_text()) for path in tmp_path.iterdir()]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CannotUse, match="cannot be written \\(No space left on device\\); nothing was written"):
        write_private(tmp_path / "x", "new", replace=replace)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == before


def test_a_link_is_followed_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_private(tmp_path / "link", "new", replace=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
