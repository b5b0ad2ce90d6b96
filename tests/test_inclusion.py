"""What runs of the real runner do on the paper venue, the model of a proof allows (S19)."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from inclusion_kit import Model
from shaken_kit import QUIET, SHAKEN, seen_in_a_run
from trading_kit import shipped_flow

from engine.verify.bounds import FAULTS, Bounds
from engine.verify.situation import Action, VenueOrder
from engine.verify.venues import Venues

FLOWS = ("eagle_chicken", "take_profit", "twap", "hedger")
BOUNDS = Bounds()
SECONDS = 40
SHAKEN_SECONDS = {
    "eagle_chicken": 30,
    "hedger": 6,  # somebody else trades all the time: what was told late has very many explanations
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("flow", FLOWS)
def test_a_quiet_run_is_one_of_the_model_without_a_fault(flow: str, seed: int) -> None:
    it = shipped_flow(flow)
    model = Model(it, BOUNDS, kinds=frozenset({"stop", "comparison"}))
    seen = seen_in_a_run(it, BOUNDS, model, seed=seed, odds=QUIET, seconds=SECONDS)
    assert (len(seen) > 10, model.refuses(seen)) == (True, None)


@pytest.mark.parametrize(
    ("flow", "seed"), [(flow, seed) for flow, seeds in zip(FLOWS, (4, 6, 6, 2), strict=True) for seed in range(seeds)]
)
def test_a_run_in_which_things_go_wrong_is_one_of_the_model(flow: str, seed: int) -> None:
    """Lost and late requests, answers and frames, refusals, partial fills, frames told twice, lost streams."""
    it = shipped_flow(flow)
    model = Model(it, BOUNDS, kinds=FAULTS)
    seconds = SHAKEN_SECONDS.get(flow, SECONDS)
    assert model.refuses(seen_in_a_run(it, BOUNDS, model, seed=seed, odds=SHAKEN, seconds=seconds)) is None


def test_a_model_whose_venues_never_fill_in_part_explains_no_run() -> None:
    """It must be able to refuse."""
    it = shipped_flow("eagle_chicken")
    model = Model(it, BOUNDS, kinds=FAULTS)
    seen = seen_in_a_run(it, BOUNDS, model, seed=0, odds=QUIET, seconds=SECONDS)
    real = Venues._filled

    def whole(self: Venues, place: int, order: VenueOrder, _: int, action: Action) -> Any:
        return real(self, place, order, order.qty - order.cum, action)

    with patch.object(Venues, "_filled", whole):
        refused = Model(it, BOUNDS, kinds=FAULTS).refuses(seen)
    assert refused is not None


def test_a_model_whose_source_buys_whole_lots_only_explains_no_run_of_the_hedger() -> None:
    it = shipped_flow("hedger")
    model = Model(it, BOUNDS, kinds=FAULTS)
    seen = seen_in_a_run(it, BOUNDS, model, seed=0, odds=QUIET, seconds=6)
    with patch("engine.verify.venues.SOURCE_FILLS", (2,)):
        refused = Model(it, BOUNDS, kinds=FAULTS).refuses(seen)
    assert refused is not None
