"""What is signed and sent to BiFu. Pure; knows no clock: timestamps are handed in, in the venue's time."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence

from exchanges.bifu.wire.product import Pages
from exchanges.errors import AuthFailed


class Signer:
    """Signs with one account's key and secret. A signature covers path and time: no query, no body, no method."""

    __slots__ = ("_secret", "key")

    def __init__(self, key: str, secret: str) -> None:
        """Raises: AuthFailed for a key or secret that cannot stand in a header; neither is repeated."""
        for name, text in (("key", key), ("secret", secret)):
            if not text or not text.isascii() or not text.isprintable() or text != text.strip():
                raise AuthFailed(f"the {name} is no BiFu {name}: expected printable ASCII without spaces around it")
        self.key = key
        self._secret = secret.encode()

    def headers(self, path: str, *, timestamp_ms: int) -> dict[str, str]:
        """Headers of a request or of a stream's opening; the venue takes them for about 30 s around `timestamp_ms`.

        The case of the names is the venue's own (`MM`). A query in `path` is left out of what is signed.
        """
        signed = f"{path.partition('?')[0]}|{timestamp_ms}"
        return {
            "Decode-MM-Auth-Access-Key": self.key,
            "Decode-MM-Auth-Timestamp": str(timestamp_ms),
            "Decode-MM-Auth-Signature": hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest(),
        }


def pong(time: str | int) -> str:
    """The answer to a ping: its time exactly as it was sent, a text as text."""
    return json.dumps({"type": "pong", "time": time})


def page_path(pages: Pages, page: int, instrument_ids: Sequence[str], *, since_ms: int = 0) -> str:
    """The path and query of page 0, 1, … of a list of orders."""
    query = [
        f"{pages.instruments_name}={','.join(instrument_ids)}",
        f"{pages.number_name}={pages.first_number + page}",
        f"{pages.size_name}={pages.size}",
    ]
    if pages.begin_name:
        query.append(f"{pages.begin_name}={since_ms}")
    return f"{pages.path}?{'&'.join(query)}"
