"""`eagle init`: what it asks, what it refuses, what it writes - and that it writes nothing else."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from random import Random

import click
import pytest
from cli_kit import FLOW, Eagle, Said, eagle
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import init as init_command
from cli import setups
from cli.init_draft import Wrong, draft_of
from cli.init_judge import DRY, Unusable, judge
from cli.init_questions import Interview
from cli.init_text import config_text, scalar
from cli.locate import Source
from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.chart.yaml_nodes import read_nodes
from engine.runtime.config import Config, load_config
from engine.runtime.config_fields import GUARD_FIELDS, LIMIT_FIELDS
from engine.trading.vocabulary import trading_vocabulary

__all__ = ["eagle"]

EAGLE = load_flow(Path(FLOW).read_text(), file="eagle_chicken.yaml", vocabulary=trading_vocabulary())
REAL = (
    *("--venue", "backpack", "--venue", "lighter", "--market", "ETH-PERP", "--owner", "me"),
    *("--symbol", "backpack=ETH_USDC_PERP", "--symbol", "lighter=ETH"),
    *("--use", "maker=hawk", "--use", "takers=chick-1,chick-2", "--set", "quantity=0.01", "--limit", "max_loss_run=20"),
)
COST = (
    "expected cost: 0.0728 USD a round (14.00 bps with fees and both spreads), 3494.41 USD a day at up to 33 rounds a"
    " minute"
)
SEE = "; see `eagle init --help`\n"


# --- without a person


def test_what_is_written_with_defaults_validates_and_runs(eagle: Eagle, tmp_path: Path) -> None:
    said = eagle("init", "--yes")
    assert (said.code, said.out) == (0, "")
    assert said.err == (
        "eagle.yaml (config): 0 errors, 0 warnings\n"
        f"{COST}\n"
        "wrote eagle.yaml, readable by you alone\n"
        "  eagle run --config eagle.yaml          runs it; Ctrl-C once stops in order\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["eagle.yaml"]
    assert eagle("validate", "eagle.yaml") == Said(
        0, f"eagle.yaml (config): 0 errors, 0 warnings\neagle.yaml: {COST}\n", ""
    )
    ran = eagle("run", "--config", "eagle.yaml", "--speed", "max", "--rounds", 1, "--journal", "off")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "flat")
    assert f"cost           {COST}\n" in ran.err


def test_the_file_is_its_owners_alone_whatever_the_umask(eagle: Eagle, tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        assert eagle("init", "--yes").code == 0
    finally:
        os.umask(former)
    assert (tmp_path / "eagle.yaml").stat().st_mode & 0o777 == 0o600


def test_a_dry_run_prints_the_same_text_and_writes_nothing(eagle: Eagle, tmp_path: Path) -> None:
    looked = eagle("init", "--dry-run", "--set", "quantity=0.05")
    assert looked.code == 0
    assert list(tmp_path.iterdir()) == []
    assert eagle("init", "--yes", "--set", "quantity=0.05").code == 0
    assert (tmp_path / "eagle.yaml").read_text() == looked.out


def test_options_are_the_answers(eagle: Eagle, tmp_path: Path) -> None:
    said = eagle(
        "init", "mine.yaml", "--yes", "--flow", FLOW, "--market", "SOL-PERP", "--venue", "paper", "--symbol",
        "paper=SOLUSDT", "--use", "maker=m@paper", "--use", "takers=t1, t2", "--owner", "Ann", "--owner", "t2=B: & #1",
        "--balance", "777.5", "--set", "quantity=0.03", "--set", "hold=2s", "--limit", "max_order=0.06", "--guard",
        "spread=9bps", "--acknowledge", "paper=nobody else is there", "--call", "notify-send 'an alert, now'",
    )  # fmt: skip
    assert said.code == 0, said.err
    config = loaded(tmp_path / "mine.yaml")
    assert (config.market, config.symbols) == ("SOL-PERP", {"paper": "SOLUSDT"})
    assert {name: (it.venue, it.owner, str(it.balance), it.dedicated) for name, it in config.accounts.items()} == {
        "m": ("paper", "Ann", "777.5", True),
        "t1": ("paper", "Ann", "777.5", True),
        "t2": ("paper", "B: & #1", "777.5", True),
    }
    assert config.roles == {"maker": ("m",), "takers": ("t1", "t2")}
    assert (str(config.settings["quantity"]), config.settings["hold"]) == ("0.03", (2_000_000_000, 2_000_000_000))
    assert (str(config.limits.max_order), str(config.guards.spread_bps)) == ("0.06", "9")
    assert config.acknowledged == {"paper": "nobody else is there"}
    assert config.alerts.command == ("notify-send", "an alert, now")


def test_on_real_venues_nothing_is_guessed_that_moves_money(eagle: Eagle, tmp_path: Path) -> None:
    said = eagle("init", "--yes", "--venue", "backpack", "--venue", "lighter")
    assert said == Said(
        2, "",
        "eagle: not to be guessed, please give: --market NAME, --symbol backpack=SYMBOL, --symbol lighter=SYMBOL,"
        " --use maker=NAME@VENUE,..., --use takers=NAME@VENUE,..., --owner NAME, --set quantity=VALUE,"
        f" --limit max_loss_run=VALUE{SEE}",
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_config_of_real_venues_refers_to_secrets_and_validates(eagle: Eagle, tmp_path: Path) -> None:
    said = eagle("init", "--yes", *REAL, "--dedicated", "hawk", "--credential", "hawk.api_key=env:HAWK_KEY")
    assert said.code == 0
    assert "  keys/chick-1_private_key\n" in said.err
    assert "eagle run --config eagle.yaml --live" in said.err
    accounts = loaded(tmp_path / "eagle.yaml").accounts
    places = {(it.source, it.name) for account in accounts.values() for it in account.credentials.values()}
    assert {("env", "HAWK_KEY"), ("file", "keys/hawk_api_secret"), ("env", "CHICK_1_API_KEY_INDEX")} < places
    assert [account.dedicated for account in accounts.values()] == [True, False, False]
    assert eagle("validate", "eagle.yaml").code == 0
    assert "G722" in eagle("run", "--config", "eagle.yaml").err


def test_a_secret_that_is_typed_is_neither_written_nor_repeated(eagle: Eagle, tmp_path: Path) -> None:
    secret = "a1B2" * 12
    for form in (f"hawk.api_key={secret}", f"hawk.api_key=file:{secret}", f"hawk.api_key={secret}==", secret):
        said = eagle("init", "--yes", *REAL, "--credential", form)
        assert said.code == 2
        assert "--credential: expected " in said.err
        assert secret not in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped flow without being read and checked again."""
    monkeypatch.setattr(init_command, "_flow", lambda given, **_: (given or "eagle_chicken", EAGLE))


WRONG = [
    (("--venue", "kraken"), "--venue: kraken is no kind of venue known here, expected paper, backpack, lighter, okx"),
    (("--venue", "paper", "--venue", "paper"), "--venue: venue paper stands twice; a second one of its kind needs"),
    (("--venue", "1a=paper"), '--venue: venues: "1a" cannot be a name here; a name has letters, digits, _ and -'),
    (("--market", ""), "--market: "),
    (("--symbol", "paper-a=no symbol"), "--symbol: paper-a: \"no symbol\" is not allowed; the venue's name of the"),
    (("--symbol", "paper-z=X"), "--symbol: nothing here is named paper-z"),
    (("--use", "maker=a,b"), "--use: role maker takes one account, found 2"),
    (("--use", "makr=a"), "--use: nothing here is named makr"),
    (("--use", "maker=hawk", "--use", "takers=hawk"), "--use: account hawk is maker and among the takers; takers must"),
    (("--use", "takers=a@paper-c"), '--use: no venue is named "paper-c"; did you mean "paper-b"?'),
    (("--use", "takers=a@"), "--use: expected NAME or NAME@VENUE, found a@"),
    (("--use", "takers"), "--use: expected ROLE=NAME@VENUE,..., found takers"),
    (("--use", "takers=a,a"), '--use: account "a" stands twice in role takers'),
    (("--use", "takers=a@paper-a,a@paper-b"), "--use: account a is on paper-a already; another one on paper-b"),
    (("--use", "maker=a", "--use", "takers=a@paper-b"), "--use: account a is on paper-a already; another"),
    (("--owner", "a", "--owner", "b"), "--owner: two owners for all accounts; write ACCOUNT=NAME"),
    (("--owner", "goose=b"), "--owner: nothing here is named goose"),
    (("--balance", "-5"), "--balance: balance is -5, expected 0 or above"),
    (("--set", "quantity=0.00001"), "--set: quantity 0.00001 is under the minimum 0.0001 of ETH-PERP on paper-a; set"),
    (("--set", "quantity=0.0001"), "--set: quantity 0.0001 at 2600 is worth less than the minimum 5 of"),
    (("--set", "hold=3"), '--set: hold: "3" has no unit, expected a duration or a range of durations; write'),
    (("--set", "hald=3s"), '--set: flow eagle_chicken has no setting "hald"; did you mean "hold"?'),
    (("--set", "hold=1s", "--set", "hold=2s"), "--set: hold is given twice"),
    (("--limit", "max_order=0.001"), "--limit: max_order 0.001 is less than quantity 0.02: no round could be made"),
    (("--limit", "max_net=none"), "--limit: max_net cannot be switched off; only these may be none: max_loss_day,"),
    (("--guard", "spred=1bps"), '--guard: key "spred" is not known here; did you mean "spread"?'),
    (("--call", "say 'one"), "--call: a command, as a shell would read it, or none: No closing quotation"),
    (("--acknowledge", "paper-a=it is fine"), "--acknowledge: nothing here is named paper-a"),
]  # fmt: skip


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("args", "words"), WRONG, ids=[" ".join(args) for args, _ in WRONG])
def test_a_wrong_option_is_told_with_what_is_expected(
    eagle: Eagle, tmp_path: Path, args: tuple[str, ...], words: str
) -> None:
    said = eagle("init", "--yes", *args)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith(f"eagle: {words}")
    assert list(tmp_path.iterdir()) == []


def test_a_flow_that_cannot_be_used_is_told(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("flow: f\n")
    assert eagle("init", "--yes", "--flow", "gone").err.startswith("eagle: gone: no such file, and no shipped flow of")
    assert eagle("init", "--yes", "--flow", "f.yaml").err.endswith("; see `eagle validate f.yaml`\n")


def test_without_a_terminal_it_says_what_to_give(eagle: Eagle, tmp_path: Path) -> None:
    said = eagle("init")
    words = "nobody to ask: give answers as options, and --yes to write (or --dry-run to look)"
    assert said == Said(2, "", f"eagle: {words}{SEE}")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_kept_unless_it_is_given_up(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "eagle.yaml").write_text("mine")
    said = eagle("init", "--yes")
    assert said == Said(2, "", "eagle: eagle.yaml: is there already; --overwrite replaces it, or name another file\n")
    assert (tmp_path / "eagle.yaml").read_text() == "mine"
    assert eagle("init", "--yes", "--overwrite").code == 0
    assert (tmp_path / "eagle.yaml").read_text().startswith("# eagle_chicken on ETH-PERP")


def test_what_is_no_ordinary_file_is_never_replaced(eagle: Eagle, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    said = eagle("init", "--yes", "--overwrite", "pipe")
    assert said == Said(2, "", "eagle: pipe: is no ordinary file; name a file for the config\n")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("file", "words"),
    [("no/x.yaml", "no/x.yaml: there is no folder "), (".", ".: is a folder; name a file for the config")],
)
def test_a_place_that_cannot_be_written_is_told_first(eagle: Eagle, file: str, words: str) -> None:
    said = eagle("init", "--yes", "--set", "quantity=wrong", file)
    assert said.code == 2
    assert said.err.startswith(f"eagle: {words}")


# --- the text


def loaded(path: Path) -> Config:
    return load_config(path.read_text(), file=path.name, flow=EAGLE)


def test_every_line_is_explained_and_fits(eagle: Eagle) -> None:
    for options in ((), REAL):
        text = eagle("init", "--dry-run", *options).out
        assert max(map(len, text.splitlines())) <= 120
        for field in (*LIMIT_FIELDS, *GUARD_FIELDS):
            assert re.search(rf"^  {field.key}: \S+(?: \S+)? +# \w", text, re.MULTILINE), field.key
        assert "  quantity: 0.0" in text


@given(st.text())
def test_a_scalar_comes_back_as_it_was(text: str) -> None:
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        return
    root = read_nodes(f"a: {{b: {scalar(text)}, c: x}}\n", file="f")
    assert root.entries["a"].entries["b"].text == text  # type: ignore[union-attr]


NAMES = st.one_of(st.sampled_from(["hawk", "chick-1", "a", "null", "true", "1x", "é"]), st.text(max_size=5))
ODD = ["me", "me: you", "- a", "#", "'", '"', "a, b", "{x}", "好", "0"]
WORDS = st.one_of(st.sampled_from(ODD), st.text(max_size=8))
VENUES = st.sampled_from(["paper", "paper-a=paper paper-b=paper", "x=paper,lighter", "backpack lighter"])
PLACES = st.sampled_from(["", "@paper", "@paper-b", "@lighter"])
MEMBER = st.builds(lambda name, venue: f"{name}{venue}", NAMES, PLACES)
LITERALS = st.sampled_from(["0.02", "1", "3s", "1..2s", "5", "50bps", "0.1%", "2 ticks", "sell", "none", "", "-1"])
SETTINGS = st.sampled_from([f"set.{name}" for name in (*EAGLE.settings, "goose")])
LIMITS = st.sampled_from([f"limit.{field.key}" for field in LIMIT_FIELDS])
GUARDS = st.sampled_from([f"guard.{field.key}" for field in GUARD_FIELDS])
ANSWERS = st.builds(
    lambda *parts: {key: text for part in parts for key, text in part.items()},
    st.fixed_dictionaries(
        {},
        optional={
            "venues": VENUES, "market": WORDS, "owner": WORDS, "balance": LITERALS, "use.maker": MEMBER,
            "use.takers": st.lists(MEMBER, max_size=3).map(" ".join), "symbol.paper": WORDS, "owner.hawk": WORDS,
            "acknowledge.paper": WORDS, "call": WORDS, "dedicated.hawk": st.sampled_from(["true", "false"]),
        },
    ),
    st.dictionaries(st.one_of(SETTINGS, LIMITS, GUARDS), LITERALS, max_size=3),
)  # fmt: skip


@given(ANSWERS)
@settings(max_examples=60, deadline=None)
def test_whatever_is_answered_is_refused_with_words_or_makes_a_config_that_says_it(answers: dict[str, str]) -> None:
    try:
        draft = Interview(EAGLE, "f.yaml", answers, None).hold()
    except click.UsageError:
        return
    text = config_text(draft, EAGLE, file="f.yaml")
    config = load_config(text, file="f.yaml", flow=EAGLE)
    if not draft.real:
        setups.setup_of(EAGLE, Source("f.yaml", text), DRY)
    said_of = {
        "market": config.market,
        "symbol.paper": config.symbols.get("paper"),
        "acknowledge.paper": config.acknowledged.get("paper"),
        **{f"owner.{name}": account.owner for name, account in config.accounts.items()},
    }
    for key, said in said_of.items():
        assert said == answers.get(key, said)
    if "call" in answers and answers["call"] != "none":
        assert config.alerts.command == tuple(shlex.split(answers["call"]))
    if "owner" in answers:
        others = [account.owner for name, account in config.accounts.items() if f"owner.{name}" not in answers]
        assert set(others) <= {answers["owner"]}
    for key, value in answers.items():
        part, _, name = key.partition(".")
        written = {"set": draft.settings, "limit": draft.limits, "guard": draft.guards}.get(part, {})
        assert written.get(name, value) == value


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", range(5))
def test_what_is_written_runs_to_its_end_whatever_was_chosen(eagle: Eagle, seed: int) -> None:
    chance = Random(seed)
    venues = chance.choice([("one",), ("one", "two"), ("one", "two", "three")])
    takers = [f"t{number}@{chance.choice(venues)}" for number in range(chance.randint(1, 4))]
    options = [
        *(("--venue", f"{name}=paper") for name in venues),
        ("--market", chance.choice(["ETH-PERP", "SOL-PERP", "my market"])),
        ("--use", f"maker=hawk@{chance.choice(venues)}"),
        ("--use", f"takers={','.join(takers)}"),
        ("--owner", chance.choice(["me", "Ann & Bob: #1", "猫"])),
        ("--owner", "hawk=somebody else"),  # so that no words about one owner are needed
        ("--balance", str(chance.randrange(5_000, 50_000))),
        ("--set", f"quantity=0.{chance.randrange(20, 400):04}"),
        ("--set", f"maker_side={chance.choice(['buy', 'sell', 'alternate'])}"),
        ("--set", f"tick_offset={chance.randint(1, 3)} ticks"),
        ("--set", f"hold={chance.choice(['0ms', '500..1500ms', '4s'])}"),
        ("--set", f"order_timeout={chance.choice(['2s', '3s', '10s'])}"),
    ]
    said = eagle("init", "--yes", *(word for option in options for word in option))
    assert said.code == 0, said.err
    ran = eagle("run", "--config", "eagle.yaml", "--speed", "max", "--rounds", 1, "--journal", "off")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "flat"), ran.err


def test_the_random_answers_reach_both_ends() -> None:
    """The property above would hold emptily if everything was refused."""
    good = {"market": "好", "venues": "paper", "owner": "me: you", "set.hold": "3s", "limit.dust_cap": "5"}
    assert Interview(EAGLE, "f", {**good, "acknowledge.paper": "#"}, None).hold().market == "好"
    with pytest.raises(click.UsageError):
        Interview(EAGLE, "f", {**good, "set.hold": "-1"}, None).hold()


def other_flow(settings_: str) -> Flow:
    text = Path(FLOW).read_text().replace("settings:\n", f"settings:\n  {settings_}\n", 1)
    return load_flow(text, file="eagle_chicken.yaml", vocabulary=trading_vocabulary())


def test_a_setting_without_default_is_asked_for_in_any_flow() -> None:
    flow = other_flow("patience: {type: duration, about: how long}")
    with pytest.raises(click.UsageError, match="please give: --set patience=VALUE"):
        Interview(flow, "f", {}, None).hold()
    assert Interview(flow, "f", {"set.patience": "3s"}, None).hold().settings["patience"] == "3s"


def test_the_cost_is_what_the_run_will_tell_and_none_where_it_is_too_much(eagle: Eagle) -> None:
    said = eagle("init", "--yes", "--limit", "max_round_cost=8bps")
    assert "That is above max_round_cost, 8 bps: no round would open.\n" in said.err
    with pytest.raises(Unusable):
        judge(draft_of({"set.quantity": "0"}, EAGLE), EAGLE, file="f")


def test_an_answer_that_is_no_config_is_wrong_and_not_a_crash() -> None:
    with pytest.raises(Wrong, match="expected at least one venue"):
        draft_of({"venues": " , "}, EAGLE)
