"""What is signed and sent to Backpack. Pure; knows no clock: timestamps are handed in, in the venue's time."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchanges.backpack.wire.codes import SELF_TRADE_NAMES, SIDE_NAMES
from exchanges.errors import AuthFailed, Rejected
from exchanges.types import OrderRequest, OrderType, Refusal, TimeInForce

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every hedge.
_MARKET, _IOC = OrderType.MARKET, TimeInForce.IOC

UINT32 = 1 << 32
JSON_BODY = "application/json; charset=utf-8"

Param = str | int | bool
Params = Mapping[str, Param]


class Signer:
    """Signs with one account's key: base64 of the 32 bytes of its seed, or of seed and public key together."""

    __slots__ = ("_key", "public_key")

    def __init__(self, secret: str) -> None:
        """Raises: AuthFailed for a text that is no such key; it is not repeated."""
        try:
            seed = b64decode(secret.strip(), validate=True)
        except ValueError:
            seed = b""
        if len(seed) not in (32, 64):
            raise AuthFailed("the secret is no Backpack key: expected base64 of 32 bytes (or 64, with the public key)")
        self._key = Ed25519PrivateKey.from_private_bytes(seed[:32])
        self.public_key = b64encode(self._key.public_key().public_bytes_raw()).decode()
        if len(seed) == 64 and b64encode(seed[32:]).decode() != self.public_key:
            raise AuthFailed("the secret is no Backpack key: its second half is not the public key of its first")

    def sign(self, text: str) -> str:
        return b2a_base64(self._key.sign(text.encode()), newline=False).decode()

    def headers(self, instructions: str, *, timestamp_ms: int, window_ms: int, body: bool = False) -> dict[str, str]:
        """Headers of a request that is valid for `window_ms` from `timestamp_ms` on, the venue's time."""
        signed = f"{instructions}&timestamp={timestamp_ms}&window={window_ms}"
        headers = {
            "X-API-Key": self.public_key,
            "X-Signature": self.sign(signed),
            "X-Timestamp": str(timestamp_ms),
            "X-Window": str(window_ms),
        }
        if body:
            headers["Content-Type"] = JSON_BODY
        return headers

    def subscription(self, streams: Sequence[str], *, timestamp_ms: int, window_ms: int) -> str:
        """The message that subscribes private streams; their names are not part of what is signed."""
        signature = self.sign(f"instruction=subscribe&timestamp={timestamp_ms}&window={window_ms}")
        return json.dumps(
            {
                "method": "SUBSCRIBE",
                "params": list(streams),
                "signature": [self.public_key, signature, str(timestamp_ms), str(window_ms)],
            }
        )


def subscription(streams: Sequence[str]) -> str:
    """The message that subscribes public streams."""
    return json.dumps({"method": "SUBSCRIBE", "params": list(streams)})


def instruction(name: str, params: Params) -> str:
    """What is signed for one command: the pairs sorted by name, values as they stand in the request."""
    pairs = [f"{key}={_shown(params[key])}" for key in sorted(params)]
    return "&".join([f"instruction={name}", *pairs])


def query_text(params: Params) -> str:
    return "&".join(f"{key}={_shown(value)}" for key, value in params.items())


def command(name: str, params: Params) -> tuple[str, bytes]:
    """What is signed for one command, and its body: both in one pass, because they stand before a hedge."""
    pairs, fields = [f"instruction={name}"], []
    for key in sorted(params):
        value = params[key]
        shown = _shown(value)
        pairs.append(f"{key}={shown}")
        fields.append(f'"{key}":{quoted(shown) if type(value) is str else shown}')
    return "&".join(pairs), ("{" + ",".join(fields) + "}").encode()


def commands(name: str, several: Sequence[Params]) -> tuple[str, bytes]:
    """The same for several that leave as one request."""
    signed, bodies = zip(*(command(name, params) for params in several), strict=True)
    return "&".join(signed), b"[" + b",".join(bodies) + b"]"


def _shown(value: Param) -> str:
    if type(value) is str:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    return str(value)


def order_params(order: OrderRequest) -> dict[str, Param]:
    """The body of one order. Decimals are text without an exponent, and are signed as that text.

    A market order with a worst price leaves as a limit order at that price that never rests: the same order with the
    bound that it was given (E15). The venue's own bound, `slippageTolerance`, has no documented reference price.
    Raises: Rejected for a client id that is no uint32.
    """
    price = order.price if order.type is not _MARKET else order.worst_price
    params: dict[str, Param] = {
        "clientId": client_number(order.client_id),
        "orderType": "Limit",
        "quantity": f"{order.qty:f}",
        "selfTradePrevention": SELF_TRADE_NAMES[order.self_trade],
        "side": SIDE_NAMES[order.side],
        "symbol": order.symbol,
    }
    if price is None:
        params["orderType"] = "Market"
    else:
        params["price"] = f"{price:f}"
        params["timeInForce"] = "IOC" if order.tif is _IOC or order.type is _MARKET else "GTC"
    if order.post_only:
        params["postOnly"] = True
    if order.reduce_only:
        params["reduceOnly"] = True
    return params


def client_number(client_id: str) -> int:
    """Raises: Rejected for what is no uint32 in plain digits."""
    if not (client_id.isascii() and client_id.isdigit() and len(client_id) <= 10 and int(client_id) < UINT32):
        raise Rejected(Refusal.UNSUPPORTED, f"client id {client_id[:40]!r}: Backpack takes whole numbers below 2^32")
    return int(client_id)
