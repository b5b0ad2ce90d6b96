"""Backpack's words for states, refusals, ends and causes, and ours for them. Pure tables; the documents name no others.

Source: OpenAPI file of August 2026 (ApiErrorCode, OrderStatus, OrderExpiryReason, SystemOrderType) and stream page.
"""

from __future__ import annotations

from exchanges.types import FillKind, OrderState, Refusal, SelfTrade, Side

SIDES = {"Bid": Side.BUY, "Ask": Side.SELL}
SIDE_NAMES = {side: name for name, side in SIDES.items()}

STATES = {
    "New": OrderState.OPEN,
    "PartiallyFilled": OrderState.PARTIALLY_FILLED,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELED,
    "Expired": OrderState.CANCELED,
    "TriggerPending": OrderState.OPEN,
    "TriggerFailed": OrderState.CANCELED,
}

# No way to ask for none: the venue's own default is RejectTaker.
SELF_TRADE_NAMES = {
    SelfTrade.NONE: "RejectTaker",
    SelfTrade.CANCEL_TAKER: "RejectTaker",
    SelfTrade.CANCEL_MAKER: "RejectMaker",
    SelfTrade.CANCEL_BOTH: "RejectBoth",
}

# What an error code means for a request that places or cancels. A code that is not here is a plain "no" (VENUE).
REFUSALS = {
    "BORROW_LIMIT": Refusal.MARGIN,
    "BORROW_REQUIRES_LEND_REDEEM": Refusal.MARGIN,
    "INSUFFICIENT_FUNDS": Refusal.MARGIN,
    "INSUFFICIENT_MARGIN": Refusal.MARGIN,
    "INSUFFICIENT_SUPPLY": Refusal.MARGIN,
    "MAX_LEVERAGE_REACHED": Refusal.MARGIN,
    "POSITION_LIMIT": Refusal.MARGIN,
    "INVALID_PRICE": Refusal.PRICE,
    "INVALID_QUANTITY": Refusal.SIZE,
    "INVALID_RANGE": Refusal.SIZE,
    "INVALID_MARKET": Refusal.UNSUPPORTED,
    "INVALID_SYMBOL": Refusal.UNSUPPORTED,
    "NOT_IMPLEMENTED": Refusal.UNSUPPORTED,
    "RESOURCE_NOT_FOUND": Refusal.NOT_FOUND,
}
UNKNOWN_CODES = frozenset({"SERVER_ERROR", "TIMEOUT", "TOO_EARLY"})  # whatever the status: it may have happened
AUTH_CODES = frozenset({"ACCOUNT_DEACTIVATED", "FORBIDDEN", "INVALID_SIGNATURE", "INVALID_SOURCE", "UNAUTHORIZED"})
RATE_CODE = "TOO_MANY_REQUESTS"

# An id that is in use may be this very order's, delivered twice on the way: its outcome is unknown, never refused.
DUPLICATE_WORDS = ("client id", "clientid", "client order id", "duplicate", "already exist")

# Words of messages that say more than their code; clients in the field key on these, the documents do not fix them.
MESSAGE_REFUSALS = (
    ("immediately match", Refusal.POST_ONLY),
    ("post only", Refusal.POST_ONLY),
    ("not found", Refusal.NOT_FOUND),
    ("reduce only", Refusal.REDUCE_ONLY),
    ("self trade", Refusal.SELF_TRADE),
)

# Why an order expired, in lower case without underscores: the stream's example shouts where the enumeration does not.
# Those not named here (ImmediateOrCancel, InsufficientLiquidity, PriceImpact …) are ends of an order that was accepted.
EXPIRY_REFUSALS = {
    "postonlytaker": Refusal.POST_ONLY,
    "postonlymode": Refusal.POST_ONLY,
    "accounttradingsuspended": Refusal.VENUE,
    "userpermissions": Refusal.VENUE,
    "borrowrequireslendredeem": Refusal.MARGIN,
    "insufficientborrowablequantity": Refusal.MARGIN,
    "insufficientfunds": Refusal.MARGIN,
    "insufficientmargin": Refusal.MARGIN,
    "negativeequity": Refusal.MARGIN,
    "positionlimit": Refusal.MARGIN,
    "invalidprice": Refusal.PRICE,
    "priceoutofbounds": Refusal.PRICE,
    "priceband": Refusal.PRICE,
    "invalidquantity": Refusal.SIZE,
    "reduceonlynotreduced": Refusal.REDUCE_ONLY,
    "selftradeprevention": Refusal.SELF_TRADE,
}

# Causes of a fill: `O` of the stream, `systemOrderType` of the history. A cause that is new to us calls a person too.
ORIGINS = {
    "USER": FillKind.TRADE,
    "LIQUIDATION_AUTOCLOSE": FillKind.LIQUIDATION,
    "BACKSTOP_LIQUIDITY_PROVIDER": FillKind.LIQUIDATION,
    "COLLATERAL_CONVERSION": FillKind.LIQUIDATION,
    "ADL_AUTOCLOSE": FillKind.ADL,
    "SETTLEMENT_AUTOCLOSE": FillKind.SETTLEMENT,
}
SYSTEM_ORDERS = {
    "CollateralConversion": FillKind.LIQUIDATION,
    "LiquidatePositionOnBook": FillKind.LIQUIDATION,
    "LiquidatePositionOnBackstop": FillKind.LIQUIDATION,
    "LiquidatePositionOnAdl": FillKind.ADL,
    "FutureExpiry": FillKind.SETTLEMENT,
    "OrderBookClosed": FillKind.SETTLEMENT,
}


def plain(reason: str) -> str:
    """A reason in the spelling of EXPIRY_REFUSALS."""
    return reason.replace("_", "").lower()
