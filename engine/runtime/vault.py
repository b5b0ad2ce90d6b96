"""The vault: secrets by name in one encrypted file. Bytes in, bytes out; files and questions are its callers' matter.

    header   MAGIC, version, log2 n, r, p (the parameters of scrypt), salt, nonce: 44 bytes, authenticated with the rest
    body     AES-256-GCM of the JSON object name -> secret

A wrong passphrase, a flipped byte anywhere, a truncated or a foreign file give one and the same message: whoever
guesses learns nothing, and nothing is ever decrypted in part.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.errors import SecretUnreadable
from engine.runtime.secrets import Secret

MAGIC: Final = b"eagle-vault\n"
VERSION: Final = 1
_HEADER: Final = struct.Struct(f">{len(MAGIC)}sBBBB16s12s")
KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
BLOCK, PARALLEL = 8, 1  # scrypt's r and p
COST: Final = 16  # log2 of scrypt's n: 64 MiB and about 0.2 s a guess
COSTS: Final = range(12, 19)  # up to 256 MiB; a header that asks for more is not obeyed
LARGEST: Final = 1 << 20  # bytes of a vault
LARGEST_SECRET: Final = 64 * 1024  # characters; a secret is a line or a key file
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
NAME_WORDS = "letters, digits and _ . - with / between parts, such as bp1/key"
CANNOT_OPEN = "it cannot be opened: the passphrase is wrong, or the file was changed or is no vault"


class CannotOpen(SecretUnreadable):
    """Says one thing whatever the reason."""


@dataclass(frozen=True, slots=True)
class Vault:
    """An open vault. Its key stays in memory, the passphrase does not."""

    entries: Mapping[str, Secret]
    _key: Secret  # in hex
    _cost: int
    _salt: bytes

    def with_entry(self, name: str, secret: Secret) -> Vault:
        return Vault({**self.entries, name: secret}, self._key, self._cost, self._salt)

    def without_entry(self, name: str) -> Vault:
        left = {entry: secret for entry, secret in self.entries.items() if entry != name}
        return Vault(left, self._key, self._cost, self._salt)

    def sealed(self) -> bytes:
        """The file's content, with a nonce of its own each time."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(12)
        header = _HEADER.pack(MAGIC, VERSION, self._cost, BLOCK, PARALLEL, self._salt, nonce)
        body = json.dumps({name: secret.reveal() for name, secret in sorted(self.entries.items())}).encode()
        return header + AESGCM(bytes.fromhex(self._key.reveal())).encrypt(nonce, body, header)


def new_vault(passphrase: Secret, *, cost: int = COST) -> Vault:
    """An empty vault; `cost` is log2 of scrypt's n."""
    salt = os.urandom(16)
    return Vault({}, _derived(passphrase, salt, cost), cost, salt)


def open_vault(raw: bytes, passphrase: Secret) -> Vault:
    """Raises: CannotOpen."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if not _HEADER.size + TAG_BYTES <= len(raw) <= LARGEST:
        raise CannotOpen(CANNOT_OPEN)
    header, body = raw[: _HEADER.size], raw[_HEADER.size :]
    magic, version, cost, block, parallel, salt, nonce = _HEADER.unpack(header)
    # Checked before anything is derived: a header must not be able to ask for all memory.
    if (magic, version, block, parallel) != (MAGIC, VERSION, BLOCK, PARALLEL) or cost not in COSTS:
        raise CannotOpen(CANNOT_OPEN)
    key = _derived(passphrase, salt, cost)
    try:
        plain = AESGCM(bytes.fromhex(key.reveal())).decrypt(nonce, body, header)
    except InvalidTag:
        raise CannotOpen(CANNOT_OPEN) from None
    entries: dict[str, str] = json.loads(plain)
    return Vault({name: Secret(text) for name, text in entries.items()}, key, cost, salt)


def _derived(passphrase: Secret, salt: bytes, cost: int) -> Secret:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    derive = Scrypt(salt=salt, length=KEY_BYTES, n=1 << cost, r=BLOCK, p=PARALLEL)
    return Secret(derive.derive(passphrase.reveal().encode()).hex())
