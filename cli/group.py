"""`eagle` itself: its commands by what they are for, each with its whole first sentence."""

from __future__ import annotations

from collections.abc import Mapping

import click

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Trade": ("run", "hedger", "guard", "recover", "flatten", "status", "stop", "pause", "resume"),
    "Set up": ("init", "doctor", "vault", "alert"),
    "Write a strategy": ("validate", "prove", "test", "diagram", "verbs", "schema"),
    "Rehearse": ("simulate", "venue"),
    "See what it did": ("report", "trace", "why", "audit", "replay"),
}
OTHERS = "Others"
WIDEST = 110  # of a help text, on terminals that have the room


class Commands(click.Group):
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        placed = {name for names in SECTIONS.values() for name in names}
        left = tuple(name for name in self.commands if name not in placed)
        width = max(map(len, self.commands))
        for title, names in {**SECTIONS, OTHERS: left}.items():
            there = {name: self.commands[name] for name in names if name in self.commands}
            rows = [(f"{name:<{width}}", first_sentence(command)) for name, command in there.items()]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """`eagle help run` and `eagle version` are told how they are written."""
        if args[0] in ("help", "version"):
            words = [ctx.command_path, *(args[1:2] if args[1:2] and args[1] in self.commands else ()), f"--{args[0]}"]
            raise click.UsageError(f"no such command; it is an option: {' '.join(words)}")
        return super().resolve_command(ctx, args)


def first_sentence(command: click.Command) -> str:
    """Also of a group that stands for its commands."""
    return " ".join((command.help or "").strip().split("\n\n")[0].split())
