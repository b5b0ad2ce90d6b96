"""The prover on the shipped flow: what it proves, what it finds, and that it claims no more than it searched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_kit import Eagle, eagle
from planted_faults import PLANTED
from trading_kit import eagle_flow

from cli.rehearsal import rehearse
from engine.trading.effects import ArmTimer
from engine.trading.intake import DESK
from engine.verify.bounds import FAULTS, Bounds
from engine.verify.projection import NOW
from engine.verify.proof import Proof, Shown, Verdict, World, prove_world
from engine.verify.script import as_yaml, read_script, script_of
from engine.verify.stepper import Arm
from engine.verify.story import mermaid, scenes_of, table
from exchanges.types import LinkState

__all__ = ["eagle"]

FLOW = eagle_flow()
# Which faults of the world show it, how many of them, and what it breaks.
SHOWN_BY = {
    "late fill dropped after cancel": ({"cancel overtakes fill"}, 1, "no fill is ignored"),
    "hedge skipped in HOLDING": ({"cancel overtakes fill"}, 1, "what can be hedged is hedged at once"),
    "order-id correlation removed": (
        {"cancel overtakes fill"}, 1, "no order that may still fill is taken for ended",
    ),
    "resync asks only about the current order": (
        {"cancel overtakes fill", "disconnect"}, 2, "no fill is ignored",
    ),
    "cancel reply taken as final": ({"slow cancel"}, 1, "no order that may still fill is taken for ended"),
    "taker remainder forgotten": ({"partial"}, 2, "no hedge grows what is open"),  # shown with a lot of 1
    "dust never carried": (set(), 0, "positions are not doubted while the venues tell the truth"),
    "unknown treated as refused": ({"late request"}, 1, "no order that may still fill is taken for ended"),
}  # fmt: skip
MOST_STEPS = 20


def proved(**bounds: Any) -> tuple[World, Proof]:
    world = World(FLOW, Bounds(**bounds))
    return world, prove_world(world)


def needs_a_fault(shown: Shown) -> bool:
    """What only has to happen sometimes stays open in a world that leaves out the faults that lead there."""
    return shown.verdict is Verdict.CUT_OFF and shown.rule.text.startswith("sometimes")


def test_without_faults_every_rule_is_proved() -> None:
    _, proof = proved(faults=0)
    assert [it.rule.name for it in proof.shown if it.verdict is not Verdict.PROVED and not needs_a_fault(it)] == []
    assert (proof.verdict, proof.states == proof.expanded) == (Verdict.PROVED, True)


def test_the_desks_own_comparison_is_a_move_of_the_outside_unless_something_is_in_doubt() -> None:
    """As a timer it would be part of every situation; in doubt nothing else leads on."""
    world, _ = proved(faults=0, takers=1)
    asked_again = [ArmTimer(DESK, "reconcile", 0, NOW + 15)]
    assert world.stepper.done_of({}, asked_again) == []
    world.desk.world.positions_doubted = True
    assert world.stepper.done_of({}, asked_again) == [Arm(DESK, "reconcile", 15, 15)]


def test_a_doubt_that_a_fill_on_its_way_raised_is_cleared() -> None:
    _, proof = proved(faults=2, takers=1, kinds=frozenset({"cancel overtakes fill", "comparison"}))
    broken = [it.rule.name for it in proof.shown if it.verdict is Verdict.VIOLATED]
    assert (broken, proof.states == proof.expanded) == ([], True)


@pytest.mark.parametrize("kind", ["partial", "late request"])
def test_one_fault_of_a_kind_breaks_no_rule(kind: str) -> None:
    _, proof = proved(faults=1, takers=1, kinds=frozenset({kind}))
    assert [
        (it.rule.name, it.why) for it in proof.shown if it.verdict is not Verdict.PROVED and not needs_a_fault(it)
    ] == []


def test_an_account_without_requests_left_breaks_no_rule() -> None:
    """S11: hedges go elsewhere or wait, cancels and openings that were held back come back as not sent."""
    world, proof = proved(faults=2, takers=1, kinds=frozenset({"rate spent"}))
    assert [
        (it.rule.name, it.why) for it in proof.shown if it.verdict is not Verdict.PROVED and not needs_a_fault(it)
    ] == []
    assert any(key.spent for key in world.stepper.keys)


def test_a_stream_that_tells_while_its_resync_still_asks_breaks_no_rule() -> None:
    """S3, S5: a fill is told by the new stream, by the resync, or by both, and hedges wait no longer than they may."""
    world, proof = proved(faults=2, takers=1, quantity=2, kinds=frozenset({"disconnect", "slow resync"}))
    assert [
        (it.rule.name, it.why) for it in proof.shown if it.verdict is not Verdict.PROVED and not needs_a_fault(it)
    ] == []
    between = [key for key in world.stepper.keys if LinkState.RESYNC in key.links]
    assert any(key.exposure for key in between)


def test_half_of_a_pair_that_fills_in_part_is_hedged_for_what_filled() -> None:
    """Found with takers of different lots: one half took nothing, the other was hedged for all it might fill."""
    _, proof = proved(faults=2, deep=True, kinds=frozenset({"partial"}))
    assert [
        (it.rule.name, len(it.trace))
        for it in proof.shown
        if it.verdict is not Verdict.PROVED and not needs_a_fault(it)
    ] == []


def test_what_was_not_searched_to_the_end_is_not_proved() -> None:
    _, proof = proved(faults=1, max_states=500)
    assert proof.verdict is Verdict.CUT_OFF
    assert {it.verdict for it in proof.shown if not it.rule.text.startswith("sometimes")} == {Verdict.CUT_OFF}


@pytest.mark.parametrize(("name", "plant"), PLANTED.items(), ids=list(PLANTED))
def test_a_planted_fault_is_found(name: str, plant: Callable[[], Any]) -> None:
    kinds, faults, rule = SHOWN_BY[name]
    with plant():
        deep = name == "taker remainder forgotten"  # shown with a taker of small lots
        size = {"takers": 2} if deep else {"takers": 1, "quantity": 3 if faults < 2 else 2}
        world, proof = proved(faults=faults, kinds=frozenset(kinds), deep=deep, **size)
        broken = [it for it in proof.shown if it.verdict is Verdict.VIOLATED]
        assert [it.rule.name for it in broken] == [rule]
        scenes = scenes_of(world, broken[0])
        script = read_script(as_yaml(script_of(world, broken[0])), file="found.yaml")
        assert rehearse(FLOW, script).why == ""  # the same through the real runner and the paper venue
    assert 0 < len(scenes) <= MOST_STEPS
    assert rehearse(FLOW, script).why != ""  # and not without the fault


def test_a_trace_is_told_as_a_table_and_as_a_sequence_diagram() -> None:
    with PLANTED["unknown treated as refused"]():
        world, proof = proved(faults=1, kinds=frozenset({"late request"}))
        (broken,) = [it for it in proof.shown if it.verdict is Verdict.VIOLATED]
        scenes = scenes_of(world, broken)
    assert list(table(scenes)) == [
        "  1 ! maker  request late #1 buy 3 resting",
        "             = MAKER_OPENING.resting, open +0",
        "  2   maker  given up #1 buy 3 resting",
        "             engine: maker_opening.resting -> maker_opening.repricing on order.refused",
        "             = MAKER_OPENING.repricing, open +0",
    ]
    assert mermaid(scenes, title="t", accounts=world.names).splitlines() == [
        "---", "title: t", "---", "sequenceDiagram", "    participant maker", "    participant taker1",
        "    participant taker2", "    participant engine", "    maker--xengine: 1 request late no. 1 buy 3 resting",
        "    Note over engine: MAKER_OPENING.resting, open +0",
        "    maker->>engine: 2 given up no. 1 buy 3 resting",
        "    engine->>engine: maker_opening.resting -> maker_opening.repricing on order.refused",
        "    Note over engine: MAKER_OPENING.repricing, open +0",
    ]  # fmt: skip


def test_every_planted_fault_is_of_a_known_kind() -> None:
    assert set(SHOWN_BY) == set(PLANTED)
    assert {kind for kinds, _, _ in SHOWN_BY.values() for kind in kinds} <= FAULTS


SMALL = """
flow: small
version: 1
about: buys once and waits.
settings:
  quantity: {type: qty, above: 0, about: how much}
  wait: {type: duration, default: 1s, about: how long}
accounts: {trader: {pick: one}}
legs: {opening: {account: trader, purpose: open, buys: true, quantity: settings.quantity}}
on:
  order.partially_filled: {do: [{note: part}]}
  order.filled: {do: [{note: filled}]}
  order.canceled: {do: [{note: ended}]}
  order.refused: {do: [{note: refused}]}
  order.unknown: {do: [{note: unknown}]}
  cancel.refused: {do: [{note: kept}]}
  link.lost: {do: [{note: lost}]}
  limit.breached: {to: OVER}
  error.raised: {to: OVER}
  stop.requested: {to: OVER}
  stop.now: {to: OVER}
ignore:
  order.accepted: waits
  order.not_sent: waits
  link.trusted: waits
  market.opened: waits
  market.closed: waits
states:
  READY:
    entry: [{begin_round: }]
    after:
      wait: [{when: settings.quantity > 0, to: TAKEN, do: [{take: opening}]}, {to: OVER}]
  TAKEN:
    after: {wait: {to: OVER}}
  OVER: {final: true, entry: [{finish: {flat: "false"}}]}
properties:
  - {name: it ends, leads_to: {when: state == READY, then: state == OVER}}
"""


# --- the command


def test_a_trace_is_saved_as_a_scenario_that_the_test_command_runs(eagle: Eagle, tmp_path: Path) -> None:
    with PLANTED["unknown treated as refused"]():
        done = eagle("prove", "eagle_chicken", "--faults", 1, "--only", "late request", "--save", "found")
        assert done.code == 1
        assert "led through the real runner and the paper venue: the same, in 2 steps" in done.out
        (name,) = [path.name for path in (tmp_path / "found").iterdir()]
        again = eagle("test", f"found/{name}")
        assert (again.code, "(2 steps as written)" in again.out) == (0, True)
    mended = eagle("test", f"found/{name}")
    assert mended.code == 1
    assert "the chart is in MAKER_OPENING.resting, not in MAKER_OPENING.repricing" in mended.out
    assert "-> MAKER_OPENING.resting" in mended.out, "the way that was taken"
    assert "order e1r1lopeninga1: maker buy" in mended.out
    drawn = eagle("test", f"found/{name}", "--mermaid")
    assert drawn.code == 1
    assert "MAKER_OPENING" in drawn.out


def test_a_scenario_that_is_none_is_told_at_its_line(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("scenario: x\nflow: eagle_chicken\nquantity: many\n")
    done = eagle("test", "bad.yaml")
    assert done.code == 1
    assert 'bad.yaml:3:11: error F204: quantity: "many" is not allowed' in done.err


def test_the_command_says_proved_and_within_what(eagle: Eagle) -> None:
    done = eagle("prove", "eagle_chicken", "--faults", "0")
    assert done.code == 0
    assert "eagle_chicken: proved within the bounds below" in done.out
    assert "taker1 (lot 2, least order 2)" in done.out


def test_mutants_of_a_flow_are_counted(eagle: Eagle, tmp_path: Path) -> None:
    """One handler dropped, one guard negated, one target swapped, one timer removed."""
    (tmp_path / "small.yaml").write_text(SMALL)
    done = eagle("prove", "small.yaml", "--mutate", "--faults", "0", "--format", "json")
    assert done.code == 0
    assert {it["kind"] for it in json.loads(done.out)} == {"drop", "negate", "swap", "timer"}
    assert {it["fate"] for it in json.loads(done.out)} <= {
        "found by validate", "breaks a rule", "survived", "does nothing else within the bounds",
        "never reached within the bounds",
    }  # fmt: skip


def test_the_command_does_not_pass_what_it_cut_off(eagle: Eagle) -> None:
    done = eagle("prove", "eagle_chicken", "--max-states", "300", "--format", "json")
    assert (done.code, [part["verdict"] for part in json.loads(done.out)]) == (6, ["cut off"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--only", "rain"], "--only: 'rain' is no kind of fault"),
        (["--set", "rounds"], "--set: 'rounds' is no NAME=VALUE"),
        (["--set", "rnds=2"], 'flow eagle_chicken has no setting "rnds"'),
    ],
)
def test_an_option_that_means_nothing_is_refused(eagle: Eagle, options: list[str], told: str) -> None:
    done = eagle("prove", "eagle_chicken", *options)
    assert done.code in (1, 2)
    assert told in done.err
