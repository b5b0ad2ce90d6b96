"""Finds running desks by the socket files beside their journals and asks them; says why one cannot be reached."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from cli.locate import CannotUse
from cli.streams import write_note
from engine.errors import EngineError
from engine.runtime.control_socket import connect, imposter, peer_of, runs_in
from engine.runtime.journal_read import open_journal, read_runs
from engine.runtime.status import Status, StatusUnreadable, status_of

ANSWER_WITHIN_S = 5  # the loop of a run comes round many times a second
MOST_BYTES = 1 << 20  # of an answer


class NotReached(click.ClickException):
    """No run there that answers; the text says what is the matter with it and what to do."""

    exit_code = 1


class Hangs(NotReached):
    """A process is there, `pid` where the kernel tells, and its `run` answers nothing."""

    def __init__(self, text: str, *, run: int, pid: int) -> None:
        super().__init__(text)
        self.run = run
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Reached:
    path: Path  # of its socket
    status: Status


def one_run(journal: str | None, default: str, number: int | None) -> Reached:
    """The run that is meant. Raises: NotReached, CannotUse where several could be."""
    found = running(journal, default, number)
    if len(found) > 1:
        names = ", ".join(str(each.status.run) for each in found)
        raise CannotUse(f"--run: several runs are going on ({names}); say which one")
    return found[0]


def running(journal: str | None, default: str, number: int | None) -> list[Reached]:
    """The runs beside the default journal, or of the one named, that answer. Raises: NotReached, Hangs if none does."""
    where = Path(journal or default)
    folder = where if where.is_dir() else where.parent
    try:
        sockets = runs_in(folder)
    except OSError as error:
        text = f"no run of {where}: {folder} cannot be read ({error.strerror}); name the journal with --journal"
        raise NotReached(text) from error
    found: list[Reached] = []
    silent: dict[int, NotReached] = {}
    for run, path in sockets.items():
        if number is not None and run != number:
            continue
        try:
            status = _status(path, run)
        except NotReached as wrong:
            silent[run] = wrong
        else:
            if journal is None or where.is_dir() or _same_file(status.journal, where):
                found.append(Reached(path, status))
    if not found:
        text = "\n".join(wrong.message for wrong in silent.values())
        hung = next((wrong for wrong in silent.values() if isinstance(wrong, Hangs)), None)
        if hung is not None:
            raise Hangs(text, run=hung.run, pid=hung.pid)
        raise NotReached(text or _nothing_runs(where, number))
    for it in silent.values():
        write_note(it.message)
    return found


def ask(path: Path, request: Mapping[str, object], *, run: int) -> dict[str, object]:
    """The answer to one request. Raises: NotReached, also for a refusal."""
    with open_run(path, run) as peer:
        try:
            peer.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_line(peer))
        except TimeoutError as error:
            raise _hangs(peer, run) from error
        except (OSError, ValueError, RecursionError) as error:
            raise NotReached(f"run {run}: its answer broke off ({error}); is it still there? eagle status") from error
    if not isinstance(answer, dict) or "refused" in answer:
        why = answer.get("refused") if isinstance(answer, dict) else "its answer is none"
        raise NotReached(f"run {run} refuses: {why}")
    return answer


def open_run(path: Path, run: int) -> socket.socket:
    """A connection to a run's control point. Raises: NotReached."""
    try:
        peer = connect(path, within_s=ANSWER_WITHIN_S)
    except (ConnectionRefusedError, FileNotFoundError) as error:
        raise NotReached(_died(path, run)) from error
    except PermissionError as error:
        raise NotReached(f"run {run} belongs to {_owner(path)}: only that user and root may ask it ({path})") from error
    except OSError as error:
        if isinstance(error, TimeoutError) or error.errno == errno.EAGAIN:
            text = f"run {run} takes no connection: its process hangs or was stopped ({path})"
            raise Hangs(text, run=run, pid=0) from error
        raise NotReached(f"run {run}: {path} is no control socket ({error.strerror})") from error
    stranger = imposter(peer)
    if stranger is not None:
        peer.close()
        raise NotReached(f"{path} is held by user {stranger}, not by a run of yours; nothing was asked")
    return peer


def _status(path: Path, run: int) -> Status:
    answer = ask(path, {"do": "status"}, run=run)
    try:
        return status_of(answer.get("status"))
    except StatusUnreadable as error:
        raise NotReached(f"run {run}: {error}; ask it with the eagle that runs it") from error


def _line(peer: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"\n"):
        more = peer.recv(1 << 16)
        if not more:
            raise ConnectionError("the run ended meanwhile")
        got += more
        if len(got) > MOST_BYTES:
            raise ConnectionError("it is too long")
    return got


# --- words


def _hangs(peer: socket.socket, run: int) -> Hangs:
    who = peer_of(peer)
    process = f"its process {who[0]}" if who else "its process"
    return Hangs(
        f"run {run} has not answered within {ANSWER_WITHIN_S} s: {process} hangs or was stopped (kill -STOP);"
        " its orders rest and nothing is hedged meanwhile",
        run=run, pid=who[0] if who else 0,
    )  # fmt: skip


def _died(path: Path, run: int) -> str:
    return (
        f"run {run} is not running any more: its process died without an orderly end (a kill -9, a crash, the power);"
        f" what it left open at a venue is closed by eagle recover --config FILE, and what it did stands in its journal"
        f" in {path.parent}: eagle audit JOURNAL --run {run}"
    )


def _nothing_runs(where: Path, number: int | None) -> str:
    name = "no run" if number is None else f"no run {number}"
    return f"{name} of {where} is going on{_last_words(where, number)}; runs with --journal off cannot be reached"


def _last_words(where: Path, number: int | None) -> str:
    """How the run that is asked for ended, as far as a journal tells."""
    try:
        with open_journal(where) as journal:
            rows = [row for row in read_runs(journal) if number in (None, row.number)]
    except (EngineError, OSError):
        return ""
    if not rows:
        return ""
    last = rows[-1]
    how = "died without an end" if last.exit_code is None else f"ended with exit code {last.exit_code}"
    return f" (run {last.number} {how})"


def _owner(path: Path) -> str:
    try:
        return f"user {path.owner()}"
    except (OSError, KeyError):
        return "another user"


def _same_file(journal: str | None, where: Path) -> bool:
    return journal is not None and Path(journal).resolve() == where.resolve()
