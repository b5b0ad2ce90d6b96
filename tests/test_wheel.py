"""What pyproject.toml promises about the wheel; `.ci/check_wheel` builds and uses a real one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def locked(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE))


def requirement_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in requirements}


def test_every_package_is_listed() -> None:
    found = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for top in ("engine", "exchanges", "cli", "flows", "schemas")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == found


def test_both_locks_cover_what_pyproject_asks_for() -> None:
    project = PYPROJECT["project"]
    run = requirement_names([*project["dependencies"], *PYPROJECT["build-system"]["requires"]])
    extras = project["optional-dependencies"]
    assert run - locked("requirements.lock").keys() == set()
    assert (run | requirement_names([*extras["dev"], *extras["diagram"]])) - locked(
        "requirements-dev.lock"
    ).keys() == set()


def test_both_locks_name_the_same_versions() -> None:
    run, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: dev.get(name) for name in run} == run


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_no_place_to_fetch_from(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"\S+://\S+|--(?:extra-)?index-url|--find-links|--trusted-host", text) == []
