"""What a trading flow may say: its events, verbs, facts and sections. `eagle verbs` prints this."""

from __future__ import annotations

from functools import cache

from engine.chart.model import (
    BOOL,
    BPS,
    COUNT,
    MONEY,
    QTY,
    TEXT,
    Parameter,
    Type,
    Verb,
    Vocabulary,
)
from engine.trading.events import MARKET_REASON, event_kinds
from engine.trading.sections import read_accounts, read_hedging, read_legs

FACTS: dict[str, Type] = {
    "settled": BOOL,
    "exposure": QTY,
    "net_position": QTY,
    "hedgeable": QTY,
    "in_flight": QTY,
    "dust": QTY,
    "maker_open_position": QTY,
    "maker_close_position": QTY,
    "maker_position": QTY,
    "maker_flat": BOOL,
    "takers_flat": BOOL,
    "flattening": BOOL,
    "orders_live": BOOL,
    "may_open": BOOL,
    "may_rest": BOOL,
    "may_close": BOOL,
    "streams_live": BOOL,
    "market_open": BOOL,
    "market_reason": MARKET_REASON,
    "volume": MONEY,
    "pause_factor": COUNT,
}

_LEG = Parameter("leg", "which leg of the flow", refers_to="leg")


@cache
def trading_vocabulary() -> Vocabulary:
    """The one vocabulary of trading flows."""
    return Vocabulary(
        events=event_kinds(),
        verbs={verb.name: verb for verb in _VERBS},
        names=FACTS,
        sections={"accounts": read_accounts, "legs": read_legs, "hedging": read_hedging},
    )


_VERBS = (
    Verb("begin_round", "Start a new round: number it, forget the last round's legs."),
    Verb("end_round", "Close the round's books: volume, fees, cash, what the maker still holds. No-op without one."),
    Verb(
        "rest",
        "Rest a post-only order of a leg at the opposite best less its offset (E5). Nothing is sent when the leg's"
        " quantity is below the venue's minimum.",
        (_LEG,),
    ),
    Verb(
        "take",
        "Take liquidity with a leg's order now: an IOC limit within `slippage` of the touch, or a market order.",
        (_LEG, Parameter("slippage", "worst distance from the touch", type=BPS, required=False)),
    ),
    Verb("cancel", "Ask to cancel what rests of a leg; final only when its terminal state is seen (E7).", (_LEG,)),
    Verb("cancel_all", "Ask to cancel every resting order of ours."),
    Verb(
        "flatten",
        "Send the next slice that brings a role's accounts towards flat: opposite positions in matched pairs, no"
        " slice above the soft unhedged limit (S9). Nothing is sent when they are flat.",
        (Parameter("accounts", "whose positions", refers_to="role", required=False),),
    ),
    Verb(
        "ask",
        "Fetch the newest state of a leg's order before cancelling it (E7).",
        (_LEG,),
        replies=True,
        reply_attributes={"found": BOOL},
    ),
    Verb("ask_all", "Fetch the newest state of every live order of ours.", replies=True),
    Verb(
        "count_positions",
        "Read every account's position over a quiet cut and compare it with the ledger (S17).",
        replies=True,
        reply_attributes={"matches": BOOL},
    ),
    Verb("halt", "No opening from here on; alert a person with this text.", (Parameter("text", "why", type=TEXT),)),
    Verb("alert", "Tell a person.", (Parameter("text", "what", type=TEXT),)),
    Verb("note", "Write a line to the journal.", (Parameter("text", "what", type=TEXT),)),
    Verb(
        "finish",
        "End the run: exit code 0 only if everything is flat within dust, else 1.",
        (Parameter("failed", "true if the run is to count as failed", type=BOOL, required=False, default="false"),),
    ),
)
