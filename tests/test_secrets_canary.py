"""A venue that repeats our keys in its answers: they show in nothing that a run writes, prints or leaves behind."""

from __future__ import annotations

import base64
import logging
from itertools import count
from pathlib import Path

import pytest
from cli_kit import FLOW, Eagle, eagle  # noqa: F401

from engine.runtime.alerts import About, call_of
from engine.runtime.secrets import MASK, Secret
from engine.trading.effects import Alert, Level
from exchanges.paper import PaperClient, PaperVenue
from exchanges.types import LinkState, LinkUpdate, Refusal, Refused

CANARY = "canary/0001+of=a-secret"
FORMS = (
    CANARY,
    base64.b64encode(CANARY.encode()).decode(),
    base64.b64encode(b"user:" + CANARY.encode()).decode()[8:-4],
    CANARY.encode().hex(),
    "canary%2F0001",
)
TOLD = f"401 for key {CANARY} ({FORMS[1]}; Basic {base64.b64encode(b'user:' + CANARY.encode()).decode()}; {FORMS[3]})"


def leaks(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


@pytest.fixture
def tactless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses every ninth order with our key in its words, and tells it when a link is lost."""
    Secret(CANARY)
    orders, admit, resync = count(1), PaperVenue._admit, PaperClient.resync

    def repeat_the_key(self: PaperVenue, *args: object, **more: object) -> object:
        return Refused(Refusal.VENUE, TOLD) if next(orders) % 9 == 0 else admit(self, *args, **more)  # type: ignore[arg-type]

    def tell_the_key(self: PaperClient) -> None:
        self._on_private(LinkUpdate(self.account, LinkState.LOST, self._venue.clock.now_ns(), TOLD))
        resync(self)

    monkeypatch.setattr(PaperVenue, "_admit", repeat_the_key)
    monkeypatch.setattr(PaperClient, "resync", tell_the_key)


@pytest.mark.usefixtures("tactless")
def test_a_key_shows_nowhere_after_a_run(
    eagle: Eagle,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    said = eagle(
        "run", "--flow", FLOW, "--speed", "max", "--rounds", 5, "--logs", "logs", "--metrics", "metrics.txt"
    )  # fmt: skip
    told = [said]
    for command in ("audit", "report", "trace", "replay"):
        told.append(eagle(command, *([] if command == "trace" else ["state/eagle.sqlite"])))
    told.append(eagle("why", "e1r1l1a1"))
    printed = "\n".join(text for it in told for text in (it.out, it.err)) + caplog.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"eagle.sqlite", "orders.log", "errors.log", "metrics.txt"}
    assert leaks(printed) == []
    for path in files:
        assert leaks(path.read_bytes().decode("latin-1")) == [], path
    # The words came that far, so that there was something to star out.
    assert said.code == 0, said.err
    assert MASK in (tmp_path / "logs" / "orders.log").read_text()
    assert f"401 for key {MASK}".encode() in (tmp_path / "state" / "eagle.sqlite").read_bytes()
    assert eagle("replay", "state/eagle.sqlite").code == 0


def test_a_key_shows_in_no_call_for_a_person() -> None:
    Secret(CANARY)
    alert = Alert(Level.PERSON, "auth", TOLD, {"answer": TOLD})
    call = call_of(alert, About(1, "f", "m", "p"), held_back=0, wall_ms=0)
    assert leaks(f"{call.title}{call.body}{call.facts}") == []
    assert MASK in call.body
