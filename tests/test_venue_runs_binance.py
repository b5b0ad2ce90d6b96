"""The eagle flow with takers on a local Binance, or all of it there, in virtual time, while the venues misbehave."""

from __future__ import annotations

import pytest
from test_venue_runs import FAULTS, STORM
from venue_runs import persons, play


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_ends_flat_and_every_ledger_agrees(name: str) -> None:
    rule = FAULTS[name]
    same_venue = list(FAULTS).index(name) % 2 == 0
    ran = play(f"faults:\n  - {{{rule}}}\n" if rule else "", rounds=5, same_venue=same_venue, takers="binance")
    assert ran.wrong() == []
    assert ran.failures == []
    assert (ran.exit_code, ran.ending) == (0, "flat")
    assert (ran.played > 0) == bool(rule)
    assert [alert.code for alert in persons(ran) if alert.code not in ("account_unwilling", "hedge_stuck")] == []


@pytest.mark.parametrize("seed", range(2))
def test_all_at_once(seed: int) -> None:
    ran = play(STORM, rounds=10, seed=seed, same_venue=seed % 2 == 1, takers="binance")
    assert (ran.wrong(), ran.failures, ran.exit_code, ran.ending) == ([], [], 0, "flat")
    assert ran.played > 20


def test_a_liquidation_is_exposure_and_the_counter_leg_is_reduced() -> None:
    ran = play("faults:\n  - {fault: liquidation, account: chick, nth: 1}\n", rounds=5, takers="binance")
    assert ran.wrong() == []
    assert "fill_liquidation" in {alert.code for alert in ran.alerts}
    assert all(qty == 0 for qty in ran.venue_positions().values())
