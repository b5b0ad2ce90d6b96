"""`eagle run` from the option to the exit code, on made-up and recorded markets, in virtual time."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from cli_kit import FLOW, ROOT, Eagle, Said, eagle, write_recording

from cli import paper_pool, plan_json, screen, setups, wiring
from cli.locate import Source
from cli.record import COUNTER
from engine.runtime.clock import VirtualClock
from engine.runtime.journal_read import comparable_dump, open_journal, read_runs
from engine.trading.effects import Alert, Effect, Level, Moved, RoundBegan
from engine.trading.inputs import Input

__all__ = ["eagle"]

JOURNAL = Path("state/eagle.sqlite")


def run(eagle: Eagle, *args: object) -> Said:
    return eagle("run", "--flow", FLOW, "--speed", "max", *args)


def test_the_demo_ends_flat_and_its_journal_proves_it(eagle: Eagle) -> None:
    said = run(eagle)
    assert said.code == 0
    assert said.out.startswith("flat\nrounds 5 ")
    assert said.out.endswith(
        "journal state/eagle.sqlite, run 1; check it with: eagle audit state/eagle.sqlite --run 1\n"
    )
    audited = eagle("audit", JOURNAL, "--run", 1)
    assert (audited.code, audited.out.splitlines()[-1]) == (0, "audit holds")
    replayed = eagle("replay", JOURNAL)
    assert replayed.code == 0
    assert replayed.out.endswith(" steps, the same states and effects\n")


def test_the_journal_says_how_the_paper_venues_fill(eagle: Eagle) -> None:
    assert run(eagle, "--rounds", 1).code == 0
    with open_journal(JOURNAL) as journal:
        (row,) = read_runs(journal)
    plain = {"kind": "paper", "market": "synthetic", "latency_ns": 5_000_000, "feed_latency_ns": 5_000_000,
             "depth": {"step_ticks": 1, "growth": 1, "levels": 50}}  # fmt: skip
    assert (json.loads(row.venues), row.speed) == ({"paper-a": plain, "paper-b": plain}, "max")


def test_equal_seeds_give_equal_journals_and_another_seed_another(eagle: Eagle) -> None:
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        assert run(eagle, "--rounds", 2, "--seed", seed, "--journal", f"{name}/j.sqlite").code == 0
    one, same, other = (list(comparable_dump(Path(name) / "j.sqlite")) for name in ("one", "same", "other"))
    assert one == same
    assert one != other


def test_without_a_journal_nothing_is_written(eagle: Eagle, tmp_path: Path) -> None:
    said = run(eagle, "--rounds", 1, "--journal", "off")
    assert said.code == 0
    assert "journal" not in said.out
    assert list(tmp_path.iterdir()) == []


def test_the_summary_as_json_and_csv(eagle: Eagle) -> None:
    told = json.loads(run(eagle, "--rounds", 1, "--journal", "off", "--format", "json").out)
    assert (told["exit_code"], told["ending"], told["rounds"], told["market"]) == (0, "flat", 1, "ETH-PERP")
    assert [line["account"] for line in told["accounts"]] == ["hawk", "chick-1", "chick-2", "chick-3"]
    assert all(Decimal(line["position"]) == 0 for line in told["accounts"])
    lines = run(eagle, "--rounds", 1, "--journal", "off", "--format", "csv").out.splitlines()
    assert lines[0] == "account,venue,symbol,position,volume,fees,cash"
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["hawk", "paper-a", "ETH-PERP"],
        ["chick-1", "paper-b", "ETH-PERP"],
        ["chick-2", "paper-b", "ETH-PERP"],
        ["chick-3", "paper-b", "ETH-PERP"],
    ]


def test_a_shipped_flow_stands_in_for_a_path_that_is_not_here(eagle: Eagle) -> None:
    said = eagle("run", "--flow", "flows/eagle_chicken.yaml", "--speed", "max", "--rounds", 1, "--journal", "off")
    assert said.code == 0
    assert said.err.startswith("flows/eagle_chicken.yaml is not here: using the shipped flow eagle_chicken.yaml\n")


def test_without_a_flow_the_one_that_the_config_names_runs(eagle: Eagle, tmp_path: Path) -> None:
    example = (ROOT / "docs" / "examples" / "eagle_paper.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(Path(FLOW).read_text().replace("flow: eagle_chicken", "flow: mine"))
    (tmp_path / "c.yaml").write_text(example.replace("flow: eagle_chicken", "flow: mine.yaml"))
    options = ("--speed", "max", "--rounds", 1, "--journal", "off")
    assert "run 1: mine on ETH-PERP" in eagle("run", "--config", "c.yaml", *options).err
    assert "run 1: eagle_chicken on ETH-PERP" in eagle("run", "--config", "c.yaml", "--flow", FLOW, *options).err
    assert "run 1: eagle_chicken on ETH-PERP" in eagle("run", *options).err


def test_the_folders_of_journal_and_logs_are_made_for_their_owner_alone(eagle: Eagle) -> None:
    former = os.umask(0)
    try:
        assert run(eagle, "--rounds", 1, "--journal", "a/b/j.sqlite", "--logs", "c/d").code == 0
    finally:
        os.umask(former)
    assert {name: Path(name).stat().st_mode & 0o777 for name in ("a", "a/b", "c", "c/d")} == dict.fromkeys(
        ("a", "a/b", "c", "c/d"), 0o700
    )


def test_a_run_that_a_limit_ended_says_so_beside_flat(eagle: Eagle, tmp_path: Path) -> None:
    text = (ROOT / "docs/examples/eagle_paper.yaml").read_text()
    text = text.replace("max_loss_run: 100 ", "max_loss_run: 0.1 ").replace("rounds: 5 ", "rounds: 0 ")
    (tmp_path / "c.yaml").write_text(text)
    said = run(eagle, "--config", "c.yaml")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0].startswith("flat")
    assert lines[1].startswith("ALERT limit: loss of the run 0.1")
    assert json.loads(run(eagle, "--config", "c.yaml", "--format", "json").out)["alerts"] != []
    assert eagle("audit", JOURNAL).code == 0


# --- recordings


@pytest.mark.parametrize("name", ["x_spot_ethusdt", "x_usdm_ethusdt"])
def test_a_recording_is_traded_to_its_end_and_closed_on_its_prices(eagle: Eagle, tmp_path: Path, name: str) -> None:
    """Without --rounds the demo's five do not count; the stop comes before the last quote."""
    prefix = write_recording(tmp_path, name, seconds=90)
    said = run(eagle, "--market", prefix, "--format", "json")
    assert said.code == 0
    told = json.loads(said.out)
    assert told["rounds"] > 5
    assert {line["symbol"] for line in told["accounts"]} == {"ETHUSDT"}
    assert told["market"] == ("ETH-USDT" if "spot" in name else "ETH-PERP")
    assert Decimal(told["seconds"]) < 90
    assert "END            the recording ends in 9 s\n" in said.err
    assert said.err.count(" STOP ") == 1
    assert eagle("audit", JOURNAL).code == 0
    assert eagle("replay", JOURNAL).code == 0


def test_the_seed_draws_takers_and_holds_on_a_recording_too(eagle: Eagle, tmp_path: Path) -> None:
    prefix = write_recording(tmp_path, "x_usdm_ethusdt", seconds=30)
    for seed in (7, 8):
        assert run(eagle, "--market", prefix, "--seed", seed, "--journal", f"{seed}/j.sqlite").code == 0
    seven, eight = (
        [line for line in comparable_dump(Path(seed) / "j.sqlite") if line.startswith("inputs ")] for seed in "78"
    )
    assert seven != eight


def test_maker_and_takers_may_trade_different_recordings(eagle: Eagle, tmp_path: Path) -> None:
    one = write_recording(tmp_path, "x_spot_ethusdt", seconds=40)
    other = write_recording(tmp_path, "x_usdm_ethusdt", seconds=40)
    said = run(eagle, "--market", f"paper-a={one}", "--market", f"paper-b={other}")
    assert said.code == 0
    assert "hawk: ETHUSDT is spot, so it starts with 0.40 ETH and 10000 USDT\n" in said.err
    assert "chick-1: ETHUSDT is spot" not in said.err
    assert eagle("audit", JOURNAL).code == 0


def test_a_repeated_recording_goes_on_until_the_rounds_are_done(eagle: Eagle, tmp_path: Path) -> None:
    prefix = write_recording(tmp_path, "x_usdm_ethusdt", seconds=20)
    said = run(eagle, "--market", prefix, "--repeat", "--rounds", 8, "--format", "json")
    told = json.loads(said.out)
    assert (said.code, told["rounds"]) == (0, 8)
    assert Decimal(told["seconds"]) > 22
    assert eagle("audit", JOURNAL).code == 0


def test_a_fault_deep_in_a_recording_is_told_before_anything_is_written(eagle: Eagle, tmp_path: Path) -> None:
    prefix = write_recording(tmp_path, "x_usdm_ethusdt", seconds=520)  # beyond the head that tick and lot come from
    trades = prefix.with_name(f"{prefix.name}_trades.csv.gz")
    whole = gzip.decompress(trades.read_bytes()).splitlines()
    whole[5150], whole[5151] = whole[5151], whole[5150]
    trades.write_bytes(gzip.compress(b"\n".join(whole) + b"\n"))
    said = run(eagle, "--market", prefix)
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"eagle: {trades}:5152: local_ts_us 1700000514950000 is before 1700000515050000 of the row before;"
        " sort the file by time\n"
    )
    assert not JOURNAL.parent.exists()


def test_recordings_of_two_coins_are_no_market(eagle: Eagle, tmp_path: Path) -> None:
    one = write_recording(tmp_path, "x_usdm_ethusdt", seconds=2)
    other = write_recording(tmp_path, "x_usdm_btcusdt", seconds=2)
    said = run(eagle, "--market", f"paper-a={one}", "--market", f"paper-b={other}")
    assert said == Said(
        2, "", "eagle: --market: a market has one base asset, but paper-a trades ETH, paper-b trades BTC;"
        " use recordings of one coin\n",
    )  # fmt: skip


# --- E18


class Interrupted(screen.Screen):
    """Sends signals to this very process when the flow first comes to a state."""

    state = ""
    times = 1
    sent = False

    def step(self, seq: int, at_ns: int, given: Input, effects: list[Effect]) -> None:
        super().step(seq, at_ns, given, effects)
        reached = {(effect.target or "").split(".")[0] for effect in effects if isinstance(effect, Moved)}
        if self.sent or self.state not in reached:
            return
        type(self).sent = True
        for _ in range(self.times):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "state", ["maker_opening", "taker_hedging", "holding", "maker_closing", "taker_closing", "idle", "cleanup"]
)
def test_interrupted_in_any_state_it_ends_flat(
    eagle: Eagle, monkeypatch: pytest.MonkeyPatch, state: str, times: int
) -> None:
    """E18: once closes in order, twice by market; both end flat within dust and say what is left on the way."""
    monkeypatch.setattr(screen, "Screen", Interrupted)
    monkeypatch.setattr(Interrupted, "state", state)
    monkeypatch.setattr(Interrupted, "times", times)
    monkeypatch.setattr(Interrupted, "sent", False)
    said = run(eagle, "--rounds", 20)
    assert Interrupted.sent
    assert said.code == 0
    assert said.out.startswith("flat")
    assert said.err.count(" STOP ") == times
    assert "left: " in said.err
    assert eagle("audit", JOURNAL).code == 0


def test_the_third_interrupt_leaves_at_once_and_says_what_is_open(
    eagle: Eagle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "Screen", Interrupted)
    monkeypatch.setattr(Interrupted, "state", "holding")
    monkeypatch.setattr(Interrupted, "times", 3)
    monkeypatch.setattr(Interrupted, "sent", False)
    said = run(eagle, "--rounds", 20)
    assert said.code == 130
    assert said.out.startswith("left open: hawk: +0.0200 ETH-PERP; ")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_calls_for_a_person_that_nobody_can_hear_end_the_run() -> None:
    """In virtual time an alarm that repeats every ten seconds would go on for ever."""
    asked: list[int] = []
    unattended = wiring.Unattended(asked.append, VirtualClock(), endless=True, orders=int)
    for _ in range(4 * wiring.CALLS_UNHEARD):
        unattended(Alert(Level.WARNING, "w", "a warning calls nobody", {}))
        unattended(Alert(Level.PERSON, "p", "look", {}))
    assert asked == [1, 2, 3, 3]


def test_a_run_in_virtual_time_that_opens_nothing_comes_to_an_end(eagle: Eagle, tmp_path: Path) -> None:
    """On a made-up market it would wait for ever, at the speed of the machine."""
    text = re.sub("balance: [0-9]+", "balance: 0", (ROOT / "docs/examples/eagle_paper.yaml").read_text())
    (tmp_path / "c.yaml").write_text(text)
    said = run(eagle, "--config", "c.yaml", "--journal", "off")
    assert (said.code, said.out.splitlines()[0]) == (0, "flat")
    assert "not opening: not enough takers for the full size: chick-1: free margin 0.00 is too little" in said.err
    assert "nothing has opened for an hour of the run's own time, and this market has no end: stopping\n" in said.err


def test_an_hour_without_an_opening_ends_no_run_that_opens_later_or_whose_market_ends() -> None:
    for endless, opens, expected in ((True, False, [1]), (True, True, []), (False, False, [])):
        asked: list[int] = []
        clock = VirtualClock()
        unattended = wiring.Unattended(asked.append, clock, endless=endless, orders=int)
        unattended(Alert(Level.INFO, "not_opening", "market", {}))
        if opens:
            unattended(RoundBegan(1, "buy"))
        for when_ns, _, callback, arguments in tuple(clock.heap):
            if when_ns == clock.now_ns() + wiring.IDLE_NS:
                callback(*arguments)
        assert asked == expected


def test_a_day_without_any_order_ends_a_run_on_an_endless_market() -> None:
    """A take-profit far from the price may rest for ever."""
    for endless, orders, expected in ((True, [7, 7], [1]), (True, [7, 8, 8, 8], [1]), (False, [], [])):
        asked: list[int] = []
        clock, made = VirtualClock(), iter(orders)
        wiring.Unattended(asked.append, clock, endless=endless, orders=lambda made=made: next(made))  # type: ignore[misc]
        due = [(when_ns, callback, arguments) for when_ns, _, callback, arguments in clock.heap]
        assert [when_ns - clock.now_ns() for when_ns, _, _ in due] == ([wiring.STILL_NS] if endless else [])
        for _, callback, arguments in due:
            callback(*arguments)
        again = len(clock.heap) - len(due)
        for _, _, callback, arguments in tuple(clock.heap)[-again:] if again else ():
            callback(*arguments)
        assert asked == expected


# --- the journal and its run numbers


def test_a_lost_counter_goes_on_above_the_journal(eagle: Eagle) -> None:
    """S15: client order ids never come back."""
    for _ in range(2):
        assert run(eagle, "--rounds", 1).code == 0
    (JOURNAL.parent / COUNTER).unlink()
    assert run(eagle, "--rounds", 1).code == 0
    with open_journal(JOURNAL) as journal:
        assert [it.number for it in read_runs(journal)] == [1, 2, 3]


def test_a_lost_journal_does_not_set_the_numbers_back(eagle: Eagle) -> None:
    assert run(eagle, "--rounds", 1).code == 0
    for path in JOURNAL.parent.glob("eagle.sqlite*"):
        path.unlink()
    assert run(eagle, "--rounds", 1).code == 0
    with open_journal(JOURNAL) as journal:
        assert [it.number for it in read_runs(journal)] == [2]


def test_a_journal_that_cannot_be_used_is_refused_and_left_alone(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("not a database")
    (tmp_path / "folder").mkdir()
    foreign = run(eagle, "--journal", "notes")
    assert foreign == Said(5, "", "eagle: notes: is not an SQLite file; name another path for the journal\n")
    assert run(eagle, "--journal", "folder") == Said(
        4, "", "eagle: folder: is a directory; name a file for the journal\n"
    )
    assert run(eagle, "--journal", "notes/j.sqlite").code == 4
    assert (tmp_path / "notes").read_text() == "not a database"


def test_a_plan_comes_back_from_its_json() -> None:
    options = setups.Options(markets={}, rounds=1, seed=1, speed=None, journal=None, repeat=False, live=False)
    text = Path(FLOW).read_text()
    setup = setups.load_setup(Source(FLOW, text), None, options)
    pool = paper_pool.open_pool(setup, clock=VirtualClock(), seed=1, repeat=False, on_failure=_fail)
    plan = setups.plan_of(setup, pool.accounts)
    stored = plan_json.encode_plan(plan), plan_json.encode_settings(plan.settings)
    assert plan_json.decode_plan(*stored, flow=setup.flow) == plan


def test_a_plan_of_before_a_field_was_added_has_its_default() -> None:
    """A journal that was written by an earlier program is still replayed and taken over from."""
    options = setups.Options(markets={}, rounds=1, seed=1, speed=None, journal=None, repeat=False, live=False)
    setup = setups.load_setup(Source(FLOW, Path(FLOW).read_text()), None, options)
    pool = paper_pool.open_pool(setup, clock=VirtualClock(), seed=1, repeat=False, on_failure=_fail)
    plan = setups.plan_of(setup, pool.accounts)
    settings, stored = plan_json.encode_settings(plan.settings), json.loads(plan_json.encode_plan(plan))
    for account in stored["accounts"].values():
        del account["instrument"]["reduces_below_notional"]
    assert plan_json.decode_plan(json.dumps(stored), settings, flow=setup.flow) == plan
    del stored["accounts"]["hawk"]["instrument"]["lot"]
    with pytest.raises(TypeError):
        plan_json.decode_plan(json.dumps(stored), settings, flow=setup.flow)


def _fail(error: Exception) -> None:
    raise error


# --- refusals


def test_real_venues_are_refused_with_the_words_to_use(eagle: Eagle) -> None:
    config = ROOT / "docs" / "examples" / "eagle_backpack_lighter.yaml"
    said = run(eagle, "--config", config)
    assert (said.code, said.out) == (1, "")
    assert (
        "error G722: this config names real venues (backpack, lighter); nothing is sent to them, and nothing simulated,"
        " without --live"
    ) in said.err
    told = run(eagle, "--config", config, "--live")
    assert (told.code, told.out) == (2, "")
    assert "--live: nothing was sent; before this config trades on backpack, lighter:\n  - " in told.err
    assert "eagle validate --online" in told.err
    assert not JOURNAL.parent.exists()


SEE = "; see `eagle run --help`\n"
WRONG = [
    (("--flow", "no/such.yaml"), "no/such.yaml: no such file, and no shipped flow of that name; shipped: "),
    (
        ("--flow", FLOW, "--speed", "fast"),
        f"Invalid value for '--speed': 'fast'; write 1x, a multiple such as 10x, or max{SEE}",
    ),
    (("--flow", FLOW, "--rounds", "0"), f"Invalid value for '--rounds': 0 is not in the range x>=1{SEE}"),
    (("--flow", FLOW, "--repeat"), f"--repeat needs --rounds: a recording that repeats has no end{SEE}"),
    (("--flow", FLOW, "--repeat", "--rounds", "1"), "--repeat: a made-up market has no end; it is for recordings\n"),
    (
        ("--flow", FLOW, "--market", "x"),
        f"--market: there is no x_bbo.csv.gz; give the part before _bbo.csv.gz as the prefix{SEE}",
    ),
    (
        ("--flow", FLOW, "--config", "x.yaml"),
        "x.yaml: cannot be read (No such file or directory); check the path and its rights\n",
    ),
    (("--flow", "."), ".: cannot be read (Is a directory); check the path and its rights\n"),
    (("--flow", FLOW, "--qqqqqqqq"), f"No such option '--qqqqqqqq'{SEE}"),
]


@pytest.mark.parametrize(("args", "words"), WRONG, ids=[words.split(":")[0] for _, words in WRONG])
def test_a_wrong_option_is_one_line_and_exit_code_2(eagle: Eagle, args: tuple[str, ...], words: str) -> None:
    said = eagle("run", *args)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(f"eagle: {words}")


def test_one_venue_on_a_recording_and_one_made_up_are_refused(eagle: Eagle, tmp_path: Path) -> None:
    prefix = write_recording(tmp_path, "x_usdm_ethusdt", seconds=2)
    said = run(eagle, "--market", f"paper-a={prefix}")
    assert said.code == 2
    assert said.err.startswith("eagle: --market: paper-b would trade a made-up market beside a recording")
    unknown = run(eagle, "--market", f"paper-c={prefix}")
    assert unknown == Said(2, "", "eagle: --market: no venue paper-c in use; venues: paper-a, paper-b\n")


def test_venues_of_a_made_up_market_need_one_tick(eagle: Eagle, tmp_path: Path) -> None:
    text = (ROOT / "docs/examples/eagle_paper.yaml").read_text().replace("tick: 0.01", "tick: 0.05")
    (tmp_path / "c.yaml").write_text(text)
    said = run(eagle, "--config", "c.yaml")
    assert said == Said(
        2, "", "eagle: the venues of a made-up market need one tick; give them the same `tick:` or recordings\n"
    )


def test_a_config_of_my_own_may_name_the_recording(eagle: Eagle, tmp_path: Path) -> None:
    """Its symbol and its rounds are the config's."""
    write_recording(tmp_path, "x_usdm_ethusdt", seconds=60)
    text = (ROOT / "docs/examples/eagle_same_venue.yaml").read_text()
    text = text.replace("{kind: paper,", "{kind: paper, market: x_usdm_ethusdt,").replace("rounds: 5", "rounds: 2")
    (tmp_path / "c.yaml").write_text(text.replace("paper: ETHUSDT", "paper: ETH_PERP"))
    told = json.loads(run(eagle, "--config", "c.yaml", "--format", "json").out)
    assert (told["exit_code"], told["rounds"], told["market"]) == (0, 2, "ETH-PERP")
    assert {line["symbol"] for line in told["accounts"]} == {"ETH_PERP"}
    assert eagle("audit", JOURNAL).code == 0


def test_an_inverse_contract_is_refused_with_words(eagle: Eagle, tmp_path: Path) -> None:
    prefix = write_recording(tmp_path, "x_coinm_ethusd_perp", seconds=2)
    said = run(eagle, "--market", prefix)
    assert said.code == 1
    assert "an inverse (COIN-M) contract" in said.err
    assert said.err.count("\n") == 1


def test_findings_of_flow_and_config_are_told_with_their_place(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text((ROOT / "docs/examples/eagle_paper.yaml").read_text().replace("hold:", "hodl:"))
    said = run(eagle, "--config", "c.yaml")
    assert (said.code, said.out) == (1, "")
    assert 'error G701: flow eagle_chicken has no setting "hodl"' in said.err
    (tmp_path / "eagle_chicken.yaml").write_text(Path(FLOW).read_text().replace("to: HOLDING", "to: HODLING"))
    broken = eagle("run", "--flow", "eagle_chicken.yaml", "--speed", "max")
    assert broken.code == 1
    assert "error N301: " in broken.err
    assert "HODLING" in broken.err
    assert not JOURNAL.parent.exists()


def test_who_leaves_something_open_is_told_the_command_with_this_config_and_journal() -> None:
    setup = cast(setups.Setup, SimpleNamespace(listed={"m": None}, config=SimpleNamespace(file="my own.yaml")))
    options = cast(setups.Options, SimpleNamespace(journal=Path("state/j.sqlite")))
    told = wiring._recovery(setup, options)
    assert told.startswith("eagle recover --config 'my own.yaml' --journal state/j.sqlite, or ")
    setup = cast(setups.Setup, SimpleNamespace(listed={}))
    assert wiring._recovery(setup, options) == wiring.RECOVERY
