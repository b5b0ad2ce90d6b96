"""What a guard takes for silence, and what not: it kills a process, so it may not be wrong about that (S13)."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli import watching
from cli.attach import Hangs, NotReached
from cli.locate import CannotUse
from cli.watching import Seen, Watching
from engine.trading.effects import Alert

ENDED = json.dumps({"ended": {"exit_code": 0, "text": "flat"}}) + "\n"
NOBODY = 2**22 + 1  # above the highest number of a process


class Guarded:
    """`code` is what the journal says of the run, `left` a run that left something open once nobody owns accounts."""

    def __init__(self, code: int | None = None, left: int = 0) -> None:
        self.silence_s: float = 0.05
        self.journal = Path("j.sqlite")
        self.calls: list[str] = []
        self._code = code
        self._left = left
        self._used = iter([True, True])

    def in_use(self) -> bool:
        return next(self._used, False)

    def left(self) -> int:
        return self._left

    def exit_code(self, run: int) -> int | None:
        return self._code

    def unseen(self) -> str:
        return ""

    def call(self, alert: Alert) -> None:
        self.calls.append(f"{alert.code}: {alert.text}")


def watch(
    monkeypatch: pytest.MonkeyPatch, answers: list[str | None], *, pid: int, code: int | None = None, left: int = 0
) -> tuple[Seen, list[str]]:
    """Watch a run whose control socket says one of these after the other and closes; None: nothing, and it stays."""
    said_next, kept = iter(answers), []

    def open_run(_path: Path, _run: int) -> socket.socket:
        said = next(said_next, "")
        if said == "refused":
            raise NotReached("no connection")
        ours, theirs = socket.socketpair()
        kept.append(theirs)
        if said is not None:
            theirs.sendall(said.encode())
            theirs.shutdown(socket.SHUT_WR)
        return ours

    monkeypatch.setattr(watching, "open_run", open_run)
    guarded = Guarded(code, left)
    reached = SimpleNamespace(path=Path("s"), status=SimpleNamespace(run=3, pid=pid))
    try:
        return Watching(guarded)._watch(reached), guarded.calls  # type: ignore[arg-type]
    finally:
        for each in kept:
            each.close()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "AGAIN_S", 0)


def test_a_run_that_ends_in_order_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watch(monkeypatch, [ENDED], pid=os.getpid()) == (Seen(3, orderly=True), [])


@pytest.mark.parametrize("first", ["", "refused", json.dumps({"refused": "not now"}) + "\n"])
def test_to_be_put_out_by_a_run_that_lives_is_no_silence(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """Other programs may crowd a control socket: that is no reason to kill a process that hedges."""
    assert watch(monkeypatch, [first, ENDED], pid=os.getpid()) == (Seen(3, orderly=True), [])


def test_a_process_that_lives_and_shows_nothing_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, calls = watch(monkeypatch, [None], pid=os.getpid())
    assert not seen.orderly
    assert calls == ["guard_silent: run 3: it has shown nothing for 0.05 s; the guard takes over"]


def test_a_run_that_never_lets_itself_be_watched_again_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, calls = watch(monkeypatch, [], pid=os.getpid())
    assert not seen.orderly
    assert calls == ["guard_silent: run 3: it went without a word; the guard takes over"]


def test_a_process_that_is_gone_is_taken_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, calls = watch(monkeypatch, [""], pid=NOBODY)
    assert not seen.orderly
    assert calls == ["guard_silent: run 3: its process went without a word; the guard takes over"]


def test_one_that_is_gone_behind_its_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word may be lost: the journal has it."""
    assert watch(monkeypatch, [""], pid=NOBODY, code=1) == (Seen(3, orderly=True), [])


@pytest.mark.parametrize("answers", [[ENDED], [""]])
def test_one_that_ends_with_something_open_is_taken_over(
    answers: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while a venue was away it ends not flat after its time; with --once nobody closed what it left."""
    seen, calls = watch(monkeypatch, answers, pid=NOBODY, code=1, left=3)
    assert seen == Seen(3, orderly=False)
    assert calls == ["guard_silent: run 3: it ended with something open; the guard takes over"]


def test_a_run_that_died_before_anybody_watched_it_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that starts late, or starts again, finds no control socket and what the dead run left."""
    monkeypatch.setattr(watching, "running", _nobody)
    guarded = Guarded(left=7)
    assert next(iter(Watching(guarded))) == Seen(7, orderly=False)  # type: ignore[arg-type]
    assert guarded.calls == [
        "guard_silent: run 7: it is dead and nobody looks after what it left; the guard takes over"
    ]


def test_who_trades_the_accounts_with_another_journal_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A guard with a wrong --journal waited for ever, and looked as if it guarded."""
    monkeypatch.setattr(watching, "running", _nobody)
    monkeypatch.setattr(watching.select, "select", lambda *_: ([], [], []))
    guarded, left = Guarded(), iter([0, 0, 7])
    monkeypatch.setattr(guarded, "left", lambda: next(left))
    monkeypatch.setattr(guarded, "unseen", lambda: "hawk is traded with other.sqlite")
    next(iter(Watching(guarded)))  # type: ignore[arg-type]
    assert capsys.readouterr().err.count("eagle: hawk is traded with other.sqlite\n") == 1


def test_two_runs_of_one_journal_are_not_guarded_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    two = [SimpleNamespace(status=SimpleNamespace(run=run, pid=run)) for run in (1, 2)]
    monkeypatch.setattr(watching, "running", lambda *_: two)
    with pytest.raises(CannotUse, match="several runs are going on"):
        next(iter(Watching(Guarded())))  # type: ignore[arg-type]


def _nobody(*_: object) -> list[object]:
    raise NotReached("no run")


def test_a_run_that_shows_itself_is_watched_for_as_long_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each word of it begins the silence anew: a guard that counted from the first would kill a healthy run."""
    now = [100.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watching.select, "select", lambda ready, _, __, wait_s: (ready if wait_s > 0 else [], [], []))

    class Said:
        peer, refused, ended, left = None, "", None, 9

        def read(self) -> None:
            now[0] += 0.04  # of a silence of 0.05 s
            self.left -= 1
            if not self.left:
                self.ended = SimpleNamespace(exit_code=0, text="flat")  # type: ignore[assignment]

    it = Watching(Guarded())  # type: ignore[arg-type]
    it._heard = now[0]
    assert it._follow(3, Said()) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(("owner", "silence_s", "looks"), [(True, 5, 1), (True, 12, 3), (False, 5, 0)])
def test_a_run_that_hung_before_anybody_watched_it_is_silent_if_it_owns_the_accounts(
    owner: bool, silence_s: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guard that starts later than the run hangs waited for one for ever; each try to reach it takes five seconds."""
    now, tried = [100.0], list[float]()

    def hangs(*_: object) -> list[object]:
        now[0] += 5
        tried.append(now[0])
        if len(tried) == 9:
            raise Enough
        raise Hangs("no answer", run=3, pid=77)

    monkeypatch.setattr(watching, "running", hangs)
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watching.select, "select", lambda *_: ([], [], []))
    guarded = Guarded()
    guarded.silence_s = silence_s
    guarded.left = lambda: 0  # type: ignore[attr-defined]
    guarded.owns = lambda pid: owner and pid == 77  # type: ignore[attr-defined]
    if not owner:
        with pytest.raises(Enough):
            next(iter(Watching(guarded)))  # type: ignore[arg-type]
        assert guarded.calls == []
        return
    assert next(iter(Watching(guarded))) == Seen(3, orderly=False)  # type: ignore[arg-type]
    assert len(tried) == looks
    assert guarded.calls == ["guard_silent: run 3: it owns the accounts and answers nothing; the guard takes over"]


class Enough(Exception):
    pass
