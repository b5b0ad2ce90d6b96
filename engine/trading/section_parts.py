"""Small parts that the readers of a flow's trading sections share."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.chart.model import Expression, Listing, Mapped, Node, Scalar, SectionTools
from engine.trading.hedging import Rung

RUNG_WORDS: Mapping[Rung, str] = {
    Rung.REDUCE_ELSEWHERE: "an account whose own position the hedge reduces",
    Rung.NEXT_ELIGIBLE: "the eligible account with most free margin",
    Rung.UNDO_ON_MAKER: "take the fill back on the maker itself",
}
BY = re.compile(r"(random|holder_first)\((\w+)\)")


def read_ladder(node: Mapped, tools: SectionTools, known: tuple[Rung, ...]) -> list[Rung]:
    ladder = []
    for item in words(node.entries.get("if refused")):
        found = next((rung for rung in known if rung.value == item.text), None)
        if found is None:
            hint = tools.nearest(item.text, [rung.value for rung in known])
            tools.report("H607", item.span, f'"{item.text}" is no step of the ladder', hint)
        else:
            ladder.append(found)
    return ladder


def short(expression: Expression) -> str:
    return " ".join(expression.source.split()).replace("settings.", "").replace("context.", "")


def word(node: Node | None, key: str) -> Scalar | None:
    value = node.entries.get(key) if isinstance(node, Mapped) else None
    return value if isinstance(value, Scalar) else None


def words(node: Node | None) -> list[Scalar]:
    return [item for item in node.items if isinstance(item, Scalar)] if isinstance(node, Listing) else []
