"""`eagle validate --online`: what venues say is judged, over real sockets and case by case; nothing is ever traded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from card_benches import CAPABILITIES, SPEC, D
from cli_kit import Eagle, Said, eagle
from config_kit import FLOW
from test_cli_venue import Serving, serving
from test_cli_venue_run import config_of
from trading_kit import eagle_flow

from cli import costs
from cli.examined import Health
from cli.online import Seen, judge
from engine.runtime.config import Config, load_config
from engine.trading.limits import ExpectedCost
from exchanges.types import AccountFacts, Margin, Quote

__all__ = ["eagle"]

CONFIG = """\
version: 1
market: ETH-PERP
markets: {ETH-PERP: {one: ETH_USDC_PERP, two: ETH}}
venues: {one: {kind: backpack}, two: {kind: lighter}}
accounts:
  - {name: hawk, venue: one, owner: me, credentials: {api_key: {secret: "env:K"}}}
  - {name: chick, venue: two, owner: me, credentials: {private_key: {secret: "env:K"}}}
use: {maker: hawk, takers: [chick]}
settings: {quantity: 0.02, order_timeout: 10s, hold: 5s..15s}
limits: {orders_per_minute: 60}
"""


def config() -> Config:
    return load_config(CONFIG, file="c.yaml", flow=FLOW)


def seen(name: str, **given: Any) -> Seen:
    account = config().accounts[name]
    quote = Quote(account.venue, SPEC.symbol, D("2600.00"), D(1), D("2600.05"), D(1), 0)
    plain = Seen(
        account, CAPABILITIES, replace(SPEC, venue=account.venue), quote, Margin(name, D(1000), D(900), D(0)), D(0), 0,
        AccountFacts(),
    )  # fmt: skip
    return replace(plain, **given)


def told(*answers: Seen) -> list[tuple[str, str, str]]:
    return [(it.health.value, it.check, it.found) for it in judge(config(), answers)]


def test_two_sound_accounts_are_found_sound() -> None:
    facts = AccountFacts(12, "std", 60, D(10), "cross", False)
    found = told(seen("hawk"), seen("chick", facts=facts))
    assert {health for health, _, _ in found} == {"ok"}
    words = "\n".join(text for _, _, text in found)
    for part in (
        "ETH_USDC_PERP on one: tick 0.05, lot 0.001, minimum 0.002 ETH and 0 USDC; fees 2.00 bps as maker, ",
        "its key is accepted; what else it may do, this venue does not tell",
        "its key cannot move money out",
        "the clock of two agrees within 12 ms",
        "equity 1000.00 USDC, 900.00 of it free; 10x cross",
        "tier std: 60 requests a minute; this config needs up to",
        "the base is ETH everywhere; prices: one 2600.025, two 2600.025",
        "quantity 0.02 fits every account's market",
    ):
        assert part in words


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "a key that can withdraw": (
        {"facts": AccountFacts(can_withdraw=True)}, "failed", "its key can move money out",
    ),
    "a clock": ({"facts": AccountFacts(-700)}, "warning", "the clock of two is -700 ms from this machine's"),
    "too little money": (
        {"margin": Margin("chick", D(6), D(5), D(0))}, "failed", "5.00 of it free, but quantity 0.02 needs 5.20",
    ),
    "isolated margin": ({"facts": AccountFacts(margin_mode="isolated")}, "warning", "; isolated"),
    "a tier below the config": (
        {"facts": AccountFacts(tier="std", requests_per_minute=40)}, "failed", "limits.orders_per_minute is 60",
    ),
    "a position": ({"position": D("-0.5")}, "warning", "holds -0.5 ETH already"),
    "open orders": ({"orders": 2}, "warning", "has 2 open orders in ETH_USDC_PERP"),
    "another asset": ({"instrument": replace(SPEC, base="BTC")}, "failed", "hawk trades ETH, chick trades BTC"),
    "another money": ({"instrument": replace(SPEC, quote="USDT")}, "warning", "prices are in USDC and USDT"),
    "another price": (
        {"quote": Quote("two", "ETH", D(2700), D(1), D(2701), D(1), 0)}, "failed", "3.86 % apart",
    ),
    "an empty book": (
        {"quote": Quote("two", "ETH", D(0), D(0), D(5200), D(1), 0)}, "failed", "a book is empty or crossed",
    ),
    "a minimum above the quantity": (
        {"instrument": replace(SPEC, min_qty=D("0.05"))}, "failed", "G720 quantity 0.02 is under the minimum 0.05",
    ),
    "a minimum value above it": (
        {"instrument": replace(SPEC, min_notional=D(60))}, "failed", "worth less than the minimum 60",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "health", "words"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_told_with_what_to_do(given: dict[str, Any], health: str, words: str) -> None:
    found = list(judge(config(), [seen("hawk"), seen("chick", **given)]))
    [it] = [it for it in found if it.health is not Health.OK]
    assert (it.health.value, words in it.found) == (health, True), it.found
    assert it.advice


def test_of_an_account_that_is_only_listened_to_no_money_is_judged() -> None:
    """BiFu tells no margin that anybody has seen: no hedger could ever trade real money."""
    found = list(judge(config(), [seen("hawk", margin=None, orders=40), seen("chick")]))
    assert {it.health for it in found} == {Health.OK}
    assert [it.found for it in found if it.check == "hawk"][-1] == (
        "only listened to; 40 open orders of its owner in ETH_USDC_PERP"
    )


# --- over sockets


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "one=backpack", "two=lighter", "--accounts", "maker,taker", "--tier", "premium") as it:
        yield it, folder


def online(eagle: Eagle, it: Serving, folder: Path, *args: str, **changes: Any) -> Said:
    """Runs it from where the keys are; nothing may have been ordered."""
    config = config_of(it, maker="maker-one", takers=["taker-two", "maker-two"])
    config |= {"markets": it.config["markets"]} | changes
    (folder / "c.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        said = eagle("validate", "--online", *args, "c.yaml")
    assert [row for url in it.urls for row in it.ledger(url)["orders"]] == []  # type: ignore[attr-defined]
    return said


def test_local_venues_are_asked_over_sockets(eagle: Eagle, served: tuple[Serving, Path]) -> None:
    said = online(eagle, *served)
    assert said.code == 0, said.out + said.err
    assert "c.yaml, as its venues see it:" in said.out
    assert "failed   " not in said.out
    text = " ".join(said.out.split())  # lines are folded at the width of the terminal
    for words in (
        "its key is accepted", "equity 10000.00 USDC", "10x cross", "tier premium: 24000 requests a minute",
        "fees 0.28 bps as maker, 1.96 as taker", "the base is ETH everywhere", "expected cost: ",
    ):  # fmt: skip
        assert words in text, said.out


def test_the_answers_as_json(eagle: Eagle, served: tuple[Serving, Path]) -> None:
    said = online(eagle, *served, "--format", "json")
    told = json.loads(said.out)
    assert {row["check"] for row in told["online"]["c.yaml"]} >= {"maker-one", "taker-two", "market", "sizes", "cost"}


def test_a_symbol_that_is_not_listed_and_a_venue_that_is_down(eagle: Eagle, served: tuple[Serving, Path]) -> None:
    it, folder = served
    said = online(eagle, it, folder, markets={"ETH-PERP": {"one": "NONE_USDC_PERP", "two": "ETH"}})
    assert said.code == 1
    assert "failed   maker-one" in said.out
    assert "check the symbol under `markets:`" in said.out
    venues = dict(it.config["venues"], two={"kind": "lighter", "url": "http://127.0.0.1:9"})  # type: ignore[call-overload]
    said = online(eagle, it, folder, venues=venues)
    assert said.code == 1
    assert "failed   taker-two" in said.out
    assert "is the venue up, at this address?" in said.out
    assert "ok       maker-one" in said.out


def test_the_keys_of_a_guard_are_asked_about_too(eagle: Eagle, served: tuple[Serving, Path]) -> None:
    """S13: a guard that learns in an emergency that its key is refused has killed a run for nothing."""
    it, folder = served
    accounts = {row["name"]: row for row in config_of(it, maker="maker-one", takers=["taker-two"])["accounts"]}
    own = accounts["maker-one"]["credentials"]
    wrong = dict(accounts["taker-two"]["credentials"], api_key_index=9)
    wrong["private_key"] = dict(wrong["private_key"])
    own = {name: dict(place) for name, place in own.items()}
    named = [
        *(row for name, row in accounts.items() if name not in ("maker-one", "taker-two")),
        dict(accounts["maker-one"], guard_credentials=own), dict(accounts["taker-two"], guard_credentials=wrong),
    ]  # fmt: skip
    said = online(eagle, it, folder, accounts=named)
    text = " ".join(said.out.split())
    assert said.code == 1
    assert "ok guard of maker-one its key is accepted" in text, said.out
    assert "failed guard of taker-two two: " in text, said.out
    assert "ok taker-two its key is accepted" in text, said.out


def test_a_tier_that_does_not_carry_the_config(eagle: Eagle, tmp_path: Path) -> None:
    with serving(tmp_path, "one=backpack", "two=lighter", "--accounts", "maker,taker") as it:
        said = online(eagle, it, tmp_path)
    assert said.code == 1
    text = " ".join(said.out.split())
    assert "tier standard: 60 requests a minute, and limits.orders_per_minute is 1000" in text, said.out
    assert "-> set orders_per_minute to 60 or less" in text


def test_a_paper_config_has_nobody_to_ask(eagle: Eagle) -> None:
    example = Path(__file__).parents[1] / "docs" / "examples" / "eagle_paper.yaml"
    said = eagle("validate", "--online", example)
    assert (said.code, "there is nobody to ask" in said.out) == (1, True)
    assert eagle("validate", "--online", FLOW_FILE).code == 2


FLOW_FILE = Path(__file__).parents[1] / "flows" / "eagle_chicken.yaml"


@pytest.mark.parametrize(
    ("most", "told"),
    [
        (None, ["ok"]),
        (D("14"), ["ok"]),
        (D("13.99"), ["warning"]),
    ],
)
def test_what_a_round_costs_is_told_and_that_it_is_above_the_limit(
    most: D | None, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: nothing would open, and nobody would know why."""
    seen = [SimpleNamespace(instrument=SimpleNamespace(quote="USDC"))]
    monkeypatch.setattr(costs, "ask_all", lambda *_: (seen, []))
    monkeypatch.setattr(costs, "judge", lambda *_: [])
    monkeypatch.setattr(costs, "ask_guards", lambda *_: [])
    monkeypatch.setattr(costs, "_cost_online", lambda *_: ExpectedCost(D(14), D(52), None))
    config = SimpleNamespace(roles={}, limits=SimpleNamespace(max_round_cost_bps=most))
    found = list(costs._examined(config, eagle_flow(), None))  # type: ignore[arg-type]
    assert [it.health.value for it in found] == told
    assert found[0].found.startswith("expected cost: 0.0728 USDC a round (14.00 bps")
