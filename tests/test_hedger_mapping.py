"""docs/hedger_mapping.md: each defect and requirement has a test that exists, each name of the document a place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "hedger_mapping.md").read_text()
# As the document has them: classes, functions, parameters, files.
NAMES = (
    "TokenParameter", "BiFuPrivateWSClient", "HedgerAgent", "UserWebsocketStreamClient", "NewOrder", "OrderID",
    "run_forever", "_handle_risk_positions", "handle_trade_filled", "wait_for_hedge_multithread", "get_private_client",
    "batch_make_orders", "create_logger", "client_order_id", "hedger_main.py", "test_hedger_params.json", "hedger.log",
    "JPM_MM", "Maker Exchange", "API KEY", "Secret", "Passphrase", "Stream URL", "Maker Symbol", "Hedge Symbol",
    "Hedge Exchange", "Hedger Price Decimals", "Hedger Qty Decimals", "Min Qty", "Min Amt", "Slippage",
)  # fmt: skip


@pytest.mark.parametrize(("letter", "count"), [("", 28), ("R", 24)], ids=["defects", "requirements"])
def test_every_one_has_a_test_that_exists(letter: str, count: int) -> None:
    found = re.findall(rf"^\| {letter}(\d+) \|[^|]+\|([^|]+)\|$", PAGE, re.MULTILINE)
    rows = {int(number): tests for number, tests in found}
    assert sorted(rows) == list(range(1, count + 1))
    for number, told in rows.items():
        tests = re.findall(r"`(tests/[a-z_]+\.py): (test_\w+)`", told)
        assert tests, number
        for file, name in tests:
            assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), (number, name)


def test_every_name_of_the_document_has_a_place() -> None:
    assert [name for name in NAMES if name not in PAGE] == []


def test_every_named_place_exists() -> None:
    """Files and the names in them; a method by its own name."""
    for file, name in re.findall(r"`((?:cli|engine|exchanges|tests)/[\w/]+\.py): ([\w.]+)`", PAGE):
        text = (ROOT / file).read_text()
        for part in name.split("."):
            assert re.search(rf"\b{part}\b", text), (file, name)
    settings = (ROOT / "flows" / "hedger.yaml").read_text()
    for name in re.findall(r"`flows/hedger\.yaml: settings\.(\w+)`", PAGE):
        assert re.search(rf"^  {name}:", settings, re.MULTILINE), name
