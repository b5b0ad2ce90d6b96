"""What all parts of a local OKX share: its options, contract values, limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.types import Fill, Instrument, MarketKind
from exchanges.venues.exchange import Exchange, Market
from exchanges.venues.limits import SlidingWindow
from exchanges.venues.okx.wire import ApiError, Key

MS, S = 1_000_000, 1_000_000_000
FIRST_INSTRUMENT_CODE = 10_001

# Requests in two seconds: of a user and an instrument, of a user, or of an address.
PER_INSTRUMENT: Mapping[str, int] = {"place": 60, "batch": 300, "cancel": 60, "batch_cancel": 300, "amend": 60}
PER_USER: Mapping[str, int] = {"order": 60, "pending": 60, "fills": 60, "history": 40, "account": 10, "config": 5}
PER_ADDRESS: Mapping[str, int] = {"books": 40, "public": 20}
CONNECTS = 3  # streams in a second, of an address
SUB_ACCOUNT_ORDERS = 1_000  # new and amended orders of derivatives in two seconds


@dataclass(frozen=True, slots=True)
class OkxOptions:
    """What differs between accounts, and what the venue's documents leave open.

    `account_level`: 1 spot, 2 futures, 3 multi-currency, 4 portfolio. `demo`: the keys are of demo trading (True) or
    not (False), and a request must say the same; None: either is taken. `expired_code`: how an order is answered that
    arrives after its `expTime`; empty: not at all. `login_ns`: from a login to its answer, before which what needs it
    is refused.
    """

    account_level: str = "2"
    position_mode: str = "net_mode"
    demo: bool | None = None
    expired_code: str = ""
    login_ns: int = 2 * MS
    silent_ns: int = 30 * S
    limits: bool = True


@dataclass(slots=True)
class Okx:
    """The exchange behind the protocol, and how its units are written."""

    exchange: Exchange
    keys: Mapping[str, Key]
    contract_values: Mapping[str, Decimal]  # of swaps, by symbol, in base units
    options: OkxOptions
    windows: dict[str, SlidingWindow] = field(default_factory=dict)
    fills: dict[str, list[Fill]] = field(default_factory=dict)  # by order id

    def market(self, symbol: str) -> Market:
        """Raises: ApiError."""
        found = self.exchange.markets.get(symbol)
        if found is None:
            raise ApiError("51001", f"Instrument ID {symbol[:40]} does not exist")
        return found

    def by_code(self, code: object) -> Market:
        """The market of an integer instrument code. Raises: ApiError."""
        for market in self.exchange.markets.values():
            if code == instrument_code(market) and not isinstance(code, bool):
                return market
        raise ApiError("51001", "Instrument ID code does not exist")

    def unit(self, symbol: str) -> Decimal:
        """Base units of a size of 1: a contract's value, 1 on spot."""
        return self.contract_values.get(symbol, Decimal(1))

    def size(self, qty: Decimal, symbol: str) -> Decimal:
        """A quantity in the venue's unit of sizes."""
        return qty / self.unit(symbol)

    def spend(self, name: str, limit: int, key: str, *, weight: int = 1) -> None:
        """Count a request. Raises: ApiError where there were too many."""
        if not self.options.limits:
            return
        window = self.windows.setdefault(name, SlidingWindow(limit, 2 * S))
        if not window.take(key, now_ns=self.exchange.clock.now_ns(), weight=weight):
            if name == "orders":
                raise ApiError("50061", "You've reached the maximum order rate limit for this account")
            raise ApiError("50011", "Too Many Requests", status=429)


def instrument_code(market: Market) -> int:
    return FIRST_INSTRUMENT_CODE + market.number


def instrument_type(instrument: Instrument) -> str:
    return "SPOT" if instrument.kind is MarketKind.SPOT else "SWAP"
