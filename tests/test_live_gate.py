"""No real money by accident: what must be true, tried and typed before a run trades where money is real."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from trading_kit import eagle_flow

from cli import live_gate, setups
from cli.live_gate import ALERTS, ONLINE, agreed, note_passed, objections
from cli.locate import CannotUse, Source
from engine.chart.load import load_flow
from engine.chart.model import FlowError
from engine.runtime.config import Config, load_config
from engine.trading.vocabulary import trading_vocabulary

ROOT = Path(__file__).resolve().parent.parent
NOW = 1_800_000_000_000
HOUR = 3600 * 1000

TEXT = (ROOT / "docs" / "examples" / "eagle_backpack_lighter.yaml").read_text("utf-8")


FILE = "flows/eagle_chicken.yaml"
FLOW_TEXT = (ROOT / FILE).read_text("utf-8")
FLOW = load_flow(FLOW_TEXT, file=FILE, vocabulary=trading_vocabulary())


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(TEXT, file="c.yaml", flow=FLOW)


@pytest.fixture
def sound(config: Config) -> Config:
    limits = replace(config.limits, max_loss_run=1, max_loss_day=1, max_round_cost_bps=1)
    return replace(config, limits=limits, alerts=replace(config.alerts, command=("true",)))


SOURCE = Source("c.yaml", TEXT)


def _asked(config: Config, at_ms: int = NOW, source: Source = SOURCE, *, hedged: bool = True) -> list[str]:
    found = objections(config, source, flow=FLOW, hedged=hedged, wall_ms=at_ms)
    return [text.split(":")[0].split(",")[0] for text in found]


def test_everything_that_is_missing_is_told_at_once(config: Config) -> None:
    bare = replace(config, limits=replace(config.limits, max_loss_run=None, max_loss_day=None, max_round_cost_bps=None))
    bare = replace(bare, alerts=replace(bare.alerts, command=(), urls={}))
    assert objections(bare, SOURCE, flow=FLOW, hedged=True, wall_ms=NOW) == [
        "set max_loss_run, max_loss_day, max_round_cost under `limits:`: nothing else bounds what a run may lose",
        "run `eagle validate --online c.yaml`: it must have passed within the last hour",
        "name who is called, `command:` or `urls:` under `alerts:`",
        "run `eagle alert test --config c.yaml`: it must have arrived within the last day",
    ]
    assert "max_round_cost" not in objections(bare, SOURCE, flow=FLOW, hedged=False, wall_ms=NOW)[0]


def test_what_passed_lately_with_this_very_config_counts(sound: Config) -> None:
    note_passed(ONLINE, SOURCE, flow=FLOW, wall_ms=NOW)
    note_passed(ALERTS, SOURCE, flow=FLOW, wall_ms=NOW)
    assert _asked(sound) == []
    assert _asked(sound, NOW + HOUR) == []
    assert _asked(sound, NOW + HOUR + 1) == ["run `eagle validate --online c.yaml`"]
    assert _asked(sound, NOW + 24 * HOUR + 1)[1] == "run `eagle alert test --config c.yaml`"
    assert len(_asked(sound, NOW - 1)) == 2  # a clock that was set back proves nothing
    assert len(_asked(sound, source=Source("c.yaml", TEXT + " "))) == 2


def test_a_flow_that_was_edited_since_the_venues_were_asked_is_checked_again(sound: Config) -> None:
    """It says when, and the venues were asked for the old one: its sizes, its requests a minute, what a round costs."""
    note_passed(ONLINE, SOURCE, flow=FLOW, wall_ms=NOW)
    note_passed(ALERTS, SOURCE, flow=FLOW, wall_ms=NOW)
    edited = load_flow(FLOW_TEXT + "# edited\n", file=FILE, vocabulary=trading_vocabulary())
    told = f"{FILE} is not the flow that it passed with; it was edited, or it is another one"
    assert objections(sound, SOURCE, flow=edited, hedged=True, wall_ms=NOW) == [
        f"run `eagle validate --online c.yaml`: {told}"  # who is called does not depend on it
    ]
    note_passed(ONLINE, SOURCE, flow=edited, wall_ms=NOW)
    assert objections(sound, SOURCE, flow=edited, hedged=True, wall_ms=NOW) == []
    assert _asked(sound) == ["run `eagle validate --online c.yaml`"]


@pytest.mark.parametrize(
    ("config_says", "file", "option"),
    [
        ("", "flows/eagle_chicken.yaml", ""),
        ("flow: mine/eagle_chicken.yaml\n", "mine/eagle_chicken.yaml", ""),
        ("flow: eagle_chicken\n", "eagle_chicken.yaml", ""),  # a shipped one, by its name
        ("", "mine/eagle_chicken.yaml", "--flow mine/eagle_chicken.yaml "),
        ("flow: mine/eagle_chicken.yaml\n", "flows/eagle_chicken.yaml", "--flow flows/eagle_chicken.yaml "),
    ],
)
def test_the_command_that_is_told_checks_the_flow_that_is_to_run(
    sound: Config, config_says: str, file: str, option: str
) -> None:
    flow = load_flow(FLOW_TEXT, file=file, vocabulary=trading_vocabulary())
    source = Source("c.yaml", f"{config_says}version: 1\n")
    told = objections(sound, source, flow=flow, hedged=True, wall_ms=NOW)[0]
    assert told.startswith(f"run `eagle validate --online {option}c.yaml`: ")


BROKEN = [
    *("", "[]", "{", '{"online": "now"}', '{"online": true}', f'{{"online": {NOW}}}', '{"online": {"at_ms": 1}}'),
    f'{{"online": {{"at_ms": {NOW}, "flow": 7}}}}', f'{{"online": {{"at_ms": true, "flow": "{FLOW.digest}"}}}}',
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_a_damaged_trace_counts_for_nothing(sound: Config, text: str) -> None:
    note_passed(ONLINE, SOURCE, flow=FLOW, wall_ms=NOW)
    (trace,) = (live_gate.state_folder() / "checks").iterdir()
    trace.write_text(text)
    assert "run `eagle validate --online c.yaml`" in _asked(sound)


def test_only_the_word_itself_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed(["okx"], "LIVE")
    for word in ("live", "", "yes", "LIVE "):
        with pytest.raises(CannotUse, match="the word is LIVE; nothing was sent"):
            agreed(["okx"], word)
    monkeypatch.setattr("cli.ask.at_terminal", lambda: False)
    with pytest.raises(CannotUse, match="nobody is there to type the word"):
        agreed(["okx"], None)
    monkeypatch.setattr("cli.ask.at_terminal", lambda: True)
    monkeypatch.setattr("cli.ask.ask", lambda _: "LIVE")
    agreed(["okx"], None)
    monkeypatch.setattr("cli.ask.ask", lambda _: "ok")
    with pytest.raises(CannotUse, match="the word is LIVE"):
        agreed(["okx"], None)


def gate(
    config: Config, monkeypatch: pytest.MonkeyPatch, *, found: list[str], **options: Any
) -> list[tuple[list[str], str | None]]:
    """Whom the word is asked of before this config may trade. Raises: CannotUse, FlowError."""
    asked: list[tuple[list[str], str | None]] = []
    monkeypatch.setattr(setups, "objections", lambda *_, **__: found)
    monkeypatch.setattr(setups, "agreed", lambda venues, word: asked.append((venues, word)))
    setups._refuse_real(config, SOURCE, eagle_flow(), options_of(**options))
    return asked


def options_of(**options: Any) -> setups.Options:
    plain: dict[str, Any] = {
        "markets": {}, "rounds": None, "seed": 1, "speed": 1, "journal": Path("j"), "repeat": False, "live": True,
        "outputs": None, "resolve": None, "word": "LIVE",
    }  # fmt: skip
    return setups.Options(**{**plain, **options})


def local(config: Config) -> Config:
    venues = {name: replace(venue, url="http://127.0.0.1:1") for name, venue in config.venues.items()}
    return replace(config, venues=venues)


REAL = ["backpack", "lighter"]


def test_real_venues_need_live_no_objection_and_the_word(sound: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FlowError) as refused:
        gate(sound, monkeypatch, found=[], live=False)
    assert [it.code for it in refused.value.findings] == ["G722"]
    with pytest.raises(CannotUse, match=r"(?s)nothing was sent; before this config trades on backpack, lighter:.*- no"):
        gate(sound, monkeypatch, found=["no"])
    assert gate(sound, monkeypatch, found=[]) == [(REAL, "LIVE")]
    assert gate(sound, monkeypatch, found=[], word=None) == [(REAL, None)]


def test_what_is_open_is_closed_without_the_word(sound: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gate(sound, monkeypatch, found=["no"], stop=1) == []


def test_local_venues_need_nothing_but_in_a_rehearsal(sound: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gate(local(sound), monkeypatch, found=["no"], live=False) == []
    assert gate(local(sound), monkeypatch, found=["no"]) == []
    assert gate(local(sound), monkeypatch, found=[], rehearse=True) == [(REAL, "LIVE")]
    with pytest.raises(CannotUse):
        gate(local(sound), monkeypatch, found=["no"], rehearse=True)
