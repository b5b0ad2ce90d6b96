"""`eagle vault`: secrets go in and never come out to be seen; a wrong word changes nothing."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_kit import Eagle, Said, eagle  # noqa: F401
from terminal_kit import Terminal

from cli import keeping
from engine.runtime import vault as vaults

PASSPHRASE = "correct horse battery"
CANARY = "canary-0001-of-a-secret"
CONFIG = """\
version: 1
market: ETH-PERP
markets: {ETH-PERP: {bp: ETH_USDC_PERP}}
venues: {bp: {kind: backpack}}
accounts:
  - name: hawk
    venue: bp
    owner: me
    credentials: {api_key: {secret: "vault:hawk/key"}, api_secret: {secret: "env:X"}}
  - {name: chick, venue: bp, owner: you, credentials: {api_key: {secret: "file:key"}}}
use: {maker: hawk, takers: [chick]}
settings: {quantity: 0.01}
"""

Keep = Callable[..., Said]


@pytest.fixture
def keep(eagle: Eagle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Keep:  # noqa: F811
    """Runs `eagle vault ARGS`, with a passphrase from an open file and a secret on standard input."""
    monkeypatch.setattr(vaults, "COST", 12)
    monkeypatch.setattr(vaults.new_vault, "__kwdefaults__", {"cost": 12})

    def call(*args: object, given: str = "", passphrase: str | None = PASSPHRASE) -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        options: tuple[object, ...] = ("--vault", tmp_path / "v")
        number = None
        if passphrase is not None:
            number, writing = os.pipe()
            os.write(writing, passphrase.encode() + b"\n")
            os.close(writing)
            options += ("--passphrase-fd", number)
        try:
            said = eagle("vault", *args, *options)
        finally:
            if number is not None:
                os.close(number)
        assert "canary" not in said.out + said.err
        assert PASSPHRASE not in said.out + said.err
        return said

    return call


def test_a_secret_goes_in_is_listed_found_and_removed(keep: Keep, tmp_path: Path) -> None:
    assert keep("init").code == 0
    assert stat.S_IMODE((tmp_path / "v").stat().st_mode) == 0o600
    assert keep("list").out == ""
    said = keep("set", "hawk/key", given=f"{CANARY}\n")
    assert (said.code, said.out) == (0, "")
    assert 'a config refers to it as {secret: "vault:hawk/key"}' in said.err
    keep("set", "chick.key", given=CANARY)
    assert keep("list").out == "chick.key\nhawk/key\n"
    assert json.loads(keep("list", "--format", "json").out) == ["chick.key", "hawk/key"]
    assert keep("test").out == f"{tmp_path / 'v'}: opens, and holds 2 secrets\n"
    assert keep("rm", "chick.key").code == 0
    assert keep("list").out == "hawk/key\n"
    assert b"canary" not in (tmp_path / "v").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_a_config_is_followed_to_every_secret(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG)
    keep("init")
    keep("set", "hawk/key", given=CANARY)
    monkeypatch.setenv("X", CANARY)
    said = keep("test", "--config", "c.yaml")
    assert said.code == 1
    assert said.out.splitlines()[:2] == ["ok      api_key of hawk: vault", "ok      api_secret of hawk: env"]
    assert said.out.splitlines()[2].startswith(
        "failed  api_key of chick: key cannot be read (No such file or directory)"
    )
    (tmp_path / "key").write_text(CANARY)
    (tmp_path / "key").chmod(0o600)
    assert keep("test", "--config", "c.yaml").code == 0
    guards = 'owner: me\n    guard_credentials: {api_key: {secret: "env:NONE"}}'
    (tmp_path / "c.yaml").write_text(CONFIG.replace("owner: me", guards, 1))
    said = keep("test", "--config", "c.yaml")
    assert (said.code, "failed  api_key of the guard of hawk: " in said.out) == (1, True)


REFUSED: list[tuple[tuple[str, ...], str, str]] = [
    (("init",), "", "is there already; name another file"),
    (("set", "../x"), CANARY, "a name has letters, digits and _ . - with / between parts"),
    (("set", "there"), CANARY, "holds there already; add --replace to replace it"),
    (("set", "empty"), " \n", "expected a secret of 1 to 65536 plain characters; nothing was written"),
    (("set", "large"), "x" * 70_000, "expected a secret of 1 to 65536 plain characters; nothing was written"),
    (("rm", "gone"), "", "holds no such name"),
]


@pytest.mark.parametrize(("args", "given", "words"), REFUSED, ids=[" ".join(args) for args, _, _ in REFUSED])
def test_what_cannot_be_done_changes_nothing(
    keep: Keep, tmp_path: Path, args: tuple[str, ...], given: str, words: str
) -> None:
    keep("init")
    keep("set", "there", given="another secret")
    before = (tmp_path / "v").read_bytes()
    said = keep(*args, given=given)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert (tmp_path / "v").read_bytes() == before


def test_a_wrong_passphrase_and_a_changed_file_say_the_same(keep: Keep, tmp_path: Path) -> None:
    keep("init")
    wrong = keep("list", passphrase="wrong horse battery")
    raw = bytearray((tmp_path / "v").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "v").write_bytes(raw)
    changed = keep("list")
    assert wrong == changed == Said(2, "", f"eagle: {tmp_path / 'v'}: {vaults.CANNOT_OPEN}\n")


def test_a_vault_that_others_may_read_or_behind_a_link_is_not_opened(keep: Keep, tmp_path: Path) -> None:
    keep("init")
    (tmp_path / "v").chmod(0o644)
    assert "others may read" in keep("list").err
    (tmp_path / "v").chmod(0o600)
    (tmp_path / "v").rename(tmp_path / "elsewhere")
    (tmp_path / "v").symlink_to("elsewhere")
    said = keep("set", "x", given=CANARY)
    assert (said.code, "is a link, which is easily moved" in said.err) == (2, True)


def test_a_passphrase_is_needed_and_a_short_one_is_none(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "of 8 characters or more is needed" in keep("init", passphrase="short").err
    assert "gives no passphrase" in keep("init", passphrase="").err
    monkeypatch.setattr("cli.resolve._has_terminal", lambda: False)
    said = keep("init", passphrase=None)
    assert (said.code, "nobody can be asked: give --passphrase-fd N" in said.err) == (2, True)
    said = keep("init", "--passphrase-fd", 99, passphrase=None)
    assert (said.code, "--passphrase-fd: 99 cannot be read (Bad file descriptor)" in said.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_systemd_hands_over_the_passphrase(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "eagle-vault").write_text(f"{PASSPHRASE}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert keep("init", passphrase=None).code == 0
    assert keep("set", "key", given=CANARY).code == 0  # by the open file: the same
    assert keep("list", passphrase=None).out == "key\n"


def test_a_write_that_fails_leaves_the_old_vault(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep("init")
    keep("set", "key", given=CANARY)
    before = (tmp_path / "v").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        said = keep("set", "other", given=CANARY)
    assert (said.code, "cannot be written (No space left on device); nothing was written" in said.err) == (2, True)
    assert (tmp_path / "v").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_two_commands_wait_for_each_other(tmp_path: Path) -> None:
    with keeping._locked(tmp_path / "v"):
        child = os.fork()
        if not child:
            import fcntl

            number = os.open(tmp_path, os.O_RDONLY)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_person_types_what_is_not_shown(tmp_path: Path) -> None:
    """On a real terminal, with the real cost of a passphrase."""
    with Terminal("vault", "init", "--vault", "v", folder=tmp_path) as terminal:
        terminal.read_until("passphrase of v: ")
        terminal.type(f"{PASSPHRASE}\r")
        terminal.read_until("once more: ")
        terminal.type(f"{PASSPHRASE}\r")
        told = terminal.read_to_the_end()
        assert terminal.process.returncode == 0, told
        assert PASSPHRASE not in told
    with Terminal("vault", "set", "key", "--vault", "v", folder=tmp_path) as terminal:
        terminal.read_until("passphrase of v: ")
        terminal.type(f"{PASSPHRASE}\r")
        terminal.read_until("key (not shown): ")
        terminal.type(f"{CANARY}\r")
        told = terminal.read_to_the_end()
        assert terminal.process.returncode == 0, told
        assert "canary" not in told
    with Terminal("vault", "list", "--vault", "v", folder=tmp_path) as terminal:
        terminal.read_until("passphrase of v: ")
        terminal.type("\x03")
        assert "interrupted" in terminal.read_to_the_end()
        assert terminal.process.returncode == 130
