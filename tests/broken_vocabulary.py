"""The small vocabulary in which the broken flows are written: two events, two verbs, four names."""

from __future__ import annotations

from engine.chart.model import BOOL, QTY, SIDE, TEXT, EventKind, Parameter, Verb, Vocabulary

NOTES = Vocabulary(
    events={
        "filled": EventKind("filled", "an order filled", {"quantity": QTY}, must_handle=True),
        "tick": EventKind("tick", "the best bid or offer changed"),
    },
    verbs={
        "note": Verb("note", "write a line", (Parameter("text", "the line", TEXT),)),
        "ask": Verb("ask", "ask for the positions", replies=True, reply_attributes={"size": QTY}),
    },
    names={"flat": BOOL, "size": QTY, "side": SIDE},
)
