"""The trading sections of a flow: each fault at its place, with the way out. The whole finding is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.chart.codes import CODES
from engine.chart.load import load_flow
from engine.chart.model import FlowError
from engine.trading.vocabulary import trading_vocabulary

EAGLE = (Path(__file__).parents[1] / "flows" / "eagle_chicken.yaml").read_text()

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


@pytest.mark.parametrize(
    ("code", "was", "written", "message", "hint"), BROKEN, ids=[f"{b[0]} {b[2][:20]}" for b in BROKEN]
)
def test_a_broken_section_is_told(code: str, was: str, written: str, message: str, hint: str) -> None:
    assert was in EAGLE
    text = EAGLE.replace(was, written, 1)
    with pytest.raises(FlowError) as raised:
        load_flow(text, file="flows/eagle_chicken.yaml", vocabulary=trading_vocabulary())
    told = [
        (finding.code, finding.message, finding.hint) for finding in raised.value.findings if finding.code[0] == "H"
    ]
    assert told == [(code, message, hint)]
    assert all(finding.span.line > 1 for finding in raised.value.findings)


def test_every_code_of_the_sections_is_shown() -> None:
    assert {row[0] for row in BROKEN} == {code for code in CODES if code[0] == "H"}
