"""A local OKX with demo keys: made from the names, so that a config keeps working; secret from nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from exchanges.types import Instrument, MarketKind
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import Faults
from exchanges.venues.okx.model import OkxVenue
from exchanges.venues.okx.state import OkxOptions
from exchanges.venues.okx.wire import Key

LOTS_OF_A_CONTRACT = 100  # a swap's size has two decimals


def okx_credentials(exchange: Exchange, account: str) -> Mapping[str, str]:
    """The three texts that OKX gives a client."""

    def made(field: str) -> str:
        return sha256(f"eagle-flow demo key/{exchange.name}/{account}/{field}".encode()).hexdigest()[:32].upper()

    return {"api_key": made("api_key"), "api_secret": made("api_secret"), "passphrase": made("passphrase")[:16]}


def open_okx(exchange: Exchange, faults: Faults | None = None, options: OkxOptions | None = None) -> OkxVenue:
    """The model over an exchange whose accounts are open."""
    keys = {}
    for account in exchange.accounts:
        told = okx_credentials(exchange, account)
        keys[told["api_key"]] = Key(account, told["api_secret"], told["passphrase"])
    values = {
        symbol: market.instrument.lot * LOTS_OF_A_CONTRACT
        for symbol, market in exchange.markets.items()
        if market.instrument.kind is MarketKind.PERP
    }
    return OkxVenue(exchange, keys, values, options, faults)


def okx_instrument(plain: Instrument) -> Instrument:
    """The instrument under the venue's kind of name, in USDT; a spot buy pays its fee in what it bought."""
    spot = plain.kind is MarketKind.SPOT
    symbol = f"{plain.base}-USDT" if spot else f"{plain.base}-USDT-SWAP"
    return replace(plain, symbol=symbol, quote="USDT", min_notional=Decimal(0), fee_in_received=spot)
