"""The part of a fault plan that a seed plays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from engine.runtime.chance import Stream
from engine.runtime.simulate.catalogue import CATALOGUE, PHASES
from engine.runtime.simulate.scenario import MAKER, Scenario
from exchanges.venues.faults import KINDS, START, FaultPlan, FaultRule

__all__ = ["PLAYS", "cells", "label_of", "played", "suited"]

PLAYS = ("all", "some", "one", "cell", "both")
SOME = 3  # one in so many rules
TOGETHER = 5  # in one of so many seeds with a death somebody else trades as well
MANY: Mapping[str, int] = {"frame": 60, "request": 60, "effect": 120}  # hits of a run among which the one fault acts
RARE = ("IDLE", "HOLDING", "CLEANUP")  # once in a run, or every few rounds; or little happens there
STILL = ("IDLE", "HOLDING")  # no order is made there, and with a single fault none fills
LONG_HOLD = "3000..5000ms"  # for a fault that is to meet what happens in a hold: a comparison, a resync
FEW = 3  # hits in its phase among which the one fault acts: a phase comes once in a round
LATE_NS = 100_000_000  # within this after its phase has begun a fault of time strikes


def played(plan: FaultPlan, play: str, scenario: Scenario) -> FaultPlan:
    """All of it, some rules, one rule once, one once in one phase of the flow (`cell`), or the last and some in turn.

    The fewer faults act, the longer a run stays where it can break (some); a single one shows what it costs by itself.
    Cells go by the number of the seed, so that as many seeds as there are cells play each of them.
    """
    chance = Stream(scenario.seed, "play")
    if play == "all" or not plan.rules:
        return plan
    if play == "some" or (play == "both" and not scenario.seed % 2):
        rules = [rule for rule in plan.rules if not chance.below(SOME)]
        if any(rule.fault == "killed" for rule in rules) and Stream(scenario.seed, "beside a death").below(TOGETHER):
            # A start then mostly refuses to take over what somebody else traded before it (S1), and the run is over.
            rules = [rule for rule in rules if rule.fault not in ("foreign_trade", "liquidation")]
        return FaultPlan(tuple(rules) or plan.rules[:1])
    if play in ("cell", "both"):
        there = cells(plan)
        rule, phase = there[(scenario.seed if play == "cell" else scenario.seed // 2) % len(there)]
        return FaultPlan((_in_phase(rule, phase, scenario, chance),))
    single = [rule for rule in plan.rules if rule.phase != START] or plan.rules  # a start is one after a death alone
    rule = single[scenario.seed % len(single)]
    if rule.at_ns:
        return FaultPlan((replace(rule, at_ns=(rule.at_ns[chance.below(len(rule.at_ns))],)),))
    many = MANY.get(KINDS[rule.fault].hook, 20)
    return FaultPlan((_once(rule, nth=1 + chance.below(many)),))


def suited(plan: FaultPlan, scenario: Scenario, *, chosen: Collection[str]) -> Scenario:
    """The scenario in which the plan of a seed can act; `chosen` are the settings that a person gave."""
    if any(rule.phase == "HOLDING" for rule in plan.rules) and "hold" in scenario.settings and "hold" not in chosen:
        return replace(scenario, settings={**scenario.settings, "hold": LONG_HOLD})
    return scenario


def cells(plan: FaultPlan) -> Sequence[tuple[FaultRule, str]]:
    """Every rule with each phase of the flow in which the catalogue says that it can happen, and by itself."""
    return [
        (rule, phase)
        for rule in plan.rules
        for phase in PHASES
        if any(label_of(rule, "") in row.faults and phase not in row.impossible for row in CATALOGUE)
        and not (phase in STILL and _of_orders(rule))
    ]


def _of_orders(rule: FaultRule) -> bool:
    hook = KINDS[rule.fault].hook
    return (hook == "request" and rule.on in ("place", "cancel")) or (hook == "frame" and rule.of == "fill")


def _in_phase(rule: FaultRule, phase: str, scenario: Scenario, chance: Stream) -> FaultRule:
    nth = 1 if phase in RARE or chance.below(2) else 1 + chance.below(FEW)  # many runs are over soon
    after_ns = 0 if phase in RARE or chance.below(2) else chance.below(LATE_NS)
    venue = scenario.venues[0 if rule.account == MAKER else chance.below(len(scenario.venues))].name
    if rule.account and rule.account != MAKER:
        venue = scenario.venues[-1].name
    of_time = KINDS[rule.fault].hook == "time" and not KINDS[rule.fault].of_process
    return replace(
        _once(rule, nth=nth), phase=phase, at_ns=(), after_ns=after_ns if KINDS[rule.fault].hook == "time" else 0,
        venue=venue if of_time else "",
    )  # fmt: skip


def _once(rule: FaultRule, *, nth: int) -> FaultRule:
    return replace(rule, nth=(nth,), every=0, rate_ppm=0, times=1)


def label_of(rule: FaultRule, kind: str) -> str:
    """What the catalogue calls it: some of its rows are about a target of a fault, a start, or one kind of venue."""
    if rule.phase == START:
        return f"{rule.fault} at a start"
    if rule.of == "book" and rule.fault in ("stream_stalled", "frame_lost"):
        return f"{rule.fault} book"
    if rule.fault == "order_refused" and rule.reason == "post_only":
        return "order_refused post_only"
    if kind == "lighter" and rule.fault in ("order_refused", "request_lost"):
        return f"{rule.fault} {'by the sequencer' if rule.fault == 'order_refused' else 'of a nonce'}"
    return rule.fault
