"""A storm of alerts becomes a few messages that count what was held back, and never crowds out the urgent ones."""

from __future__ import annotations

from engine.runtime.alert_gate import AlertGate, Passed
from engine.trading.effects import Alert, Level

S = 1_000_000_000


def alert(code: str = "c", *, level: Level = Level.PERSON, text: str = "", account: str = "") -> Alert:
    return Alert(level, code, text, {"account": account} if account else {})


def gate(*, level: Level = Level.WARNING, repeat_s: int = 60, per_minute: int = 10) -> AlertGate:
    return AlertGate(level=level, repeat_ns=repeat_s * S, per_minute=per_minute)


def test_the_first_of_its_kind_calls_at_once_and_below_the_level_nothing_does() -> None:
    it = gate(level=Level.PERSON)
    assert it.take(alert(), S) == Passed(alert(), 0)
    assert it.take(alert("w", level=Level.WARNING), S) is None
    assert it.due_ns(S) is None


def test_a_storm_is_one_message_now_and_one_at_the_end_of_each_window() -> None:
    it = gate()
    passed = [it.take(alert(text=str(at)), at * S) for at in range(1, 1_001)]
    told = [each for each in passed if each is not None]
    assert [(each.alert.text, each.held_back) for each in told[:3]] == [("1", 0), ("61", 59), ("121", 59)]
    assert len(told) == 17
    assert it.due_ns(1_000 * S) == (961 + 60) * S
    assert it.due(1_020 * S) == []
    assert it.due(1_021 * S) == [Passed(alert(text="1000"), 38)]
    assert (it.due_ns(1_021 * S), it.due(2_000 * S)) == (None, [])


def test_nothing_is_lost_in_the_count() -> None:
    it = gate(repeat_s=7, per_minute=3)
    told = []
    for tenth in range(1_000):
        at_ns = tenth * S // 10
        told += it.due(at_ns)
        told += [each for each in [it.take(alert(), at_ns)] if each is not None]
    told += it.rest()
    assert sum(1 + each.held_back for each in told) == 1_000
    assert it.rest() == []


def test_accounts_are_told_apart() -> None:
    it = gate()
    assert it.take(alert(account="hawk"), S) is not None
    assert it.take(alert(account="chick"), S) is not None
    assert it.take(alert(account="hawk"), S) is None


def test_lesser_alerts_leave_room_for_the_urgent_ones() -> None:
    it = gate(per_minute=10)
    lesser = [it.take(alert(f"w{n}", level=Level.WARNING), S) for n in range(20)]
    urgent = [it.take(alert(f"p{n}"), S) for n in range(20)]
    assert [each is not None for each in lesser] == [True] * 6 + [False] * 14
    assert [each is not None for each in urgent] == [True] * 4 + [False] * 16
    assert it.due_ns(2 * S) == 61 * S
    later = it.due(61 * S)
    assert [each.alert.code for each in later] == [f"p{n}" for n in range(4, 14)]  # the urgent ones first


def test_at_the_end_all_that_was_held_back_is_told_the_urgent_first() -> None:
    it = gate()
    for code, level in (("w", Level.WARNING), ("p", Level.PERSON)):
        for _ in range(3):
            it.take(alert(code, level=level), S)
    assert [(each.alert.code, each.held_back) for each in it.rest()] == [("p", 1), ("w", 1)]
