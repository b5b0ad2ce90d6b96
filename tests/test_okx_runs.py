"""The eagle flow through OKX's adapter on local venues in virtual time, while the venues misbehave by plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_kit import Eagle, eagle

__all__ = ["eagle"]

FAULTS = {
    "replies lost with their stream": "fault: ack_lost, on: place, rate: 0.1",
    "a 5xx, and the order accepted": "fault: error_accepted, on: place, rate: 0.1, body: html",
    "429": "fault: rate_limited, on: place, rate: 0.05, for: 2s",
    "fills lost": "fault: frame_lost, of: fill, rate: 0.2",
    "frames swapped": "fault: frame_swapped, of: private, rate: 0.3",
    "cancels too late": "fault: cancel_too_late, share: 0.5, rate: 0.7",
    "maintenance": "fault: maintenance, at: [8s], for: 3s",
    "streams stalled": "fault: stream_stalled, of: fill, rate: 0.1",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_holds(eagle: Eagle, tmp_path: Path, name: str) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(f"faults:\n  - {{{FAULTS[name]}}}\n")
    args = ("--venues", "okx", "--seeds", "1..2", "--rounds", "3", "--jobs", "1", "--faults", plan, "--format", "json")
    said = eagle("simulate", *args)
    assert said.code == 0, said.out
    told = json.loads(said.out)
    assert told["faults"] > 0


def test_maker_elsewhere_and_takers_on_okx_hold_too(eagle: Eagle) -> None:
    said = eagle("simulate", "--venues", "backpack,okx", "--seeds", "5..7", "--rounds", "2", "--jobs", "1")
    assert said.code == 0, said.out
