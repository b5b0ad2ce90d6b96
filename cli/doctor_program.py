"""Is the program itself whole? Python, packages, the names of our packages, and the terminal that it speaks to."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from cli.examined import Examined, failed, ok, warning
from cli.names import DISTRIBUTION, HOME, hidden, other_owners, shadows

if TYPE_CHECKING:
    from packaging.requirements import Requirement

COLUMNS = 80
SIGNS = "老鹰 → ✓"
FOR_DEVELOPERS = "dev"
INSTALL_AGAIN = "install eagle-flow again; in a clone: make clean, make run"


def packages() -> Iterator[Examined]:
    """Python and packages against the ranges of the installed distribution."""
    try:
        from packaging.requirements import Requirement
        from packaging.specifiers import SpecifierSet
    except ImportError:
        yield failed("packages", "packaging is not installed, so that the others cannot be compared", INSTALL_AGAIN)
        return
    try:
        about = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        yield failed("packages", f"{DISTRIBUTION} is not installed in {sys.prefix}", INSTALL_AGAIN)
        return
    wanted = about["Requires-Python"]
    told = f"{platform.python_version()}, {sys.executable}; needed {wanted}"
    if SpecifierSet(wanted).contains(platform.python_version(), prereleases=True):
        yield ok("python", told)
    else:
        yield failed("python", told, "make the environment anew with such a Python: make clean, make run PYTHON=...")
    yield from _packages([Requirement(text) for text in about.get_all("Requires-Dist") or ()], extras=about)


def _packages(requirements: list[Requirement], *, extras: metadata.PackageMetadata) -> Iterator[Examined]:
    base = [it for it in requirements if _belongs(it, "")]
    faults = [fault for it in base if (fault := _fault(it))]
    if faults:
        yield failed("packages", "; ".join(faults), INSTALL_AGAIN)
    else:
        yield ok("packages", f"{len(base)} in their ranges, {DISTRIBUTION} {extras['Version']}")
    for extra in extras.get_all("Provides-Extra") or ():
        if extra != FOR_DEVELOPERS:
            yield _extra(extra, [it for it in requirements if it not in base and _belongs(it, extra)])


def _belongs(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _extra(extra: str, members: list[Requirement]) -> Examined:
    """Not to have an extra is no fault; to have one in part or too old is."""
    check, install = f"[{extra}]", f"pip install '{DISTRIBUTION}[{extra}]'"
    faults = [fault for it in members if (fault := _fault(it))]
    if not faults:
        return ok(check, f"{', '.join(it.name for it in members)} in range")
    if len([fault for fault in faults if fault.endswith(MISSING)]) == len(members):
        return ok(check, f"not installed; to have it: {install}")
    return warning(check, "; ".join(faults), install)


MISSING = " is missing"


def _fault(requirement: Requirement) -> str:
    """Why an installed package does not do; empty if it does."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name}{MISSING}"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement.name} {version} is not {requirement.specifier}"


def names() -> Iterator[Examined]:
    """Our import packages have common names."""
    if found := shadows():
        advice = "take the other off PYTHONPATH or rename it, or install eagle-flow in an environment of its own"
        yield failed("names", "; ".join(found), advice)
    elif owners := other_owners():
        advice = f"their files mix with ours: pip uninstall them and {INSTALL_AGAIN}"
        yield failed("names", f"installed by others too: {', '.join(owners)}", advice)
    elif others := hidden():
        yield warning("names", f"packages of our names beside ours: {', '.join(others)}", "take them off PYTHONPATH")
    else:
        yield ok("names", f"our packages come from {HOME}, nobody else's beside them")


def terminal() -> Iterator[Examined]:
    """What a person would see of a run."""
    encoding = sys.stderr.encoding or "ascii"
    try:
        SIGNS.encode(encoding)
    except UnicodeEncodeError:
        told = f"{encoding} cannot show signs such as {SIGNS!a}"
        yield warning("terminal", told, "they come as escapes; set LANG=C.UTF-8, or PYTHONIOENCODING=utf-8")
        return
    columns = get_terminal_size().columns
    if not sys.stderr.isatty():
        yield ok("terminal", f"none: runs write plain lines, in {encoding}")
    elif os.environ.get("TERM", "dumb") == "dumb":
        yield warning(
            "terminal", "TERM is dumb or not set: no cursor, no colour", "set it, such as TERM=xterm-256color"
        )
    elif columns < COLUMNS:
        yield warning("terminal", f"{columns} columns wide", f"widen it to {COLUMNS} or more: tables wrap below that")
    else:
        yield ok("terminal", f"{columns} columns, {encoding}")
