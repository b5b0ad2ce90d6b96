"""docs/own-strategy.md works as it says: its flow has the fault that it tells; mended, it is sound, proved and run."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cli_kit import ROOT, Eagle, eagle

__all__ = ["eagle"]

PAGE = (ROOT / "docs" / "own-strategy.md").read_text(encoding="utf-8")
WHOLE, BETTER, TABLE, HEDGED = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def mended() -> str:
    """The flow with the part that the page gives instead."""
    context, states = BETTER.split("states:\n")
    start, end = WHOLE.index("  CLOSING:"), WHOLE.index("  DONE:")
    whole = WHOLE[:start] + states + WHOLE[end:]
    return whole.replace("states:\n", f"{context}states:\n", 1)


def test_the_flow_has_the_fault_that_the_page_tells(eagle: Eagle, tmp_path: Path) -> None:
    file = tmp_path / "pair.yaml"
    file.write_text(WHOLE)
    found = json.loads(eagle("validate", file, "--format", "json").out)
    assert [(it["code"], it["message"].partition(":")[0]) for it in found] == [("C515", "this timer can never fire")]


def test_mended_it_is_sound_proved_tested_and_run(eagle: Eagle, tmp_path: Path) -> None:
    file, table, journal = tmp_path / "pair.yaml", tmp_path / "pair_table.yaml", tmp_path / "j.sqlite"
    file.write_text(mended())
    assert eagle("validate", file).out == f"{file} (flow): 0 errors, 0 warnings\n{file}: directional, not hedged\n"
    assert eagle("prove", file, "--faults", 0).code == 0
    broken = eagle("prove", file, "--faults", 1)
    assert broken.code == 1
    assert "canceled #1 buy 3 resting (before it tells of a fill)" in broken.out
    table.write_text(TABLE)
    assert eagle("validate", table).code == 0
    tested = eagle("test", table)
    assert (tested.code, "  ok   an opening that filled is sold (that is the strategy)" in tested.out) == (0, True)
    ran = eagle("run", "--flow", file, "--speed", "max", "--journal", journal)
    assert (ran.code, ran.out.splitlines()[0]) == (0, "flat (directional, not hedged)")
    assert eagle("trace", journal, "1").code == 0


def test_with_the_rule_it_hedges(eagle: Eagle, tmp_path: Path) -> None:
    file = tmp_path / "pair.yaml"
    accounts, hedging = HEDGED.split("hedging:\n")
    file.write_text(mended().replace("accounts:\n  maker: {pick: one}\n", accounts) + f"\nhedging:\n{hedging}")
    assert eagle("validate", file).out == f"{file} (flow): 0 errors, 0 warnings\n"
    ran = eagle("run", "--flow", file, "--speed", "max", "--journal", tmp_path / "j.sqlite")
    assert ran.code == 0
    assert eagle("audit", tmp_path / "j.sqlite").out.splitlines()[-1] == "audit holds"
