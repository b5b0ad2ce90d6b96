"""Who may import whom (docs/architecture.md), read from the source by `ast`; a failure names the wrong arrow.

The table is the rule: a module that belongs to no row, or an import that its row does not name, is a finding.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("engine", "exchanges", "cli", "flows", "schemas")

# First matching row wins. An allowed name covers the module and everything below it; an adapter also its own package.
WORDS = ("exchanges.types", "exchanges.errors", "exchanges.values")
SOURCES = ("exchanges.market", "exchanges.synthetic", "exchanges.recording")
READS = "exchanges.reads"
ADAPTER = (
    *("exchanges.base", "exchanges.link", "exchanges.http", "exchanges.matching", "exchanges.accounts"),
    *("exchanges.transport", "exchanges.tasks", "exchanges.budget", "exchanges.tracking", "exchanges.fields"),
    *("exchanges.reconcile", "exchanges.streamed", "exchanges.newest", "exchanges.venue_clock"),
    *("exchanges.facts", "exchanges.account_feed", "exchanges.order_client", "exchanges.switch"),
    *SOURCES,
    *WORDS,
)
LOCAL_VENUES = ("cli", "engine", "schemas", "exchanges.venues", *SOURCES, *WORDS)
ALLOWED: dict[str, tuple[str, ...]] = {
    "cli.wiring": ("cli", "engine", "exchanges.base", "exchanges.practice", *SOURCES, *WORDS),
    **dict.fromkeys(("cli.pairs", "cli.reload"), ("cli", "engine", "exchanges.base", *SOURCES, *WORDS)),
    **dict.fromkeys(("cli.setups", "cli.costs"), ("cli", "engine", *SOURCES, *WORDS)),
    **dict.fromkeys(
        ("cli.paper_pool", "cli.stage"),
        ("cli", "engine", "exchanges.base", "exchanges.paper", "exchanges.matching", READS, *SOURCES, *WORDS),
    ),
    "cli.rehearsal": ("cli", "engine", "exchanges.paper", "exchanges.led", *SOURCES, *WORDS),
    **dict.fromkeys(
        ("cli.simulated", "cli.simulated_life"),
        (*("cli", "engine", "schemas", "exchanges.venues", "exchanges.base"), READS, *SOURCES, *WORDS),
    ),
    **dict.fromkeys(
        ("cli.venue_wiring", "cli.fault_plan", "cli.simulate_play", "cli.simulate_runs"),
        ("cli", "engine", "schemas", "exchanges.venues", *SOURCES, *WORDS),
    ),
    "cli.budgets": ("cli", "engine", "exchanges.budget", *WORDS),
    "cli.client_wiring": (
        *(
            "cli",
            "engine",
            "exchanges.shared",
            "exchanges.bifu",
            "exchanges.backpack",
            "exchanges.lighter",
            "exchanges.okx",
        ),
        "exchanges.binance",
        *("exchanges.base", "exchanges.budget"),
        *("exchanges.sockets", "exchanges.transport", READS),
        *WORDS,
    ),
    "cli": ("cli", "engine", "flows", "schemas", *WORDS),
    "engine.runtime.runner": (
        *("engine.runtime", "engine.trading", "engine.chart", "engine.errors", "exchanges.base", READS),
        *WORDS,
    ),
    "engine.runtime.stepping": ("engine.runtime", "engine.trading", READS, *WORDS),
    "engine.runtime": ("engine.runtime", "engine.trading", "engine.chart", "engine.errors", "exchanges.base", *WORDS),
    "engine.review": (
        *("engine.review", "engine.runtime", "engine.trading", "engine.chart", "engine.errors", "exchanges.base"),
        *WORDS,
    ),
    "engine.verify": ("engine.verify", "engine.trading", "engine.chart", "exchanges.types", "exchanges.values"),
    "engine.trading": ("engine.trading", "engine.chart", "exchanges.types", "exchanges.values"),
    "engine.chart": ("engine.chart",),
    "engine.errors": (),
    "engine": (),
    "exchanges.values": (),
    "exchanges.types": ("exchanges.values",),
    "exchanges.errors": ("exchanges.types",),
    "exchanges.base": WORDS,
    "exchanges.transport": WORDS,
    "exchanges.tasks": (),
    "exchanges.practice": (),
    "exchanges.reads": (),
    "exchanges.budget": (),
    "exchanges.idle": (),
    "exchanges.connections": ("exchanges.transport", "exchanges.tasks", "exchanges.idle", *WORDS),
    "exchanges.sockets": ("exchanges.transport", "exchanges.connections", "exchanges.tasks", READS, *WORDS),
    "exchanges.link": ("exchanges.transport", "exchanges.tasks", *WORDS),
    "exchanges.http": (
        *("exchanges.transport", "exchanges.tasks", "exchanges.budget", "exchanges.fields"),
        *WORDS,
    ),
    "exchanges.tracking": WORDS,
    "exchanges.fields": WORDS,
    "exchanges.reconcile": ("exchanges.tracking", "exchanges.tasks", "exchanges.budget", *WORDS),
    "exchanges.streamed": ("exchanges.base", "exchanges.link", "exchanges.transport", *WORDS),
    "exchanges.facts": WORDS,
    "exchanges.account_feed": (
        *("exchanges.reconcile", "exchanges.tracking", "exchanges.venue_clock", "exchanges.facts", "exchanges.budget"),
        *WORDS,
    ),
    "exchanges.order_client": (
        *("exchanges.streamed", "exchanges.account_feed", "exchanges.tracking", "exchanges.facts", "exchanges.http"),
        *("exchanges.budget", *WORDS),
    ),
    "exchanges.newest": WORDS,
    "exchanges.venue_clock": ("exchanges.tasks", *WORDS),
    "exchanges.switch": ("exchanges.tasks", *WORDS),
    "exchanges.matching": WORDS,
    "exchanges.accounts": WORDS,
    "exchanges.market": (*SOURCES, *WORDS),
    "exchanges.synthetic": (*SOURCES, *WORDS),
    "exchanges.recording": (*SOURCES, *WORDS),
    "exchanges.led": ("exchanges.base", *WORDS),
    "exchanges.venues.memory": ("exchanges.venues", "exchanges.transport", "exchanges.idle", READS, *WORDS),
    "exchanges.shared": ("exchanges.base", *WORDS),
    "exchanges.venues": ("exchanges.venues", "exchanges.matching", "exchanges.accounts", "exchanges.market", *WORDS),
    **{f"exchanges.{venue}": ADAPTER for venue in ("paper", "backpack", "lighter", "okx", "binance", "bifu", "ccxt")},
    "exchanges": (),
    "flows": (),
    "schemas": (),
}

PURE = (
    *("engine.chart", "engine.chart.*", "engine.trading", "engine.trading.*", "engine.verify", "engine.verify.*"),
    "exchanges.*.wire",
    *("exchanges.types", "exchanges.errors", "exchanges.values", "exchanges.matching", "exchanges.accounts"),
    *("exchanges.market", "exchanges.synthetic", "exchanges.transport", "exchanges.budget", "exchanges.tracking"),
    *("exchanges.idle", "exchanges.venues", "exchanges.venues.*"),
    *("exchanges.fields", "exchanges.facts", "exchanges.*.wire.*"),
)
IMPURE = {
    *("asyncio", "time", "datetime", "random", "secrets", "uuid", "socket", "ssl", "http", "urllib", "aiohttp"),
    *("websockets", "peewee", "sqlite3", "threading", "multiprocessing", "concurrent", "subprocess", "signal", "os"),
    "pathlib",
}
PURE_PARTS = {"urllib.parse"}  # of impure packages
EXEMPT = {
    "engine.chart.load": {"pathlib"},  # reads the flow
    "exchanges.venues.iso": {"datetime"},  # dates of given times
    "exchanges.venues.memory": {"asyncio"},  # a stream opens when its way is over
    "exchanges.venues.server": IMPURE,  # the only one there with sockets
}
ONLY_USER = {"transitions": "engine.chart.transitions_decider"}

BANNED = {
    "AsyncMachine": "it cancels a running callback",
    "wait_for": "it can lose a result",
    "uuid4": "ids are counted",
}
WALL_CLOCK = {"now", "utcnow", "today"}
MAY_READ_WALL_CLOCK = ("cli", "cli.*", "engine.runtime.clock*")

IMPORT_NAMES = {"pyyaml": "yaml"}


@dataclass(frozen=True, slots=True)
class Import:
    line: int
    target: str


def source_files() -> dict[str, str]:
    """Every module of ours by its path below the root."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for package in OURS
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports_of(tree: ast.Module, *, path: str, modules: frozenset[str]) -> Iterator[Import]:
    """All imports, also the lazy ones inside functions, those for type checkers, and `import_module("...")`."""
    module = module_of(path)
    package = module if path.endswith("__init__.py") else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = package.split(".")
                origin = ".".join(filter(None, [*parents[: len(parents) - node.level + 1], origin]))
            for alias in node.names:
                whole = f"{origin}.{alias.name}"
                yield Import(node.lineno, whole if whole in modules else origin)
        elif isinstance(node, ast.Call) and name_of(node.func) == "import_module":
            targets = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
            yield from (Import(node.lineno, target) for target in targets if isinstance(target, str))


def name_of(node: ast.expr) -> str | None:
    """The last name of `a.b.c`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def below(module: str, parent: str) -> bool:
    return module == parent or module.startswith(parent + ".")


def row_of(module: str) -> str | None:
    """The row of ALLOWED; a bare package row (`engine`, `exchanges`) holds for its `__init__` alone."""
    for row in ALLOWED:
        if module == row or (row not in {"engine", "exchanges"} and below(module, row)):
            return row
    return None


def findings(files: Mapping[str, str], *, third_party: frozenset[str]) -> list[str]:
    """Every broken rule as `path:line: what; what is allowed`, in path order."""
    modules = frozenset(map(module_of, files))
    found = []
    arrows: dict[str, set[str]] = {}
    for path, text in files.items():
        tree = ast.parse(text, filename=path)
        imports = list(imports_of(tree, path=path, modules=modules))
        module = module_of(path)
        arrows[module] = {arrow.target for arrow in imports if arrow.target in modules} - {module}
        for line, words in [
            *wrong_arrows(module, imports),
            *wrong_packages(module, imports, third_party=third_party),
            *impurities(module, imports),
            *banned_uses(module, tree),
        ]:
            found.append(f"{path}:{line}: {words}")
    return found + cycles(arrows)


def wrong_arrows(module: str, imports: list[Import]) -> Iterator[tuple[int, str]]:
    row = row_of(module)
    if row is None:
        yield 1, f"{module} belongs to no layer; give it a row in ALLOWED"
        return
    allowed = ALLOWED[row]
    own_package = (row,) if row.startswith("exchanges.") else ()
    for arrow in imports:
        ours = arrow.target.split(".")[0] in OURS
        if ours and not any(below(arrow.target, name) for name in (*allowed, *own_package)):
            yield arrow.line, f"{module} imports {arrow.target}; allowed: {', '.join(allowed) or 'nothing of ours'}"


def wrong_packages(module: str, imports: list[Import], *, third_party: frozenset[str]) -> Iterator[tuple[int, str]]:
    for arrow in imports:
        top = arrow.target.split(".")[0]
        if top not in OURS and top not in sys.stdlib_module_names and top not in third_party:
            yield arrow.line, f"{module} imports {top}, which pyproject.toml does not list as a dependency"
        elif top in ONLY_USER and module != ONLY_USER[top]:
            yield arrow.line, f"{module} imports {top}; only {ONLY_USER[top]} may"


def impurities(module: str, imports: list[Import]) -> Iterator[tuple[int, str]]:
    if not any(fnmatchcase(module, pattern) for pattern in PURE):
        return
    for arrow in imports:
        top = arrow.target.split(".")[0]
        if arrow.target not in PURE_PARTS and top in IMPURE - EXEMPT.get(module, set()):
            yield arrow.line, f"{module} is pure and imports {top}; time, chance and I/O are handed in"


def banned_uses(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    clock_owner = any(fnmatchcase(module, pattern) for pattern in MAY_READ_WALL_CLOCK)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield from ((node.lineno, words) for words in banned_name(node.module or "", alias.name))
        elif isinstance(node, ast.Attribute):
            owner = name_of(node.value) or ""
            yield from ((node.lineno, words) for words in banned_name(owner, node.attr))
            if node.attr in WALL_CLOCK and owner in {"datetime", "date"} and not clock_owner:
                yield node.lineno, f"{owner}.{node.attr} reads the wall clock; take it from the Clock that is handed in"
        elif isinstance(node, ast.Name) and node.id == "print" and not below(module, "cli"):
            yield node.lineno, "print; results go to the caller, words for people to logging"


def banned_name(owner: str, name: str) -> Iterator[str]:
    if name in BANNED:
        yield f"{name} is banned: {BANNED[name]}"
    elif owner == "time" and name == "sleep":
        yield "time.sleep is banned: waiting is an event or a timer"
    elif owner == "random" and name != "Random":
        yield f"random.{name} is banned: chance comes from the seeded Rng that is handed in"


def cycles(arrows: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        ring = error.args[1][:-1]
        first = ring.index(min(ring))
        return ["import cycle: " + " <- ".join([*ring[first:], *ring[:first], ring[first]])]
    return []


def listed_packages() -> frozenset[str]:
    """Import names of the runtime dependencies and the extras, without the development tools."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (names for extra, names in project["optional-dependencies"].items() if extra != "dev")
    wanted = [*project["dependencies"], *(name for names in extras for name in names)]
    names = [re.split(r"[^A-Za-z0-9_.-]", name)[0].lower() for name in wanted]
    return frozenset(IMPORT_NAMES.get(name, name.replace("-", "_")) for name in names)


def test_every_arrow_points_down_and_pure_code_is_pure() -> None:
    assert findings(source_files(), third_party=listed_packages()) == []


def test_the_sources_are_found() -> None:
    assert {"engine/__init__.py", "exchanges/types.py", "cli/__init__.py"} <= source_files().keys()


PLANTED = [
    (
        {"engine/trading/orders.py": "import json\nfrom engine.runtime import host\n", "engine/runtime/host.py": ""},
        "engine/trading/orders.py:2: engine.trading.orders imports engine.runtime.host; "
        "allowed: engine.trading, engine.chart, exchanges.types, exchanges.values",
    ),
    (
        {"engine/chart/load.py": "def f():\n    import exchanges.types\n"},
        "engine/chart/load.py:2: engine.chart.load imports exchanges.types; allowed: engine.chart",
    ),
    (
        {"exchanges/okx/client.py": "from ..lighter import wire\n", "exchanges/lighter/wire.py": ""},
        "exchanges/okx/client.py:1: exchanges.okx.client imports exchanges.lighter.wire; "
        f"allowed: {', '.join(ADAPTER)}",
    ),
    (
        {"cli/run.py": "from exchanges.paper import PaperClient\n"},
        "cli/run.py:1: cli.run imports exchanges.paper; "
        "allowed: cli, engine, flows, schemas, exchanges.types, exchanges.errors, exchanges.values",
    ),
    (
        {"cli/main.py": 'importlib.import_module("exchanges.paper")\n'},
        "cli/main.py:1: cli.main imports exchanges.paper; "
        "allowed: cli, engine, flows, schemas, exchanges.types, exchanges.errors, exchanges.values",
    ),
    (
        {"exchanges/types.py": "from exchanges.errors import Rejected\n"},
        "exchanges/types.py:1: exchanges.types imports exchanges.errors; allowed: exchanges.values",
    ),
    (
        {"exchanges/helpers.py": ""},
        "exchanges/helpers.py:1: exchanges.helpers belongs to no layer; give it a row in ALLOWED",
    ),
    (
        {"exchanges/okx/wire.py": "import time\n"},
        "exchanges/okx/wire.py:1: exchanges.okx.wire is pure and imports time; time, chance and I/O are handed in",
    ),
    (
        {"engine/chart/model.py": "from pathlib import Path\n"},
        "engine/chart/model.py:1: engine.chart.model is pure and imports pathlib; time, chance and I/O are handed in",
    ),
    (
        {"engine/chart/load.py": "import os.path\n"},
        "engine/chart/load.py:1: engine.chart.load is pure and imports os; time, chance and I/O are handed in",
    ),
    (
        {"engine/trading/step.py": "from transitions import Machine\n"},
        "engine/trading/step.py:1: engine.trading.step imports transitions; only engine.chart.transitions_decider may",
    ),
    (
        {"cli/run.py": "import numpy as np\n"},
        "cli/run.py:1: cli.run imports numpy, which pyproject.toml does not list as a dependency",
    ),
    (
        {"engine/chart/transitions_decider.py": "from transitions.extensions.asyncio import AsyncMachine\n"},
        "engine/chart/transitions_decider.py:1: AsyncMachine is banned: it cancels a running callback",
    ),
    (
        {"exchanges/paper.py": "async def f():\n    await asyncio.wait_for(g(), 1)\n"},
        "exchanges/paper.py:2: wait_for is banned: it can lose a result",
    ),
    ({"cli/run.py": "import uuid\nuuid.uuid4()\n"}, "cli/run.py:2: uuid4 is banned: ids are counted"),
    (
        {"engine/runtime/host.py": "from time import sleep\n"},
        "engine/runtime/host.py:1: time.sleep is banned: waiting is an event or a timer",
    ),
    (
        {"engine/runtime/host.py": "random.choice([1])\n"},
        "engine/runtime/host.py:1: random.choice is banned: chance comes from the seeded Rng that is handed in",
    ),
    (
        {"engine/runtime/journal.py": "import datetime\ndatetime.datetime.now()\n"},
        "engine/runtime/journal.py:2: datetime.now reads the wall clock; take it from the Clock that is handed in",
    ),
    (
        {"exchanges/paper.py": "print(1)\n"},
        "exchanges/paper.py:1: print; results go to the caller, words for people to logging",
    ),
    (
        {"cli/a.py": "from cli.b import x\n", "cli/b.py": "def f():\n    from cli import a\n"},
        "import cycle: cli.a <- cli.b <- cli.a",
    ),
]


@pytest.mark.parametrize(("files", "finding"), PLANTED, ids=[finding for _, finding in PLANTED])
def test_a_planted_breach_is_named(files: dict[str, str], finding: str) -> None:
    assert findings(files, third_party=frozenset({"transitions"})) == [finding]


def test_what_the_table_allows_is_not_a_finding() -> None:
    files = {
        "cli/paper_pool.py": "from exchanges.paper import PaperClient\nfrom engine.runtime import host\n",
        "engine/runtime/clock.py": "import time, datetime\nfrom exchanges.base import B\ndatetime.datetime.now()\n",
        "engine/runtime/rng.py": "from random import Random\nimport random\nrandom.Random(1)\n",
        "engine/trading/plan.py": "from engine.chart.model import Flow\nfrom exchanges.types import Side\n",
        "engine/chart/load.py": "from pathlib import Path\nimport json\n",
        "engine/chart/transitions_decider.py": "from transitions import Machine\n",
        "exchanges/okx/client.py": "import asyncio\nfrom exchanges.okx import wire\nfrom exchanges.link import Link\n",
        "cli/main.py": "print(1)\n",
    }
    assert findings(files, third_party=frozenset({"transitions"})) == []
