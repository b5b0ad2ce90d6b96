"""`make campaign` and `make soak`: what they count, what they miss, and that a soak goes on where it was left."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import simulated_campaign
from simulated_campaign import PLAYED, ROOT, WANTED, WANTED_OF_SOAK, Figures, Size, play, report, soak, sources

from engine.runtime.simulate.witness import Bounds


def test_a_part_is_played_and_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(simulated_campaign, "PROCESSES", 1)
    with ThreadPoolExecutor(1) as beside:
        monkeypatch.setattr(simulated_campaign, "kill_all", lambda *_: [(True, ""), (False, "")])
        played = play(Size(storms=1, deaths=2, sigkills=2), 1, beside=beside)
    assert (played.seeds, played.sigkills, played.violations) == (3, 2, 1)
    assert played.rounds > 3
    assert played.faults > played.kill_points > 0
    assert capsys.readouterr().out == ""


def test_what_breaks_is_printed_with_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulated_campaign, "Bounds", partial(Bounds, exposed_ns=1))
    monkeypatch.setattr(simulated_campaign, "kill_all", lambda *_: [])
    with ThreadPoolExecutor(1) as beside:
        played = play(Size(storms=1, deaths=0, sigkills=0), 6, beside=beside)
    told = capsys.readouterr().out.splitlines()
    assert (played.violations, told[0].split(":")[0]) == (1, "exposed_long")
    assert told[1] == "  eagle simulate --rounds 12 --faults tests/storm_faults.yaml --venues backpack --seeds 7"


@pytest.mark.parametrize(
    ("change", "last"),
    [
        ({}, "held"),
        ({"violations": 1}, "missed: violations"),
        ({"seeds": 999, "kill_points": 2_499}, "missed: seeds, kill points"),
        ({"seconds": 601.0}, "missed: minutes"),
    ],
)
def test_a_number_that_is_missed_is_named(change: dict[str, float], last: str) -> None:
    lines, held = report(replace(WANTED, **change), WANTED)  # type: ignore[arg-type]
    assert (lines[-1], held) == (last, last == "held")


def test_a_soak_goes_on_where_it_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def once(_: Size, number: int, **__: object) -> Figures:
        asked.append(number)
        return Figures(seeds=number, seconds=0.5)

    monkeypatch.setattr(simulated_campaign, "play", once)
    with ThreadPoolExecutor(1) as beside:
        soak([2], tmp_path, beside=beside)
        assert soak([1, 2, 3], tmp_path, beside=beside) == (Figures(seeds=6, seconds=1.5), 3)
    assert asked == [2, 1, 3]


def test_slices_are_of_one_state_of_what_is_played(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    git("init", "-q")
    for name in ("engine/step.py", "docs/step.md"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1\n", "utf-8")
    git("add", ".")
    git("commit", "-qm", "a")
    first = sources(tmp_path)
    (tmp_path / "docs/step.md").write_text("2\n", "utf-8")
    assert sources(tmp_path) == first
    git("commit", "-qam", "b")
    assert sources(tmp_path) == first
    (tmp_path / "engine/step.py").write_text("2\n", "utf-8")
    changed = sources(tmp_path)
    git("commit", "-qam", "c")
    assert len({first, changed, sources(tmp_path)}) == 3
    assert all((ROOT / path).exists() for path in PLAYED)


def test_all_slices_of_a_soak_together_are_as_much_as_it_wants() -> None:
    assert WANTED_OF_SOAK.seeds <= simulated_campaign.SLICES * (
        simulated_campaign.SLICE.storms + simulated_campaign.SLICE.deaths
    )
    assert WANTED_OF_SOAK.sigkills <= simulated_campaign.SLICES * simulated_campaign.SLICE.sigkills
