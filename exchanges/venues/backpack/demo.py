"""A local Backpack with demo keys: made from the names, so that a config keeps working; secret from nobody."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchanges.types import Instrument, MarketKind
from exchanges.venues.backpack.model import Backpack, BackpackOptions
from exchanges.venues.backpack.wire import stands_in
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import Faults


def backpack_credentials(exchange: Exchange, account: str) -> Mapping[str, str]:
    """The two texts that Backpack gives a client: verifying key and seed, base64."""
    seed = sha256(f"eagle-flow demo key/{exchange.name}/{account}".encode()).digest()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return {"api_key": base64.b64encode(public).decode(), "api_secret": base64.b64encode(seed).decode()}


def open_backpack(exchange: Exchange, faults: Faults | None = None, options: BackpackOptions | None = None) -> Backpack:
    """The model over an exchange whose accounts are open."""
    keys = {backpack_credentials(exchange, account)["api_key"]: account for account in exchange.accounts}
    return Backpack(exchange, keys, options, faults)


def open_simulated(exchange: Exchange, faults: Faults) -> Backpack:
    """As `open_backpack`, for clients whose signatures are stand-ins: a real one costs as much as ten steps."""
    return open_backpack(exchange, faults, BackpackOptions(verifies=stands_in))


def backpack_symbol(plain: Instrument) -> Instrument:
    """The instrument under the venue's kind of name, in USDC; the venue knows no least notional."""
    symbol = f"{plain.base}_USDC"
    if plain.kind is MarketKind.PERP:
        symbol += "_PERP"
    return replace(plain, symbol=symbol, quote="USDC", min_notional=Decimal(0))
