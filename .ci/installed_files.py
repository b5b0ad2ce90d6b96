"""Compares the installed distribution with the source tree: every module, flow and schema must have arrived.

Usage: python installed_files.py SOURCE_TREE (from outside the tree, in the environment that has the wheel).
"""

from __future__ import annotations

import sys
from importlib.metadata import files
from pathlib import Path

SHIPPED = {"engine": "*.py", "exchanges": "*.py", "cli": "*.py", "flows": "*.yaml", "schemas": "*.[jy]*"}


def main() -> None:
    source = Path(sys.argv[1])
    expected = {
        path.relative_to(source).as_posix()
        for package, pattern in SHIPPED.items()
        for path in (source / package).rglob(pattern)
    }
    installed = {path.as_posix() for path in files("eagle-flow") or ()}
    if missing := sorted(expected - installed):
        sys.exit("not in the wheel (see [tool.setuptools] in pyproject.toml): " + ", ".join(missing))
    foreign = {path.split("/")[0] for path in installed} - {*SHIPPED} - {"..", "__pycache__"}
    if strays := sorted(name for name in foreign if not name.endswith(".dist-info")):
        sys.exit("in the wheel, but not meant to be: " + ", ".join(strays))
    sys.stdout.write(f"all {len(expected)} modules, flows and schemas are in the wheel\n")


main()
