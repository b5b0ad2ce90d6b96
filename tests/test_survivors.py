"""The list of mutants that no rule notices: each with a reason, and every name on it still a survivor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_kit import Eagle, eagle
from test_prove import SMALL
from trading_kit import shipped_flow

from engine.chart.model import FlowError
from engine.chart.structure import shipped_schema
from engine.verify.bounds import FAULTS, ON_REQUEST, Bounds
from engine.verify.mutants import Fate, checked, mutants_of
from engine.verify.survivors import Searched, read_survivors, untrue

__all__ = ["eagle"]
SURVIVED, UNREACHED = Fate.SURVIVED, Fate.UNREACHED

LIST = """
flow: small
worlds: [{faults: 0}, {faults: 1, settings: {wait: 2s}}, {faults: 2, only: [stop, partial], of: unreached}]
survivors:
  - {is: accepted, because: nobody asks, mutants: ["a, always: dropped", b]}
  - {is: equivalent, because: the same, mutants: [c]}
  - {is: unreached, because: nobody comes there, mutants: [d]}
"""


def test_a_list_gives_worlds_and_a_reason_for_each_name() -> None:
    read = read_survivors(LIST, file="list.yaml")
    assert read.worlds == (
        Searched(Bounds(faults=0)),
        Searched(Bounds(faults=1, settings={"wait": "2s"})),
        Searched(Bounds(faults=2, kinds=frozenset({"stop", "partial"})), of=frozenset({Fate.UNREACHED})),
    )
    assert {name: (it.word, it.because, it.span.line) for name, it in read.reasons.items()} == {
        "a, always: dropped": ("accepted", "nobody asks", 5), "b": ("accepted", "nobody asks", 5),
        "c": ("equivalent", "the same", 6), "d": ("unreached", "nobody comes there", 7),
    }  # fmt: skip


def test_a_world_may_name_every_kind_of_fault() -> None:
    world = shipped_schema("survivors.schema.json")["properties"]["worlds"]["items"]["properties"]
    assert set(world["only"]["items"]["enum"]) == FAULTS | ON_REQUEST


@pytest.mark.parametrize(
    ("piece", "instead", "code"),
    [
        ("mutants: [c]", "mutants: [b]", "F209"),
        ("is: equivalent", "is: fine", "F204"),
        ("faults: 1", "faults: 9", "F204"),
        ("partial", "partly", "F204"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_at_its_line(piece: str, instead: str, code: str) -> None:
    assert piece in LIST
    with pytest.raises(FlowError) as told:
        read_survivors(LIST.replace(piece, instead), file="list.yaml")
    assert [it.code for it in told.value.findings] == [code]


def test_what_is_no_longer_true_of_a_list_is_said() -> None:
    fates = {
        "a, always: dropped": Fate.SURVIVED, "b": Fate.KILLED, "d": Fate.SURVIVED, "new": Fate.SURVIVED,
        "same": Fate.SAME, "far": Fate.UNREACHED,
    }  # fmt: skip
    assert list(untrue(read_survivors(LIST, file="list.yaml"), fates)) == [
        ("b", "it is listed as accepted: breaks a rule"),
        ("c", "no mutant of the flow has this name"),
        ("d", "it is listed as unreached: survived"),
        ("new", "survived, and no reason is given"),
        ("far", "never reached within the bounds, and no reason is given"),
    ]


def test_the_command_compares_with_the_list(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    found = json.loads(eagle("prove", "small.yaml", "--mutate", "--faults", "0", "--format", "json").out)
    left = {fate: [it["what"] for it in found if it["fate"] == fate.value] for fate in (SURVIVED, UNREACHED)}
    assert min(map(len, left.values())) > 0
    head = "flow: small\nworlds: [{faults: 0}]\nsurvivors:\n"
    listed = head + reason("accepted", left[SURVIVED]) + reason("unreached", left[UNREACHED])
    (tmp_path / "list.yaml").write_text(listed)
    true = eagle("prove", "small.yaml", "--mutate", "--survivors", "list.yaml")
    assert true.code == 0
    for word, fate in (("accepted", SURVIVED), ("unreached", UNREACHED)):
        assert true.out.count(f"({word}: a test)") == len(left[fate])
    (tmp_path / "list.yaml").write_text(head + reason("accepted", ["an old name"]))
    stale = eagle("prove", "small.yaml", "--mutate", "--survivors", "list.yaml")
    assert stale.code == 1
    assert "list.yaml:4:47: an old name: no mutant of the flow has this name" in stale.err
    for fate in (SURVIVED, UNREACHED):
        assert stale.err.count(f"{fate.value}, and no reason is given") == len(left[fate])


def reason(word: str, names: list[str]) -> str:
    return f"  - {{is: {word}, because: a test, mutants: {json.dumps(names)}}}\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--survivors", "list.yaml"], "--survivors is of --mutate"),
        (["--mutate", "--survivors", "list.yaml"], "list.yaml: it lists survivors of other, not of small"),
    ],
)
def test_a_list_in_the_wrong_place_is_refused(eagle: Eagle, tmp_path: Path, options: list[str], told: str) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "list.yaml").write_text(LIST.replace("flow: small", "flow: other"))
    done = eagle("prove", "small.yaml", *options)
    assert done.code == 2
    assert told in done.err


LISTS = sorted((Path(__file__).parent / "survivors").glob("*.yaml"))


@pytest.mark.parametrize("path", LISTS, ids=[path.stem for path in LISTS])
def test_every_name_on_a_list_is_a_mutant_that_validate_passes(path: Path) -> None:
    """Whether it still survives, `make mutants` says."""
    listed = read_survivors(path.read_text(encoding="utf-8"), file=path.name)
    mutants = {it.name: it for it in mutants_of(shipped_flow(listed.flow))}
    assert (listed.flow, [name for name in listed.reasons if name not in mutants]) == (path.stem, [])
    assert [name for name in list(listed.reasons)[::8] if checked(mutants[name]) is not None] == []
