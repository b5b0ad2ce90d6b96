"""Reads the Markdown pages of the project: their links, headings, code spans, commands and references into the code."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import yaml

ROOT = Path(__file__).resolve().parent.parent
CODE_FOLDERS = ("engine", "exchanges", "cli", "flows", "schemas", "tests", "bench", "docs", ".ci")
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_REFERENCE = re.compile(r"((?:[\w.-]+/)+[\w.-]+\.(?:py|yaml|json))(?:: ([\w.]+))?")
_LINKED_NAME = re.compile(r"\[`([\w.]+)`\]\(([^)\s]+\.py)\)")
_SHELL_ENDS = {"|", ">", ">>", "2>", "&&", ";", "<"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page by its path below the root."""

    name: str
    text: str

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        return [first or second for first, second in _LINK.findall(_SPAN.sub("", self.prose))]

    @property
    def spans(self) -> list[str]:
        return _SPAN.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """The anchors that a forge makes of the headings."""
        found: set[str] = set()
        for heading in _HEADING.findall(self.prose):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
            slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
            number = 0
            while (name := f"{slug}-{number}" if number else slug) in found:
                number += 1
            found.add(name)
        return found

    @property
    def commands(self) -> list[str]:
        """Every line or span that calls the program."""
        lines = [line.strip().removeprefix("# ").removeprefix("$ ") for line in self._blocks().splitlines()]
        said = [*(line.strip().removeprefix(".venv/bin/") for line in lines), *self.spans]
        return [text for text in said if text.startswith("eagle ")]

    def _blocks(self) -> str:
        if not self.name.endswith(".md"):
            return self.text
        return "\n".join(_FENCE.findall(self.text))


def pages() -> list[Page]:
    """Every page of the project, and the commented configs."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/examples/*.yaml")]
    return [Page(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in sorted(files)]


def page(name: str) -> Page:
    return Page(name, (ROOT / name).read_text(encoding="utf-8"))


# --- links


def broken_links(page: Page) -> Iterator[str]:
    for link in page.links:
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        path = (ROOT / page.name).parent / target if target else ROOT / page.name
        if not path.exists():
            yield f"{page.name}: {link}: there is no such file"
        elif anchor and anchor not in Page(path.name, path.read_text(encoding="utf-8")).anchors:
            yield f"{page.name}: {link}: no heading makes this anchor"


# --- commands


def unknown_commands(page: Page, program: click.Group) -> Iterator[str]:
    for text in page.commands:
        yield from (f"{page.name}: `{text}`: {fault}" for fault in command_faults(text, program))
    known = all_options(program)
    for span in page.spans:
        if re.match(r"--?[a-z]", span) and option_name(span.split()[0]) not in known:
            yield f"{page.name}: `{span}` is no option of any command"


def command_faults(text: str, program: click.Group) -> Iterator[str]:
    command: click.Command = program
    for token in shlex.split(text, comments=True)[1:]:
        if token in _SHELL_ENDS:
            return
        if token.lstrip("[").startswith("-"):
            if option_name(token) not in _options(command):
                yield f"{command.name} has no option {option_name(token)}"
        elif isinstance(command, click.Group) and not token.isupper():
            inner = command.commands.get(token)
            if inner is None:
                yield f"there is no command {token}"
                return
            command = inner


def option_name(token: str) -> str:
    """`[--now]` and `--format=json` without what stands around the name."""
    return re.split(r"[=|,:\]]", token.lstrip("["))[0].rstrip(".")


def all_options(group: click.Group) -> set[str]:
    found = _options(group)
    for command in group.commands.values():
        found |= all_options(command) if isinstance(command, click.Group) else _options(command)
    return found


def _options(command: click.Command) -> set[str]:
    named = {name for it in command.params for name in (*it.opts, *it.secondary_opts) if name.startswith("-")}
    return named | {"-h", "--help"}


# --- keys of a config


def unknown_keys(page: Page, known: set[str]) -> Iterator[str]:
    """`limits.max_order` must be a key of a config if `limits` is a section of one."""
    sections = {name.partition(".")[0] for name in known if "." in name and name.partition(".")[2].islower()}
    for span in page.spans:
        if re.fullmatch(r"[a-z_]+\.[a-z_]+", span) and span.partition(".")[0] in sections and span not in known:
            yield f"{page.name}: `{span}` is no key of a config"


# --- references into the code


def broken_references(page: Page) -> Iterator[str]:
    """`engine/trading/desk.py` must be a file, and `engine/trading/desk.py: Desk.step` a name in it.

    So must `Desk.step` be that is a link to the file.
    """
    for span in page.spans:
        found = _REFERENCE.fullmatch(span)
        if found is None or not found[1].startswith(tuple(f"{folder}/" for folder in CODE_FOLDERS)):
            continue
        path = ROOT / found[1]
        if path.stem.isupper():
            continue  # a name of the reader's choice
        if not path.is_file():
            yield f"{page.name}: `{span}`: there is no such file"
        elif found[2] and found[2] not in names_in(path):
            yield f"{page.name}: `{span}`: there is no such name in it"
    for name, link in _LINKED_NAME.findall(page.prose):
        path = (ROOT / page.name).parent / link
        if path.is_file() and name not in names_in(path):
            yield f"{page.name}: `{name}`: there is no such name in {link}"


def names_in(path: Path) -> set[str]:
    """The names that a module defines, `Class.member` included, or the dotted keys of a YAML or JSON file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return set(_defined(ast.parse(text).body, ""))
    return set(_keys(yaml.safe_load(text), ""))


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from _defined(node.body, f"{prefix}{node.name}.")
                yield from (f"{prefix}{node.name}.{name}" for name in _set_on_self(node))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield prefix + node.target.id
        elif isinstance(node, ast.Assign):
            yield from (prefix + target.id for target in node.targets if isinstance(target, ast.Name))


def _set_on_self(owner: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(owner):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def _keys(value: object, prefix: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"{prefix}{key}"
            yield from _keys(part, f"{prefix}{key}.")
            if key in ("states", "properties"):  # a state is called by its own dotted name
                yield from _keys(part, prefix)
