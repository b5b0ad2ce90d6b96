"""Mutants of a flow: what was found of the flow itself is used again, and the verdict is that of a search from anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_prove import FLOW, SMALL

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


@pytest.mark.parametrize("at", range(7, 460, 29))
def test_the_verdict_is_that_of_a_search_from_anew(at: int, eagle_calm: Original) -> None:
    mutant = list(mutants_of(FLOW))[at]
    judged = checked(mutant) or judge(mutant, eagle_calm)
    if judged.fate is Fate.INVALID:
        return
    assert (judged.fate in OVER, judged.by) == anew(mutant)


def anew(mutant: Mutant) -> tuple[bool, str]:
    proof = prove_world(World(mutant.make(), CALM, hedged=True))
    broken = [it.rule.name for it in proof.shown if it.verdict is Verdict.VIOLATED]
    return (True, broken[0]) if broken else (False, "")


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
