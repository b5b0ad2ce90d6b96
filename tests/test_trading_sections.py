"""The trading sections of a flow: each fault at its place, with the way out. The whole finding is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.chart.codes import CODES
from engine.chart.load import load_flow
from engine.chart.model import FlowError
from engine.trading.vocabulary import trading_vocabulary

FLOWS = Path(__file__).parents[1] / "flows"
EAGLE = (FLOWS / "eagle_chicken.yaml").read_text()
HEDGER = (FLOWS / "hedger.yaml").read_text()

# (code, what stands in the flow, what is written instead, message, hint)
BROKEN = [
    (
        "H601",
        "maker:  {pick: one}",
        "maker:  {pick: two}",
        "role maker needs `pick: one` or `pick: many`",
        "write {pick: one}",
    ),
    (
        "H602",
        "apart_from: maker",
        "apart_from: makr",
        'role takers is apart from "makr", which is no role here',
        '; did you mean "maker"?',
    ),
    (
        "H603",
        "purpose: open\n",
        "purpose: opening\n",
        "leg opening needs `account:` and `purpose: open | close | cleanup`",
        "",
    ),
    ("H604", "    quantity: settings.quantity\n", "", "leg opening needs `buys:` (true or false) and `quantity:`", ""),
    (
        "H605",
        "account: random(takers)",
        "account: takers",
        "hedging needs `by: {account: random(ROLE) or holder_first(ROLE), order: market}`",
        "for example by: {account: random(takers), order: market}",
    ),
    ("H606", "order: market}", "order: limit}", 'hedges are market orders, not "limit"', "write order: market"),
    (
        "H607",
        "undo on maker]",
        "undo on makr]",
        '"undo on makr" is no step of the ladder',
        '; did you mean "undo on maker"?',
    ),
    (
        "H608",
        "random(takers)",
        "random(taker)",
        'hedges go to "taker", which is no role of accounts; did you mean "takers"?',
        "name a role that `accounts:` declares",
    ),
    (
        "H608",
        "account: maker\n    purpose: open",
        "account: boss\n    purpose: open",
        'leg opening trades on "boss", which is no role of accounts',
        "name a role that `accounts:` declares",
    ),
    (
        "H609",
        "every fill of: [opening, closing, cleanup]",
        "every fill of: [opening, closing, cleanup, closng]",
        'hedging covers "closng", which is no leg; did you mean "closing"?',
        "name a leg that `legs:` declares",
    ),
    (
        "H610",
        "every fill of: [opening, closing, cleanup]",
        "every fill of: [opening, closing]",
        "fills of cleanup would not be hedged, but exposure is one sum over all legs",
        "list every leg under `every fill of:`, or declare no hedging",
    ),
]

BROKEN_HEDGER = [
    (
        "H605",
        "account: random(hedgers)",
        "account: hedgers",
        "hedging needs `by: {account: random(ROLE) or holder_first(ROLE), order: limit ioc, slippage: …}`",
        "for example by: {account: random(hedgers), order: limit ioc, slippage: settings.slippage}",
    ),
    (
        "H606",
        "order: limit ioc",
        "order: limit",
        "hedges of a source are `limit ioc` or `market` orders",
        "write order: limit ioc",
    ),
    (
        "H607",
        "next eligible]",
        "undo on maker]",
        '"undo on maker" is no step of the ladder',
        "",
    ),
    (
        "H608",
        "every fill of: source",
        "every fill of: sorce",
        'hedging listens to "sorce", which is no role of accounts; did you mean "source"?',
        "name a role that `accounts:` declares",
    ),
    (
        "H612",
        "random(hedgers)",
        "random(source)",
        "source is only listened to, and hedges would go to it",
        "name another role",
    ),
    (
        "H612",
        "hedging:   ",
        "legs:\n  own: {account: source, purpose: open, buys: true, quantity: settings.min_qty}\nhedging:   ",
        "source is only listened to, but the flow has legs of its own (own)",
        "remove the legs, or write `every fill of: [LEGS]`",
    ),
    (
        "H613",
        ", slippage: settings.slippage}",
        "}",
        "`slippage` is how far a limit ioc order goes beyond the touch, and nothing else",
        "add `slippage: settings.NAME`",
    ),
    (
        "H613",
        "order: limit ioc,",
        "order: market,",
        "`slippage` is how far a limit ioc order goes beyond the touch, and nothing else",
        "remove `slippage`",
    ),
    (
        "H613",
        ", on max age: settings.on_max_age}",
        "}",
        "a band needs the age at which it is left, and what becomes of the hedge then",
        "write `within: {band, on max age}` and `from: {or after}`, all three or none",
    ),
    (
        "H614",
        "quantity: settings.min_qty",
        "quantity: settings.min_qty + hedgeable",
        "`quantity` reads hedgeable: terms of hedging are settings alone",
        "write it over `settings.` alone",
    ),
]  # fmt: skip
OF_LEGS = (
    "H611",
    "  if refused:",
    "  only record: true\n  if refused:",
    "`only record` is for fills of a role that is only listened to",
    "remove it, or write `every fill of: ROLE`",
)
CASES = [*((EAGLE, *row) for row in (*BROKEN, OF_LEGS)), *((HEDGER, *row) for row in BROKEN_HEDGER)]


@pytest.mark.parametrize(
    ("flow", "code", "was", "written", "message", "hint"), CASES, ids=[f"{b[1]} {b[3][:20]}" for b in CASES]
)
def test_a_broken_section_is_told(flow: str, code: str, was: str, written: str, message: str, hint: str) -> None:
    assert was in flow
    text = flow.replace(was, written, 1)
    name = "eagle_chicken" if flow is EAGLE else "hedger"
    with pytest.raises(FlowError) as raised:
        load_flow(text, file=f"flows/{name}.yaml", vocabulary=trading_vocabulary())
    told = [
        (finding.code, finding.message, finding.hint) for finding in raised.value.findings if finding.code[0] == "H"
    ]
    assert told == [(code, message, hint)]
    assert all(finding.span.line > 1 for finding in raised.value.findings)


def test_every_code_of_the_sections_is_shown() -> None:
    assert {row[1] for row in CASES} == {code for code in CODES if code[0] == "H"}
