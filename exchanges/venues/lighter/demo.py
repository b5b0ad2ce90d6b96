"""A local Lighter with demo keys, which stand here for everybody to read: making more needs the venue's own curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from exchanges.types import Instrument, MarketKind
from exchanges.venues.exchange import Exchange
from exchanges.venues.faults import Faults
from exchanges.venues.lighter.model import Lighter
from exchanges.venues.lighter.shapes import API_KEY_INDEX, index_of
from exchanges.venues.lighter.state import LighterOptions

FEES: Mapping[str, tuple[Decimal, Decimal]] = {  # maker and taker by tier
    "standard": (Decimal(0), Decimal(0)),
    "premium": (Decimal("0.000028"), Decimal("0.000196")),
}


def lighter_credentials(exchange: Exchange, account: str) -> Mapping[str, str]:
    """What a client needs of an account."""
    opened = exchange.accounts[account]
    return {
        "account_index": str(index_of(opened)),
        "api_key_index": str(API_KEY_INDEX),
        "private_key": _pair(exchange, account)[0],
    }


def open_lighter(exchange: Exchange, faults: Faults | None = None, options: LighterOptions | None = None) -> Lighter:
    """The model over an exchange whose accounts are open."""
    keys = {name: _pair(exchange, name)[1] for name in exchange.accounts}
    return Lighter(exchange, keys, options, faults)


def lighter_instrument(plain: Instrument, *, tier: str = "standard") -> Instrument:
    """The instrument under the venue's kind of name, with the fees of a tier; minima are the venue's own, per order."""
    maker, taker = FEES[tier]
    symbol = plain.base if plain.kind is MarketKind.PERP else f"{plain.base}/USDC"
    return replace(
        plain, symbol=symbol, quote="USDC", maker_fee=maker, taker_fee=taker, min_qty=plain.lot,
        min_notional=Decimal(0), fee_in_received=False,
    )  # fmt: skip


def _pair(exchange: Exchange, account: str) -> tuple[str, str]:
    return KEYS[(exchange.accounts[account].number - 1) % len(KEYS)]


# Private and public key, 40 bytes each, made once with the official signer.
KEYS = (
    (
        "8ef0f5f5b17c0b2dcf807af207b3efcadba12ac6b05ac3cd68c8d491e2bbcd78eec71c661230d228",
        "adc08715517c8df05944c35eebee4ff4ef0b85e72a0ed6a34af358d0fa235ac9c480349e00be4cbb",
    ),
    (
        "4567d7bf3eb43258db8cd8e7451cf73541cac4422f8dbbde19456adb5a4995efdb67464b484ca577",
        "477e8c758549cd1c1b8a10cf56c2e43f6694c49bcccc13bc68307953e3e176ca2e6a5e19cbad73cc",
    ),
    (
        "8c64fd23f98e95a4c42904097a0b2f549658238960b6c52c0c8eb0fce13456b5834405131d141605",
        "77911beea82dc44881a300aaaaec27c64f76a5da1f428ac83f4561a654aef86c360fd1ae447d0270",
    ),
    (
        "22534a00c40118a14bba22eef4615818bf77b3e7c84af91e98e979ec245b10168055d6552aa53508",
        "fe6567ba106439499ed4b1a8de9a176761c30bcd286133e02822db08c70c79a8431ce8442ac35c29",
    ),
    (
        "2fdd0b0ee86bb88bd7d3abdd992f91a8cb81c8fd70da50d6625825c8dc59390573c09db334b18d31",
        "6348225d1762f5fe1ce30e164ac53720a23fb34f62e36a11246273f266891dbd51ab4882805dc418",
    ),
    (
        "4c6ec6600ce5df0157758145934e32f69b9da88ea25c99215d05ad76761265c76a5581fa5b678f19",
        "fee9a32e740f0c60de64ed60b3e90d04a2e0bef7da3219fa147a33d2c92c626fcca2b807cf3540d0",
    ),
    (
        "8d67edf9aa457082d884b46e6a13e47a99bdfbd3512d70720941d818519a266949894ab997aa7a75",
        "abe7d33df1c9b2df8927b3bb96d9c36d196ed756d346a06a54d565a72df9ea868dc88f1ddf1c860a",
    ),
    (
        "50d9c7d1f518d71cc4624089167d93114051bd3513fc9c40b661050d1690ef3894b2077631a2ec7a",
        "a52f80634ca44bbaa7f74b80be581a9e10dfcc6b7d0e36936cd1068c13063bc07d6b7c78e37bf902",
    ),
    (
        "04438e34a536e8b7737a38cf1de2aabd9a02f6d1780905d69cb1860562a7b18cd876f1ea31221e7b",
        "9df516e803dcef25855185958402d3aa9bfb559324e05dec2a38e84f6f95b2074fa1fc3fc02bf3f4",
    ),
    (
        "1f6fb3725f1fb70bd84ce670e967cb2bd61f62dae998f82e1ed62882c4f7583ff49396f4c31d9d74",
        "1de002dd2bf9bf52730fc2a9026d0caa0b4f87637d4c6602dea4456974ef46a6ee7931dede5be1c3",
    ),
    (
        "8b37a5c918d114eb1d8538377a9fd87c8b68ae7aa2bed3fe4244bbe3b1c8196e28b45e0af844f90c",
        "9ae48e43e7e7ade121215b0b61fb5e859977526ca7cabea9b5430e29f1b4551ca092f0d1981739b0",
    ),
    (
        "5c74b1d175cc8c9773b38bb33938dfd0df5bc52e82038dc5e1be5cf1ed733e3f9231c5f422d1583c",
        "1ff814e3b89a5cae8a096d657020cba8e9b4e567f22927b2690ebbbb1666546cc701476fa1aaa9fe",
    ),
)
