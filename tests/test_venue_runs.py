"""The eagle flow through Backpack's adapter on local venues, in virtual time, while the venues misbehave by plan.

After each run the venues' own ledgers must hold exactly the fills that we were told, the positions that we count and no
open order; and the run must have ended flat.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from venue_runs import Ran, persons, play

from engine.trading.inputs import Answered, Input
from exchanges.types import LinkState, LinkUpdate, Unknown

FAULTS = {
    "nothing": "",
    "a reply lost": "fault: ack_lost, on: place, rate: 0.1",
    "a request lost": "fault: request_lost, on: place, rate: 0.05",
    "a 5xx, and the order accepted": "fault: error_accepted, on: place, rate: 0.1, body: html",
    "a 5xx, and nothing done": "fault: error_refused, on: place, rate: 0.05, body: empty",
    "replies late": "fault: ack_late, on: any, rate: 0.2, delay: 800ms",
    "429": "fault: rate_limited, on: place, rate: 0.05, for: 2s",
    "orders refused": "fault: order_refused, rate: 0.2, reason: margin",
    "takers filled in part": "fault: partly_taken, rate: 0.5, share: 0.5",
    "orders stuck pending": "fault: stuck_pending, rate: 0.05, for: 1s",
    "cancels too late": "fault: cancel_too_late, share: 0.5, rate: 0.7",
    "cancels that take their time": "fault: cancel_pending, rate: 0.7, delay: 500ms",
    "frames lost": "fault: frame_lost, of: private, rate: 0.05",
    "fills lost": "fault: frame_lost, of: fill, rate: 0.2",
    "frames late": "fault: frame_late, of: private, rate: 0.1, delay: 700ms",
    "frames twice": "fault: frame_twice, of: private, rate: 0.5",
    "frames swapped": "fault: frame_swapped, of: private, rate: 0.3",
    "frames garbled": "fault: frame_garbled, of: private, rate: 0.05",
    "streams cut in a fill": "fault: stream_cut, of: fill, rate: 0.2",
    "streams stalled": "fault: stream_stalled, of: fill, rate: 0.1",
    "maintenance": "fault: maintenance, at: [8s, 25s], for: 3s",
    "the venue's clock ahead": "fault: clock_skewed, at: [8s], by: 700ms",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_ends_flat_and_every_ledger_agrees(name: str) -> None:
    rule = FAULTS[name]
    same_venue = list(FAULTS).index(name) % 2 == 1  # where S8 holds a hedge back until the maker's remainder has ended
    ran = play(f"faults:\n  - {{{rule}}}\n" if rule else "", rounds=8, same_venue=same_venue)
    assert ran.wrong() == []
    assert ran.failures == []
    assert (ran.exit_code, ran.ending) == (0, "flat")
    assert (ran.played > 0) == bool(rule)
    assert [alert.code for alert in persons(ran) if alert.code not in ("account_unwilling", "hedge_stuck")] == []


STORM = (Path(__file__).parent / "storm_faults.yaml").read_text("utf-8")


@pytest.mark.parametrize("seed", range(4))
def test_all_at_once(seed: int) -> None:
    ran = play(STORM, rounds=15, seed=seed, same_venue=seed % 2 == 1)
    assert (ran.wrong(), ran.failures, ran.exit_code, ran.ending) == ([], [], 0, "flat")
    assert ran.played > 20


def test_equal_seeds_make_equal_runs() -> None:
    def facts(ran: Ran) -> tuple[object, ...]:
        return (ran.seconds, ran.played, [(fill.account, fill.trade_id, fill.recv_ns) for fill in ran.fills])

    assert facts(play(STORM, rounds=4, seed=7)) == facts(play(STORM, rounds=4, seed=7))


def test_a_liquidation_is_exposure_and_the_counter_leg_is_reduced() -> None:
    """S12: the venue takes the taker's position away while the maker holds; the run halts, reduces, and says so."""
    ran = play("faults:\n  - {fault: liquidation, account: chick, nth: 1}\n", rounds=8)
    assert ran.wrong() == []
    assert "fill_liquidation" in {alert.code for alert in ran.alerts}
    assert all(qty == 0 for qty in ran.venue_positions().values())


def test_what_is_unknown_was_asked_and_no_stream_was_trusted_without_a_resync() -> None:
    inputs: list[Input] = []
    plan = "faults:\n  - {fault: ack_lost, on: place, nth: [2, 5]}\n  - {fault: streams_cut, at: [6s]}\n"
    play(plan, rounds=3, taken=inputs.append)
    unknown = [it for it in inputs if isinstance(it, Answered) and isinstance(it.reply, Unknown)]
    assert len(unknown) == 4  # two at each venue
    for account in ("hawk", "chick", "hen"):
        states = [it.state for it in inputs if isinstance(it, LinkUpdate) and it.account == account]
        assert states == [*[LinkState.LOST, LinkState.RESYNC, LinkState.TRUSTED] * 2][1:]
