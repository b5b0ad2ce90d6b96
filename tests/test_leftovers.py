"""What earlier runs left on the accounts of a config, and what nobody of ours left there (S1, S15)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import click
import pytest
from killed_runs import Lives, live_through
from trading_kit import shipped_flow

from cli import guarded
from cli.guarded import Guarded
from cli.leftovers import check_baseline, check_carried, left_over, taken_over, traded, unfinished, words_of
from cli.locate import CannotUse
from cli.record import lived_at, open_record
from cli.recover import flatten, recover
from engine.chart.load import load_flow
from engine.errors import NotFlatBefore
from engine.runtime.carried import Left
from engine.runtime.config import Config
from engine.runtime.journal import Sync
from engine.trading.inputs import Carried, Held, Recalled
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import Fill, Liquidity, OrderState, Position, Side

FLOWS = Path(__file__).resolve().parent.parent / "flows"
D = Decimal
ETH = "ETH_USDC_PERP"


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """A journal whose first run died with positions; the venues as the second run left them."""
    return live_through(tmp_path_factory.mktemp("dead") / "j.sqlite", 60)


def _left(dead: Lives) -> Left:
    left = dead.left[1]
    assert left is not None
    return left


def test_it_is_told_account_by_account_and_order_by_order(dead: Lives) -> None:
    lines = words_of(_left(dead))
    assert any(line.startswith("hawk: +0.0200, beside a baseline of 0") for line in lines), lines
    assert all(": " in line for line in lines)


def test_an_order_of_a_dead_run_counts_as_dead_only_when_its_validity_is_over(dead: Lives, tmp_path: Path) -> None:
    """S15: it may still arrive at a venue that does not show it, for twice the 2 s that it is valid, and a margin."""
    path = tmp_path / "of_the_first.sqlite"
    shutil.copy(dead.path, path)
    with closing(sqlite3.connect(path)) as journal, journal:
        journal.execute("DELETE FROM runs WHERE number > 1")
        (made_ms,) = journal.execute("SELECT max(wall_ms) FROM intents WHERE run = 1 AND kind = 'place'").fetchone()
    for age_ms, left_ms in ((0, 4_100), (4_000, 100), (4_100, 0), (60_000, 0)):
        left = left_over(path, dead.venues.config, wall_ms=made_ms + age_ms)
        assert left is not None
        assert left.carried is not None
        assert max(order.dead_in_ns for order in left.carried.orders) == left_ms * 1_000_000


def test_positions_that_no_run_made_need_a_word_of_their_owner(dead: Lives) -> None:
    config = dead.venues.config
    held = [Position("hawk", ETH, D("-1.5")), Position("chick", "BTC_USDC_PERP", D(3)), Position("hen", ETH, D(0))]
    with pytest.raises(NotFlatBefore) as refused:
        check_baseline(config, held, known=())
    assert str(refused.value).startswith("hawk holds -1.5 ETH_USDC_PERP, which no run of this journal made;")
    assert "chick" not in str(refused.value)
    check_baseline(config, held, known=("hawk",))
    accounts = {name: replace(account, dedicated=True) for name, account in config.accounts.items()}
    check_baseline(replace(config, accounts=accounts), held, known=())


def test_a_config_that_does_not_name_what_is_open_is_refused(dead: Lives) -> None:
    left = Left(4, None, ("hen: -0.02 ETH_USDC_PERP on two",))
    with pytest.raises(CannotUse, match=r"run 4 left something open that this config does not name: hen: -0\.02"):
        taken_over(left, dead.venues.flow, may_leave=True)


def test_a_flow_that_would_not_clean_up_is_refused_unless_it_is_stopped_at_once(dead: Lives) -> None:
    twap = load_flow((FLOWS / "twap.yaml").read_text("utf-8"), file="twap.yaml", vocabulary=trading_vocabulary())
    left = Left(4, Carried(4, 0, (Held("hawk", D(0), D(1)),), ()), ())
    with pytest.raises(CannotUse, match="run `eagle recover` first"):
        taken_over(left, twap, may_leave=False)
    assert taken_over(left, twap, may_leave=True) is left.carried
    assert taken_over(left, dead.venues.flow, may_leave=False) is left.carried


def test_accounts_that_moved_to_another_address_are_not_the_same_accounts(dead: Lives) -> None:
    """A local venue that was started anew knows nothing of what was open on the former one."""
    config = dead.venues.config
    moved = {name: replace(venue, url="http://127.0.0.1:9") for name, venue in config.venues.items()}
    assert left_over(dead.path, replace(config, venues=moved), wall_ms=0) is None


def test_without_a_journal_nothing_is_known(dead: Lives, tmp_path: Path) -> None:
    assert left_over(tmp_path / "none.sqlite", dead.venues.config, wall_ms=0) is None


def test_a_run_without_an_end_is_unfinished_be_it_flat_or_not(dead: Lives, tmp_path: Path) -> None:
    config, cut = dead.venues.config, tmp_path / "cut.sqlite"
    assert unfinished(dead.path, config) == 0  # its newest run, which finished what the first one had left
    shutil.copy(dead.path, cut)
    with sqlite3.connect(cut) as journal:
        ((newest,),) = journal.execute("SELECT max(number) FROM runs").fetchall()
        journal.execute("UPDATE runs SET ended_wall_ms = NULL, exit_code = NULL WHERE number = ?", (newest,))
    assert left_over(cut, config, wall_ms=0) is None
    assert unfinished(cut, config) == newest
    moved = {name: replace(venue, url="http://127.0.0.1:9") for name, venue in config.venues.items()}
    assert unfinished(cut, replace(config, venues=moved)) == 0
    assert unfinished(tmp_path / "none.sqlite", config) == 0


@pytest.mark.parametrize(("flow", "found"), [("hedger", 7), ("eagle_chicken", 0)])
def test_a_guard_takes_over_a_hedger_that_died_flat(
    flow: str, found: int, dead: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its source fills after its death was hedged by nobody: the guard waited for a run that left something."""
    monkeypatch.setattr(guarded, "left_over", lambda *_, **__: None)
    monkeypatch.setattr(guarded, "unfinished", lambda *_: 7)
    watched = Guarded.__new__(Guarded)
    watched.journal, watched._leases, watched._config = dead.path, {}, dead.venues.config
    watched._flow = shipped_flow(flow)
    assert watched.left() == found


BUYING = Recalled(
    client_id="7", account="hawk", venue="one", symbol=ETH, side=Side.BUY, qty=D("0.5"), price=D(1), purpose="open",
    leg="opening", round=1, order_id="", state=OrderState.PENDING, filled=D(0), provisional=D("0.1"), trades=(),
)  # fmt: skip
SELLING = replace(BUYING, client_id="8", side=Side.SELL)
ENDED = replace(BUYING, client_id="9", state=OrderState.CANCELED)


UNTOLD = Fill(
    venue="one", account="hawk", symbol=ETH, client_id="12", order_id="v", trade_id="t", side=Side.BUY, qty=D("0.2"),
    price=D(1), fee=D(0), fee_asset="USDC", liquidity=Liquidity.TAKER, at_ms=0, recv_ns=0,
)  # fmt: skip
OF_BUYING = replace(UNTOLD, client_id="7")  # in what that order may fill already
ELSEWHERE = replace(UNTOLD, account="hen")


@pytest.mark.parametrize(
    ("orders", "missing", "venue", "sound"),
    [
        ((), (), "3", True),
        ((), (), "3.1", False),
        ((), (), "0", False),
        ((BUYING,), (), "3.4", True),
        ((BUYING,), (), "3.41", False),
        ((BUYING,), (), "2.9", False),
        ((SELLING,), (), "2.6", True),
        ((SELLING,), (), "2.59", False),
        ((BUYING, SELLING), (), "2.6", True),
        ((ENDED,), (), "3.4", False),
        ((), (UNTOLD,), "3.2", True),
        ((), (UNTOLD,), "3.21", False),
        ((), (UNTOLD,), "2.9", False),
        ((), (replace(UNTOLD, side=Side.SELL),), "2.8", True),
        ((BUYING,), (OF_BUYING,), "3.41", False),
        ((BUYING,), (UNTOLD,), "3.6", True),
        ((), (ELSEWHERE,), "3.2", False),
    ],
)
def test_a_takeover_is_refused_where_the_venue_does_not_hold_what_is_ours(
    dead: Lives, orders: tuple[Recalled, ...], missing: tuple[Fill, ...], venue: str, sound: bool
) -> None:
    """Other keys behind the same name, demo trading, a trade by hand: nothing of it may be flattened as ours."""
    carried = Carried(4, 0, (Held("hawk", D(2), D(1)),), orders)
    held = [Position("hawk", ETH, D(venue)), Position("hawk", "BTC", D(9)), Position("hen", ETH, D(5))]
    instruments = {"hawk": dead.venues.instrument}
    if sound:
        check_carried(carried, instruments, held, missing)
        return
    with pytest.raises(NotFlatBefore, match=rf"hawk: the journal has 3 {ETH}, the venue {venue}; nothing was sent"):
        check_carried(carried, instruments, held, missing)


def test_what_a_source_filled_is_no_position_of_ours(dead: Lives) -> None:
    carried = Carried(4, 0, (Held("hawk", D(0), D(1)), Held("chick", D(0), D(-1))), ())
    listed = {"hawk": dead.venues.instrument, "chick": dead.venues.instrument}
    hedger = load_flow((FLOWS / "hedger.yaml").read_text("utf-8"), file="hedger.yaml", vocabulary=trading_vocabulary())
    config = replace(dead.venues.config, roles={"source": ("hawk",), "hedgers": ("chick",)})
    compared = traded(listed, config, hedger)
    assert set(compared) == {"chick"}
    assert traded(listed, config, dead.venues.flow) == listed
    check_carried(carried, compared, [Position("chick", ETH, D(-1))], ())
    with pytest.raises(NotFlatBefore, match="chick: the journal has -1"):
        check_carried(carried, compared, [Position("chick", ETH, D("-0.9"))], ())


@pytest.mark.parametrize("change", [{"demo": True}, {"product": "spot"}, {"url": ""}])
def test_an_account_of_demo_trading_is_none_of_the_real_venue(dead: Lives, change: dict[str, object]) -> None:
    config = dead.venues.config
    before = {name: replace(venue, **change) for name, venue in config.venues.items()}  # type: ignore[arg-type]
    assert _where_of(replace(config, venues=before)) != _where_of(config)


def _where_of(config: Config) -> list[str]:
    return [" ".join(lived_at(venue).values()) for venue in config.venues.values()]


@pytest.mark.parametrize("command", [recover, flatten])
def test_recovery_needs_no_word_for_real_money(
    dead: Lives, command: click.Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is open must be closed, whatever was tried before: --live and its checks are for openings."""
    monkeypatch.setattr("cli.leftovers.left_over", lambda *_, **__: _left(dead))
    monkeypatch.setattr("cli.leftovers.must_tell", lambda _: None)
    monkeypatch.setattr("cli.setups._setup_of_pair", _stop_here)
    example = FLOWS.parent / "docs" / "examples" / "eagle_backpack_lighter.yaml"
    words = ["--config", str(example), "--journal", str(tmp_path / "j"), "--yes"]
    with pytest.raises(CannotUse, match="as far as this"):
        command.main(words, standalone_mode=False)


@pytest.mark.parametrize("command", [recover, flatten])
def test_without_a_journal_nothing_is_known_to_be_ours_and_nothing_is_sent(
    command: click.Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """S1: what stands on the accounts may be their owner's; a person closes it by hand. And it is not called flat: a
    path that is mistyped, or a file that was emptied, must not end well.
    """
    monkeypatch.setattr("cli.setups._setup_of_pair", _stop_here)
    example = FLOWS.parent / "docs" / "examples" / "eagle_backpack_lighter.yaml"
    (tmp_path / "empty").touch()
    for name in ("lost", "empty"):
        words = ["--config", str(example), "--journal", str(tmp_path / name), "--yes"]
        with pytest.raises(CannotUse, match=f"{name}: there is no journal, so nothing is known of what a run left"):
            command.main(words, standalone_mode=False)


def test_where_the_journal_tells_of_nothing_no_venue_is_said_to_be_flat(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.setups._setup_of_pair", _stop_here)
    example = FLOWS.parent / "docs" / "examples" / "eagle_backpack_lighter.yaml"
    open_record(tmp_path / "j", Sync.NORMAL)[0].close()
    words = ["--config", str(example), "--journal", str(tmp_path / "j"), "--yes"]
    assert recover.main(words, standalone_mode=False) == 0
    told = capsys.readouterr().err
    assert "no run has left anything open on the accounts of" in told
    assert "nothing was sent, and no venue was asked" in told


def test_what_is_to_be_closed_is_shown_and_asked_about_first(
    dead: Lives, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cli.leftovers.left_over", lambda *_, **__: _left(dead))
    monkeypatch.setattr("cli.leftovers.must_tell", lambda _: None)
    monkeypatch.setattr("cli.setups._setup_of_pair", _stop_here)
    example = FLOWS.parent / "docs" / "examples" / "eagle_backpack_lighter.yaml"
    words = ["--config", str(example), "--journal", str(tmp_path / "j")]
    with pytest.raises(click.UsageError, match="nobody is there to be asked; add --yes"):
        recover.main(words, standalone_mode=False)
    monkeypatch.setattr("cli.recover._agreed", lambda *_, **__: False)
    with pytest.raises(CannotUse, match="nothing was sent"):
        recover.main(words, standalone_mode=False)
    assert capsys.readouterr().err.count("hawk: +0.0200, beside a baseline of 0") == 2


def _stop_here(*_: object, **__: object) -> None:
    raise CannotUse("as far as this")
