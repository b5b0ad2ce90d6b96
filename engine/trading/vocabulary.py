"""What a trading flow may say: its events, verbs, facts and sections. `eagle verbs` prints this."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from engine.chart.model import (
    BOOL,
    BPS,
    COUNT,
    MONEY,
    PRICE,
    QTY,
    TEXT,
    Flow,
    Parameter,
    Type,
    Verb,
    Vocabulary,
)
from engine.trading.events import MARKET_REASON, event_kinds
from engine.trading.sections import LEG_FACTS, Fact, read_accounts, read_hedging, read_legs

FACTS: dict[str, Fact] = {
    "settled": Fact(BOOL, "nothing hedgeable is open, nothing is in flight and no hedge's outcome is unknown (S6)"),
    "exposure": Fact(QTY, "signed sum of all fills since the run began, over all accounts (S17)"),
    "net_position": Fact(QTY, "the same as exposure, by the user's name (E12)"),
    "hedgeable": Fact(QTY, "the largest part of what is open and not in flight that some taker could trade (S6)"),
    "in_flight": Fact(QTY, "signed quantity that live hedges, undos and flattening orders may still fill"),
    "risk": Fact(QTY, "what a source's fills have left open: its fills - hedges - in flight, the same as dust"),
    "hedge_due": Fact(
        BOOL, "what is open calls for a hedge by the terms of `hedging:`; false where legs are hedged at once"
    ),
    "hedge_unknown": Fact(BOOL, "nobody knows whether the venue took a hedge; it is asked about (S4)"),
    "source_live": Fact(BOOL, "the stream of the account that is listened to is trusted; what it missed has been told"),
    "hedgers_live": Fact(BOOL, "the stream of some account that may hedge is trusted"),
    "dust": Fact(QTY, "exposure + in_flight: what is open and not being covered (E12)"),
    "dust_capped": Fact(BOOL, "what is open is worth more than dust_cap; no opening while it is (S6)"),
    "maker_open_position": Fact(QTY, "signed sum of the maker's opening fills since it was last flat (E12)"),
    "maker_close_position": Fact(QTY, "what the maker closed of it; open - close is what it holds (E12)"),
    "maker_position": Fact(QTY, "the maker's position since the run began"),
    "maker_flat": Fact(BOOL, "the maker holds nothing that its venue would let it close"),
    "takers_flat": Fact(BOOL, "no slice is left that would bring the takers nearer to flat (S9)"),
    "reduced": Fact(BOOL, "no slice is left that would bring any account, the maker included, nearer to flat (S7)"),
    "left_over": Fact(BOOL, "orders or positions that an earlier run left are not cleaned up yet (S15)"),
    "flattening": Fact(BOOL, "an order of `flatten` is on its way"),
    "orders_live": Fact(BOOL, "an order of a leg may still fill"),
    "may_open": Fact(BOOL, "every condition for a new opening order holds (E5, E15, E16, S6, S10, S11, S12)"),
    "may_rest": Fact(BOOL, "a resting opening order may stay: market, streams and takers are as they must be (E5)"),
    "may_close": Fact(BOOL, "the maker's stream and book are there, and somebody can hedge the close (E5, S3)"),
    "best_bid": Fact(PRICE, "best bid of the maker's book; 0 without a usable one"),
    "best_ask": Fact(PRICE, "best offer of the maker's book; 0 without a usable one"),
    "streams_live": Fact(BOOL, "the maker's stream is live and without gaps (E7)"),
    "market_open": Fact(BOOL, "no market guard stops opening (E14, E16)"),
    "market_reason": Fact(MARKET_REASON, "which market guard speaks; none if none does"),
    "volume": Fact(MONEY, "traded notional of all accounts in this run"),
    "pause_factor": Fact(COUNT, "what the pause between rounds is multiplied by; above 1 in a thin market (E16)"),
}

_LEG = Parameter("leg", "which leg of the flow", refers_to="leg")


def facts_of(flow: Flow | None = None) -> Mapping[str, tuple[Type, str]]:
    """Every fact with its type and meaning; with a flow also those of its legs."""
    legs = () if flow is None else flow.sections["legs"].refers.get("leg", ())
    of_legs = {f"{leg}.{word}": fact for leg in sorted(legs) for word, fact in LEG_FACTS.items()}
    return {name: (fact.type, fact.about) for name, fact in {**FACTS, **of_legs}.items()}


@cache
def trading_vocabulary() -> Vocabulary:
    """The one vocabulary of trading flows."""
    return Vocabulary(
        events=event_kinds(),
        verbs={verb.name: verb for verb in _VERBS},
        names={name: fact.type for name, fact in FACTS.items()},
        sections={"accounts": read_accounts, "legs": read_legs, "hedging": read_hedging},
    )


_VERBS = (
    Verb("begin_round", "Start a new round: number it, forget the last round's legs."),
    Verb("end_round", "Close the round's books: volume, fees, cash, what the maker still holds. No-op without one."),
    Verb(
        "rest",
        "Rest a post-only order of a leg at the opposite best less its offset (E5), or at its price if that is further"
        " away. Nothing is sent when the leg's quantity is below the venue's minimum.",
        (_LEG,),
    ),
    Verb(
        "take",
        "Take liquidity with a leg's order now: an IOC limit within `slippage` of the touch and no worse than the leg's"
        " price, or a market order. Nothing is sent when the leg's quantity is below the venue's minimum.",
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
    Verb(
        "hedge_all",
        "From here on hedge whatever is open at once, below the least size of `hedging:` too; never less.",
        (Parameter("market", "true: outside the band too", type=BOOL, required=False, default="false"),),
    ),
    Verb("halt", "No opening from here on; alert a person with this text.", (Parameter("text", "why", type=TEXT),)),
    Verb("alert", "Tell a person.", (Parameter("text", "what", type=TEXT),)),
    Verb("note", "Write a line to the journal.", (Parameter("text", "what", type=TEXT),)),
    Verb(
        "finish",
        "End the run: exit code 0 only if no order is live and everything is flat within dust, else 1.",
        (
            Parameter("failed", "true if the run is to count as failed", type=BOOL, required=False, default="false"),
            Parameter("flat", "false if what is held is meant to stay", type=BOOL, required=False, default="true"),
        ),
    ),
)
