"""Is what a venue has accepted the order that was decided? Each adapter writes it in its venue's words."""

from __future__ import annotations

from enum import Enum

from exchanges.types import OrderRequest, OrderType

__all__ = ["otherwise"]

AS_MEANT = ("symbol", "side", "qty", "tif", "post_only", "reduce_only", "self_trade")


def otherwise(came: OrderRequest, meant: OrderRequest) -> str:
    """How it differs, in words; empty where it does not.

    A market order may come as a limit, or with a bound, that is nearer than its worst price: some venues take no other.
    One that comes as such never rests, whatever a venue calls its time in force.
    """
    names = [name for name in AS_MEANT if getattr(came, name) != getattr(meant, name)]
    if came.type is OrderType.MARKET and "tif" in names:
        names.remove("tif")
    bound = came.worst_price if came.price is None else came.price
    if meant.price is not None:
        names += ["price"] if came.price != meant.price else []
    elif meant.worst_price is not None and (bound is None or (bound - meant.worst_price) * meant.side.sign > 0):
        return ", ".join([*_words(names, came, meant), f"worst price {bound} for {meant.worst_price}"])
    return ", ".join(_words(names, came, meant))


def _words(names: list[str], came: OrderRequest, meant: OrderRequest) -> list[str]:
    return [f"{name} {_word(getattr(came, name))} for {_word(getattr(meant, name))}" for name in names]


def _word(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
