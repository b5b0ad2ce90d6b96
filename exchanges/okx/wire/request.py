"""What is signed and sent to OKX. Pure; knows no clock: times are handed in, in the venue's time."""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted

from exchanges.errors import AuthFailed, Rejected
from exchanges.okx.wire.codes import SELF_TRADE_NAMES
from exchanges.types import Instrument, MarketKind, OrderRequest, OrderType, Refusal, TimeInForce

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every hedge.
_MARKET, _IOC, _SPOT = OrderType.MARKET, TimeInForce.IOC, MarketKind.SPOT

CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
PING = "ping"

Arg = str | int | bool
Args = dict[str, Arg]


@dataclass(frozen=True, slots=True)
class Traded:
    """An instrument with what the wire needs of it: base units of a size of 1, its number, and the mode of orders."""

    instrument: Instrument
    unit: Decimal
    code: int | None
    trade_mode: str

    @property
    def spot(self) -> bool:
        return self.instrument.kind is _SPOT

    def size(self, qty: Decimal) -> str:
        """A quantity in base units in the venue's unit. Raises: Rejected for one that it cannot express."""
        size = qty / self.unit
        if size * self.unit != qty:
            raise Rejected(Refusal.SIZE, f"{qty} is no multiple of {self.unit}, the value of one contract's part")
        return plain(size)


class Signer:
    """Signs with one account's key, secret and passphrase. `demo`: for the venue's demo trading."""

    __slots__ = ("_key", "_passphrase", "_secret", "demo")

    def __init__(self, key: str, secret: str, passphrase: str, *, demo: bool = False) -> None:
        """Raises: AuthFailed for texts that cannot stand in a header; none is repeated."""
        for name, text in (("key", key), ("secret", secret), ("passphrase", passphrase)):
            if not text or not text.isascii() or not text.isprintable() or text != text.strip():
                raise AuthFailed(f"the {name} is no OKX {name}: expected printable ASCII without spaces around it")
        self._key = key
        self._passphrase = passphrase
        self._secret = secret.encode()
        self.demo = demo

    def sign(self, text: str) -> str:
        return b64encode(hmac.digest(self._secret, text.encode(), sha256)).decode()

    def headers(
        self, method: str, target: str, body: str = "", *, timestamp_ms: int, expires_ms: int = 0
    ) -> dict[str, str]:  # fmt: skip
        """Headers of a request; `target` is path and query. What arrives after `expires_ms` is not carried out."""
        stamp = zulu(timestamp_ms)
        headers = {
            "OK-ACCESS-KEY": self._key,
            "OK-ACCESS-SIGN": self.sign(f"{stamp}{method}{target}{body}"),
            "OK-ACCESS-TIMESTAMP": stamp,
            "OK-ACCESS-PASSPHRASE": self._passphrase,
            "Content-Type": "application/json",
        }
        if self.demo:
            headers["x-simulated-trading"] = "1"
        if expires_ms:
            headers["expTime"] = str(expires_ms)
        return headers

    def login(self, *, timestamp_ms: int) -> str:
        """The message that logs a stream in; its time is in seconds."""
        stamp = str(timestamp_ms // 1000)
        sign = self.sign(f"{stamp}GET/users/self/verify")
        arg = {"apiKey": self._key, "passphrase": self._passphrase, "timestamp": stamp, "sign": sign}
        return text_of({"op": "login", "args": [arg]})


def order_args(order: OrderRequest, traded: Traded) -> Args:
    """An order without its instrument, which REST and the stream name differently. Raises: Rejected."""
    if not CLIENT_ID.fullmatch(order.client_id):
        raise Rejected(Refusal.UNSUPPORTED, f"client id {order.client_id!r}: letters and digits, up to 32")
    if order.reduce_only and traded.spot:
        raise Rejected(Refusal.UNSUPPORTED, "a spot account has no reduce-only orders")
    price, bounded = order.price, False
    if order.type is _MARKET and order.worst_price is not None:
        # A market order here has no bound of ours: it leaves as a limit order at the bound that never rests.
        price, bounded = _inward(order, traded.instrument), True
    args: Args = {
        "tdMode": traded.trade_mode,
        "clOrdId": order.client_id,
        "side": order.side._value_,
        "ordType": _type(order, bounded=bounded),
        "sz": traded.size(order.qty),
    }
    if price is not None:
        args["px"] = plain(price)
    elif traded.spot:
        args |= {"tgtCcy": "base_ccy", "banAmend": True}  # else a buy names money, and may be made smaller
    if order.reduce_only:
        args["reduceOnly"] = True
    name = SELF_TRADE_NAMES.get(order.self_trade)
    if name is not None:
        args["stpMode"] = name
    return args


def _type(order: OrderRequest, *, bounded: bool) -> str:
    if order.post_only:
        return "post_only"
    if bounded or (order.tif is _IOC and order.type is not _MARKET):
        return "ioc"
    return "market" if order.type is _MARKET else "limit"


def _inward(order: OrderRequest, instrument: Instrument) -> Decimal:
    assert order.worst_price is not None
    down = order.side.sign > 0
    return instrument.price_down(order.worst_price) if down else instrument.price_up(order.worst_price)


def operation(number: str, name: str, args: Sequence[Args], *, expires_ms: int = 0) -> str:
    """A command for the stream. What arrives after `expires_ms` is not carried out."""
    until = f',"expTime":"{expires_ms}"' if expires_ms else ""
    return f'{{"id":"{number}","op":"{name}"{until},"args":[{",".join(map(_object, args))}]}}'


def subscription(args: Sequence[Mapping[str, str]]) -> str:
    return text_of({"op": "subscribe", "args": list(args)})


def text_of(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def body_of(name: str, orders: Sequence[Args]) -> str:
    """The body of a command over REST: a batch is a list, every other one stands alone."""
    return f"[{','.join(map(_object, orders))}]" if name == "batch-orders" else _object(orders[0])


def _object(args: Args) -> str:
    """Compact JSON. By hand, because `json.dumps` makes an encoder of its own for every call."""
    texts = [f'"{key}":{quoted(value) if type(value) is str else _bare(value)}' for key, value in args.items()]
    return f"{{{','.join(texts)}}}"


def _bare(value: Arg) -> str:
    return str(value).lower() if type(value) is bool else str(value)


def plain(value: Decimal) -> str:
    """A decimal as the venue wants it: digits, no exponent, no zeros behind the last figure."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def zulu(at_ms: int) -> str:
    """UTC as ISO 8601 with milliseconds and Z."""
    days, in_day_ms = divmod(at_ms, 86_400_000)
    seconds, ms = divmod(in_day_ms, 1000)
    year, month, day = _date(days)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"
    return f"{year:04}-{month:02}-{day:02}T{clock}Z"


def _date(days: int) -> tuple[int, int, int]:
    """The Gregorian date so many days after 1970-01-01; years are counted from March, a leap day is the last one."""
    era, of_era = divmod(days + 719_468, 146_097)
    of_400 = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * of_400 + of_400 // 4 - of_400 // 100)
    part = (5 * of_year + 2) // 153
    month = part + 3 if part < 10 else part - 9
    return of_400 + era * 400 + (month <= 2), month, of_year - (153 * part + 2) // 5 + 1
