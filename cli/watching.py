"""Watches runs for a guard: their signs of life, and how each came to its end."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cli.attach import ANSWER_WITHIN_S, Hangs, NotReached, Reached, open_run, running
from cli.guarded import Guarded
from cli.live import Lost, Watched
from cli.locate import CannotUse
from cli.streams import write_error, write_note
from engine.runtime.lease import started_at
from engine.runtime.status import StatusUnreadable
from engine.trading.effects import Alert, Level

LOOK_EVERY_S = 1  # for a run to watch: a folder tells nobody that a socket appeared in it
AGAIN_S = 0.2  # after the run put us out
ENDED_OPEN = "it ended with something open"
WATCH = b'{"do": "watch"}\n'


@dataclass(frozen=True, slots=True)
class Seen:
    """How a run that was watched came to its end."""

    run: int
    orderly: bool  # it came to its end, and left nothing to be closed


class Watching:
    """The ends of one run after the other, as they come."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded
        self._heard = 0.0  # when the run that is watched last showed itself

    def __iter__(self) -> Iterator[Seen]:
        while True:
            found = self._next()
            if isinstance(found, tuple):
                yield self._gone(*found)
            else:
                write_note(f"watching run {found.status.run}, process {found.status.pid}")
                yield self._watch(found)

    def _next(self) -> Reached | tuple[int, str]:
        """A run to watch, or one that died or hangs before anybody watched it, and why it is gone."""
        told, silent_since, unseen = False, 0.0, ""
        while True:
            try:
                found = running(str(self._guarded.journal), "", None)
                if len({it.status.pid for it in found}) > 1:
                    raise CannotUse(f"--journal: several runs are going on in {self._guarded.journal}; guard one each")
                return found[0]  # pairs of one process live and die together
            except Hangs as hung:
                silent_since = silent_since or time.monotonic() - ANSWER_WITHIN_S
                long = time.monotonic() - silent_since >= self._guarded.silence_s
                if long and self._guarded.owns(hung.pid):
                    return hung.run, "it owns the accounts and answers nothing"
            except NotReached:
                silent_since = 0.0
            left = self._guarded.left()
            if left:
                ended = self._guarded.exit_code(left) is not None
                return left, ENDED_OPEN if ended else "it is dead and nobody looks after what it left"
            if unseen != (unseen := self._guarded.unseen()) and unseen:
                write_error(unseen)
            if not told:
                told = True
                write_note(f"no run of {self._guarded.journal} is going on; waiting for one")
            select.select([], [], [], LOOK_EVERY_S)

    def _watch(self, reached: Reached) -> Seen:
        """Until it ends, hangs or dies. To be put out of its control socket is no silence: it is asked again."""
        run, pid = reached.status.run, reached.status.pid
        began, silence_s = started_at(pid), self._guarded.silence_s
        self._heard = time.monotonic()
        while True:
            why = self._listen(reached.path, run)
            if not why:
                return self._over(run)
            if not began or started_at(pid) != began:
                return self._ended(run)
            if time.monotonic() - self._heard >= silence_s:
                return self._gone(run, why)
            select.select([], [], [], AGAIN_S)

    def _listen(self, path: Path, run: int) -> str:
        """Listen while the run shows itself; why it does not any more, or empty when it ended in order."""
        try:
            with open_run(path, run) as peer:
                peer.sendall(WATCH)
                return self._follow(run, Watched(peer))
        except (NotReached, OSError) as error:
            return str(error)

    def _follow(self, run: int, watched: Watched) -> str:
        silence_s = self._guarded.silence_s
        while True:
            left_s = self._heard + silence_s - time.monotonic()
            ready, _, _ = select.select([watched.peer], [], [], max(0, left_s))
            if not ready:
                return f"it has shown nothing for {silence_s} s"
            try:
                watched.read()
            except Lost:
                return "it went without a word"
            except StatusUnreadable as error:
                raise CannotUse(f"run {run}: {error}; guard it with the eagle that runs it") from error
            if watched.ended is not None:
                write_note(f"run {run} ended, exit code {watched.ended.exit_code}: {watched.ended.text}")
                return ""
            if watched.refused:
                return f"it refuses to be watched: {watched.refused}"
            self._heard = time.monotonic()

    def _ended(self, run: int) -> Seen:
        """Its process is no more: did the run come to its end before?"""
        code = self._guarded.exit_code(run)
        if code is None:
            return self._gone(run, "its process went without a word")
        write_note(f"run {run} ended, exit code {code}")
        return self._over(run)

    def _over(self, run: int) -> Seen:
        """It came to its end; what it left open all the same, nobody looks after any more."""
        until = time.monotonic() + self._guarded.silence_s
        while self._guarded.in_use() and time.monotonic() < until:  # its process goes, or another took over
            select.select([], [], [], AGAIN_S)
        left = self._guarded.left()
        return self._gone(left, ENDED_OPEN) if left else Seen(run, orderly=True)

    def _gone(self, run: int, why: str) -> Seen:
        self._guarded.call(Alert(Level.PERSON, "guard_silent", f"run {run}: {why}; the guard takes over", {}))
        return Seen(run, orderly=False)
