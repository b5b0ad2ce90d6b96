"""A local BiFu with demo keys: made from the names, so that a config keeps working; secret from nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from exchanges.types import Instrument, MarketKind
from exchanges.venues.bifu.model import Bifu, BifuOptions
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import Faults


def bifu_credentials(exchange: Exchange, account: str) -> Mapping[str, str]:
    """The two texts that BiFu gives a client: access key and secret."""
    made = sha256(f"eagle-flow demo key/{exchange.name}/{account}".encode()).hexdigest()
    return {"api_key": f"mm_{made[:16]}", "api_secret": made[16:56]}


def open_bifu(exchange: Exchange, faults: Faults | None = None, options: BifuOptions | None = None) -> Bifu:
    """The model over an exchange whose accounts are open."""
    pairs = {name: bifu_credentials(exchange, name) for name in exchange.accounts}
    keys = {pair["api_key"]: name for name, pair in pairs.items()}
    secrets = {pair["api_key"]: pair["api_secret"] for pair in pairs.values()}
    return Bifu(exchange, keys, secrets, options, faults)


def bifu_symbol(plain: Instrument, *, recorded: bool = True) -> Instrument:
    """The instrument under the venue's kind of name, in USDT: spot `ETH-USDT`, contract `ETH/USDT`; fees in USDT.

    What is not recorded is spot, as the market makers' stream is that of the spot side.
    """
    if not recorded:
        plain = replace(plain, kind=MarketKind.SPOT, initial_margin=Decimal(1))
    between = "-" if plain.kind is MarketKind.SPOT else "/"
    return replace(
        plain, symbol=f"{plain.base}{between}USDT", quote="USDT", maker_fee=Decimal(0), taker_fee=Decimal("0.001"),
        min_notional=Decimal(0), fee_in_received=False,
    )  # fmt: skip
