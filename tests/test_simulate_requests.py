"""What simulated runs ask of a venue that counts: a minute that deaths and faults used up still closes what is open."""

from __future__ import annotations

from typing import Any

import pytest
from cli_kit import Eagle, eagle

from cli.simulated import SimulatedWorld
from cli.simulated_life import Life
from engine.trading.inputs import Started
from exchanges.budget import Budget, Use
from exchanges.lighter.wire.reply import PREMIUM_PER_MINUTE

__all__ = ["eagle"]

MATRIX = ("--faults", "catalogue", "--play", "both", "--rounds", "4", "--venues", "backpack,lighter", "--exposure")


@pytest.mark.parametrize("seed", [1152, 146])
def test_a_stop_asks_whether_all_is_flat_with_what_is_left_of_a_minute(eagle: Eagle, seed: int) -> None:
    """Accounts were flat, and requests were left, but kept back from positions: 33.3 s and 30.1 s until the end."""
    said = eagle("simulate", "--seeds", str(seed), *MATRIX)
    assert said.code == 0, said.out


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (1152, [2_922, 4_722, 2_922]),  # three accounts; the last has no rows to look for
        (1378, [1_674, 2_874, 2_274]),  # two; the last leaves out rows of what is as told
    ],
)
def test_a_start_on_lighter_and_each_takeover_leave_most_of_a_minute(
    seed: int, expected: list[int], eagle: Eagle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S11, three accounts: 4,140 and 7,140 of 24,000 while tiers and markets were asked for twice, and rows too."""
    spent: list[int] = []  # of each life, until it begins
    began = True
    live, stepped, take = Life.live, Life._stepped, Budget.take

    async def lives(life: Life, *args: Any) -> None:
        nonlocal began
        spent.append(0)
        began = False
        await live(life, *args)

    def steps(life: Life, seq: int, at_ns: int, given: Any, effects: Any) -> None:
        nonlocal began
        began = began or type(given) is Started
        stepped(life, seq, at_ns, given, effects)

    def takes(budget: Budget, now_ns: int, use: Use, *, weight: int = 1) -> int:
        until_ns = take(budget, now_ns, use, weight=weight)
        if budget.limit == PREMIUM_PER_MINUTE and use is not Use.TRADE and not (began or until_ns):
            spent[-1] += weight  # without a nonce for each account, 6: what a dying life sends counts as those do
        return until_ns

    monkeypatch.setattr(
        SimulatedWorld, "let_start_fail", lambda _: None
    )  # what fails there is asked, and counts, again
    for where, name, it in ((Life, "live", lives), (Life, "_stepped", steps), (Budget, "take", takes)):
        monkeypatch.setattr(where, name, it)
    assert eagle("simulate", "--seeds", str(seed), *MATRIX, "--jobs", "1").code == 0
    assert spent == expected
