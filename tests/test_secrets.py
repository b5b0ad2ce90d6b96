"""A secret is read from where the config refers to, and shows nowhere: not in a repr, not in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import SecretUnreadable
from engine.runtime.credentials import Reference
from engine.runtime.secrets import LARGEST, Secret, read_secret

CANARY = "tgram://canary-token/1"


def test_a_secret_is_read_without_its_line_end_and_does_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "url"
    path.touch(mode=0o600)
    path.write_text(f"{CANARY}\n")
    monkeypatch.setenv("EAGLE_TEST_URL", CANARY)
    for reference in (Reference("file", str(path)), Reference("env", "EAGLE_TEST_URL")):
        secret = read_secret(reference, what="URL phone")
        assert secret == Secret(CANARY)
        assert "canary" not in f"{secret!r} {secret}"


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0o600, "cannot be read (No such file or directory); paths are relative to where eagle is started"),
        (CANARY, 0o640, "(mode 0640); run: chmod 600 "),
        (" \n", 0o600, "is empty; write the secret into it"),
        (b"\xff\xfe", 0o600, "holds no text of up to 64 KiB"),
        (CANARY * LARGEST, 0o600, "holds no text of up to 64 KiB"),
    ],
)
def test_what_cannot_be_used_is_refused_without_being_shown(
    tmp_path: Path, content: str | bytes | None, mode: int, words: str
) -> None:
    path = tmp_path / "url"
    if content is not None:
        path.touch()
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
    with pytest.raises(SecretUnreadable) as caught:
        read_secret(Reference("file", str(path)), what="URL phone")
    assert str(caught.value).startswith("URL phone: ")
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_environment_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EAGLE_TEST_URL", raising=False)
    with pytest.raises(SecretUnreadable, match="there is no environment variable EAGLE_TEST_URL"):
        read_secret(Reference("env", "EAGLE_TEST_URL"), what="URL phone")


def test_the_tokens_inside_a_url_are_starred_out_too() -> None:
    assert Secret("tgram://123456789:AAHcanary0000/-100200300/").pieces()[1:] == (
        "123456789", "AAHcanary0000", "-100200300",
    )  # fmt: skip
    assert Secret("mailtos://user:hunter22@smtp.example-1.com:465/?to=a@b.c").pieces()[1:] == ("hunter22",)
    assert Secret("plain").pieces() == ("plain",)
