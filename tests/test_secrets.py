"""A secret is read from where the config refers to, and shows nowhere: not in a repr, not in an error, not in a log."""

from __future__ import annotations

import base64
import copy
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import SecretUnreadable
from engine.runtime.credentials import Reference, parse_reference
from engine.runtime.secret_sources import read_secret
from engine.runtime.secrets import MASK, Secret, redacted
from engine.runtime.vault import LARGEST_SECRET, Vault, new_vault

CANARY = "canary-0001-of-a-secret"
IS_ROOT = os.geteuid() == 0


def no_vault() -> Vault:
    raise AssertionError("the vault was opened for nothing")


def read(text: str, *, vault: Callable[[], Vault] = no_vault) -> Secret:
    return read_secret(parse_reference(text), what="api_key of hawk", vault=vault)


# --- a secret does not show


SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "f-string": lambda secret: f"{secret} {secret!r} {secret!s:>40}",
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "inside": lambda secret: repr([{"key": (secret,)}]),
    "json": lambda secret: json.dumps({"key": secret}, default=str),
    "dir": lambda secret: str([getattr(secret, name) for name in dir(secret) if not name.startswith("_")]),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=list(SHOWN))
def test_a_secret_does_not_show(show: Callable[[Secret], str]) -> None:
    assert "canary" not in show(Secret(CANARY))


def test_a_secret_is_neither_pickled_nor_made_into_json_and_a_copy_is_itself() -> None:
    secret = Secret(CANARY)
    for wrong in (lambda: pickle.dumps(secret), lambda: json.dumps(secret)):
        with pytest.raises(TypeError) as caught:
            wrong()
        assert "canary" not in str(caught.value)
    assert copy.deepcopy([secret])[0] is copy.copy(secret) is secret
    assert secret == Secret(CANARY) != Secret("another-secret")
    assert secret != CANARY
    assert secret.reveal() == CANARY


# --- what was loaded is starred out of every text


KEY = bytes(range(200, 232))
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in a sentence": lambda text: f'{{"X-API-Key":"{text}"}}',
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "basic authentication": lambda text: base64.b64encode(b"user:" + text.encode()).decode(),
    "basic, shifted": lambda text: base64.b64encode(b"a:" + text.encode() + b"!").decode(),
    "basic, shifted twice": lambda text: base64.b64encode(b"a" + text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "of a URL": lambda text: text.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D"),
    "repr": repr,
    "json": json.dumps,
    "key bytes as hex": lambda _: KEY.hex(),
    "key bytes for URLs": lambda _: base64.urlsafe_b64encode(KEY).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_every_form_of_a_loaded_secret_is_starred_out(form: Callable[[str], str]) -> None:
    text = base64.b64encode(KEY).decode()
    assert redacted(form(text)) == form(text)  # nothing is loaded yet
    Secret(text)
    shown = redacted(f"before {form(text)} after")
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert [part for part in (text[i : i + 8] for i in range(len(text) - 7)) if part in shown] == []
    inner = form(text).strip("'\"")[8:-8]
    assert inner not in shown


def test_a_key_of_several_lines_is_starred_out_line_by_line_and_escaped() -> None:
    text = "-----BEGIN X-----\nabcd1234efgh5678\n-----END X-----"
    Secret(text)
    assert redacted("x abcd1234efgh5678 y") == "x *** y"
    assert "abcd1234" not in redacted(json.dumps(text)) + redacted(repr(text))


@pytest.mark.parametrize("text", ["short", "281474976710654", ""])
def test_what_is_short_or_an_account_index_is_not_starred_out(text: str) -> None:
    Secret(text)
    assert redacted("a short text about 281474976710654") == "a short text about 281474976710654"


def test_the_tokens_inside_a_url_are_starred_out_too() -> None:
    Secret("tgram://123456789:AAHcanary0000/-100200300/")
    Secret("mailtos://user:hunter22@smtp.example-1.com:465/?to=a@b.c")
    told = redacted("bot 123456789 and AAHcanary0000 of -100200300; hunter22 at smtp.example-1.com")
    assert told == "bot *** and *** of ***; *** at smtp.example-1.com"


def test_the_longer_of_two_secrets_is_starred_out_whole() -> None:
    Secret("canary-one")
    Secret("canary-one-and-more")
    assert redacted("canary-one-and-more canary-one") == "*** ***"


# --- what other people's code prints


def test_log_records_of_any_library_hold_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    log = logging.getLogger("somebody.else")
    caplog.set_level(logging.DEBUG)
    log.debug("> X-API-Key: %s", secret.reveal())
    log.warning(f"sent {base64.b64encode(CANARY.encode()).decode()}")
    log.warning("%d is wrong", CANARY)
    try:
        raise ValueError(CANARY)
    except ValueError:
        log.exception("it failed with %s", {"key": CANARY})
    assert "ValueError: ***" in caplog.text
    assert "canary" not in caplog.text
    assert base64.b64encode(CANARY.encode()).decode() not in caplog.text


@pytest.mark.parametrize("hook", ["main", "thread"])
def test_the_traceback_of_an_uncaught_exception_holds_no_secret(hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, plain in (
        (sys, "excepthook", sys.__excepthook__),
        (threading, "excepthook", threading.__excepthook__),
    ):
        monkeypatch.setattr(module, name, plain)
    monkeypatch.setattr(logging, "_logRecordFactory", logging.LogRecord)
    said: list[str] = []
    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(write=said.append))
    Secret(CANARY)
    try:
        raise ValueError(f"cannot sign with {CANARY}")
    except ValueError as wrong:
        if hook == "main":
            sys.excepthook(ValueError, wrong, wrong.__traceback__)
        else:
            threading.excepthook(threading.ExceptHookArgs((ValueError, wrong, wrong.__traceback__, None)))
    assert "ValueError: cannot sign with ***" in "".join(said)
    assert "canary" not in "".join(said)


# --- following references


def put(path: Path, content: str | bytes, *, mode: int = 0o600) -> Path:
    path.touch()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def test_a_secret_is_read_from_everywhere_without_its_line_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "key", f"{CANARY}\n")
    monkeypatch.setenv("EAGLE_TEST_KEY", CANARY)
    monkeypatch.setenv("HOME", str(tmp_path))
    service = types.SimpleNamespace(get_password=lambda service, user: {("eagle", "hawk/key"): CANARY}[service, user])
    monkeypatch.setitem(sys.modules, "keyring", service)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "keyring.errors", types.SimpleNamespace(KeyringError=OSError))  # type: ignore[arg-type]
    vault = new_vault(Secret("of a test"), cost=12).with_entry("hawk/key", Secret(CANARY))
    for text in (
        f"file:{tmp_path}/key", "file:~/key", f"cmd:cat '{tmp_path}/key'", "env:EAGLE_TEST_KEY",
        "keyring:eagle/hawk/key",
    ):  # fmt: skip
        assert read(text) == Secret(CANARY), text
    assert read("vault:hawk/key", vault=lambda: vault) == Secret(CANARY)
    assert read_secret(Reference("number", "12"), what="", vault=no_vault).reveal() == "12"


FILES: list[tuple[str | bytes | None, int, str]] = [
    (None, 0o600, "cannot be read (No such file or directory); paths are relative to where eagle is started"),
    (CANARY, 0o640, "(mode 0640); run: chmod 600 "),
    (CANARY, 0o604, "(mode 0604); run: chmod 600 "),
    (" \n", 0o600, "is empty; write the secret into it"),
    (b"canary\xff\xfe", 0o600, "holds no text; is it the right file?"),
    (CANARY * LARGEST_SECRET, 0o600, "holds more than 64 KiB; is it the right file?"),
]


@pytest.mark.parametrize(("content", "mode", "words"), FILES)
def test_a_file_that_cannot_be_used_is_refused_without_being_shown(
    tmp_path: Path, content: str | bytes | None, mode: int, words: str
) -> None:
    if content is not None:
        put(tmp_path / "key", content, mode=mode)
    assert words in refusal(f"file:{tmp_path}/key")


def test_a_link_a_folder_and_a_pipe_are_no_files_for_secrets(tmp_path: Path) -> None:
    put(tmp_path / "key", CANARY)
    (tmp_path / "link").symlink_to("key")
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert f"is a link, which is easily moved; name the file itself ({tmp_path}/key)" in refusal(
        f"file:{tmp_path}/link"
    )
    assert "is no file" in refusal(f"file:{tmp_path}")
    assert "is no file" in refusal(f"file:{tmp_path}/pipe")


@pytest.mark.skipif(not IS_ROOT, reason="only the superuser gives files away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(put(tmp_path / "key", CANARY), 4242, -1)
    assert "belongs to user 4242, you are 0" in refusal(f"file:{tmp_path}/key")


COMMANDS = [
    ("cmd:no-such-program-here", "the command no-such-program-here cannot be started (No such file or directory)"),
    ("cmd:false", "the command false ended with exit code 1"),
    ("cmd:true", "what the command true gives is empty"),
    (r"cmd:printf '\377'", "what the command printf gives is no text"),
]


@pytest.mark.parametrize(("text", "words"), COMMANDS)
def test_a_command_that_gives_no_secret_is_named(text: str, words: str) -> None:
    assert words in refusal(text)


def test_no_shell_reads_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EAGLE_TEST_KEY", CANARY)
    assert read("cmd:echo $EAGLE_TEST_KEY `id` $(id) *").reveal() == "$EAGLE_TEST_KEY `id` $(id) *"
    assert read(f"cmd:echo >{tmp_path}/x").reveal() == f">{tmp_path}/x"
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EAGLE_TEST_KEY", raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)  # type: ignore[arg-type]
    empty = new_vault(Secret("of a test"), cost=12)
    assert "there is no environment variable EAGLE_TEST_KEY" in refusal("env:EAGLE_TEST_KEY")
    assert "pip install 'eagle-flow[keyring]'" in refusal("keyring:eagle/hawk")
    with pytest.raises(SecretUnreadable, match="the vault holds no hawk/key; put it there: eagle vault set hawk/key"):
        read("vault:hawk/key", vault=lambda: empty)


def refusal(text: str) -> str:
    with pytest.raises(SecretUnreadable) as caught:
        read(text)
    told = str(caught.value)
    assert told.startswith("api_key of hawk: ")
    assert "canary" not in told
    assert caught.value.exit_code == 2
    return told


# --- how a reference is written


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("vault:bp1/key", Reference("vault", "bp1/key")),
        ("file:keys/one two", Reference("file", "keys/one two")),
        ("cmd:pass show 'eagle key'", Reference("cmd", "pass show 'eagle key'")),
        ("env:HAWK_KEY", Reference("env", "HAWK_KEY")),
        ("keyring:eagle/hawk", Reference("keyring", "eagle/hawk")),
    ],
)
def test_a_reference_is_a_source_and_a_place(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("canary", "does not begin with vault:, file:, cmd:, env: or keyring:"),
        ("vault:", "needs a name of letters"),
        ("vault:../canary", "needs a name of letters, digits and _ . -"),
        ("vault:canary/", "needs a name of letters, digits and _ . -"),
        ("env:CANARY=canary", "needs the name of an environment variable behind env:"),
        ("file:", "needs a path behind file:"),
        ("file: ", "needs a path behind file:"),
        ("file:canary/.env", "is a .env file, and none is ever read (E2)"),
        ("keyring:canary", "needs SERVICE/USER behind keyring:"),
        ("cmd:'canary", "has a quote without its end"),
        ("cmd:cat canary | head -1", "which no shell reads; put what needs a shell into a script"),
        ("cmd:''", "cannot"),
    ],
)
def test_what_is_no_reference_is_told_without_being_repeated(text: str, words: str) -> None:
    if words == "cannot":
        assert "cannot be started" in refusal(text)
        return
    with pytest.raises(ValueError, match=r"^(does|needs|is|has) ") as caught:
        parse_reference(text)
    assert words in str(caught.value)
    assert "canary" not in str(caught.value).lower()


def test_no_adapter_knows_how_to_move_money_out() -> None:
    """Keys that may do more than trade are never asked to."""
    words = re.compile(r"withdraw|transfer|payout|PubKey|send_asset", re.IGNORECASE)
    root = Path(__file__).parents[1] / "exchanges"
    files = [
        *root.glob("backpack/**/*.py"),
        *root.glob("lighter/**/*.py"),
        *root.glob("okx/**/*.py"),
        root / "http.py",
        root / "link.py",
    ]
    assert len(files) > 15
    assert [f"{path.name}: {found}" for path in files if (found := words.search(path.read_text()))] == []


def test_once_a_secret_is_loaded_the_process_leaves_no_core_dump() -> None:
    script = (
        "import resource; from engine.runtime.secrets import Secret; Secret('a secret of a test');"
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "0\n"
