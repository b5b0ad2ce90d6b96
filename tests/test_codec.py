"""Inputs and effects survive the journal exactly: every class, every field, every digit."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.runtime import codec
from engine.trading.effects import ArmTimer, Effect, Finish, Moved
from engine.trading.inputs import Answered, Input, Looked, Request, StopAsked
from exchanges.types import (
    Accepted,
    Fill,
    FillKind,
    Liquidity,
    OrderState,
    OrderUpdate,
    Refusal,
    Refused,
    Reply,
    Side,
    Unknown,
)

_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**62), 2**62),
    str: st.text(max_size=12),
    bool: st.booleans(),
    type(None): st.none(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
}


def strategy(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type; dataclasses are built field by field."""
    if kind in _LEAVES:
        return _LEAVES[kind]
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of([strategy(part) for part in get_args(kind)])
    if get_origin(kind) is tuple:
        return st.lists(strategy(get_args(kind)[0]), max_size=3).map(tuple)
    if get_origin(kind) is Mapping:
        return st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    assert is_dataclass(kind), f"no strategy for {kind}"
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: strategy(hints[field.name]) for field in fields(kind)})


INPUTS = get_args(Input)
EFFECTS = get_args(Effect)


@pytest.mark.parametrize("kind", INPUTS, ids=lambda kind: kind.__name__)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_input_survives(kind: type, data: st.DataObject) -> None:
    value = data.draw(strategy(kind))
    # repr and not ==, because 1.0 == 1.00: the digits of a venue are kept as they came.
    assert repr(codec.decode_input(*codec.encode_input(value))) == repr(value)


@pytest.mark.parametrize("kind", EFFECTS, ids=lambda kind: kind.__name__)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_effect_survives(kind: type, data: st.DataObject) -> None:
    value = data.draw(strategy(kind))
    assert repr(codec.decode_effect(codec.encode_effect(value))) == repr(value)


def test_the_text_of_a_fill_is_compact_and_exact() -> None:
    fill = Fill(
        venue="paper-a", account="maker", symbol="ETH-PERP", client_id="e1r1", order_id="7", trade_id="t",
        side=Side.BUY, qty=Decimal("0.0100"), price=Decimal("1E+3"), fee=Decimal("-0.01"), fee_asset="USDC",
        liquidity=Liquidity.MAKER, at_ms=5, recv_ns=6, kind=FillKind.ADL, decoded_ns=7,
    )  # fmt: skip
    assert codec.encode_input(fill) == (
        "fill",
        '["paper-a","maker","ETH-PERP","e1r1","7","t","buy","0.0100","1E+3","-0.01","USDC","maker",5,6,"adl",7]',
    )


@pytest.mark.parametrize(
    "reply",
    [
        Accepted("7", 11, 12),
        Refused(Refusal.RATE, "slow", 11, 12),
        Unknown("no answer", 11, 12),
        Unknown("", 11, 12, 99),
    ],
)
def test_an_answer_keeps_its_stamps(reply: Reply) -> None:
    read = codec.decode_input(*codec.encode_input(Answered("c", Request.PLACE, reply)))
    assert isinstance(read, Answered)
    assert (read.reply, read.reply.signed_ns, read.reply.written_ns) == (reply, 11, 12)
    assert getattr(read.reply, "dead_ns", 0) == getattr(reply, "dead_ns", 0)


def test_a_looked_answer_carries_its_update() -> None:
    update = OrderUpdate(
        account="maker", symbol="E", client_id="c", order_id="", side=Side.SELL, qty=Decimal(1),
        state=OrderState.CANCELED, cum_qty=Decimal("0.5"), price=None, at_ms=1, recv_ns=2,
    )  # fmt: skip
    assert codec.encode_input(Looked("c", 3, ok=True, update=update)) == (
        "looked",
        '["c",3,true,["maker","E","c","","sell","1","canceled","0.5",null,1,2,null,"",false],""]',
    )


def test_digest_tells_effects_and_their_order_apart() -> None:
    moved = Moved("order.filled", "A", None, 1)
    arm = ArmTimer("chart", "t", 1, 2)
    digests = [codec.effects_digest(effects) for effects in ([], [moved], [arm], [moved, arm], [arm, moved])]
    assert digests[0] == ""
    assert len(set(digests)) == len(digests)
    assert {len(digest) for digest in digests[1:]} == {16}
    assert codec.effects_digest([Finish(0, "a")]) == codec.effects_digest([Finish(0, "a")])
    assert codec.effects_digest([Finish(0, "a")]) != codec.effects_digest([Finish(0, "a", left_open=True)])


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [("nothing", "[]", KeyError), ("stop", "[1,2]", TypeError), ("link", '["a","up",1,""]', ValueError)],
)
def test_a_damaged_body_is_not_read(kind: str, body: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        codec.decode_input(kind, body)


def test_stop_is_one_number() -> None:
    assert codec.encode_input(StopAsked(2)) == ("stop", "[2]")
