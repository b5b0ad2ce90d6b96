"""Builds a wheel in which the modules of the hot path are compiled by mypyc: `make fast` calls it.

    .venv/bin/python .ci/compiled_wheel.py OUT_DIR      needs a C compiler; takes a minute or two

The sources stay as they are: a copy of the tracked files is compiled. In the copy the values that cross boundaries
become plain native classes (`mypyc` fills a frozen dataclass through `object.__setattr__`); that nobody assigns to
their fields is what `mypy --strict` has checked before on the frozen ones.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILED = (
    *("exchanges/types.py", "exchanges/market.py", "exchanges/matching.py", "exchanges/accounts.py"),
    *("exchanges/synthetic.py", "exchanges/paper.py", "exchanges/base.py"),
    *("engine/chart/binding.py", "engine/chart/deciders.py", "engine/chart/machine.py"),
    *(
        f"engine/trading/{name}.py"
        for name in (
            *("desk", "intake", "hedging", "inquiry", "risk", "world", "verbs", "guards", "limits", "ledger"),
            *("orders", "legs", "links", "rates", "standstill", "inputs", "effects", "view"),
        )
    ),
    *(f"engine/review/report_{name}.py" for name in ("money", "rounds", "exposure", "orders", "rows")),
    *(
        f"engine/verify/{name}.py"
        for name in ("projection", "stepper", "symmetry", "situation", "timers", "settling", "venues", "rules")
    ),
    *(f"engine/runtime/{name}.py" for name in ("runner", "stepping", "sender", "chance", "clock")),
)
# Uncompiled classes derive from these.
OPEN_CLASSES = ("View", "BaseExchangeClient")
SETUP = """
from mypyc.build import mypycify
from setuptools import setup

setup(ext_modules=mypycify({modules!r}, opt_level="3", debug_level="0"))
"""


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    out = Path(sys.argv[1]).resolve()
    source = out / "source"
    shutil.rmtree(source, ignore_errors=True)
    for name in _tracked():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    for name in COMPILED:
        path = source / name
        path.write_text(opened(path.read_text("utf-8")), "utf-8")
    (source / "setup.py").write_text(SETUP.format(modules=list(COMPILED)), "utf-8")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(out), "."], cwd=source, check=True)


def _tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in done.stdout.split("\0") if name]


def opened(source: str) -> str:
    """The module with its dataclasses as native classes: a written `__init__`, no `frozen`, no `slots`."""
    lines = source.split("\n")
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    for node in reversed(classes):
        if node.name in OPEN_CLASSES:
            lines.insert(node.lineno - 1, "@mypyc_attr(allow_interpreted_subclasses=True)")
        marks = {ast.unparse(mark).partition("(")[0]: mark for mark in node.decorator_list}
        if "dataclass" not in marks:
            continue
        fields = list(_fields(node))
        written = ast.unparse(marks["dataclass"])
        equality = ", unsafe_hash=True" if "frozen=True" in written else ", eq=False" if "eq=False" in written else ""
        end = fields[-1].end_lineno or 0
        lines[end:end] = ["", *_init(node, fields), ""]
        lines[node.decorator_list[0].lineno - 1 : node.lineno - 1] = [f"@dataclass(init=False{equality})"]
    # mypyc keeps erased types; the journal's codec reads the written ones.
    written = [
        f"getattr({node.name}, '__annotations__').update({_annotations(node)!r})"
        for node in classes
        if _is_dataclass(node)
    ]
    text = "\n".join([*lines, *written, ""])
    if "@mypyc_attr" in text:
        text = text.replace("import annotations\n", "import annotations\n\nfrom mypy_extensions import mypyc_attr\n", 1)
    return text


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any(ast.unparse(mark).startswith("dataclass") for mark in node.decorator_list)


def _annotations(node: ast.ClassDef) -> dict[str, str]:
    return {ast.unparse(field.target): ast.unparse(field.annotation) for field in _fields(node)}


def _fields(node: ast.ClassDef) -> Iterator[ast.AnnAssign]:
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and "ClassVar" not in ast.unparse(part.annotation):
            yield part


def _init(node: ast.ClassDef, fields: list[ast.AnnAssign]) -> list[str]:
    heads, body = [], []
    for field in fields:
        name, kind = ast.unparse(field.target), ast.unparse(field.annotation)
        value, factory = _default(field)
        if factory:
            heads.append(f"{name}: {kind} | None = None")
            body.append(f"        self.{name} = ({factory})() if {name} is None else {name}")
        else:
            heads.append(f"{name}: {kind}{value and f' = {value}'}")
            body.append(f"        self.{name} = {name}")
    if any(isinstance(part, ast.FunctionDef) and part.name == "__post_init__" for part in node.body):
        body.append("        self.__post_init__()")
    return [f"    def __init__(self, {', '.join(heads)}) -> None:", *body]


def _default(field: ast.AnnAssign) -> tuple[str, str]:
    """The field's default and its default factory, as written; empty where it has none."""
    value = field.value
    if value is None:
        return "", ""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        said = {keyword.arg: ast.unparse(keyword.value) for keyword in value.keywords}
        return said.get("default", ""), said.get("default_factory", "")
    return ast.unparse(value), ""


if __name__ == "__main__":
    main()
