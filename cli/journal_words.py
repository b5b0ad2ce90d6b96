"""What the commands that look into a journal take: an optional journal, and what is looked for in it."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import JOURNAL
from cli.streams import write_note

__all__ = ["JOURNAL", "announce_replay", "journal_and", "no_replay_option"]

MANY_STEPS = 50_000  # some seconds of replay: a person is told


no_replay_option = click.option(
    "--no-replay", is_flag=True, help="Only what the journal itself says: quick, but without rows, draws and choices."
)


def journal_and(what: str, words: tuple[str, ...]) -> tuple[Path, str]:
    """The journal and the word behind it; with one word, the usual journal. Raises: UsageError."""
    if len(words) == 1 and words[0] != JOURNAL and not words[0].endswith(".sqlite"):
        return Path(JOURNAL), words[0]
    if len(words) == 2:
        return Path(words[0]), words[1]
    if len(words) == 1:
        raise click.UsageError(f"{what} is missing: after the journal {words[0]} comes what to look for in it")
    raise click.UsageError(f"[JOURNAL] {what} is one word or two, found {len(words)}: {' '.join(words)}")


def announce_replay(steps: int) -> None:
    if steps >= MANY_STEPS:
        write_note(f"replaying {steps} steps for the reasons; --no-replay tells the facts alone")
