"""The hedger's proof holds, and would not if the rule were wrong: each break of it is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from trading_kit import shipped_flow

from engine.trading.hedging import Hedging
from engine.trading.terms import Gate
from engine.verify.bounds import Bounds
from engine.verify.proof import Verdict, prove
from engine.verify.rules import AT_ONCE, GROWS, HEDGED

HEDGER = shipped_flow("hedger")


@pytest.mark.parametrize("takers", [1, 2])
def test_the_hedger_is_proved_within_small_bounds(takers: int) -> None:
    _, proof = prove(HEDGER, Bounds(takers=takers, faults=1, fills=2))
    assert (proof.verdict, [it.rule.name for it in proof.shown if it.verdict is not Verdict.PROVED]) == (
        Verdict.PROVED,
        [],
    )


def test_a_hedger_that_only_records_is_not_asked_to_hedge() -> None:
    _, proof = prove(
        HEDGER, Bounds(takers=1, faults=1, fills=1, kinds=frozenset({"stop"}), settings={"manual": "true"})
    )
    assert (proof.verdict, proof.hedged) == (Verdict.PROVED, False)


def test_a_stop_leaves_no_fill_behind_that_came_during_its_last_reading() -> None:
    """Three readings that failed let the run go with a fill open and its hedge on the way."""
    kinds = frozenset({"stop", "question fails"})
    _, proof = prove(HEDGER, Bounds(takers=1, faults=4, fills=1, overlaps=2, kinds=kinds))
    assert proof.verdict is Verdict.PROVED


def _blind_to_what_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gate, "open", property(lambda self: self.lots.beyond(self.lots.qty * 0)))


def _marked_hedged_when_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 3: the position is closed before anybody has confirmed a hedge of it."""
    send = Hedging._send

    def sent(self: Hedging, *given: object) -> None:
        send(self, *given)  # type: ignore[arg-type]
        assert self.gate is not None
        self.gate.lots = type(self.gate.lots)()

    monkeypatch.setattr(Hedging, "_send", sent)


def _never_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 26: risk below the least size has no age limit."""
    monkeypatch.setattr(Gate, "_aged", lambda *_: False)


def _late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hedging, "_due", lambda *_: False)


BREAKS = [
    (_blind_to_what_is_on_its_way, AT_ONCE),  # it holds back, for the worst case would grow
    (_marked_hedged_when_sent, GROWS),  # the fill of the hedge opens what it was to close
    (_never_old, HEDGED),
    (_late, AT_ONCE),
]


@pytest.mark.parametrize(("change", "broken"), BREAKS, ids=[it[0].__name__.strip("_") for it in BREAKS])
def test_a_rule_that_is_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None], broken: str
) -> None:
    change(monkeypatch)
    settings = {"min_qty": "3"} if change is _never_old else {}
    _, proof = prove(HEDGER, Bounds(takers=1, faults=1, fills=2, settings=settings))
    assert broken in {it.rule.name for it in proof.shown if it.verdict is Verdict.VIOLATED}
