"""Who else carries the names of our packages: they are common ones (`engine`, `cli`), and the first on the path wins.

Imports nothing of ours, so that it can still speak when ours cannot be imported.
"""

from __future__ import annotations

import sys
from importlib.machinery import all_suffixes
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

DISTRIBUTION = "eagle-flow"
OURS = ("cli", "engine", "exchanges", "flows", "schemas")
HOME = Path(__file__).resolve().parents[1]


def shadows() -> list[str]:
    """Packages that are imported in place of ours: nothing works right while there is one."""
    return [f"{name} comes from {found}, not from {HOME / name}" for name, found in _taken() if found != HOME / name]


def hidden() -> list[str]:
    """Packages of other people that ours hide, or would be hidden by if the path had another order."""
    places = [Path(entry or ".").resolve() for entry in sys.path]
    return [
        str(found)
        for place in dict.fromkeys(places)
        if place != HOME
        for name in OURS
        if (found := _package(place, name)) is not None
    ]


def other_owners() -> list[str]:
    """Other installed distributions that put files of their own into a package of our name."""
    owners = packages_distributions()
    return [
        f"{owner} (package {name})"
        for name in OURS
        for owner in sorted({*owners.get(name, ())})
        if owner.replace("_", "-").lower() != DISTRIBUTION
    ]


def _taken() -> list[tuple[str, Path]]:
    """Where each name is imported from; a name that is found nowhere stands for itself at home."""
    taken = []
    for name in OURS:
        spec = find_spec(name)
        places = [] if spec is None else [*(spec.submodule_search_locations or ()), spec.origin or ""]
        taken.append((name, Path(places[0]).resolve() if places else Path(name)))
    return taken


def _package(place: Path, name: str) -> Path | None:
    """What an import of that name would take from there; a folder without `__init__.py` never comes first."""
    files = [place / name / "__init__.py", *(place / f"{name}{suffix}" for suffix in all_suffixes())]
    found = next((file for file in files if file.is_file()), None)
    return found.parent if found is not None and found.name == "__init__.py" else found
