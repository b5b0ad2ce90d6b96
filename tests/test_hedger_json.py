"""The user's JSON of a hedger: taken as it is, every fault told at once, Slippage in three units, keys by reference."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from config_kit import flow_with
from trading_kit import instrument

from cli.client_wiring import coarsened
from engine.chart.model import FlowError
from engine.runtime.config import Config, load_config, masked
from engine.runtime.credentials import Reference
from engine.runtime.hedger_json import JsonOptions
from engine.trading.plan import RoleSpec

D = Decimal
FLOW = flow_with(
    """
min_qty: {type: qty, default: 0}
min_amt: {type: money, default: 0}
slippage: {type: bps, default: 10bps}
manual: {type: bool, default: false}
""",
    source=RoleSpec("source", many=False),
    hedgers=RoleSpec("hedgers", many=True, apart_from="source"),
)
# The file of the user's document, each value empty but one.
EMPTY = """{
    "token_parameter" :{
        "Maker Exchange": "",
        "API KEY": "",
        "Secret": "",
        "Passphrase": "",
        "Stream URL": "",
        "Maker Symbol": "",
        "Hedge Symbol": "",
        "Hedge Exchange": "",
        "Hedger Price Decimals": "",
        "Hedger Qty Decimals": "",
        "Min Qty": "",
        "Min Amt": "",
        "Slippage": 0.01
    },
    "private_ws_client" :{
        "API KEY": "",
        "Secret": "",
        "Passphrase": "",
        "Stream URL": ""
    }
}
"""
TOKEN: dict[str, Any] = {
    "Maker Exchange": "bifu",
    "API KEY": "env:HEDGE_KEY",
    "Secret": "vault:hedge/secret",
    "Passphrase": "file:keys/passphrase",
    "Stream URL": "",
    "Maker Symbol": "BTC-USDT",
    "Hedge Symbol": "BTC-USDT-SWAP",
    "Hedge Exchange": "okx",
    "Hedger Price Decimals": 1,
    "Hedger Qty Decimals": "3",
    "Min Qty": 0.01,
    "Min Amt": "25",
    "Slippage": 0.01,
}
STREAM = {"API KEY": "env:K", "Secret": "env:S", "Passphrase": "", "Stream URL": "ws://spot.bifu.example"}
HOSTS = JsonOptions(addresses={"REST URL": "http://api.bifu.example", "Public URL": "https://api.example"})


def text(token: dict[str, Any] | None = None, stream: dict[str, Any] | None = None, **more: Any) -> str:
    said = {"token_parameter": {**TOKEN, **(token or {})}, "private_ws_client": {**STREAM, **(stream or {})}, **more}
    return json.dumps(said, indent=4)


def load(written: str, options: JsonOptions = HOSTS) -> Config:
    return load_config(written, file="h.json", flow=FLOW, json_options=options)


def faults(written: str, options: JsonOptions = HOSTS) -> list[str]:
    with pytest.raises(FlowError) as caught:
        load(written, options)
    return [f"{it.span.line}: {it.message}" for it in caught.value.findings]


def test_the_file_of_the_document_is_a_whole_config() -> None:
    config = load(text())
    maker, hedge = config.accounts["maker"], config.accounts["hedge"]
    assert (config.market, config.symbols) == ("BTC-USDT", {"maker": "BTC-USDT", "hedge": "BTC-USDT-SWAP"})
    assert config.roles == {"source": ("maker",), "hedgers": ("hedge",)}
    assert (config.venues["hedge"].kind, config.venues["maker"].kind) == ("okx", "bifu")
    listen = config.venues["maker"].listen
    assert listen is not None
    assert (listen.side, listen.stream_url, listen.private_url, listen.public_url) == (
        "spot", "ws://spot.bifu.example", "http://api.bifu.example", "https://api.example",
    )  # fmt: skip
    assert hedge.credentials == {
        "api_key": Reference("env", "HEDGE_KEY"),
        "api_secret": Reference("vault", "hedge/secret"),
        "passphrase": Reference("file", "keys/passphrase"),
    }
    assert maker.credentials == {"api_key": Reference("env", "K"), "api_secret": Reference("env", "S")}
    assert (hedge.price_decimals, hedge.qty_decimals) == (1, 3)
    assert {key: config.settings[key] for key in ("min_qty", "min_amt", "slippage", "manual")} == {
        "min_qty": D("0.01"), "min_amt": D(25), "slippage": D(100), "manual": False,
    }  # fmt: skip
    assert config.limits.max_order == D("0.2")


@pytest.mark.parametrize(
    ("written", "bps", "words"),
    [
        (0.01, D(100), "Slippage 0.01 is a fraction: 1 %, 100 bps"),
        ("0.0005", D(5), "Slippage 0.0005 is a fraction: 0.05 %, 5 bps"),
        (0, D(0), "Slippage 0 is a fraction: 0 %, 0 bps"),
        ("0.00001", D("0.1"), "Slippage 0.00001 is a fraction: 0.001 %, 0.1 bps"),
    ],
)
def test_defect_7_slippage_is_a_fraction_and_told_in_three_units(written: Any, bps: Decimal, words: str) -> None:
    config = load(text({"Slippage": written}))
    assert config.settings["slippage"] == bps
    assert words in config.notes


@pytest.mark.parametrize("written", [1, "1.0", -0.01, "a lot", "NaN"])
def test_a_slippage_that_is_no_fraction_is_refused(written: Any) -> None:
    (fault,) = faults(text({"Slippage": written}))
    assert "token_parameter: Slippage is" in fault


def test_limits_and_alerts_may_stand_beside_the_document_s_sections() -> None:
    """Without them the file could never trade real money: a start asks for a loss limit and for whom to call."""
    config = load(text(limits={"max_loss_run": 50, "max_order": "0.5"}, alerts={"command": ["tell-me"]}))
    assert (config.limits.max_loss_run, config.limits.max_order) == (50, D("0.5"))
    assert config.limits.max_position == 10  # what is left out is a multiple of Min Qty as before
    assert config.alerts.command == ("tell-me",)
    assert "limits that are not set: max_position 10, max_gross 20, max_net 10, unhedged_soft 1, unhedged_hard 10" in (
        config.notes
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"limits": 5}, '"limits" is no object'),
        ({"limits": {"max_los_run": 5}}, "max_los_run"),
        ({"limits": {"max_loss_run": "much"}}, "much"),
        ({"alerts": {"comand": ["x"]}}, "comand"),
        ({"alert": {}}, '"alert" is not known here'),
    ],
)
def test_a_wrong_value_in_them_is_told_at_its_place(more: dict[str, Any], words: str) -> None:
    written = text(**more)
    (fault,) = faults(written)
    assert words in fault
    line = next(n for n, it in enumerate(written.splitlines(), 1) if next(iter(more)) in it)
    assert int(fault.split(":")[0]) in (line, line + 1)


def test_everything_that_is_empty_is_told_at_once() -> None:
    assert faults(EMPTY) == [
        "3: token_parameter: Maker Exchange is empty",
        "8: token_parameter: Maker Symbol is empty",
        "9: token_parameter: Hedge Symbol is empty",
        "10: token_parameter: Hedge Exchange is empty",
        "11: token_parameter: Hedger Price Decimals is empty",
        "12: token_parameter: Hedger Qty Decimals is empty",
        "13: token_parameter: Min Qty is empty",
        "14: token_parameter: Min Amt is empty",
        "18: private_ws_client: API KEY is empty",
        "19: private_ws_client: Secret is empty",
        "21: private_ws_client: Stream URL is empty",
    ]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = {
        "Maker Exchange": "mexc", "Hedge Exchange": "bifu", "Hedger Price Decimals": 1.5, "Hedger Qty Decimals": -1,
        "Min Qty": "many", "Min Amt": -5, "Slippage": 2, "Passphrase": "", "Stop Loss": 3, "Market Type": "option",
    }  # fmt: skip
    told = faults(text(wrong, {"Stream URL": "https://spot.example/ws"}))
    assert [line.partition(": ")[2] for line in told] == [
        'token_parameter: Maker Exchange is "mexc"',
        'token_parameter: Hedge Exchange is "bifu"',
        "token_parameter: Hedger Price Decimals is 1.5",
        "token_parameter: Hedger Qty Decimals is -1",
        'token_parameter: Min Qty is "many"',
        "token_parameter: Min Amt is -5",
        "token_parameter: Slippage is 2",
        'token_parameter: "Stop Loss" is not known here',
        'token_parameter: Market Type is "option"',
        'private_ws_client: Stream URL is "https://spot.example/ws"',
    ]


def test_defect_24_the_hedge_exchange_has_two_names() -> None:
    other = {key: value for key, value in TOKEN.items() if key != "Hedge Exchange"} | {"Hedger Exchange": "okx_future"}
    written = json.dumps({"token_parameter": other, "private_ws_client": STREAM})
    assert load(written).venues["hedge"].kind == "okx"
    assert load(text({"Hedger Exchange": "OKX"})).venues["hedge"].kind == "okx"
    (fault,) = faults(text({"Hedger Exchange": "binance"}))
    assert 'Hedger Exchange is "binance"' in fault


@pytest.mark.parametrize(("word", "side"), [("spot", "spot"), ("futures", "contract"), ("FUTURE", "contract")])
def test_defect_23_the_market_type_decides_which_side_is_heard(word: str, side: str) -> None:
    listen = load(text({"Market Type": word})).venues["maker"].listen
    assert listen is not None
    assert listen.side == side


def test_okx_needs_a_passphrase_and_others_do_not() -> None:
    (fault,) = faults(text({"Passphrase": ""}))
    assert fault.endswith("token_parameter: Passphrase is empty")
    hedge = load(text({"Passphrase": "", "Hedge Exchange": "binance"})).accounts["hedge"]
    assert list(hedge.credentials) == ["api_key", "api_secret"]


def test_hosts_are_not_guessed() -> None:
    told = faults(text(), JsonOptions())
    assert [line.partition(": ")[2] for line in told] == [
        "private_ws_client: no REST URL: a stream cannot tell what was missed while it was away",
        "private_ws_client: no Public URL: a stream cannot tell what was missed while it was away",
    ]
    stream = {"REST URL": "http://api.example", "Public URL": "http://api.example"}
    assert load(text(stream=stream), JsonOptions()).venues["maker"].listen is not None
    local = load(text(stream={"Stream URL": "ws://127.0.0.1:8711"}), JsonOptions()).venues["maker"]
    assert (local.url, local.ws_url) == ("http://127.0.0.1:8711", "ws://127.0.0.1:8711")


PLAIN = {"API KEY": "a-real-key-77", "Secret": "a-real-secret-78"}


def test_keys_that_stand_in_the_file_need_leave() -> None:
    told = faults(text(PLAIN, PLAIN))
    assert [line.partition(": ")[2] for line in told] == [
        "token_parameter: API KEY stands here in plain",
        "token_parameter: Secret stands here in plain",
        "private_ws_client: API KEY stands here in plain",
        "private_ws_client: Secret stands here in plain",
    ]
    assert "a-real" not in "".join(told)


def test_keys_that_may_stand_in_the_file_show_nowhere() -> None:
    options = JsonOptions(plain_keys=True, addresses=HOSTS.addresses)
    config = load(text(PLAIN, PLAIN), options)
    references = config.accounts["hedge"].credentials
    assert references["api_secret"] == Reference("plain", "hedge.api_secret")
    assert config.plain["hedge.api_secret"].reveal() == "a-real-secret-78"
    assert "a-real" not in repr(config.plain) + masked(config.text) + "".join(config.notes)
    assert config.notes[0].startswith("warning: 4 keys stand in this file in plain: who can read it")
    assert not any("warning" in note for note in load(text()).notes)
    assert references["passphrase"] == Reference("file", "keys/passphrase")


@pytest.mark.parametrize(("venue", "spelled"), [("binance", "BTCUSDT"), ("okx", "BTC-USDT")])
def test_manual_connects_under_the_hedge_venue_s_spelling(venue: str, spelled: str) -> None:
    """It failed at Binance, which lists no BTC-USDT, before it had recorded anything."""
    assert load(text({"Hedge Symbol": "manual", "Hedge Exchange": venue})).symbols["hedge"] == spelled


def test_manual_only_records() -> None:
    config = load(text({"Hedge Symbol": "manual", "API KEY": "", "Secret": "", "Passphrase": ""}))
    assert (config.settings["manual"], config.symbols["hedge"]) == (True, "BTC-USDT")


def test_a_version_counts_edits_and_is_0_where_it_is_absent() -> None:
    assert (load(text()).version, load(text(_version=12)).version) == (0, 12)


@pytest.mark.parametrize(
    ("listed", "decimals", "step"),
    [("0.01", 1, "0.1"), ("0.01", 2, "0.01"), ("0.01", 4, "0.01"), ("0.25", 0, "1"), ("0.3", 0, "0.3"), ("5", 0, "5")],
)
def test_decimals_of_an_account_coarsen_what_its_venue_lists(listed: str, decimals: int, step: str) -> None:
    """Requirement 15: to the configured decimals, and never to a step that the venue would refuse."""
    account = load(text({"Hedger Price Decimals": decimals, "Hedger Qty Decimals": decimals})).accounts["hedge"]
    market = replace(instrument("hedge"), tick=D(listed), lot=D(listed))
    assert coarsened(market, account) == replace(market, tick=D(step), lot=D(step))
    assert coarsened(market, load(text()).accounts["maker"]) == market


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ('{"token_parameter": {', "1: the text is no JSON: Expecting property name enclosed in double quotes"),
        ('{"token_parameter": {},}', "1: the text is no JSON: Expecting property name enclosed in double quotes"),
        (
            '{"token_parameter": [], "private_ws_client": 3}',
            '1: "token_parameter" is no object',
        ),
    ],
)
def test_what_is_no_json_is_told_at_its_place(written: str, fault: str) -> None:
    assert faults(written)[0].startswith(fault)


def test_tabs_and_numbers_as_texts_are_taken() -> None:
    written = text({"Min Qty": "0.010"}).replace("    ", "\t")
    assert load(written).settings["min_qty"] == D("0.01")
