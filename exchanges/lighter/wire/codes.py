"""Lighter's codes and words, and ours for them. Pure tables.

Source: OpenAPI file and error codes of August 2026 (apidocs.lighter.xyz, data structures, constants and errors).
"""

from __future__ import annotations

from exchanges.types import FillKind, OrderState, Refusal, SelfTrade

OK = 200
CREATE_ORDER, CANCEL_ORDER = 14, 15  # types of transactions; no adapter knows those that move money out

# Attribute 6. There is no way to ask for none: the venue's default takes the resting order away.
SELF_TRADE_MODES = {
    SelfTrade.NONE: 0,
    SelfTrade.CANCEL_MAKER: 0,
    SelfTrade.CANCEL_TAKER: 1,
    SelfTrade.CANCEL_BOTH: 2,
}
SAME_MASTER = 1  # attribute 7: orders of all sub-accounts of one wallet count as one's own; without it they trade

STATES = {
    "in-progress": OrderState.PENDING,
    "pending": OrderState.PENDING,
    "open": OrderState.OPEN,  # also of an order that has filled in part: there is no word for that
    "filled": OrderState.FILLED,
}
CANCELED = "canceled"  # and everything that begins with it

# Ends that are a refusal where nothing has filled. The others (slippage, liquidity, expired, oco, …) are ends of an
# order that was accepted.
CANCEL_REFUSALS = {
    "canceled-post-only": Refusal.POST_ONLY,
    "canceled-reduce-only": Refusal.REDUCE_ONLY,
    "canceled-position-not-allowed": Refusal.MARGIN,
    "canceled-margin-not-allowed": Refusal.MARGIN,
    "canceled-invalid-balance": Refusal.MARGIN,
    "canceled-self-trade": Refusal.SELF_TRADE,
}

KINDS = {
    "trade": FillKind.TRADE,
    "liquidation": FillKind.LIQUIDATION,
    "deleverage": FillKind.ADL,
    "market-settlement": FillKind.SETTLEMENT,
}

# What a code means for a transaction that was not taken. A code of 21xxx that is not here is a plain "no" (VENUE).
REFUSALS = {
    21111: Refusal.MARGIN,
    21112: Refusal.MARGIN,
    21301: Refusal.MARGIN,
    21304: Refusal.MARGIN,
    21305: Refusal.MARGIN,
    21507: Refusal.MARGIN,
    21508: Refusal.MARGIN,
    21739: Refusal.MARGIN,
    21723: Refusal.MARGIN,
    21701: Refusal.SIZE,
    21706: Refusal.SIZE,
    21702: Refusal.PRICE,
    21733: Refusal.PRICE,
    21734: Refusal.PRICE,
    21732: Refusal.REDUCE_ONLY,
    21738: Refusal.REDUCE_ONLY,
    21740: Refusal.REDUCE_ONLY,
    21728: Refusal.DUPLICATE_ID,
    21500: Refusal.NOT_FOUND,
    21600: Refusal.NOT_FOUND,
    21700: Refusal.NOT_FOUND,
    21708: Refusal.NOT_FOUND,
    21709: Refusal.NOT_FOUND,
    21715: Refusal.NOT_FOUND,
    29404: Refusal.NOT_FOUND,
    21505: Refusal.UNSUPPORTED,
    21602: Refusal.UNSUPPORTED,
    21618: Refusal.UNSUPPORTED,
    21704: Refusal.UNSUPPORTED,
    21705: Refusal.UNSUPPORTED,
    21710: Refusal.UNSUPPORTED,
    21727: Refusal.UNSUPPORTED,
    21506: Refusal.RATE,
    21717: Refusal.RATE,
    21718: Refusal.RATE,
    21719: Refusal.RATE,
    21720: Refusal.RATE,
}
NONCE_CODES = frozenset({21104, 21105})
AUTH_CODES = frozenset({20013, 21100, 21101, 21102, 21108, 21109, 21110, 21120})  # keys, account, signature, token
RATE_CODES = frozenset({23000, 23001, 23002, 23003, 30009, 30010})
ANSWERED_NO = range(21_000, 22_000)  # 20xxx too says no, but of the request's form; 29xxx and others say nothing
FORM_CODES = range(20_000, 21_000)

# Codes of the stream that change nothing: subscribed already, not subscribed.
HARMLESS = frozenset({30002, 30003})
