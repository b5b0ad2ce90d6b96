"""`eagle status`, `stop`, `pause`, `resume`: a running desk seen and steered from another terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from cli.options import FILE, JOURNAL
from cli.streams import as_note, colourful, format_option, write_note, write_result

if TYPE_CHECKING:
    from cli.attach import Reached
    from cli.live import Watched

PIPE_WIDTH = 120  # of a status that goes to no terminal


def _which(command: Callable[..., int]) -> Callable[..., Any]:
    """The options that say which run is meant."""
    named = click.option(
        "--journal", type=FILE, metavar="FILE", help=f"The run's journal; runs beside {JOURNAL} if left out."
    )
    numbered = click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="Which run, if several.")
    return named(numbered(command))


@click.command()
@_which
@click.option("--watch", is_flag=True, help="Go on until the run has ended.")
@format_option("text", "json")
def status(journal: str | None, number: int | None, watch: bool, style: str) -> int:
    """Show a running desk, once or until it ends.

    State, exposure, rounds and money, positions, orders, books, alerts, what happened last; several runs are listed.
    JSON is one object a line, one line for each run, and with --watch four a second. Exit code
    1 if no run is there that answers.

    \b
    Examples:
      eagle status
      eagle status --run 3 --watch
    """
    from cli.attach import one_run, running

    if watch:
        return _watch(one_run(journal, JOURNAL, number), style)
    found = running(journal, JOURNAL, number)
    if style == "json":
        write_result("\n".join(each.status.as_json() for each in found))
    else:
        write_result(_as_text(found[0]) if len(found) == 1 else _as_list(found))
    return 0


@click.command()
@_which
@click.option("--now", is_flag=True, help="Flatten by market at once, as a second Ctrl-C does.")
@click.option("--wait", is_flag=True, help="Follow it to the end; exit code 0 only if it ended flat.")
def stop(journal: str | None, number: int | None, now: bool, wait: bool) -> int:
    """Stop a running desk, as Ctrl-C does.

    In order, as the first Ctrl-C: no opening, cancel, hedge, close, flatten.

    \b
    Examples:
      eagle stop --wait
      eagle stop --run 3 --now
    """
    from cli.attach import ask, one_run

    found = one_run(journal, JOURNAL, number)
    run = found.status.run
    request = {"do": "stop", "level": 2 if now else 1}
    if not wait:
        write_result(f"run {run}: {ask(found.path, request, run=run)['done']}")
        return 0
    told = found.status.lines[-1].seq if found.status.lines else 0
    with _watching(found) as watched:
        write_note(f"run {run}: {ask(found.path, request, run=run)['done']}")
        return _followed(found, watched, after=told, stream=sys.stderr)


@click.command()
@_which
def pause(journal: str | None, number: int | None) -> int:
    """Make no opening from now on.

    An opening that rests is cancelled; what is open is closed, hedged and cleaned up as ever.

    \b
    Example:
      eagle pause --run 3
    """
    return _pause(journal, number, "pause")


@click.command()
@_which
def resume(journal: str | None, number: int | None) -> int:
    """Allow openings again after a pause.

    \b
    Example:
      eagle resume --run 3
    """
    return _pause(journal, number, "resume")


def _pause(journal: str | None, number: int | None, word: str) -> int:
    from cli.attach import ask, one_run

    found = one_run(journal, JOURNAL, number)
    write_result(f"run {found.status.run}: {ask(found.path, {'do': word}, run=found.status.run)['done']}")
    return 0


# --- watching


def _watch(found: Reached, style: str) -> int:
    from cli.live import draw

    with _watching(found) as watched:
        if style == "json" or not sys.stdout.isatty():
            return _followed(found, watched, stream=sys.stdout, as_json=style == "json")
        try:
            with _broken_off(found):
                draw(watched, sys.stdout)
        except KeyboardInterrupt:
            write_note(f"run {found.status.run} goes on; stop it with: eagle stop --run {found.status.run}")
            return 0
        return _ended(found, watched)


@contextmanager
def _watching(found: Reached) -> Iterator[Watched]:
    from cli.attach import open_run
    from cli.live import Watched

    with open_run(found.path, found.status.run) as peer:
        peer.settimeout(None)
        with _broken_off(found):
            peer.sendall(b'{"do":"watch"}\n')
        yield Watched(peer)


def _followed(found: Reached, watched: Watched, *, after: int = 0, stream: TextIO, as_json: bool = False) -> int:
    """Print lines, or statuses, as they come, until the run has ended; returns its exit code.

    Raises: BrokenPipeError when the reader of `stream` has gone.
    """
    colour = colourful(stream)
    while watched.ended is None and not watched.refused:
        with _broken_off(found):
            lines = watched.read()
        if as_json and watched.status is not None:
            stream.write(watched.status.as_json() + "\n")
        elif not as_json:
            stream.writelines(as_note(line, colour=colour) + "\n" for line in lines if line.seq > after)
        stream.flush()
    return _ended(found, watched)


@contextmanager
def _broken_off(found: Reached) -> Iterator[None]:
    """While a run is watched: what ends the connection as one clear line."""
    from cli.attach import NotReached
    from cli.live import Lost

    try:
        yield
    except (Lost, ValueError, OSError) as error:
        run = found.status.run
        why = f" ({error})" if str(error) else ""
        raise NotReached(f"run {run} broke off without a word{why}; does it still go on? eagle status") from error


def _ended(found: Reached, watched: Watched) -> int:
    from cli.attach import NotReached

    run, ended = found.status.run, watched.ended
    if ended is None:
        raise NotReached(f"run {run} refuses: {watched.refused}")
    write_note(f"run {run} has ended: {ended.text}")
    return 0 if ended.exit_code == 0 else 1


# --- text


def _as_text(found: Reached) -> str:
    from rich.console import Console

    from cli.panel import panel

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    with console.capture() as captured:
        for line in panel(found.status, found.status.lines, width=console.width, height=None):
            console.print(line)
    return captured.get()


def _as_list(found: Sequence[Reached]) -> str:
    from cli.words import plain, span

    rows = [("run", "flow", "market", "state", "net", "rounds", "P&L", "up", "journal")]
    rows += [
        (
            str(it.run), it.flow, it.market, it.state, plain(it.exposure.net_position), str(it.rounds.done),
            "unknown" if it.profit is None else f"{it.profit:+.4f} {it.quote}", span(it.up_ms), _near(it.journal),
        )
        for it in (each.status for each in found)
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "one of them: eagle status --run N"])


def _near(journal: str | None) -> str:
    """The journal as a path from here, if it lies here."""
    path = Path(journal or "")
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
