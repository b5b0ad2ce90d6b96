"""Questions to a person at a terminal; stdout stays free for results."""

from __future__ import annotations

import sys

import click

from cli.streams import write_note


def at_terminal() -> bool:
    """Can somebody answer?"""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(prompt: str) -> str:
    """One line, without blanks around it. Raises: click.Abort at the end of input or an interrupt."""
    try:
        line = _line(prompt)
    except KeyboardInterrupt:
        line = ""
    if not line:
        write_note("")  # the message that follows begins a line of its own
        raise click.Abort
    return line.strip()


def _line(prompt: str) -> str:
    """With its line end, as `readline` gives it; empty at the end of input."""
    if sys.stdout.isatty():
        import readline  # noqa: F401  # arrow keys and history for input()

        try:
            return input(prompt) + "\n"
        except EOFError:
            return ""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline()


def confirmed(question: str, *, default: bool) -> bool:
    """Yes or no; asks again for anything else."""
    while True:
        text = ask(f"{question} [{'Y/n' if default else 'y/N'}]: ").lower()
        if text in ("", "y", "yes", "n", "no"):
            return text.startswith("y") if text else default
        write_note("  expected y or n")
