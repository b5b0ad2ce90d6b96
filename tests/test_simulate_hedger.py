"""The hedger in `eagle simulate`: somebody else's fills, every fault of its catalogue, and what must be found."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_kit import Eagle, eagle

import exchanges.bifu.private as bifu
from engine.runtime.venue_audit import audit_venue_in
from exchanges.bifu.private import Pace

__all__ = ["eagle"]

S = 1_000_000_000


def simulated(eagle: Eagle, seeds: str, *more: str) -> dict[str, Any]:
    said = eagle("simulate", "hedger", "--seeds", seeds, "--jobs", "1", *more, "--format", "json")
    told: dict[str, Any] = json.loads(said.out)
    assert (said.code == 0) == told["holds"]
    return told


def codes(told: dict[str, Any]) -> set[str]:
    return {it["code"] for seed in told["broken"] for it in seed["violations"]}


def plan(folder: Path, *rules: str) -> Path:
    path = folder / "plan.yaml"
    path.write_text("faults:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules))
    return path


def test_without_faults_every_fill_of_the_source_is_hedged(eagle: Eagle) -> None:
    told = simulated(eagle, "1..3", "--venues", "backpack,okx")
    assert told["holds"]
    assert told["hedges"] > 30
    assert (told["faults"], told["quiet_cuts"] > 30) == (0, True)
    assert max(told["exposed_ms"].values()) < 6_000 + 3_000  # below its thresholds a fill waits for max_age


# Each broke once. 3: a source whose stream came back during the stop was never told to be there. 20: a batch after a
# gap. 47: a run that was stopped as it came up went on listening.
# 9171: a venue whose clock was set back, and whose list of orders so seemed older than a row that was in it. 9213: a
# hedge that a full disk kept from the journal of a run that died flat.
@pytest.mark.parametrize("seed", [1, 3, 6, 12, 20, 47, 9171, 9213])
def test_seeds_of_its_catalogue_hold(eagle: Eagle, seed: int) -> None:
    told = simulated(eagle, str(seed), "--faults", "catalogue", "--play", "some")
    assert told["broken"] == []
    assert told["faults"] > 2


# Each broke once. 122, 219: what somebody else traded while the disk was full, before a death. 143: a liquidation then,
# and a venue whose requests were used up by questions. 208: ten orders of a dead run used them up. 302: the order list
# tells of what the maker took, and not that it took.
@pytest.mark.parametrize("seed", [122, 143, 208, 219, 302])
def test_seeds_of_its_whole_catalogue_hold(eagle: Eagle, seed: int) -> None:
    told = simulated(eagle, str(seed), "--faults", "catalogue")
    assert told["broken"] == []
    assert told["faults"] > 30


# Each broke once. 342, 386: what the maker took, told by the order list alone. 380: a hedge that its venue carried out
# when it was given up. 543: the maker's orders met each other, and only the list told.
@pytest.mark.parametrize("seed", [342, 380, 386, 543])
def test_seeds_of_its_catalogue_that_were_judged_wrong_hold(eagle: Eagle, seed: int) -> None:
    assert simulated(eagle, str(seed), "--faults", "catalogue", "--play", "some")["broken"] == []


def test_what_the_makers_orders_filled_of_each_other_is_no_difference_at_the_source(
    eagle: Eagle, tmp_path: Path
) -> None:
    """A hedger that was killed under a fault plan ended with `fill_differs`: only the order list had told of a take."""
    rules = plan(
        tmp_path, "fault: maker_takes, rate: 0.3, venue: one", "fault: frame_lost, of: fill, rate: 0.3, venue: one"
    )
    assert simulated(eagle, "12", "--faults", str(rules), "--venues", "backpack")["broken"] == []


@pytest.mark.parametrize(("after_s", "found"), [(4, True), (3_600, False)])
def test_a_fill_that_a_comparison_could_have_found_and_no_run_tells_is_a_difference(
    eagle: Eagle, monkeypatch: pytest.MonkeyPatch, after_s: int, found: bool
) -> None:
    """What fills after the last comparison of a run, the next one may still be told: no such row is missed here."""

    def robbed(journal: sqlite3.Connection, *given: Any, venue: str) -> Any:
        if venue == "one":
            first = f"SELECT min(at_ms) + {after_s * 1000} FROM fills WHERE venue = 'one'"
            journal.execute("PRAGMA query_only = 0")
            journal.execute(f"DELETE FROM fills WHERE venue = 'one' AND at_ms BETWEEN ({first}) AND ({first}) + 2000")
        return audit_venue_in(journal, *given, venue=venue)

    monkeypatch.setattr("cli.simulated_life.audit_venue_in", robbed)
    told = simulated(eagle, "2", "--venues", "backpack", "--rounds", "20")
    assert ("fill_differs" in codes(told)) is found


# 111: one cut of the source's stream became a dozen. 150: a maker that takes its own order has filled nothing.
@pytest.mark.parametrize("seed", [111, 150])
def test_seeds_of_a_single_fault_hold(eagle: Eagle, seed: int) -> None:
    assert simulated(eagle, str(seed), "--faults", "catalogue", "--play", "one")["broken"] == []


def test_one_seed_goes_one_way(eagle: Eagle) -> None:
    first, again = (simulated(eagle, "5", "--faults", "catalogue", "--play", "some")["digests"]["5"] for _ in range(2))
    assert first == again


def test_risk_that_a_death_makes_forget_is_found(eagle: Eagle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defect 11: what was open when the process died belongs to the next one."""
    monkeypatch.setattr("cli.simulated_life.left_over", lambda *_, **__: None)
    rules = plan(tmp_path, "fault: killed, rate: 0.05, times: 3, for: 500ms")
    assert codes(simulated(eagle, "1..4", "--faults", str(rules), "--venues", "backpack"))


def test_a_fill_that_its_stream_leaves_out_is_found_by_a_comparison(
    eagle: Eagle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogue 11: within a quarter of a minute; a run that compares no more is broken."""
    rules = plan(tmp_path, "fault: frame_lost, of: fill, nth: [3, 6], venue: one")
    asked = ("2", "--faults", str(rules), "--venues", "backpack", "--rounds", "20")
    told = simulated(eagle, *asked)
    assert told["holds"]
    assert 6_000 < told["unknown_ms"]["max"] < 16_000
    monkeypatch.setattr(bifu, "Pace", lambda **given: replace(Pace(**given), compare_ns=600 * S))
    monkeypatch.setattr("cli.client_wiring.Pace", lambda **given: Pace(compare_ns=600 * S, **given))
    assert "unknown_long" in codes(simulated(eagle, *asked))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("take_profit",), "take_profit: a simulation judges that every fill is hedged"),
        (("hedger", "--matrix"), "hedger: its states are not the phases of the fault catalogue"),
        (("hedger", "--faults", "catalogue", "--play", "cell"), "hedger: its states are not the phases"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_it_begins(eagle: Eagle, words: tuple[str, ...], says: str) -> None:
    said = eagle("simulate", *words, "--seeds", "1..4")
    assert (said.code, said.out) == (2, "")
    assert says in said.err
