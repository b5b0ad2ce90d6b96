"""Configs that are right: every value typed, every default known, and the checks that need venues."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from config_kit import FLOW, flow_with
from trading_kit import shipped_flow

from cli.demo import demo_config
from engine.chart.load import load_flow
from engine.chart.model import Flow, FlowError
from engine.chart.structure import shipped_schema
from engine.runtime import config_listen
from engine.runtime.config import (
    AccountConfig,
    Config,
    DepthConfig,
    Reference,
    VenueConfig,
    flow_named,
    instrument_findings,
    live_findings,
    load_config,
    masked,
    real_venues,
)
from engine.runtime.config_fields import GUARD_FIELDS, LIMIT_FIELDS, Field
from engine.runtime.config_values import ListenConfig
from engine.trading.plan import Guards, Limits
from engine.trading.vocabulary import trading_vocabulary
from exchanges.types import Instrument, MarketKind

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
S = 1_000_000_000
MS = 1_000_000
D = Decimal

EAGLE = load_flow(
    (ROOT / "flows" / "eagle_chicken.yaml").read_text(), file="eagle_chicken.yaml", vocabulary=trading_vocabulary()
)
SMALL = """\
version: 1
market: ETH-PERP
markets:
  ETH-PERP: {paper-a: ETHUSDT, paper-b: ETH_PERP, okx: ETH-USDT-SWAP}
venues:
  paper-a: {kind: paper}
  paper-b: {kind: paper}
  okx: {kind: okx}
accounts:
  - {name: hawk, venue: paper-a, owner: me, balance: 10000}
  - {name: chick, venue: paper-b, owner: me, balance: 500.5}
  - {name: spare, venue: okx, owner: me, credentials: {api_key: {secret: "env:SPARE_KEY"}}}
use: {maker: hawk, takers: [chick]}
settings: {quantity: 0.02}
"""


def load(text: str, flow: Flow = FLOW) -> Config:
    return load_config(text, file="eagle.yaml", flow=flow)


def changed(old: str, new: str, text: str = SMALL) -> Config:
    assert old in text
    return load(text.replace(old, new))


def messages(error: pytest.ExceptionInfo[FlowError]) -> list[str]:
    return [f"{finding.code} {finding.span}: {finding.message}" for finding in error.value.findings]


def instrument(**changes: object) -> Instrument:
    plain = Instrument(
        venue="paper-a", symbol="ETHUSDT", market="ETH-PERP", kind=MarketKind.PERP, base="ETH", quote="USDT",
        tick=D("0.01"), lot=D("0.01"), min_qty=D("0.01"), min_notional=D(5),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_small_config_is_typed_in_every_value() -> None:
    config = load(SMALL)
    assert config.venues == {
        "paper-a": VenueConfig("paper-a", "paper"),
        "paper-b": VenueConfig("paper-b", "paper"),
        "okx": VenueConfig("okx", "okx"),
    }
    assert config.accounts == {
        "hawk": AccountConfig("hawk", "paper-a", "me", balance=D(10_000)),
        "chick": AccountConfig("chick", "paper-b", "me", balance=D("500.5")),
        "spare": AccountConfig("spare", "okx", "me", credentials={"api_key": Reference("env", "SPARE_KEY")}),
    }
    assert (config.market, config.symbols, config.roles, config.acknowledged, config.journal_sync) == (
        "ETH-PERP",
        {"paper-a": "ETHUSDT", "paper-b": "ETH_PERP", "okx": "ETH-USDT-SWAP"},
        {"maker": ("hawk",), "takers": ("chick",)},
        {},
        "normal",
    )
    assert config.settings == {
        "quantity": D("0.02"), "maker_side": "buy", "tick_offset": 1, "order_timeout": 3 * S,
        "confirm_before_cancel": "query", "hold": (S, 3 * S), "rounds": 0,
    }  # fmt: skip


def test_limits_left_out_are_multiples_of_the_quantity_and_the_documented_defaults() -> None:
    assert load(SMALL).limits == Limits(
        max_order=D("0.1"), max_position=D("0.4"), max_gross=D("1.2"), max_net=D("0.1"), unhedged_soft=D("0.04"),
        unhedged_hard=D("0.1"), unhedged_soft_age_ns=S, unhedged_hard_age_ns=5 * S, max_loss_run=None,
        max_loss_day=None, min_margin_ratio=D("1.5"), min_liquidation_distance_bps=D(500),
        max_hedge_slippage_bps=D(50), orders_per_minute=600, margin_buffer=D("1.2"), dust_cap=D(50),
        max_round_cost_bps=None,
    )  # fmt: skip


def test_guards_left_out_have_the_documented_defaults() -> None:
    assert load(SMALL).guards == Guards(
        max_book_age_ns=3 * S, volatility_window_ns=10 * S, volatility_bps=D(50), volatility_calm_ns=10 * S,
        thin_depth_factor=D(1), thin_pause_factor=3, spread_bps=D(20), spread_normal_quotes=3, basis_bps=D(100),
    )  # fmt: skip


def test_every_limit_and_guard_can_be_given_with_its_unit() -> None:
    text = """
limits:
  {max_order: 1, max_position: 2, max_gross: 3, max_net: 4, unhedged_soft: 5, unhedged_hard: 6,
   unhedged_soft_age: 250ms, unhedged_hard_age: 1m, max_loss_run: 7, max_loss_day: 8, min_margin_ratio: 150%,
   min_liquidation_distance: 3%, max_hedge_slippage: 10bps, orders_per_minute: 1000, margin_buffer: 1.1, dust_cap: 9,
   max_round_cost: 0bps}
guards:
  {max_book_age: 2s, volatility_window: 1m30s, volatility: 0.5%, volatility_calm: 0ms, thin_depth_factor: 0,
   thin_pause_factor: 4, spread: 5bps, spread_normal_quotes: 6, basis: 7bps, pause_above: 4000, pause_below: 2000.5,
   stop_above: 5000, stop_below: 1000}
"""
    config = load(SMALL + text)
    assert config.limits == Limits(
        max_order=D(1), max_position=D(2), max_gross=D(3), max_net=D(4), unhedged_soft=D(5), unhedged_hard=D(6),
        unhedged_soft_age_ns=250 * MS, unhedged_hard_age_ns=60 * S, max_loss_run=D(7), max_loss_day=D(8),
        min_margin_ratio=D("1.5"), min_liquidation_distance_bps=D(300), max_hedge_slippage_bps=D(10),
        orders_per_minute=1000, margin_buffer=D("1.1"), dust_cap=D(9), max_round_cost_bps=D(0),
    )  # fmt: skip
    assert config.guards == Guards(
        max_book_age_ns=2 * S, volatility_window_ns=90 * S, volatility_bps=D(50), volatility_calm_ns=0,
        thin_depth_factor=D(0), thin_pause_factor=4, spread_bps=D(5), spread_normal_quotes=6, basis_bps=D(7),
        pause_above=D(4000), pause_below=D("2000.5"), stop_above=D(5000), stop_below=D(1000),
    )  # fmt: skip


def test_a_paper_venue_is_typed_in_every_value() -> None:
    venue = """{kind: paper, latency: 0ms, feed_latency: 2ms, reconnect: 3s, market: data/eth,
    depth: {step: 2 ticks, growth: 3, levels: 4},
    instrument: {kind: spot, base: ETH, quote: USDT, tick: 0.1, lot: 0.2, min_qty: 0.4, min_notional: 0, max_qty: 6,
                 maker_fee: -0.01%, taker_fee: 5bps, initial_margin: 1, maintenance_margin: 0, fee_in_received: true}}
"""
    assert changed("paper-b: {kind: paper}\n", f"paper-b: {venue}").venues["paper-b"] == VenueConfig(
        "paper-b",
        "paper",
        latency_ns=0,
        feed_latency_ns=2 * MS,
        reconnect_ns=3 * S,
        market="data/eth",
        depth=DepthConfig(step_ticks=2, growth=3, levels=4),
        instrument={
            "kind": "spot", "base": "ETH", "quote": "USDT", "tick": D("0.1"), "lot": D("0.2"), "min_qty": D("0.4"),
            "min_notional": D(0), "max_qty": D(6), "maker_fee": D("-0.0001"), "taker_fee": D("0.0005"),
            "initial_margin": D(1), "maintenance_margin": D(0), "fee_in_received": True,
        },
    )  # fmt: skip


def test_account_extras_journal_and_acknowledgement_are_read() -> None:
    text = SMALL.replace("paper-b, owner: me,", "paper-a, owner: me, dedicated: true, base_balance: 2,")
    config = load(text + "acknowledge: {same_owner_same_market: {paper-a: mine}}\njournal: {sync: full}\n")
    chick = AccountConfig("chick", "paper-a", "me", dedicated=True, balance=D("500.5"), base_balance=D(2))
    assert (config.accounts["chick"], config.acknowledged, config.journal_sync) == (chick, {"paper-a": "mine"}, "full")


def test_accounts_of_two_owners_may_share_a_venue_without_words() -> None:
    config = changed("venue: paper-b, owner: me", "venue: paper-a, owner: you")
    assert {account.owner for account in config.used_accounts} == {"me", "you"}


def test_real_venues_keep_their_rounds_through_a_power_cut_unless_told_otherwise() -> None:
    real = SMALL.replace("[chick]", "[spare]")
    kept = [load(text).journal_sync for text in (SMALL, real, real + "journal: {sync: normal}\n")]
    assert kept == ["normal", "rounds", "normal"]


@pytest.mark.parametrize(("said", "every_ns"), [("", 0), ("keep_warm: off", 0), ("keep_warm: 10ms", 10_000_000)])
def test_a_twin_is_wanted_or_not(said: str, every_ns: int) -> None:
    assert load(f"{SMALL}{said}\n").keep_warm_ns == every_ns


@pytest.mark.parametrize(("said", "busy"), [("", False), ("busy_poll: off", False), ("busy_poll: on", True)])
def test_a_run_may_stay_awake(said: str, busy: bool) -> None:
    assert load(f"{SMALL}{said}\n").busy_poll is busy


def test_how_awake_is_on_or_off() -> None:
    with pytest.raises(FlowError) as error:
        load(f"{SMALL}busy_poll: 5ms\n")
    assert "eagle.yaml:15:12: busy_poll" in messages(error)[0]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("0ms", "T405 eagle.yaml:15:12: keep_warm is 0ms, expected 1ms to 1s, or off"),
        ("2s", "T405 eagle.yaml:15:12: keep_warm is 2s, expected 1ms to 1s, or off"),
        ("10", 'T402 eagle.yaml:15:12: keep_warm: "10" has no unit, expected a duration'),
        ("yes", 'T401 eagle.yaml:15:12: keep_warm: "yes" is no duration'),
    ],
)
def test_a_pace_of_the_twin_that_cannot_be_is_told(said: str, message: str) -> None:
    with pytest.raises(FlowError) as error:
        load(f"{SMALL}keep_warm: {said}\n")
    assert message in messages(error)[0]


def test_used_accounts_are_those_with_a_role() -> None:
    assert [account.name for account in load(SMALL).used_accounts] == ["hawk", "chick"]


def test_things_know_their_place_and_defaults_stand_at_the_file() -> None:
    config = load(SMALL)
    places = [str(config.span(name)) for name in ("venues.okx", "accounts.chick", "settings.quantity", "limits.x")]
    assert places == ["eagle.yaml:8:3", "eagle.yaml:11:12", "eagle.yaml:14:22", "eagle.yaml:1:1"]


def test_a_flow_without_a_quantity_needs_its_sizes_as_limits() -> None:
    flow = flow_with("pace: {type: duration, default: 1s}", **FLOW.sections["accounts"].value)  # type: ignore[arg-type]
    sizes = ("max_order", "max_position", "max_gross", "max_net", "unhedged_soft", "unhedged_hard")
    text = SMALL.replace("settings: {quantity: 0.02}\n", "")
    with pytest.raises(FlowError) as caught:
        load(text, flow)
    assert messages(caught) == [f"G717 eagle.yaml:1:1: limit {name} has no value" for name in sizes]
    given = load(text + "limits: {" + ", ".join(f"{name}: 1" for name in sizes) + "}\n", flow)
    assert given.limits.max_gross == 1


def test_an_unused_real_venue_does_not_need_live() -> None:
    assert (real_venues(load(SMALL)), live_findings(load(SMALL))) == ([], [])


def test_a_config_that_trades_on_real_venues_is_refused_without_live_in_words() -> None:
    config = changed("takers: [chick]", "takers: [chick, spare]")
    found = [(finding.code, str(finding.span), finding.message, finding.hint) for finding in live_findings(config)]
    assert real_venues(config) == ["okx"]
    assert found == [
        (
            "G722",
            "eagle.yaml:8:3",
            "this config names real venues (okx); nothing is sent to them, and nothing simulated, without --live",
            "add `--live` to trade with real money, or give the venues `kind: paper`",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_qty": D("0.05")}, "quantity 0.02 is under the minimum 0.05 of ETHUSDT on paper-a"),
        ({"min_notional": D(60)}, "quantity 0.02 at 2500 is worth less than the minimum 60 of ETHUSDT on paper-a"),
        ({"max_qty": D("0.01")}, "quantity 0.02 is above the maximum 0.01 of ETHUSDT on paper-a"),
        ({"lot": D("0.015")}, "quantity 0.02 is no multiple of the lot 0.015 of ETHUSDT on paper-a"),
    ],
)
def test_a_quantity_that_a_venue_would_refuse_is_found_at_its_place(changes: dict[str, Decimal], message: str) -> None:
    venues = {"hawk": instrument(), "chick": instrument(**changes)}
    found = instrument_findings(load(SMALL), venues, price=D(2500))
    assert [(each.code, str(each.span), each.message) for each in found] == [("G720", "eagle.yaml:14:22", message)]


def test_a_quantity_that_every_venue_takes_gives_no_finding_and_a_notional_needs_a_price() -> None:
    venues = {"hawk": instrument(), "chick": instrument(min_notional=D(60))}
    assert instrument_findings(load(SMALL), venues) == []
    exact = instrument(lot=D("0.02"), min_qty=D("0.02"), max_qty=D("0.02"), min_notional=D(50))
    assert instrument_findings(load(SMALL), dict.fromkeys(venues, exact), price=D(2500)) == []


def test_a_fault_of_one_market_is_told_once_for_all_its_accounts() -> None:
    found = instrument_findings(load(SMALL), dict.fromkeys(("hawk", "chick"), instrument(min_qty=D(1))))
    assert [each.code for each in found] == ["G720"]


def test_limits_that_just_fit_a_round_are_right() -> None:
    limits = "limits: {max_order: 0.02, max_position: 0.02, max_gross: 0.04, max_net: 0.02, unhedged_soft: 0.02"
    config = load(SMALL + limits + ", unhedged_hard: 0.02, unhedged_soft_age: 1s, unhedged_hard_age: 1s}\n")
    assert (config.limits.max_order, config.limits.unhedged_hard_age_ns) == (D("0.02"), S)


def test_the_order_stream_saves_the_query_of_each_cancel() -> None:
    slow = SMALL + "limits: {orders_per_minute: 60}\n"
    settings = "settings: {quantity: 0.02, hold: 20s, confirm_before_cancel: "
    assert changed("settings: {quantity: 0.02", settings + "stream", slow).limits.orders_per_minute == 60
    with pytest.raises(FlowError) as caught:
        changed("settings: {quantity: 0.02", settings + "query", slow)
    text = "this needs up to 53 requests a minute on one account; of orders_per_minute 60 openings may use 36 (S11)"
    assert messages(caught) == [f"G723 eagle.yaml:15:29: {text}"]


def test_a_base_balance_belongs_to_spot() -> None:
    config = changed("balance: 500.5", "balance: 500.5, base_balance: 2")
    spot = instrument(kind=MarketKind.SPOT)
    assert instrument_findings(config, {"hawk": spot, "chick": spot}) == []
    found = instrument_findings(config, {"hawk": spot, "chick": instrument()})
    text = "account chick has a base balance, but ETHUSDT on paper-b is no spot"
    assert [(each.code, str(each.span), each.message) for each in found] == [("G721", "eagle.yaml:11:12", text)]


def test_the_schema_knows_every_limit_and_guard_with_type_and_default() -> None:
    sections = shipped_schema("config.schema.json")["properties"]
    for section, table in (("limits", LIMIT_FIELDS), ("guards", GUARD_FIELDS)):
        told = {key: about["description"].split("; ")[1:] for key, about in sections[section]["properties"].items()}
        assert told == {field.key: [str(field.type), f"default: {field.default}"] for field in table}


@pytest.mark.parametrize(("table", "plan"), [(LIMIT_FIELDS, Limits), (GUARD_FIELDS, Guards)])
def test_the_tables_fill_every_field_of_the_plan(table: tuple[Field, ...], plan: type) -> None:
    assert [field.into for field in table] == [field.name for field in fields(plan)]


def test_the_demo_config_is_right_and_all_paper() -> None:
    config = load(demo_config(EAGLE).text, EAGLE)
    assert live_findings(config) == []
    assert (config.roles, config.settings["quantity"], config.settings["rounds"]) == (
        {"maker": ("hawk",), "takers": ("chick-1", "chick-2", "chick-3")},
        D("0.02"),
        5,
    )
    assert {account.balance for account in config.used_accounts} == {D(10_000)}


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_every_example_is_right_for_the_flow_that_its_name_begins_with(path: Path) -> None:
    text = path.read_text()
    name = flow_named(text, file=path.name) or "eagle_chicken"
    config = load_config(text, file=path.name, flow=shipped_flow(name))
    assert path.name.startswith("eagle_" if name == "eagle_chicken" else name)
    assert bool(real_venues(config)) == ("--live" in text)


# Keys that only a hedger's config has.
LISTENED = {"pairs", "_version", "price_decimals", "qty_decimals", *config_listen.KEYS}


def test_the_complete_example_uses_every_key_of_the_schema() -> None:
    text = (ROOT / "docs" / "examples" / "eagle_paper.yaml").read_text()
    written = set(re.findall(r"^[ #-]*\{?([a-z_]+):", text, re.MULTILINE))
    schema = {**shipped_schema("config.schema.json"), "allOf": []}  # words for the settings of each flow
    assert _keys(schema) - written - LISTENED == {"acknowledge", "same_owner_same_market"}


def _keys(schema: Any) -> set[str]:
    """Every key that the schema names, at any depth."""
    if isinstance(schema, list):
        return set().union(*map(_keys, schema))
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})).union(*map(_keys, schema.values()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            'accounts: [{credentials: {api_key: abc, other: {secret: "env:NAME"}}}]',
            '{api_key: ***, other: {secret: "env:NAME"}}}]',
        ),
        ("accounts: [{credentials: {api_key: {secret: abc}}}]", "{api_key: *************}}]"),
        ("accounts: [{credentials: {account_index: 12, api_key: 12}}]", "{account_index: 12, api_key: **}}]"),
        ("accounts: [{credentials: abc}]", "accounts: [{credentials: ***}]"),
        (
            "accounts:\n- credentials:\n    anything: |\n      one\n      two\nmarket: x\n",
            "anything: *\n*********\n*********\nmarket: x\n",
        ),
        ('accounts: [{api_secret: "abc", venue: x}]', "{api_secret: *****, venue: x}]"),
        ("api_key: abc\n : broken [", "api_key: ***\n : broken ["),
        (
            'market: keys\nprivate_key: {secret: "file:keys/one"}\n',
            'market: keys\nprivate_key: {secret: "file:keys/one"}\n',
        ),
        ("secret: vault:bp1/key\nx: [broken", "secret: vault:bp1/key\nx: [broken"),
    ],
)
def test_what_may_be_a_secret_is_starred_out_and_the_rest_stays_in_place(text: str, shown: str) -> None:
    hidden = masked(text)
    assert shown in hidden
    assert [len(line) for line in hidden.split("\n")] == [len(line) for line in text.split("\n")]


# -- several pairs ------------------------------------------------------------------------------------------------

PAIRS = """
version: 1
_version: 7
markets:
  ETH: {paper-a: ETHUSDT, paper-b: ETH-PERP}
  BTC: {paper-a: BTCUSDT, paper-b: BTC-PERP}
venues: {paper-a: {kind: paper}, paper-b: {kind: paper}}
accounts:
  - {name: hawk, venue: paper-a, owner: me, balance: 1}
  - {name: chick, venue: paper-b, owner: you, balance: 1}
  - {name: duck, venue: paper-b, owner: you, balance: 1}
use: {maker: hawk, takers: [chick, duck]}
settings: {quantity: 0.02, hold: 1s..2s}
limits: {max_order: 3}
pairs:
  ETH: {}
  BTC: {use: {takers: [duck]}, settings: {quantity: 0.5}, limits: {max_position: 9}}
"""


def test_a_pair_says_what_it_has_of_its_own() -> None:
    config = load(PAIRS, EAGLE)
    told = [
        (
            it.market, it.symbols["paper-a"], it.roles["takers"], it.settings["quantity"], it.settings["hold"],
            it.limits.max_order, it.limits.max_position, it.version,
        )
        for it in config.pairs
    ]  # fmt: skip
    hold = config.settings["hold"]
    assert told == [
        ("ETH", "ETHUSDT", ("chick", "duck"), D("0.02"), hold, D(3), D("0.4"), 7),
        ("BTC", "BTCUSDT", ("duck",), D("0.5"), hold, D(3), D(9), 7),
    ]
    assert config.markets_at("paper-b") == {"ETH-PERP": "ETH", "BTC-PERP": "BTC"}
    assert config.others[0].markets_at("paper-a") == {"ETHUSDT": "ETH", "BTCUSDT": "BTC"}


def test_a_config_of_one_market_is_its_only_pair() -> None:
    config = load(demo_config(EAGLE).text, EAGLE)
    assert (config.pairs, config.version) == ((config,), 0)
    assert config.markets_at("paper-a") == {"ETH-PERP": "ETH-PERP"}


def test_a_venue_that_is_listened_to_has_its_addresses_and_memory() -> None:
    text = PAIRS.replace(
        "paper-a: {kind: paper}",
        "paper-a: {kind: bifu, private_url: 'http://a.b/', public_url: 'https://c.d', stream_url: 'ws://e.f',"
        " side: contract, account_id: 71, keep: 1h, sweep: 5m, history_begin: since, newest_first: true}",
    ).replace("owner: me, balance: 1", 'owner: me, credentials: {api_key: {secret: "env:K"}}')
    listen = load(text, EAGLE).venues["paper-a"].listen
    assert listen == ListenConfig(
        "http://a.b", "https://c.d", "ws://e.f", "contract", "71", 3_600_000, 300_000_000_000, "since", True
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("keep: 10s", "keep is 10s, expected at least 2m"),
        ("sweep: 0s", "sweep is 0ms, expected above 0"),
    ],
)
def test_a_memory_that_is_too_short_for_a_comparison_is_told(said: str, message: str) -> None:
    """At 5,000 fills a second and 10 s the comparison read back what was swept, and the stream broke off."""
    hosts = "private_url: 'http://a.b/', public_url: 'https://c.d', stream_url: 'ws://e.f'"
    local = f"paper-a: {{kind: bifu, {hosts}, {said}}}"
    text = PAIRS.replace("paper-a: {kind: paper}", local).replace(
        "owner: me, balance: 1", 'owner: me, credentials: {api_key: {secret: "env:K"}}'
    )
    with pytest.raises(FlowError) as error:
        load(text, EAGLE)
    assert re.fullmatch(rf"eagle\.yaml:7:\d+: {message}", str(error.value))
