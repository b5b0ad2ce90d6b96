"""A local venue's own ledger as JSON: what `eagle audit --venue` compares a journal with. No real venue has it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from exchanges.types import Fill, Liquidity
from exchanges.venues.exchange import Exchange, VenueAccount
from exchanges.venues.ledger import VenueOrder
from exchanges.venues.seam import Reply

PATH = "/eagle/ledger"
VERSION = 1


def ledger_page(exchange: Exchange, *, kind: str, faults: Sequence[Mapping[str, Any]]) -> Reply:
    """Everything that the venue knows: accounts, orders, fills, and the faults that it has played."""
    told = {
        "version": VERSION,
        "venue": exchange.name,
        "kind": kind,
        "forgotten": exchange.ledger.forgotten,
        "accounts": {name: _account(account) for name, account in exchange.accounts.items()},
        "orders": [_order(order) for order in exchange.ledger.orders.values()],
        "fills": [_fill(fill) for fill in exchange.ledger.fills],
        "faults": list(faults),
    }
    return Reply(200, json.dumps(told).encode())


def _account(account: VenueAccount) -> dict[str, Any]:
    return {
        "positions": {symbol: str(holding.qty) for symbol, holding in account.balances.holdings.items() if holding.qty},
        "cash": str(account.balances.cash),
        "open_orders": list(account.open),
    }


def _order(order: VenueOrder) -> dict[str, Any]:
    return {
        "account": order.account,
        "symbol": order.symbol,
        "order_id": order.order_id,
        "client_id": order.client_id,
        "side": order.side.value,
        "qty": str(order.qty),
        "filled": str(order.cum_qty),
        "end": None if order.end is None else order.end.value,
        "kind": order.kind.value,
        "at_ms": order.created_ms,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "account": fill.account,
        "symbol": fill.symbol,
        "order_id": fill.order_id,
        "client_id": fill.client_id,
        "trade_id": fill.trade_id,
        "side": fill.side.value,
        "qty": str(fill.qty),
        "price": str(fill.price),
        "fee": str(fill.fee),
        "fee_asset": fill.fee_asset,
        "maker": fill.liquidity is Liquidity.MAKER,
        "kind": fill.kind.value,
        "at_ms": fill.at_ms,
    }
