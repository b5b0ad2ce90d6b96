"""Binance's words for states, refusals and causes, and ours for them. Pure tables.

Sources: the venue's error pages of spot and USD-M futures; -5022 (a post-only order that would take) as adapters in the
field have it.
"""

from __future__ import annotations

from exchanges.types import FillKind, OrderState, Refusal, SelfTrade, Side

SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
SIDE_NAMES = {side: name for name, side in SIDES.items()}

STATES = {
    "NEW": OrderState.OPEN,
    "PENDING_NEW": OrderState.OPEN,
    "PENDING_CANCEL": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTIALLY_FILLED,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELED,
    "REJECTED": OrderState.FAILED,
    "EXPIRED": OrderState.CANCELED,
    "EXPIRED_IN_MATCH": OrderState.CANCELED,
}

SELF_TRADE_NAMES = {
    SelfTrade.NONE: "NONE",
    SelfTrade.CANCEL_TAKER: "EXPIRE_TAKER",
    SelfTrade.CANCEL_MAKER: "EXPIRE_MAKER",
    SelfTrade.CANCEL_BOTH: "EXPIRE_BOTH",
}

# What an error code means for a request that places or cancels. A code that is not here is a plain "no" (VENUE).
REFUSALS = {
    -1013: Refusal.SIZE,
    -1111: Refusal.SIZE,
    -1115: Refusal.UNSUPPORTED,
    -1116: Refusal.UNSUPPORTED,
    -1117: Refusal.UNSUPPORTED,
    -1121: Refusal.UNSUPPORTED,
    -2011: Refusal.NOT_FOUND,
    -2013: Refusal.NOT_FOUND,
    -2018: Refusal.MARGIN,
    -2019: Refusal.MARGIN,
    -2022: Refusal.REDUCE_ONLY,
    -2024: Refusal.MARGIN,
    -2027: Refusal.MARGIN,
    -2028: Refusal.MARGIN,
    -4001: Refusal.PRICE,
    -4002: Refusal.PRICE,
    -4003: Refusal.SIZE,
    -4004: Refusal.SIZE,
    -4005: Refusal.SIZE,
    -4013: Refusal.PRICE,
    -4014: Refusal.PRICE,
    -4016: Refusal.PRICE,
    -4023: Refusal.SIZE,
    -4024: Refusal.PRICE,
    -4061: Refusal.UNSUPPORTED,
    -4116: Refusal.DUPLICATE_ID,
    -4131: Refusal.PRICE,
    -4164: Refusal.SIZE,
    -5022: Refusal.POST_ONLY,
}
# Whatever the status: it may have happened. -1008 (overloaded) is told with a 5xx, which the documents call unknown.
UNKNOWN_CODES = frozenset({-1000, -1001, -1006, -1007, -1008})
RATE_CODES = frozenset({-1003, -1015})
UNTIMELY_CODE = -1021
AUTH_CODES = frozenset({-1002, -1022, -1099, -2008, -2014, -2015})

# Words of messages that say more than their code: -2010 and -1013 cover several reasons each.
MESSAGE_REFUSALS = (
    ("duplicate", Refusal.DUPLICATE_ID),
    ("immediately match", Refusal.POST_ONLY),
    ("insufficient balance", Refusal.MARGIN),
    ("percent_price", Refusal.PRICE),
    ("price_filter", Refusal.PRICE),
    ("'price'", Refusal.PRICE),
)

# The venue's own orders on futures, by how their client id begins.
CAUSES = (
    ("autoclose-", FillKind.LIQUIDATION),
    ("adl_autoclose", FillKind.ADL),
    ("settlement_autoclose", FillKind.SETTLEMENT),
    ("delivery_autoclose", FillKind.SETTLEMENT),
)
