"""Settings that hold for every test."""

import gc
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from engine.chart import load, validate
from engine.chart.model import Finding, Flow, Vocabulary
from engine.runtime import secrets

# A job in the background is started with SIGINT ignored, and so is every program that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where no bytecode may be kept beside the sources, every program that a test starts would compile all of them anew.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).resolve().parent.parent / "build" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

# No deadline: a shared machine is slow at times, and a test must not depend on the wall clock.
settings.register_profile("eagle", deadline=None)
settings.load_profile("eagle")


_read = load.load_flow
_checked = validate.check
_flows: dict[tuple[str, str, int], tuple[Vocabulary, Flow]] = {}
_findings: dict[int, tuple[Flow, list[Finding]]] = {}


def _read_once(text: str, *, file: str, vocabulary: Vocabulary) -> Flow:
    """Hundreds of tests run a shipped flow, which is never changed: reading it anew was an eighth of all time."""
    key = (text, file, id(vocabulary))
    if key not in _flows:
        _flows[key] = vocabulary, _read(text, file=file, vocabulary=vocabulary)
    return _flows[key][1]


def _checked_once(flow: Flow) -> list[Finding]:
    if id(flow) not in _findings:
        _findings[id(flow)] = flow, _checked(flow)
    return list(_findings[id(flow)][1])


load.load_flow, validate.check = _read_once, _checked_once  # before any module takes them by name


def pytest_collection_finish() -> None:
    """Thousands of tests are never garbage: looking through them again and again took a quarter of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 20)


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded secrets are starred out for the life of a process; a test has a life of its own."""
    monkeypatch.setattr(secrets, "_forms", ())


@pytest.fixture(autouse=True)
def _no_lease_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs of a test own accounts of their own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
