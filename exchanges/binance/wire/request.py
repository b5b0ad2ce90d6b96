"""What is signed and sent to Binance. Pure; knows no clock: timestamps are handed in, in the venue's time.

By REST the text is signed as it is sent, in its order; by the WebSocket API sorted by name, without percent-encoding.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from exchanges.binance.wire.codes import SELF_TRADE_NAMES, SIDE_NAMES
from exchanges.binance.wire.product import Product
from exchanges.errors import AuthFailed, Rejected
from exchanges.types import MarketKind, OrderRequest, OrderType, Refusal, TimeInForce

# Members as globals: on Python 3.11 a look-up in the class costs nine times as much, and these run at every hedge.
_MARKET, _IOC, _SPOT = OrderType.MARKET, TimeInForce.IOC, MarketKind.SPOT

Params = Mapping[str, str]
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_HMAC_SECRET = re.compile(r"[!-~]{16,128}")


class Signer:
    """Signs with one account's key: a secret of letters and digits (HMAC), or an Ed25519 key as PEM."""

    __slots__ = ("_key", "_secret", "api_key")

    def __init__(self, api_key: str, secret: str) -> None:
        """Raises: AuthFailed for a text that is no such key; it is not repeated."""
        self.api_key = api_key.strip()
        secret = secret.strip()
        self._key: Ed25519PrivateKey | None = None
        self._secret = b""
        if not self.api_key:
            raise AuthFailed("the API key is empty")
        if secret.startswith("-----BEGIN"):
            self._key = _ed25519(secret)
        elif _HMAC_SECRET.fullmatch(secret):
            self._secret = secret.encode()
        else:
            raise AuthFailed(
                "the secret is no Binance key: expected letters and digits (HMAC), or a PEM text (Ed25519)"
            )

    def sign(self, text: str) -> str:
        if self._key is not None:
            return b64encode(self._key.sign(text.encode())).decode()
        return hmac.digest(self._secret, text.encode(), "sha256").hex()  # in one call of C, without an object of Python

    def form(self, params: Params, *, timestamp_ms: int, window_ms: int) -> str:
        """A REST request's params as a query, signed; valid for `window_ms` from `timestamp_ms` on, in venue time."""
        text = query_text({**params, "recvWindow": str(window_ms), "timestamp": str(timestamp_ms)})
        return f"{text}&signature={quote(self.sign(text), safe='')}"

    def params(self, params: Params, *, timestamp_ms: int, window_ms: int) -> dict[str, str]:
        """The params of a WebSocket API request, signed."""
        whole = {
            **params, "apiKey": self.api_key, "recvWindow": str(window_ms), "timestamp": str(timestamp_ms),
        }  # fmt: skip
        whole["signature"] = self.sign("&".join([f"{name}={whole[name]}" for name in sorted(whole)]))
        return whole


def _ed25519(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise AuthFailed("the secret is no Binance key: its PEM text cannot be read (is it encrypted?)") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise AuthFailed("the secret is a PEM key of another kind: make an Ed25519 key at the venue, or an HMAC one")
    return key


def query_text(params: Params) -> str:
    return urlencode(params, quote_via=quote)


def api_message(number: str, method: str, params: Params) -> str:
    """A request of the WebSocket API. By hand, because `json.dumps` makes an encoder of its own for every call."""
    texts = [f'"{name}":{quoted(value)}' for name, value in params.items()]
    return f'{{"id":"{number}","method":"{method}","params":{{{",".join(texts)}}}}}'


def quotes_message(symbols: Sequence[str]) -> str:
    """The message that subscribes best bid and offer."""
    names = [f"{symbol.lower()}@bookTicker" for symbol in symbols]
    return json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}, separators=(",", ":"))


def order_params(order: OrderRequest, product: Product) -> dict[str, str]:
    """One order. Decimals are text without an exponent, and are signed as that text.

    A market order with a worst price leaves as a limit order at that price that never rests: the same order with the
    bound that it was given (E15). The answer is to be the state after matching.
    Raises: Rejected for what the venue has no such order for.
    """
    spot = product.kind is _SPOT
    price = order.price if order.type is not _MARKET else order.worst_price
    params = {
        "symbol": order.symbol,
        "side": SIDE_NAMES[order.side],
        "type": "LIMIT",
        "quantity": f"{order.qty:f}",
        "newClientOrderId": client_text(order.client_id),
        "newOrderRespType": "RESULT",
        "selfTradePreventionMode": SELF_TRADE_NAMES[order.self_trade],
    }
    if price is None:
        params["type"] = "MARKET"
    else:
        params["price"] = f"{price:f}"
        if not order.post_only:
            params["timeInForce"] = "IOC" if order.tif is _IOC or order.type is _MARKET else "GTC"
        elif spot:
            params["type"] = "LIMIT_MAKER"
        else:
            params["timeInForce"] = "GTX"
    if order.reduce_only:
        if spot:
            raise Rejected(Refusal.UNSUPPORTED, "Binance spot has no reduce-only orders")
        params["reduceOnly"] = "true"
    return params


def client_text(client_id: str) -> str:
    """Raises: Rejected for what the venue does not take as a client order id."""
    if not _CLIENT_ID.fullmatch(client_id):
        raise Rejected(
            Refusal.UNSUPPORTED, f"client id {client_id[:40]!r}: Binance takes 1 to 36 letters, digits and .:/_-"
        )
    return client_id


def batch_text(orders: Sequence[Params]) -> str:
    """Several orders as the one param that carries them."""
    return json.dumps(orders, separators=(",", ":"))
