"""A local Binance with demo keys: made from the names, so that a config keeps working; secret from nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

from exchanges.types import Instrument, MarketKind
from exchanges.venues.binance.model import Binance
from exchanges.venues.binance.trading import BinanceOptions
from exchanges.venues.binance.wire import Key
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import Faults

FIRST_ORDER_ID = 1_000_001


def binance_credentials(exchange: Exchange, account: str) -> Mapping[str, str]:
    """The two texts that Binance gives a client with an HMAC key: 64 letters and digits each."""
    return {
        field: sha256(f"eagle-flow demo {field}/{exchange.name}/{account}".encode()).hexdigest()
        for field in ("api_key", "api_secret")
    }


def open_binance(exchange: Exchange, faults: Faults | None = None, options: BinanceOptions | None = None) -> Binance:
    """The model over an exchange whose accounts are open."""
    keys = {}
    for account in exchange.accounts:
        texts = binance_credentials(exchange, account)
        keys[texts["api_key"]] = Key(account, secret=texts["api_secret"])
    return Binance(exchange, keys, options, faults)


def binance_instrument(plain: Instrument) -> Instrument:
    """The instrument under the venue's kind of name; spot takes its fee out of what is received.

    A reduce-only order of futures may be worth as little as it likes: -4164 says so.
    """
    quote, spot = plain.quote if plain.quote != "USD" else "USDT", plain.kind is MarketKind.SPOT
    return replace(
        plain, symbol=f"{plain.base}{quote}", quote=quote, fee_in_received=spot, reduces_below_notional=not spot
    )  # fmt: skip
