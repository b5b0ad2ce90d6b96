"""docs/adapters.md: what the adapters promise, can do and pass, from their capabilities and the conformance cards."""

from __future__ import annotations

from collections.abc import Callable

from card_benches import BENCHES
from cards import CARDS
from page_kit import MADE, table

from exchanges.types import Capabilities, ClientIdStyle, SelfTrade

HEAD = f"""\
# Adapters

How a venue is reached: orders, fills, positions, streams. {MADE}

Each account has one client behind `exchanges/base.py: BaseExchangeClient`. [venues.md](venues.md) says how to rehearse
on local venues, [operations.md](operations.md) what real money asks for first.

## What every adapter promises

- **A stream is resynced before it is trusted**, after every connection: fills since the last known one, open orders,
  orders that have ended meanwhile, the position, until the fills explain it. A stream that is silent for 2 s, breaks,
  cannot be read, or did not tell of a fill is begun anew, after a pause that grows and differs by chance.
- **Beside the stream the account is compared with the venue**, every few seconds while an order is live, every second
  (on Lighter every third) while its stream is away, and within a second when something does not add up. What the
  stream did not tell is delivered like a frame.
- **Refused is only what the venue itself refused.** A lost reply, a 5xx, an error page, an answer about something else:
  the outcome is unknown, and is asked about. An order that never left is refused at once. No order is sent twice.
- **No such order** is said only by a venue that was asked, while the account's stream is live.
- An order is valid for 2 s (on OKX and Binance 1 s), where the venue has such a thing, signed in the venue's time; a
  clock that is more than 1 s apart refuses the start.
- A fill counts for one of our orders only if symbol, side and time agree with it (S15); else it is exposure of nobody's
  order, and calls a person.
- Quotes have a stream of their own; of a backlog only the newest is decoded.
- Requests go out on warm connections, within the venue's budget, which all processes of a user share; upkeep may use
  half of it, questions nine tenths, and what became of one order half of the rest. A connection is pinged only when it
  carried nothing else for 25 s (on Lighter a minute).
- Beyond this machine every connection is TLS, and the certificate must prove the venue's name to an authority that the
  system trusts (`SSL_CERT_FILE` names others); nothing switches that off. What fails gets no request.
- What a venue sends is read strictly: `make fuzz` damages frames and replies in every way that it knows.

## What they can do
"""

CARDS_HEAD = """\
## What they pass

Every adapter plays these cards in front of its local venue, or of the paper venue, in `tests/test_cards.py`; where a
card does not apply it says why.
"""

OPEN_HEAD = """\
## What Backpack's documents leave open
"""
OPEN: list[tuple[str, str]] = [
    ("post-only that would take: 400, or accepted and expired", "both are a refusal"),
    ("a cancel that came too late: which status", "told by code and words, whatever the status"),
    ("a cancel answered 202, or by nothing", "asked for; the end comes by the stream"),
    ("order query of an ended order: 404", "stream, then history; fills for its rows"),
    (
        "how soon histories know",
        '"no such order" needs a live stream too, and a second more than the order was valid',
    ),
    (
        "a client id of an open order, refused in which words",
        "any refusal that speaks of the client id leaves the outcome unknown: it may be this order, delivered twice",
    ),
    ("most orders of a batch", "requests of ten"),
    (
        "rate limits",
        "1,200 requests a minute for all accounts of one address; a 429 closes all of them for as long as it says, else"
        " for 1 s, 2 s, 4 s …",
    ),
    ("fields of an error on a stream", "shown as they are; words of a signature or a key mean ours"),
    (
        "whether a subscription was taken",
        "a ping behind it: its answer says that it was read; the resync comes after that",
    ),
    (
        "events, states, causes and reasons that are not listed",
        "a fill counts in any case; a new cause of one calls a person; the rest is noted, and the venue compared",
    ),
    ("numbers as strings, strings as numbers", "both, exactly"),
    ("a fill without a trade id (or 0)", "the order's filled quantity stands in (S5)"),
    ("order of price levels", "compared, never taken for granted"),
    ("the account's `mmf`", "not used: each position's own says what it needs"),
    ("fee of a spot fill", "in the bought asset, as captured; what the fill says counts"),
    ("self-trade prevention across accounts", "asked for, not relied on (S8)"),
    (
        "a bound on market orders",
        "a market order with a worst price leaves as a limit order at that price that never rests",
    ),
]

_IDS = {ClientIdStyle.TEXT: "text", ClientIdStyle.UINT32: "32 bits", ClientIdStyle.UINT48: "48 bits"}
_ROWS: list[tuple[str, Callable[[Capabilities], str]]] = [
    ("client order ids", lambda it: _IDS[it.client_id]),
    ("change a resting order", lambda it: _yes(it.modify)),
    ("several orders in one request", lambda it: _yes(it.batch)),
    ("reduce-only", lambda it: _yes(it.reduce_only)),
    ("market orders", lambda it: _yes(it.market_orders)),
    ("self-trade prevention", lambda it: ", ".join(mode.value for mode in SelfTrade if mode in it.self_trade) or "no"),
    ("asking tells of ended orders", lambda it: _yes(it.query_finds_terminal)),
    ("a switch that cancels when we are gone", lambda it: _yes(it.dead_man_switch)),
]


def page() -> str:
    titles = [bench.title for bench in BENCHES]
    can = [[name, *(tell(bench.capabilities) for bench in BENCHES)] for name, tell in _ROWS]
    passed = [
        [subject, text, *("no: " + bench.lacks[text] if text in bench.lacks else "yes" for bench in BENCHES)]
        for text, (subject, _) in CARDS.items()
    ]
    blocks = [
        HEAD, *table(["", *titles], can), CARDS_HEAD, *table(["subject", "card", *titles], passed),
        OPEN_HEAD, *table(["open", "here"], OPEN),
    ]  # fmt: skip
    return "\n".join(blocks).rstrip() + "\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
