"""Which requests a local Binance answers, by REST and by the WebSocket API, with what each of them weighs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol

from exchanges.types import MarketKind
from exchanges.venues.binance import account as private
from exchanges.venues.binance import public
from exchanges.venues.binance.trading import BinanceOptions, Trading
from exchanges.venues.binance.wire import Fields
from exchanges.venues.exchange import Exchange, VenueAccount


class Served(Protocol):
    """The model behind the routes."""

    exchange: Exchange
    trading: Trading
    options: BinanceOptions

    def info(self, account: VenueAccount | None, fields: Fields) -> dict[str, Any]: ...

    def listen_key(self, account: VenueAccount, fields: Fields) -> dict[str, Any]: ...

    def keep_listen_key(self, account: VenueAccount, fields: Fields) -> dict[str, Any]: ...

    def close_listen_key(self, account: VenueAccount, fields: Fields) -> dict[str, Any]: ...


class Security(Enum):
    NONE = "none"
    KEY = "key"  # the API key alone
    SIGNED = "signed"


Run = Callable[[Served, Any, Fields], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One request. `target` is what it is for the fault plan."""

    run: Run
    security: Security = Security.NONE
    weight: int = 1
    target: str = "query"


def _told(read: Callable[[Exchange, Fields], Any], weight: int = 1) -> Route:
    """What everybody may ask."""
    return Route(lambda venue, _, fields: read(venue.exchange, fields), Security.NONE, weight)


def _asked(read: Callable[[Exchange, VenueAccount, Fields], Any], weight: int) -> Route:
    """What an account may ask of itself."""
    return Route(lambda venue, account, fields: read(venue.exchange, account, fields), Security.SIGNED, weight)


def _command(run: Run, *, weight: int = 1, target: str = "query", security: Security = Security.SIGNED) -> Route:
    return Route(run, security, weight, target)


PLACE = _command(lambda venue, account, fields: venue.trading.place(account, fields), target="place")
CANCEL = _command(lambda venue, account, fields: venue.trading.cancel(account, fields), target="cancel")
CANCEL_ALL = replace(CANCEL, run=lambda venue, account, fields: venue.trading.cancel_all(account, fields))
MODIFY = replace(PLACE, run=lambda venue, account, fields: venue.trading.modify(account, fields))
BATCH = replace(PLACE, run=lambda venue, account, fields: venue.trading.place_batch(account, fields), weight=5)
COUNTDOWN = _command(lambda venue, account, fields: venue.trading.countdown(account, fields), weight=10)
LISTEN = _command(lambda venue, account, fields: venue.listen_key(account, fields), security=Security.KEY)
KEEP = replace(LISTEN, run=lambda venue, account, fields: venue.keep_listen_key(account, fields))
CLOSE = replace(LISTEN, run=lambda venue, account, fields: venue.close_listen_key(account, fields))
TIME = Route(lambda venue, _, __: {"serverTime": venue.exchange.now_ms()})
PING = Route(lambda _, __, ___: {})
INFO = Route(lambda venue, account, fields: venue.info(account, fields), Security.NONE, 20)
DUAL = _command(lambda venue, _, __: {"dualSidePosition": venue.options.hedge_mode}, weight=30)
ASSETS = _command(lambda _, __, ___: {"multiAssetsMargin": False}, weight=30)

SPOT = "/api/v3"
PERP = "/fapi/v1"

ROUTES: Mapping[MarketKind, Mapping[tuple[str, str], Route]] = {
    MarketKind.SPOT: {
        ("GET", f"{SPOT}/ping"): PING,
        ("GET", f"{SPOT}/time"): TIME,
        ("GET", f"{SPOT}/exchangeInfo"): INFO,
        ("GET", f"{SPOT}/depth"): _told(public.depth, 5),
        ("GET", f"{SPOT}/trades"): _told(public.trades, 25),
        ("GET", f"{SPOT}/ticker/bookTicker"): _told(public.book_ticker, 2),
        ("POST", f"{SPOT}/order"): PLACE,
        ("DELETE", f"{SPOT}/order"): CANCEL,
        ("DELETE", f"{SPOT}/openOrders"): CANCEL_ALL,
        ("GET", f"{SPOT}/order"): _asked(private.query, 4),
        ("GET", f"{SPOT}/openOrders"): _asked(private.open_orders, 6),
        ("GET", f"{SPOT}/allOrders"): _asked(private.all_orders, 20),
        ("GET", f"{SPOT}/myTrades"): _asked(private.trades, 20),
        ("GET", f"{SPOT}/account"): _asked(private.spot_account, 20),
        ("GET", f"{SPOT}/account/commission"): _asked(private.spot_commission, 20),
    },
    MarketKind.PERP: {
        ("GET", f"{PERP}/ping"): PING,
        ("GET", f"{PERP}/time"): TIME,
        ("GET", f"{PERP}/exchangeInfo"): replace(INFO, weight=1),
        ("GET", f"{PERP}/depth"): _told(public.depth, 2),
        ("GET", f"{PERP}/trades"): _told(public.trades, 5),
        ("GET", f"{PERP}/ticker/bookTicker"): _told(public.book_ticker, 2),
        ("GET", f"{PERP}/premiumIndex"): _told(public.premium_index),
        ("POST", f"{PERP}/order"): PLACE,
        ("PUT", f"{PERP}/order"): MODIFY,
        ("DELETE", f"{PERP}/order"): CANCEL,
        ("POST", f"{PERP}/batchOrders"): BATCH,
        ("DELETE", f"{PERP}/allOpenOrders"): CANCEL_ALL,
        ("POST", f"{PERP}/countdownCancelAll"): COUNTDOWN,
        ("GET", f"{PERP}/order"): _asked(private.query, 1),
        ("GET", f"{PERP}/openOrders"): _asked(private.open_orders, 1),
        ("GET", f"{PERP}/allOrders"): _asked(private.all_orders, 5),
        ("GET", f"{PERP}/userTrades"): _asked(private.trades, 5),
        ("GET", "/fapi/v2/account"): _asked(private.perp_account, 5),
        ("GET", "/fapi/v3/account"): _asked(private.perp_account, 5),
        ("GET", "/fapi/v2/balance"): _asked(private.perp_balance, 5),
        ("GET", "/fapi/v3/balance"): _asked(private.perp_balance, 5),
        ("GET", "/fapi/v2/positionRisk"): _asked(private.position_risk, 5),
        ("GET", "/fapi/v3/positionRisk"): _asked(private.position_risk, 5),
        ("GET", f"{PERP}/commissionRate"): _asked(private.perp_commission, 20),
        ("GET", f"{PERP}/symbolConfig"): _asked(private.symbol_config, 5),
        ("GET", f"{PERP}/leverageBracket"): _asked(private.leverage_bracket, 1),
        ("GET", f"{PERP}/positionSide/dual"): DUAL,
        ("GET", f"{PERP}/multiAssetsMargin"): ASSETS,
        ("POST", f"{PERP}/listenKey"): LISTEN,
        ("PUT", f"{PERP}/listenKey"): KEEP,
        ("DELETE", f"{PERP}/listenKey"): CLOSE,
    },
}

WS_ROUTES: Mapping[MarketKind, Mapping[str, Route]] = {
    MarketKind.SPOT: {
        "ping": PING,
        "time": TIME,
        "exchangeInfo": INFO,
        "depth": _told(public.depth, 5),
        "ticker.book": _told(public.book_ticker, 2),
        "order.place": PLACE,
        "order.cancel": CANCEL,
        "order.status": _asked(private.query, 4),
        "openOrders.status": _asked(private.open_orders, 6),
        "openOrders.cancelAll": CANCEL_ALL,
        "allOrders": _asked(private.all_orders, 20),
        "myTrades": _asked(private.trades, 20),
        "account.status": _asked(private.spot_account, 20),
        "account.commission": _asked(private.spot_commission, 20),
    },
    MarketKind.PERP: {
        "ping": PING,
        "time": TIME,
        "depth": _told(public.depth, 2),
        "ticker.book": _told(public.book_ticker, 2),
        "order.place": PLACE,
        "order.modify": MODIFY,
        "order.cancel": CANCEL,
        "order.status": _asked(private.query, 1),
        "v2/account.status": _asked(private.perp_account, 5),
        "v2/account.balance": _asked(private.perp_balance, 5),
        "v2/account.position": _asked(private.position_risk, 5),
        "userDataStream.start": LISTEN,
        "userDataStream.ping": KEEP,
        "userDataStream.stop": CLOSE,
    },
}
