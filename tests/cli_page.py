"""docs/cli.md from click itself: every command, option and exit code. What lacks help or an example is a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import click
from page_kit import MADE, code, table

from cli.main import EPILOG, eagle

HEAD = f"""\
# The command line

Every command and option.
{MADE}

Results go to stdout, everything else to stderr, so that `eagle audit state/eagle.sqlite --format json > audit.json`
writes nothing but JSON. Colour comes only on a terminal and never with `NO_COLOR` set.
"""
_TOLD_DEFAULT = re.compile(r"(.*?) +\[default: (.+)\]")
_EXIT_CODE = re.compile(r"(\d+) ([^;.]+)")


class Undocumented(Exception):
    """A command or option that says nothing about itself."""


def page() -> str:
    commands = list(commands_of(eagle))
    contents = [[f"[{code(path)}](#{path.replace(' ', '-')})", _sentence(it)] for path, it in commands]
    lines = [HEAD, *table(["command", "what it does"], contents)]
    for path, command in commands:
        lines += _section(path, command)
    lines += ["## Exit codes", "", *table(["code", "means"], exit_codes())]
    return "\n".join(lines).rstrip() + "\n"


def commands_of(group: click.Group, path: str = "eagle") -> Iterator[tuple[str, click.Command]]:
    """`eagle run`, `eagle alert test`, …: every command that does something, by its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{path} {name}")
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{path} {name}", command


def exit_codes() -> list[tuple[str, str]]:
    return [(found[1], found[2].strip()) for found in _EXIT_CODE.finditer(EPILOG)]


def _section(path: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## {path}", "", f"`{path} {usage}`", ""]
    sentences, examples = _help(path, command)
    for sentence in sentences:
        lines += [sentence, ""]
    rows = [_option(path, it, context) for it in command.params if isinstance(it, click.Option)]
    if rows:
        lines += table(["option", "value", "default", "meaning"], rows)
    return [*lines, "```", *examples, "```", ""]


def _help(path: str, command: click.Command) -> tuple[list[str], list[str]]:
    """The paragraphs of a help text, and its example lines."""
    sentences, examples = [], []
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            _, title, *lines = paragraph.split("\n")
            if not title.startswith("Example"):
                raise Undocumented(f"{path}: a block of its help is called {title!r}, expected Example: or Examples:")
            examples += [line.strip() for line in lines]
        else:
            sentences.append(" ".join(paragraph.split()))
    if not sentences or not sentences[0]:
        raise Undocumented(f"{path} has no help; begin its docstring with one sentence")
    if not any(line.startswith(path) for line in examples):
        raise Undocumented(f"{path} has no example; end its docstring with a block \\b Example: {path} …")
    return sentences, examples


def _sentence(command: click.Command) -> str:
    return " ".join(cleandoc(command.help or "").split("\n\n")[0].split())


def _option(path: str, option: click.Option, context: click.Context) -> list[str]:
    names = ", ".join(map(code, (*option.opts, *option.secondary_opts)))
    if not option.help:
        raise Undocumented(f"{path} {option.opts[0]} has no help; say what it does in `help=`")
    value = "" if option.is_flag or option.count else option.make_metavar(context).strip("[]")
    told = _TOLD_DEFAULT.fullmatch(option.help)  # of an option whose default depends on others
    meaning, default = (told[1], told[2]) if told else (option.help, _default(option, context))
    return [names, code(value), "required" if option.required else code(default), meaning]


def _default(option: click.Option, context: click.Context) -> str:
    value = option.get_default(context)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
