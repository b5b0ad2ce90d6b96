"""Planted bugs: the simulation catches each by a seed that holds without it. Shows too that the witness can fail."""

from __future__ import annotations

import pytest
from planted_campaign import BUGS, caught, known

CODES = {  # what must be said, where a checker of its own is meant to say it
    "id_again": ("id_twice", "phantom"),
    "intent_skipped": ("no_intent",),
    "intent_skipped_by_hand": ("no_intent",),
    "cumulative_as_fill": ("phantom",),
    "late_frame": ("money_differs",),
    "fee_lost": ("money_differs",),
    "in_flight_forgotten": ("hedge_grew",),
    "remainder_forgotten": ("exposed_long",),
    "end_untold": ("left_to_the_next",),
    "no_watch": ("unknown_long",),
    "interval_ignored": ("interval_grew",),
    "untrusted_hedged": ("sent_untrusted",),
    "rests_twice": ("rests_twice",),
    "reduce_only_lost": ("order_differs",),
    "opened_unwritten": ("opened_unwritten",),
    "stop_unheard": ("opened_late",),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    seed, how = caught(name, known(name))
    assert seed, BUGS[name].about
    assert how.partition(":")[0] in CODES.get(name, (how.partition(":")[0],))
