"""OKX's words for states, causes and refusals, and ours for them. Pure tables.

Source: v5 documentation as mirrored July 2026; error codes that it does not grade, as ccxt 4.5.90 reads them.
"""

from __future__ import annotations

from exchanges.types import FillKind, OrderState, Refusal, SelfTrade, Side

SIDES = {"buy": Side.BUY, "sell": Side.SELL}

STATES = {
    "live": OrderState.OPEN,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "mmp_canceled": OrderState.CANCELED,
}

# Why an order ended that filled nothing: then it was refused. Every other cause is the end of an accepted one.
CANCEL_REFUSALS = {
    "15": Refusal.PRICE,  # beyond the price limit
    "27": Refusal.PRICE,  # the venue's own check
    "31": Refusal.POST_ONLY,
    "32": Refusal.SELF_TRADE,
}

# What caused an order. A cause that is not here calls a person, as a liquidation does.
CATEGORIES = {
    "": FillKind.TRADE,
    "normal": FillKind.TRADE,
    "twap": FillKind.TRADE,
    "ddh": FillKind.TRADE,
    "auto_conversion": FillKind.LIQUIDATION,
    "full_liquidation": FillKind.LIQUIDATION,
    "partial_liquidation": FillKind.LIQUIDATION,
    "adl": FillKind.ADL,
    "delivery": FillKind.SETTLEMENT,
}

# Without a mode the account's own setting counts, which prevents too: there is no way to ask for none.
SELF_TRADE_NAMES = {
    SelfTrade.CANCEL_TAKER: "cancel_taker",
    SelfTrade.CANCEL_MAKER: "cancel_maker",
    SelfTrade.CANCEL_BOTH: "cancel_both",
}

# It may have happened: asked about, never sent again.
UNKNOWN_CODES = frozenset({"50001", "50004", "50005", "50013", "50026", "51054", "51149"})
RATE_CODES = frozenset({"50011", "50061", "60014"})
AUTH_CODES = frozenset(
    [f"501{number:02}" for number in range(15)]
    + ["50007", "50008", "60004", "60005", "60006", "60007", "60009", "60024", "60032"]
)
NO_SUCH_ORDER = "51603"
UNDER_CANCEL = "51410"  # a cancel of the order is being carried out already

# A code that is not here is a plain "no" (VENUE).
REFUSALS = {
    **dict.fromkeys(("51008", "51119", "51127", "51131", "51502"), Refusal.MARGIN),
    **dict.fromkeys(("51112", "51205", "51169", "51170"), Refusal.REDUCE_ONLY),
    **dict.fromkeys(
        ("51004", "51005", "51007", "51020", "51100", "51101", "51105", "51106", "51107", "51118", "51120", "51121"),
        Refusal.SIZE,
    ),
    **dict.fromkeys(("51201", "51202", "51203"), Refusal.SIZE),
    **dict.fromkeys(("51006", "51116", "51122", "51135", "51136", "51137", "51138"), Refusal.PRICE),
    **dict.fromkeys(("51001", "51010", "51012", "51014", "51015"), Refusal.UNSUPPORTED),
    **dict.fromkeys(("51400", "51401", "51402", "51503", "51509", "51510", NO_SUCH_ORDER), Refusal.NOT_FOUND),
    "51016": Refusal.DUPLICATE_ID,
    "51511": Refusal.POST_ONLY,
}

# 51000 covers every parameter; its words name which.
PARAMETERS = ((" px", Refusal.PRICE), (" newpx", Refusal.PRICE), (" sz", Refusal.SIZE), (" newsz", Refusal.SIZE))


def refusal_of(code: str, words: str) -> Refusal:
    if code == "51000":
        told = words.lower()
        return next((refusal for name, refusal in PARAMETERS if name in told), Refusal.VENUE)
    return REFUSALS.get(code, Refusal.VENUE)
