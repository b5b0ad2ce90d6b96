"""A local venue's own ledger as it is read from its page: orders, fills, positions. Everything in it is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from engine.errors import VenueLedgerBad

__all__ = ["LedgerFill", "LedgerOrder", "VenueLedger", "read_venue_ledger"]

VERSION = 1


@dataclass(frozen=True, slots=True)
class LedgerOrder:
    account: str
    symbol: str
    order_id: str
    client_id: str
    side: str
    qty: Decimal
    filled: Decimal
    open: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class LedgerFill:
    account: str
    symbol: str
    order_id: str
    trade_id: str
    side: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    maker: bool
    kind: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class VenueLedger:
    """`positions` by account and symbol, without what is flat. `forgotten` counts rows that the venue dropped."""

    venue: str
    kind: str
    forgotten: int
    accounts: tuple[str, ...]
    positions: Mapping[tuple[str, str], Decimal]
    orders: Mapping[str, LedgerOrder]
    fills: tuple[LedgerFill, ...]


def read_venue_ledger(text: bytes | str, *, url: str) -> VenueLedger:
    """Raises: VenueLedgerBad."""
    try:
        told = json.loads(text)
        if told["version"] != VERSION:
            raise VenueLedgerBad(f"{url}: a ledger of version {told['version']}, expected {VERSION}; update the venue")
        return VenueLedger(
            _text(told["venue"]), _text(told["kind"]), int(told["forgotten"]), tuple(told["accounts"]),
            _positions(told["accounts"]),
            {row["order_id"]: _order(row) for row in told["orders"]}, tuple(_fill(row) for row in told["fills"]),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise VenueLedgerBad(
            f"{url}: this is no ledger of a local venue ({why}); give the address that `eagle venue serve` prints"
        ) from error


def _positions(accounts: Mapping[str, Any]) -> dict[tuple[str, str], Decimal]:
    return {
        (name, symbol): Decimal(qty)
        for name, account in accounts.items()
        for symbol, qty in account["positions"].items()
    }


def _order(row: Mapping[str, Any]) -> LedgerOrder:
    return LedgerOrder(
        _text(row["account"]), _text(row["symbol"]), _text(row["order_id"]), _text(row["client_id"]),
        _text(row["side"]), Decimal(row["qty"]), Decimal(row["filled"]), row["end"] is None, int(row["at_ms"]),
    )  # fmt: skip


def _fill(row: Mapping[str, Any]) -> LedgerFill:
    return LedgerFill(
        _text(row["account"]), _text(row["symbol"]), _text(row["order_id"]), _text(row["trade_id"]),
        _text(row["side"]), Decimal(row["qty"]), Decimal(row["price"]), Decimal(row["fee"]), _text(row["fee_asset"]),
        bool(row["maker"]), _text(row["kind"]), int(row["at_ms"]),
    )  # fmt: skip


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"found {value!r}, expected a text")
    return value
