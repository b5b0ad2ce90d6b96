"""Requests of all processes of a machine count together (S11): what one sends, another may not send again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.budgets import Budgets
from engine.errors import WindowUnusable
from engine.runtime.request_window import PARTS, RequestWindow, window_name
from exchanges.budget import Budget, Use

S = 1_000_000_000
MINUTE = 60 * S
NOW = 1_000 * S


def budget(path: Path, limit: int = 10) -> Budget:
    made = Budget(limit)
    made.join(RequestWindow(path))
    return made


def taken(it: Budget, at_ns: int, *, use: Use = Use.TRADE) -> int:
    """How many requests leave before one has to wait."""
    count = 0
    while not it.take(at_ns, use):
        count += 1
    return count


def test_what_one_process_has_sent_another_may_not_send_until_it_is_old(tmp_path: Path) -> None:
    ours, theirs = budget(tmp_path / "w"), budget(tmp_path / "w")
    for _ in range(4):
        assert ours.take(NOW, Use.TRADE) == 0
    assert taken(theirs, NOW) == 6
    assert taken(ours, NOW + 1 * S) == 0
    assert (
        ours.take(NOW + 1 * S, Use.TRADE) == NOW + 2 * S
    )  # nobody knows when theirs grow old: asked again in a second
    assert taken(ours, NOW + MINUTE + S) == 10


def test_questions_leave_orders_their_share_whoever_uses_the_rest(tmp_path: Path) -> None:
    ours, theirs = budget(tmp_path / "w"), budget(tmp_path / "w")
    assert taken(theirs, NOW, use=Use.UPKEEP) == 5
    assert taken(ours, NOW, use=Use.UPKEEP) == 0
    assert taken(ours, NOW, use=Use.ASK) == 4
    assert taken(ours, NOW) == 1


def test_a_weight_counts_as_what_it_is(tmp_path: Path) -> None:
    ours, theirs = budget(tmp_path / "w"), budget(tmp_path / "w")
    assert ours.take(NOW, Use.TRADE, weight=7) == 0
    assert theirs.take(NOW, Use.TRADE, weight=4) > NOW
    assert theirs.take(NOW, Use.TRADE, weight=3) == 0


def test_a_venue_that_said_too_many_to_one_is_left_alone_by_all(tmp_path: Path) -> None:
    ours, theirs = budget(tmp_path / "w"), budget(tmp_path / "w")
    assert ours.block(NOW, for_ns=5 * S) == NOW + 5 * S
    assert theirs.take(NOW + S, Use.TRADE) == theirs.take(NOW + S, Use.ASK) == NOW + 5 * S
    assert theirs.take(NOW + 6 * S, Use.TRADE) == 0


def test_a_guess_holds_up_questions_longer_than_orders(tmp_path: Path) -> None:
    ours, theirs = budget(tmp_path / "w"), budget(tmp_path / "w")
    for after_s in (0, 2, 5):
        ours.block(NOW + after_s * S)
    assert theirs.take(NOW + 6 * S, Use.TRADE) == 0
    assert theirs.take(NOW + 6 * S, Use.ASK) == NOW + 9 * S


def test_a_process_that_died_frees_nothing_that_it_sent(tmp_path: Path) -> None:
    """Killed without a word; whoever takes its part over keeps what is in it, and counts it itself."""
    script = (
        "import sys; from pathlib import Path; from engine.runtime.request_window import RequestWindow\n"
        f"it = RequestWindow(Path(sys.argv[1])); it.sent({NOW}, 7); it.blocked({NOW + 2 * S}, 0)\n"
        "print('sent', flush=True); sys.stdin.read()"
    )
    path = tmp_path / "w"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "sent\n"
    beside = budget(path)
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    heir = budget(path)  # takes the part over
    assert beside.take(NOW + S, Use.ASK) == heir.take(NOW + S, Use.ASK) == NOW + 2 * S
    assert taken(heir, NOW + 3 * S) == 3
    assert taken(beside, NOW + 3 * S) == 0
    assert taken(beside, NOW + MINUTE + S) == 7
    assert taken(heir, NOW + 3 * MINUTE) == 10


def test_there_is_a_part_for_so_many_processes(tmp_path: Path) -> None:
    windows = [RequestWindow(tmp_path / "w") for _ in range(PARTS)]
    with pytest.raises(WindowUnusable, match="32 processes send requests to this venue; end one of them"):
        RequestWindow(tmp_path / "w")
    windows.pop(7)
    windows.append(RequestWindow(tmp_path / "w"))
    windows[-1].sent(NOW, 1)
    assert windows[0].spent(NOW, MINUTE) == 1


def test_a_window_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        WindowUnusable, match="requests cannot be counted with those of other processes: Not a directory"
    ):
        RequestWindow(tmp_path / "file" / "w")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WindowUnusable, match="requests cannot be counted"):
        RequestWindow(tmp_path / "link")


def test_each_scope_of_a_venue_has_a_window_of_its_own_and_names_no_key() -> None:
    names = {window_name(kind, scope) for kind in ("backpack", "okx") for scope in ("https://a", "https://b secret")}
    assert len(names) == 4
    assert not any("secret" in name for name in names)


def test_the_budgets_of_two_commands_are_one() -> None:
    first, second = Budgets(shared=True), Budgets(shared=True)
    assert taken(first.at("backpack", "https://a", Budget(10)), NOW) == 10
    assert taken(second.at("backpack", "https://a", Budget(10)), NOW) == 0
    assert taken(second.at("backpack", "https://b", Budget(10)), NOW) == 10
    assert first.at("backpack", "https://a", Budget(10)) is first.at("backpack", "https://a", Budget(10))
    assert taken(Budgets(shared=False).at("backpack", "https://a", Budget(10)), NOW) == 10
