"""Contracts of a flow, one small case for each kind: what holds is proved, and what does not is shown with a way to it.

The flow buys, then sells; it is the second strategy's, in the small world of a proof without faults.
"""

from __future__ import annotations

import pytest
from test_second_strategy import TEXT
from trading_kit import eagle_flow

from engine.chart.load import load_flow
from engine.chart.words import property_text
from engine.trading.vocabulary import trading_vocabulary
from engine.verify.bounds import Bounds, settings_for
from engine.verify.proof import Shown, Verdict, World, needed_by, prove_world
from engine.verify.stepper import Hop

RULES = [
    # kind, what is claimed, whether it holds
    ("invariant", "holds: not entry.live or state == BUYING or state == ENDING", True),
    ("invariant", "holds: maker_flat or state == SELLING", False),
    ("always", "always: entry.orders <= 1 and profit.orders <= 1", True),
    ("always", "always: maker_position == 0", False),
    ("never", "never: profit.live and state == BUYING", True),
    ("never", "never: profit.live and entry.filled > 0", False),
    ("sometimes", "sometimes: state == SELLING and maker_position > 0", True),
    ("on_exit", "on_exit: {state: SELLING, holds: entry.filled > 0}", True),
    ("on_exit", "on_exit: {state: BUYING, holds: entry.filled > 0}", False),
    ("on_entry", "on_entry: {state: SELLING, holds: entry.filled > 0}", True),
    ("on_entry", "on_entry: {state: ENDING, holds: maker_position > 0}", False),
    ("on_entry from", "on_entry: {state: SELLING, from: [BUYING]}", True),
    ("on_entry from", "on_entry: {state: SELLING, from: [ENDING]}", False),
    ("on_entry from, unless", "on_entry: {state: SELLING, from: [ENDING], unless: entry.filled > 0}", True),
    ("on_entry from, unless", "on_entry: {state: SELLING, from: [ENDING], unless: entry.filled == 0}", False),
    ("leads_to", "leads_to: {when: state == BUYING, then: state != BUYING}", True),
    ("leads_to", "leads_to: {when: state == BUYING, then: state == SELLING}", False),
]


def proved(kind: str = "", claim: str = "") -> dict[str, Shown]:
    """The verdicts by name; a proof ends with the first rule that is broken, so each claim has one of its own."""
    section = "invariants" if kind == "invariant" else "properties"
    text = f"{TEXT}{section}:\n  - {{name: the claim, {claim}}}\n" if claim else TEXT
    flow = load_flow(text, file="flows/buy_then_sell.yaml", vocabulary=trading_vocabulary())
    return {it.rule.name: it for it in prove_world(World(flow, Bounds(faults=0, quantity=2))).shown}


@pytest.mark.parametrize(
    ("kind", "claim", "holds"), RULES, ids=[f"{kind} {'holds' if holds else 'is broken'}" for kind, _, holds in RULES]
)
def test_a_contract_is_proved_or_shown_broken(kind: str, claim: str, holds: bool) -> None:
    found = proved(kind, claim)["the claim"]
    assert found.verdict is (Verdict.PROVED if holds else Verdict.VIOLATED), (claim, found.why)
    if not holds and kind != "sometimes":  # what never happens has no way to it
        assert found.trace


def test_rules_of_every_flow_are_asked_and_those_of_hedged_flows_are_not() -> None:
    rules = {name: it.verdict for name, it in proved().items()}
    assert "no deadlock" in rules
    assert [name for name in rules if "hedg" in name] == []
    assert set(rules.values()) == {Verdict.PROVED}


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("on_entry: {state: SELLING, holds: entry.filled > 0}", "on entering SELLING: entry.filled > 0"),
        ("on_entry: {state: ENDING, from: [BUYING, SELLING]}", "ENDING is entered from BUYING or SELLING only"),
        (
            "on_entry: {state: ENDING, from: SELLING, unless: maker_flat}",
            "ENDING is entered from SELLING only, unless maker_flat",
        ),
    ],
)
def test_a_rule_on_entering_a_state_is_told_in_words(claim: str, told: str) -> None:
    text = f"{TEXT}properties:\n  - {{name: the claim, {claim}}}\n"
    flow = load_flow(text, file="flows/buy_then_sell.yaml", vocabulary=trading_vocabulary())
    assert property_text(flow.properties[0], flow) == told


def test_a_name_is_kept_only_where_a_rule_reads_it() -> None:
    """A rule that looks in one state first makes no other state larger."""
    sizes = []
    for claim in ("", "never: state == SELLING and entry.attempts > 1", "never: entry.attempts > 1"):
        rule = f"properties:\n  - {{name: the claim, {claim}}}\n" if claim else ""
        flow = load_flow(TEXT + rule, file="flows/buy_then_sell.yaml", vocabulary=trading_vocabulary())
        needed = needed_by(flow, Bounds().settings)
        sizes.append({leaf for leaf, names in needed.items() if "entry.attempts" in names})
    assert sizes == [set(), {"BUYING", "SELLING"}, {"BUYING", "SELLING", "ENDING", "ENDED"}]


@pytest.mark.parametrize(("patience", "kept"), [("0ms", False), ("5s", True)])
def test_a_name_is_not_kept_for_a_rule_on_leaving_that_the_settings_decide(patience: str, kept: bool) -> None:
    """A count of rounds would be told apart without end."""
    rule = (
        "properties:\n  - {name: the claim, on_exit: {state: SELLING, holds: settings.patience == ms(0) or"
        " entry.attempts > 1}}\n"
    )
    flow = load_flow(TEXT + rule, file="flows/buy_then_sell.yaml", vocabulary=trading_vocabulary())
    settings = settings_for(flow, Bounds(settings={"patience": patience}))
    assert ("entry.attempts" in needed_by(flow, settings)["SELLING"]) is kept


@pytest.mark.parametrize(
    ("claim", "hop", "broken"),
    [
        ("on_entry: {state: SELLING, from: [BUYING]}", ("buying", "selling"), False),
        ("on_entry: {state: SELLING, from: [BUYING]}", ("selling", "selling"), True),
        ("on_entry: {state: SELLING, from: [BUYING]}", ("selling", None), False),
        ("on_exit: {state: BUYING, holds: entry.filled > 0}", ("buying", "buying"), True),
        ("on_exit: {state: BUYING, holds: entry.filled > 0}", ("buying", None), False),
    ],
)
def test_a_row_to_its_own_state_leaves_it_and_enters_it_again(
    claim: str, hop: tuple[str, str | None], broken: bool
) -> None:
    text = f"{TEXT}properties:\n  - {{name: the claim, {claim}}}\n"
    flow = load_flow(text, file="flows/buy_then_sell.yaml", vocabulary=trading_vocabulary())
    world = World(flow, Bounds(faults=0, quantity=2))
    assert ("the claim" in world.rules.crossed(world.desk, [Hop(*hop, "timer")])) is broken


@pytest.mark.parametrize(("faults", "verdict"), [(0, Verdict.CUT_OFF), (1, Verdict.VIOLATED)])
def test_what_never_happens_is_broken_where_no_fault_was_left_out(faults: int, verdict: Verdict) -> None:
    text = eagle_flow().text + "  - {name: nothing is held, sometimes: state == HOLDING and maker_flat}\n"
    flow = load_flow(text, file="flows/eagle_chicken.yaml", vocabulary=trading_vocabulary())
    proof = prove_world(World(flow, Bounds(faults=faults, takers=1)))
    assert {it.rule.name: it.verdict for it in proof.shown}["nothing is held"] is verdict
