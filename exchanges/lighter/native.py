"""The venue's own signer: the native library that comes with `lighter-sdk`, called directly.

Only the library is used, not the package: the package brings an HTTP client and key handling of its own, and its
import costs a second. A library whose content is not one that was looked at is not loaded.
"""

from __future__ import annotations

import ctypes
import platform
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from exchanges.errors import AuthFailed
from exchanges.lighter.signer import SignedTx
from exchanges.lighter.wire.scale import CancelTx, OrderTx

INSTALL = "pip install 'eagle-flow[lighter]'"
# Of lighter-sdk 1.1.8, by system and machine: file and SHA-256.
LIBRARIES = {
    ("Linux", "x86_64"): (
        "lighter-signer-linux-amd64.so",
        "7f107a0e2240aa40c9f0ae8aba396380fe62892fe199dd3691e3103fc9a6fd8e",
    ),
    ("Linux", "arm64"): (
        "lighter-signer-linux-arm64.so",
        "9088ced1545e4cf81b6a4e18102c9459f3145215256c9d2f0a7ee4d160d7dfae",
    ),
    ("Darwin", "x86_64"): (
        "lighter-signer-darwin-amd64.dylib",
        "cc7a6b7c4736d09e9bf236def745e132d962a30c91d72235d579c44d895cfaa1",
    ),
    ("Darwin", "arm64"): (
        "lighter-signer-darwin-arm64.dylib",
        "b58e94ae6149be8c4e2ca90a6058fcb86e3c16604d0f09c3be29034b8feb2630",
    ),
    ("Windows", "x86_64"): (
        "lighter-signer-windows-amd64.dll",
        "3cb44139e35dee7533d925427448fa6d9ea2744fe66203c2167f42da358d0e49",
    ),
}
MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}
KEY_HEX = 80  # digits of a private key
_NOT_SKIPPED = 0  # attribute 4: nonces are exactly the next one, so that one of them can void another (S4)
_NO_INTEGRATOR = (0, 0, 0)


class _Signed(ctypes.Structure):
    _fields_ = (
        ("txType", ctypes.c_uint8), ("txInfo", ctypes.c_void_p), ("txHash", ctypes.c_void_p),
        ("messageToSign", ctypes.c_void_p), ("err", ctypes.c_void_p),
    )  # fmt: skip


class _Text(ctypes.Structure):
    _fields_ = (("str", ctypes.c_void_p), ("err", ctypes.c_void_p))


class NativeSigner:
    """Signs with one API key. Every call blocks for milliseconds, and for its first one longer."""

    blocking = True

    def __init__(
        self, private_key: str, *, account_index: int, api_key_index: int, chain_id: int, library: Path | None = None
    ) -> None:
        """Raises: AuthFailed for a key that is none, or where the library cannot be used."""
        self.account_index = account_index
        self.api_key_index = api_key_index
        key = private_key.removeprefix("0x")
        if len(key) != KEY_HEX or any(digit not in "0123456789abcdefABCDEF" for digit in key):
            raise AuthFailed(f"the secret is no Lighter API key: expected {KEY_HEX} hex digits")
        self._library = _loaded(library or library_path())
        # The address is for questions of the library's own; none is ever asked.
        self._raise_for(
            self._library.CreateClient(b"http://127.0.0.1:9", key.encode(), chain_id, api_key_index, account_index)
        )

    def order(self, tx: OrderTx, *, nonce: int) -> SignedTx:
        return self._signed(
            self._library.SignCreateOrder(
                tx.market_id, tx.client_index, tx.base_amount, tx.price, int(tx.is_ask), tx.type, tx.time_in_force,
                int(tx.reduce_only), 0, tx.expiry_ms, *_NO_INTEGRATOR, tx.self_trade, tx.equality, _NOT_SKIPPED, nonce,
                self.api_key_index, self.account_index,
            )
        )  # fmt: skip

    def cancel(self, tx: CancelTx, *, nonce: int) -> SignedTx:
        return self._signed(
            self._library.SignCancelOrder(
                tx.market_id, tx.index, _NOT_SKIPPED, nonce, self.api_key_index, self.account_index
            )
        )

    def token(self, deadline_s: int) -> str:
        made = self._library.CreateAuthToken(deadline_s, self.api_key_index, self.account_index)
        text = self._text(made.str)
        self._raise_for(made.err)
        return text

    def _signed(self, made: _Signed) -> SignedTx:
        info, digest = self._text(made.txInfo), self._text(made.txHash)
        self._text(made.messageToSign)
        self._raise_for(made.err)
        return SignedTx(int(made.txType), info, digest)

    def _raise_for(self, error: int | None) -> None:
        words = self._text(error)
        if words:
            raise AuthFailed(f"the Lighter signer refuses: {words[:160]}")

    def _text(self, pointer: int | None) -> str:
        """The text behind a pointer, which is given back to the library."""
        if not pointer:
            return ""
        try:
            raw = ctypes.cast(pointer, ctypes.c_char_p).value
            return "" if raw is None else raw.decode()
        finally:
            self._library.Free(pointer)


def installed() -> bool:
    """Is there a signer at all?"""
    return find_spec("lighter") is not None


def library_path() -> Path:
    """Where the installed package keeps the library of this machine. Raises: AuthFailed."""
    system, machine = platform.system(), platform.machine()
    machine = MACHINES.get(machine.lower(), machine)
    known = LIBRARIES.get((system, machine))
    if known is None:
        raise AuthFailed(f"Lighter has no signer for {system} on {machine}")
    found = find_spec("lighter")
    if found is None or not found.submodule_search_locations:
        raise AuthFailed(f"Lighter needs its native signer; run: {INSTALL}")
    return Path(found.submodule_search_locations[0]) / "signers" / known[0]


def _loaded(path: Path) -> Any:
    """Raises: AuthFailed for a library that is not there or not one of those that were looked at."""
    try:
        digest = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise AuthFailed(f"Lighter's signer {path} cannot be read ({error.strerror}); run: {INSTALL}") from error
    if digest not in {known for _, known in LIBRARIES.values()}:
        raise AuthFailed(f"Lighter's signer {path} is not the one of lighter-sdk 1.1.8; run: {INSTALL}")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise AuthFailed(f"Lighter's signer {path} cannot be loaded: {error}") from error
    whole, number, byte = ctypes.c_longlong, ctypes.c_int, ctypes.c_uint8
    library.CreateClient.argtypes = [ctypes.c_char_p, ctypes.c_char_p, number, number, whole]
    library.CreateClient.restype = ctypes.c_void_p
    library.SignCreateOrder.argtypes = [
        *[whole] * 3, *[number] * 6, whole, whole, number, number, byte, byte, byte, whole, number, whole,
    ]  # fmt: skip
    library.SignCancelOrder.argtypes = [whole, whole, byte, whole, number, whole]
    library.SignCreateOrder.restype = library.SignCancelOrder.restype = _Signed
    library.CreateAuthToken.argtypes = [whole, number, whole]
    library.CreateAuthToken.restype = _Text
    library.Free.argtypes = [ctypes.c_void_p]
    library.Free.restype = None
    return library
