"""A run that was checked, to its end and its summary: of one desk, or of a hedger's pairs."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cli import screen, setups, wiring
from cli.streams import notes_to, write_result
from cli.view import View

__all__ = ["perform", "performed"]


def perform(setup: setups.Setup, options: setups.Options, view: View, *, style: str) -> int:
    """The exit code; of several pairs the worst. Raises: EngineError, ExchangeError, CannotUse."""
    return performed(setup, options, view, style=style)[1]


def performed(setup: setups.Setup, options: setups.Options, view: View, *, style: str) -> tuple[list[wiring.Ran], int]:
    """As `perform`, with the runs."""
    with _signals_put_back():
        with view, notes_to(view.note):
            if setups.listens(setup):
                from cli.pairs import perform_pairs

                ran = perform_pairs(setup, options, view)
            else:
                ran = [wiring.perform_run(setup, options, screen.Screen(detailed=options.speed is not None, view=view))]
        journal = None if options.journal is None else str(options.journal)
        told = [
            screen.summary_of(
                it.desk, it.tally, run=it.number, exit_code=it.exit_code, ending=it.ending, seconds=it.seconds,
                journal=journal,
            )
            for it in ran
        ]  # fmt: skip
        write_result(_as(style, told))
    return ran, max(it.exit_code for it in ran)


def _as(style: str, told: Sequence[screen.Summary]) -> str:
    """One summary as it always is; several one after the other, as a JSON list, or under one head."""
    if style == "json":
        return screen.as_json(told[0]) if len(told) == 1 else f"[{','.join(screen.as_json(it) for it in told)}]"
    if style == "csv":
        head, *rows = (screen.as_csv(it) for it in told)
        return "\n".join([head, *(row.partition("\n")[2] for row in rows)])
    return "\n".join(screen.as_text(it) if len(told) == 1 else f"{it.market}: {screen.as_text(it)}" for it in told)


@contextmanager
def _signals_put_back() -> Iterator[None]:
    """A run takes signals while it goes on and leaves them ignored: one that comes then must not cost the summary.

    One that comes before ends the process, as nothing was sent: ignored, the run began though it was asked to stop.
    """
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, receiver in former.items():
            signal.signal(number, receiver)
