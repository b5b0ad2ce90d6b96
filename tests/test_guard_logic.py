"""What guards say about each other, from their text alone."""

from __future__ import annotations

import pytest

from engine.chart.logic import Logic
from engine.chart.model import BOOL, COUNT, Counter, Expression, Flow, Span, Vocabulary

AT = Span("f", 1, 1, 1, 2)
NAMES = ("flat", "late", "size", "other", "side", "age", "settings.limit", "context.tries")


def guard(source: str) -> Expression:
    read = frozenset(name for name in NAMES if name in source)
    return Expression(source, AT, BOOL, read, lambda _: None)


FLOW = Flow(
    name="f",
    version=1,
    about="",
    file="f",
    digest="",
    text="",
    settings={},
    context={"tries": Counter("tries", COUNT, 0, 9, "", AT)},
    states={},
    leaves=("IDLE", "ROUND.opening", "ROUND.closing"),
    initial="IDLE",
    table={},
    always={},
    deferred={},
    ignored={},
    invariants=(),
    properties=(),
    raised={},
    sections={},
    vocabulary=Vocabulary({}, {}, {}),
)
LOGIC = Logic(FLOW)


@pytest.mark.parametrize(
    ("one", "other", "exclusive"),
    [
        ("flat", "not flat", True),
        ("flat", "late", False),
        ("flat and late", "not late", True),
        ("size < 3", "size >= 3", True),
        ("size < 3", "3 <= size", True),
        ("size < 3", "size > 2", False),
        ("size < 0.1", "size > 0.1", True),
        ("context.tries < 3", "context.tries > 2", True),
        ("context.tries < settings.limit", "context.tries >= settings.limit", True),
        ("context.tries < settings.limit", "settings.limit <= context.tries", True),
        ("context.tries <= settings.limit", "settings.limit <= context.tries", False),
        ("size < -1", "size == 0", True),
        ("side == buy", "side == sell", True),
        ("side == buy", "side != sell", False),
        ("side in [buy]", "side not in [buy, sell]", True),
        ("state == ROUND", "state == ROUND.opening", False),
        ("state == ROUND.closing", "state == ROUND.opening", True),
        ("state in [IDLE, ROUND.closing]", "state == ROUND.opening", True),
        ("1 < size < 3", "size == 3", True),
        ("age > seconds(1)", "age < ms(900)", True),
        ("age > seconds(1)", "age < ms(1100)", False),
        ("flat == true", "not flat", True),
        ("late if flat else size > 1", "not late and size < 1", True),
        ("size + other > 1", "size > 2", False),
    ],
)
def test_exclusive(one: str, other: str, exclusive: bool) -> None:
    assert LOGIC.exclusive(guard(one), guard(other)) is exclusive
    assert LOGIC.exclusive(guard(other), guard(one)) is exclusive


@pytest.mark.parametrize(
    ("later", "earlier", "implied"),
    [
        ("size > 5", "size > 1", True),
        ("size > 1", "size > 5", False),
        ("size > 5 and flat", "size > 1", True),
        ("flat", "flat or late", True),
        ("3 > size", "size < 3", True),
        ("side == buy", "side != sell", True),
        ("flat", "late", False),
    ],
)
def test_implied(later: str, earlier: str, implied: bool) -> None:
    assert LOGIC.implied(guard(later), guard(earlier)) is implied


def test_no_guard_holds_always() -> None:
    assert LOGIC.complete([guard("flat"), None]) is True
    assert LOGIC.implied(guard("flat"), None) is True
    assert LOGIC.exclusive(guard("flat"), None) is False


@pytest.mark.parametrize(
    ("sources", "complete"),
    [
        (["flat", "not flat"], True),
        (["flat"], False),
        (["size < 1", "size == 1", "size > 1"], True),
        (["size < 1", "size > 1"], False),
        (["context.tries < 1", "context.tries >= 1"], True),
        (["side == buy", "side == sell"], False),
        ([], False),
    ],
)
def test_complete(sources: list[str], complete: bool) -> None:
    assert LOGIC.complete([guard(source) for source in sources]) is complete


@pytest.mark.parametrize(
    ("source", "constant"),
    [
        ("true", True),
        ("1 > 2", False),
        ("flat or not flat", True),
        ("size > 3 and size < 2", False),
        ("size == size", True),
        ("flat", None),
    ],
)
def test_constant(source: str, constant: bool | None) -> None:
    assert LOGIC.constant(guard(source)) is constant


def test_too_many_facts_are_not_judged() -> None:
    many = " and ".join(f"size == {number} and (flat or late{number})" for number in range(14))
    assert LOGIC.constant(guard(many)) is None
