"""The vault file: nothing of it is read with a wrong passphrase or after any change, and all say the same."""

from __future__ import annotations

import pytest

from engine.runtime import vault as vaults
from engine.runtime.secrets import Secret
from engine.runtime.vault import CANNOT_OPEN, COST, CannotOpen, new_vault, open_vault

PASSPHRASE = Secret("correct horse battery")
HEADER = 44
CHEAP = 12  # log2 of scrypt's n, so that a hundred openings take a second


def sealed(**entries: str) -> bytes:
    vault = new_vault(PASSPHRASE, cost=CHEAP)
    for name, text in entries.items():
        vault = vault.with_entry(name, Secret(text))
    return vault.sealed()


def refusal(raw: bytes, passphrase: Secret = PASSPHRASE) -> str:
    with pytest.raises(CannotOpen) as caught:
        open_vault(raw, passphrase)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_what_was_put_in_comes_out_and_nothing_of_it_shows_in_the_file() -> None:
    raw = sealed(key="canary-one", other="canary-two\nüber")
    opened = open_vault(raw, PASSPHRASE)
    assert opened.entries == {"key": Secret("canary-one"), "other": Secret("canary-two\nüber")}
    assert b"canary" not in raw
    assert b"other" not in raw
    assert "canary" not in repr(opened)
    assert PASSPHRASE.reveal() not in repr(opened)


def test_an_entry_is_replaced_and_removed_and_every_sealing_differs() -> None:
    vault = open_vault(sealed(a="one-secret", b="two-secret"), PASSPHRASE)
    changed = vault.with_entry("a", Secret("new-secret")).without_entry("b")
    first, second = changed.sealed(), changed.sealed()
    assert first != second
    assert (
        open_vault(first, PASSPHRASE).entries == open_vault(second, PASSPHRASE).entries == {"a": Secret("new-secret")}
    )
    assert vault.entries.keys() == {"a", "b"}


def test_a_wrong_passphrase_is_refused() -> None:
    raw = sealed(key="canary-one")
    for wrong in ("", "correct horse batter", "correct horse battery ", "Correct horse battery"):
        assert refusal(raw, Secret(wrong)) == CANNOT_OPEN


def test_every_byte_of_the_header_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = sealed(key="canary-one")
    costs: list[int] = []
    derive = vaults._derived
    monkeypatch.setattr(vaults, "_derived", lambda secret, salt, cost: costs.append(cost) or derive(secret, salt, cost))
    for at in range(HEADER):
        for flip in (0x01, 0x80):
            changed = bytearray(raw)
            changed[at] ^= flip
            assert refusal(bytes(changed)) == CANNOT_OPEN, f"byte {at}"
    assert set(costs) <= {CHEAP, CHEAP ^ 1}  # no header makes us pay what it likes


@pytest.mark.parametrize("cost", [0, 11, 19, 63, 255])
def test_a_header_that_asks_for_too_much_or_too_little_is_not_obeyed(
    cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = bytearray(sealed())
    raw[13] = cost
    monkeypatch.setattr(vaults, "_derived", lambda *_: pytest.fail("a key was derived"))
    assert refusal(bytes(raw)) == CANNOT_OPEN


def test_every_byte_of_the_body_is_guarded() -> None:
    raw = sealed(key="canary-one")
    for at in range(HEADER, len(raw), 7):
        changed = bytearray(raw)
        changed[at] ^= 0x10
        assert refusal(bytes(changed)) == CANNOT_OPEN, f"byte {at}"


@pytest.mark.parametrize(
    "raw",
    [b"", b"x", b"eagle-vault\n", bytes(60), b"SQLite format 3\0" + bytes(100), b"x" * (vaults.LARGEST + 1)],
    ids=["empty", "one byte", "its first line", "zeros", "another file", "too large"],
)
def test_what_is_no_vault_says_no_more(raw: bytes) -> None:
    assert refusal(raw) == CANNOT_OPEN


def test_a_vault_that_was_cut_or_grew_is_refused() -> None:
    raw = sealed(key="canary-one")
    for changed in (raw[:-1], raw[: HEADER + 16], raw[:HEADER], raw + b"\0", raw[:HEADER] + raw[HEADER + 1 :]):
        assert refusal(changed) == CANNOT_OPEN


def test_the_body_of_another_vault_does_not_fit() -> None:
    one, other = sealed(key="canary-one"), sealed(key="canary-two")
    assert refusal(one[:HEADER] + other[HEADER:]) == CANNOT_OPEN


def test_a_real_vault_costs_a_guess_64_mebibytes() -> None:
    assert 128 * (1 << COST) * vaults.BLOCK == 64 << 20


def test_a_vault_from_the_first_release_still_opens() -> None:
    """Written down so that a change of the format is noticed: passphrase `of a test`, cost 12."""
    raw = bytes.fromhex(FIRST)
    assert {name: secret.reveal() for name, secret in open_vault(raw, Secret("of a test")).entries.items()} == {
        "hawk/api_key": "not a real key"
    }


FIRST = (
    "6561676c652d7661756c740a010c080128ec2e06002ad96963db9284f67d43a209356eeae0a11e771cd96516922bca28"
    "af0ed34a1274915ef7441718fbd45880d553a23cbc80678376eaabcdb0af1a08cc0b6aa824566258a2b4c5637386"
)
