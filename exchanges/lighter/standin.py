"""Stands in for the native signer where no signature is checked: tests, the simulator, local venues.

Deterministic, where the native one draws a nonce for each signature. The form is the venue's: 80 bytes of signature,
hashes of 80 hex digits, the fields in their order. A transaction has the hash by which a local venue knows it
(docs/venues.md), so that it can be asked about when its answer is lost, as at the real one.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha512, shake_256

from exchanges.lighter.signer import SignedTx, Signer
from exchanges.lighter.wire.codes import CANCEL_ORDER, CREATE_ORDER
from exchanges.lighter.wire.scale import CancelTx, OrderTx
from exchanges.types import Clock

VALID_MS = 10 * 60_000 - 1_000  # as the native signer sets it; it takes no other

Fields = dict[str, object]


class StandInSigner:
    """Signs for `account_index` with what `seed` makes. It is no Lighter key: the venue refuses it."""

    blocking = False

    def __init__(self, *, account_index: int, api_key_index: int, seed: str, clock: Clock) -> None:
        self.account_index = account_index
        self.api_key_index = api_key_index
        self._seed = seed
        self._clock = clock

    @property
    def public_key(self) -> str:
        """40 bytes in hex, as the venue registers keys."""
        return shake_256(f"public {self._seed}".encode()).hexdigest(40)

    def order(self, tx: OrderTx, *, nonce: int) -> SignedTx:
        attributes = {str(number): value for number, value in ((6, tx.self_trade), (7, tx.equality)) if value}
        body: Fields = {
            "MarketIndex": tx.market_id, "ClientOrderIndex": tx.client_index, "BaseAmount": tx.base_amount,
            "Price": tx.price, "IsAsk": int(tx.is_ask), "Type": tx.type, "TimeInForce": tx.time_in_force,
            "ReduceOnly": int(tx.reduce_only), "TriggerPrice": 0, "OrderExpiry": tx.expiry_ms,
        }  # fmt: skip
        return self._signed(CREATE_ORDER, body, nonce, attributes or None)

    def cancel(self, tx: CancelTx, *, nonce: int) -> SignedTx:
        return self._signed(CANCEL_ORDER, {"MarketIndex": tx.market_id, "Index": tx.index}, nonce, None)

    def token(self, deadline_s: int) -> str:
        head = f"{deadline_s}:{self.account_index}:{self.api_key_index}"
        return f"{head}:{shake_256(f'{head} {self._seed}'.encode()).hexdigest(80)}"

    def _signed(self, tx_type: int, body: Fields, nonce: int, attributes: object) -> SignedTx:
        head: Fields = {"AccountIndex": self.account_index, "ApiKeyIndex": self.api_key_index}
        tail: Fields = {"ExpiredAt": self._clock.wall_ms() + VALID_MS, "Nonce": nonce}
        hashed = json.dumps([tx_type, head, body, tail, attributes]).encode()
        signature = b64encode(shake_256(hashed + self._seed.encode()).digest(80)).decode()
        info = {**head, **body, **tail, "Sig": signature, "L2TxAttributes": attributes}
        return known_locally(SignedTx(tx_type, json.dumps(info, separators=(",", ":")), ""))


class LocallyKnown:
    """A signer whose transactions have the hash by which a local venue knows them: it cannot make the native one's.

    Without it an order whose answer is lost would be asked about for ever.
    """

    def __init__(self, signer: Signer) -> None:
        self.account_index = signer.account_index
        self.api_key_index = signer.api_key_index
        self.blocking = signer.blocking
        self._signer = signer

    def order(self, tx: OrderTx, *, nonce: int) -> SignedTx:
        return known_locally(self._signer.order(tx, nonce=nonce))

    def cancel(self, tx: CancelTx, *, nonce: int) -> SignedTx:
        return known_locally(self._signer.cancel(tx, nonce=nonce))

    def token(self, deadline_s: int) -> str:
        return self._signer.token(deadline_s)


def known_locally(tx: SignedTx) -> SignedTx:
    return replace(tx, tx_hash=sha512(f"{tx.tx_type}/{tx.tx_info}".encode()).hexdigest()[:80])
