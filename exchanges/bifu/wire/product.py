"""What BiFu calls things on its spot and on its contract side. Pure.

Names that nobody outside has seen at the venue itself, only at a platform of the same code, are marked; all of them can
be replaced in a config, none is relied upon where another one would do.
"""

from __future__ import annotations

from dataclasses import dataclass

from exchanges.types import MarketKind


@dataclass(frozen=True, slots=True)
class Pages:
    """How a list of orders is asked for in pages, at `path`; the names of its query are those of `getActiveOrderPage2`.

    Unknown, and so not relied upon: `newest_first`, whether what changed last is listed first, so that reading may stop
    at what is older than asked for; and `begin_name`, the query's name for "changed at or after, in ms", if it has one.
    """

    path: str
    instruments_name: str
    number_name: str = "pageNo"
    size_name: str = "pageSize"
    first_number: int = 0
    size: int = 100
    newest_first: bool = False
    begin_name: str = ""
    pages_most: int = 50


@dataclass(frozen=True, slots=True)
class Product:
    """One side of the venue: where its private stream and its orders are, and how its rows name their market."""

    kind: MarketKind
    stream_path: str
    events: frozenset[str]
    instrument_field: str
    active: Pages
    history: Pages
    meta_list: str  # of `getMetaData`
    meta_id: str
    meta_name: str
    # The first one that a row has is its trade id: real rows have no `tradeId`, the user's document shows one.
    trade_id_fields: tuple[str, ...] = ("matchFillId", "tradeId", "id")


SPOT = Product(
    kind=MarketKind.SPOT,
    stream_path="/api/v1/private/spot/ws",
    events=frozenset({"spot-trade-event"}),
    instrument_field="symbolId",
    active=Pages("/api/v1/private/spot/order/getActiveOrderPage2", "filterSymbolIdList"),
    history=Pages("/api/v1/private/spot/order/getHistoryOrderPage", "filterSymbolIdList"),
    meta_list="symbolList",
    meta_id="symbolId",
    meta_name="symbolName",
)

CONTRACT = Product(
    kind=MarketKind.PERP,
    stream_path="/api/v1/private/contract/ws",
    events=frozenset({"contract-trade-event"}),
    instrument_field="contractId",
    active=Pages("/api/v1/private/contract/order/getActiveOrderPage2", "filterContractIdList"),  # of the sibling
    history=Pages("/api/v1/private/contract/order/getHistoryOrderPage", "filterContractIdList"),  # of the sibling
    meta_list="contractList",
    meta_id="contractId",
    meta_name="contractName",
)
