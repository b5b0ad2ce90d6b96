"""`quick` changes the cost of making a value, and nothing that a user of the value could see."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from exchanges.values import quick


@dataclass(frozen=True, slots=True)
class Plain:
    name: str
    size: int
    note: str = ""
    stamp: int = field(default=0, compare=False)


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    name: str
    size: int
    note: str = ""
    stamp: int = field(default=0, compare=False)


def test_values_are_made_compared_and_shown_as_before() -> None:
    for make in (lambda kind: kind("a", 1), lambda kind: kind(size=1, name="a"), lambda kind: kind("a", 1, stamp=7)):
        plain, made = make(Plain), make(Quick)
        assert type(made) is Quick
        assert repr(made) == repr(plain).replace("Plain", "Quick")
        assert (made == Quick("a", 1), hash(made) == hash(Quick("a", 1))) == (True, True)
    assert Quick("a", 1) != Quick("a", 2)
    assert replace(Quick("a", 1), note="n") == Quick("a", 1, "n")
    assert pickle.loads(pickle.dumps(Quick("a", 1, "n", 2))).stamp == 2
    assert copy.deepcopy(Quick("a", 1)) == Quick("a", 1)


class Named(Quick):
    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Longer(Quick):
    colour: str = "red"


class NamedLonger(Longer):
    __slots__ = ()


def test_a_class_below_keeps_its_name_and_may_have_more_fields() -> None:
    assert type(Named("a", 1)) is Named
    for kind in (Longer, NamedLonger):
        longer = kind("a", 1, colour="blue")
        assert (type(longer), longer.name, longer.stamp, longer.colour) == (kind, "a", 0, "blue")
        assert copy.copy(longer) == longer == pickle.loads(pickle.dumps(longer))


def test_values_stay_frozen() -> None:
    made = Quick("a", 1)
    with pytest.raises(FrozenInstanceError):
        made.size = 2  # type: ignore[misc]
    with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
        made.other = 2  # type: ignore[attr-defined]


def test_missing_and_unknown_fields_are_named() -> None:
    with pytest.raises(TypeError, match=r"Quick\.__new__\(\) missing 1 required positional argument: 'size'"):
        Quick("a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Quick("a", 1, colour=2)  # type: ignore[call-arg]


def with_factory() -> type:
    @dataclass(frozen=True, slots=True)
    class Factory:
        parts: list[str] = field(default_factory=list)

    return Factory


def with_base() -> type:
    @dataclass(frozen=True, slots=True)
    class Longer(Plain):
        more: int = 0

    return Longer


def with_check() -> type:
    @dataclass(frozen=True, slots=True)
    class Checked:
        size: int

        def __post_init__(self) -> None: ...

    return Checked


def without_slots() -> type:
    @dataclass(frozen=True)
    class Loose:
        size: int

    return Loose


@pytest.mark.parametrize("kind", [with_factory, with_base, with_check, without_slots])
def test_other_kinds_of_classes_are_refused(kind: Callable[[], type]) -> None:
    with pytest.raises(TypeError, match="quick "):
        quick(kind())
