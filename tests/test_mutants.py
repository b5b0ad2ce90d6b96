"""Mutants of a flow: what was found of the flow itself is used again, and the verdict is that of a search from anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_prove import FLOW, SMALL
from trading_kit import shipped_flow

from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.trading.vocabulary import trading_vocabulary
from engine.verify.bounds import Bounds
from engine.verify.mutants import OVER, Fate, Mutant, checked, judge, mutants_of
from engine.verify.proof import Verdict, World, prove_world
from engine.verify.variants import Original, Variant

CALM = Bounds(faults=0, takers=1)


def small() -> Flow:
    return load_flow(SMALL, file="flows/small.yaml", vocabulary=trading_vocabulary())


def searched(flow: Flow, bounds: Bounds) -> Original:
    original = Original(flow, bounds)
    assert prove_world(original).verdict is Verdict.PROVED
    return original


def test_no_two_mutants_have_one_name() -> None:
    names = [it.name for it in mutants_of(FLOW)]
    assert len(names) == len(set(names)) > 400


def test_the_only_row_of_a_timer_or_of_a_way_out_of_a_call_is_not_dropped() -> None:
    """The one goes with its timer, and no file without the other is read."""
    names = {it.name for it in mutants_of(FLOW)}
    assert "HOLDING: no timer hold" in names
    assert "TAKER_HEDGING: no timer hedge_patience" in names
    assert "TAKER_HEDGING, after hedge_patience: dropped" not in names
    assert "MAKER_OPENING.asking, done row 1: dropped" in names
    assert "MAKER_OPENING.asking, error: dropped" not in names


def test_what_is_run_into_when_the_flow_is_started_is_reached() -> None:
    """The hedger leaves CONNECTING in its first step; staying there is what a rule notices."""
    hedger = shipped_flow("hedger")
    original = searched(hedger, Bounds(faults=0, takers=1, fills=1))
    (mutant,) = [it for it in mutants_of(hedger) if it.name == "CONNECTING, always: not (source_live and hedgers_live)"]
    assert judge(mutant, original).fate is Fate.KILLED


def test_a_mutant_of_each_kind_is_judged() -> None:
    original = searched(small(), CALM)
    judged = {
        it.mutant.name: (it.fate, it.by) for it in (checked(it) or judge(it, original) for it in mutants_of(small()))
    }
    assert {name: found for name, found in judged.items() if name.startswith("READY")} == {
        "READY, after wait row 1: dropped": (Fate.INVALID, "C503"),
        "READY, after wait row 1: not (settings.quantity > 0)": (Fate.SURVIVED, ""),  # it ends, and never buys
        "READY, after wait row 1: to OVER, not TAKEN": (Fate.INVALID, "C503"),
        "READY, after wait row 2: dropped": (Fate.UNREACHED, ""),
        "READY, after wait row 2: to READY, not OVER": (Fate.UNREACHED, ""),
        "READY: no timer wait": (Fate.INVALID, "C510"),
    }


@pytest.mark.parametrize("at", range(7, 430, 28))
def test_the_verdict_is_that_of_a_search_from_anew(at: int, eagle_calm: Original) -> None:
    mutant = list(mutants_of(FLOW))[at]
    judged = checked(mutant) or judge(mutant, eagle_calm)
    if judged.fate is Fate.INVALID:
        return
    assert (judged.fate in OVER) is anew(mutant)


def anew(mutant: Mutant) -> bool:
    """Does a rule notice it? Which is the first to be found may be another one."""
    proof = prove_world(World(mutant.make(), CALM, hedged=True))
    return any(it.verdict is Verdict.VIOLATED for it in proof.shown)


@pytest.fixture(scope="module")
def eagle_calm() -> Original:
    return searched(FLOW, CALM)


def test_a_flow_without_a_change_differs_in_nothing() -> None:
    """Every state is searched anew, and leads to what it led to."""
    original = searched(FLOW, CALM)
    everywhere = frozenset(mark for known in original.known.values() for mark in known.marks)
    variant = Variant(replace(FLOW), original, everywhere, most=10**6)
    proof = prove_world(variant)
    assert (proof.states, variant.differs) == (len(original.known), False)


def test_a_run_that_a_broken_limit_does_not_stop_is_found() -> None:
    (mutant,) = [it for it in mutants_of(FLOW) if it.name == "everywhere, limit.breached row 2: dropped"]
    proof = prove_world(World(mutant.make(), replace(CALM, faults=1, kinds=frozenset({"disconnect"}))))
    broken = {it.rule.name for it in proof.shown if it.verdict is Verdict.VIOLATED}
    assert "a broken limit stops the run" in broken
