"""Commands and URLs: bounded in time and in what they may say, and an outcome in words whatever they do."""

from __future__ import annotations

import json
import logging
import os
import select
import threading
from pathlib import Path

import pytest
from alert_kit import call, python, service

from engine.runtime.alert_channels import CommandChannel, Outcome, as_json
from engine.runtime.alert_urls import MOST_HANGING, UrlChannel, UrlUnusable
from engine.runtime.secrets import Secret

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # apprise 2.3 on Python 3.11 and 3.12
CALM = threading.Event()


def run(argv: list[str], *, timeout_s: float = 30) -> Outcome:
    return CommandChannel(argv, timeout_s=timeout_s).deliver(call(), hurry=CALM)


# --- commands


def test_a_command_gets_the_fact_as_one_line_of_json_and_no_shell(tmp_path: Path) -> None:
    path = tmp_path / "told"
    script = f"import sys; open({str(path)!r}, 'w').write(sys.argv[1] + sys.stdin.read())"
    assert run([*python(script), "$HOME;`id`"]) == Outcome(True, "exit code 0")
    word, told = path.read_text().split("{", 1)
    assert word == "$HOME;`id`"
    assert json.loads("{" + told) == {
        "code": "hedge_stuck", "level": "person", "text": "no account takes the hedge of 0.02 ETH-PERP",
        "advice": "Hedge by hand.", "facts": {}, "held_back": 0, "time": "2026-01-31T12:00:00.123Z",
        "run": 3, "flow": "eagle_chicken", "market": "ETH-PERP", "program": "eagle-flow 0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys; sys.exit(3)", "exit code 3"),
        ("import sys; sys.exit('no route\\n\\x1b[2Jto host')", "exit code 1: no route [2Jto host"),
        ("import os; os.kill(os.getpid(), 9)", "ended by signal 9"),
        ("import os; os.close(0); raise SystemExit(4)", "exit code 4"),
    ],
)
def test_a_command_that_fails_is_told_with_its_complaint(script: str, words: str) -> None:
    assert run(python(script)) == Outcome(False, words)


def test_a_command_that_prints_megabytes_is_read_to_the_end_and_told_in_a_few_words() -> None:
    script = "import sys; sys.stdout.write('o' * 9_000_000); sys.stderr.write('e' * 9_000_000); sys.exit(1)"
    assert run(python(script)) == Outcome(False, f"exit code 1: {'e' * 200}")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-such-program-here"], "cannot be started: No such file or directory; is it on the PATH and executable?"),
        (["/"], "cannot be started: Permission denied; is it on the PATH and executable?"),
        (["a\0b"], "cannot be started: embedded null byte; is it on the PATH and executable?"),
    ],
)
def test_a_command_that_cannot_be_started_is_told(argv: list[str], words: str) -> None:
    assert run(argv) == Outcome(False, words)


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    hung = CommandChannel(["sh", "-c", f"exec 9> '{fifo}'; echo x >&9; sleep 600 & wait"], timeout_s=1)
    try:
        assert hung.deliver(call(), hurry=CALM) == Outcome(False, "killed after 1 s")
        assert os.read(reader, 9) == b"x\n"
        assert select.select([reader], [], [], 30)[0] == [reader]
        assert os.read(reader, 1) == b""  # every writer is gone
    finally:
        os.close(reader)


def test_a_call_fits_into_a_pipe_that_nobody_reads() -> None:
    """Else a command that ignores its stdin would hang the thread before its time began."""
    long = call("\x00" * 100_000, **{f"fact{n}": "\x00" * 100_000 for n in range(100)})
    assert len(as_json(long)) < 65_536
    assert json.loads(as_json(long))["code"] == "hedge_stuck"


# --- URLs


def test_a_service_that_fails_twice_gets_the_message_at_the_third_attempt() -> None:
    with service(503, 500, 200) as chat:
        channel = UrlChannel("phone", Secret(chat.url), timeout_s=30, waits_s=(0.001, 0.001, 0.001))
        assert channel.deliver(call(), hurry=CALM) == Outcome(True, "accepted at attempt 3")
    assert len(chat.got) == 3
    assert (chat.got[-1]["title"], chat.got[-1]["type"]) == (
        "eagle person: hedge_stuck (run 3, eagle_chicken on ETH-PERP)",
        "failure",
    )
    assert chat.got[-1]["message"] == (
        "no account takes the hedge of 0.02 ETH-PERP\n\nWhat to do: Hedge by hand.\n\n"
        "2026-01-31T12:00:00.123Z, eagle-flow 0"
    )


def test_a_service_that_refuses_is_told_without_a_word_of_its_url(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with service(401) as chat:
        channel = UrlChannel("phone", Secret(chat.url), timeout_s=30, waits_s=(0.001,))
        said = channel.deliver(call(), hurry=CALM)
    assert said == Outcome(False, "the service answered with HTTP status 401; 2 attempts")
    gone = UrlChannel("phone", Secret(chat.url), timeout_s=30, waits_s=()).deliver(call(), hurry=CALM)
    assert gone == Outcome(False, "no connection to the service; 1 attempt")
    assert "canary" not in f"{said} {channel.name} {channel!r}"
    assert capfd.readouterr() == ("", "")
    assert "canary" not in caplog.text


def test_a_service_that_hangs_is_left_behind_and_not_without_end() -> None:
    with service(200) as chat:
        chat.let_go.clear()
        channel = UrlChannel("phone", Secret(chat.url), timeout_s=0.05, waits_s=())
        channel._service[0].socket_read_timeout = 60  # a plugin that does not care for the time it is given
        said = [channel.deliver(call(), hurry=CALM).text for _ in range(MOST_HANGING + 1)]
    assert said == ["no answer within 0.05 s; 1 attempt"] * MOST_HANGING + ["3 former attempts still hang; 1 attempt"]


def test_in_a_hurry_attempts_follow_at_once() -> None:
    """At the end of a run nobody waits half a minute for the next one."""
    hurry = threading.Event()
    hurry.set()
    with service(500, 200) as chat:
        channel = UrlChannel("phone", Secret(chat.url), timeout_s=30, waits_s=(3600,))
        assert channel.deliver(call(), hurry=hurry) == Outcome(True, "accepted at attempt 2")


@pytest.mark.parametrize("text", ["canary", "canary://x", "tgram://canary", "json://"])
def test_a_url_that_apprise_cannot_use_is_refused_without_being_shown(
    text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UrlUnusable) as caught:
        UrlChannel("phone", Secret(text), timeout_s=1)
    assert str(caught.value).startswith("URL phone: apprise cannot use what the reference holds")
    assert "canary" not in f"{caught.value}{capfd.readouterr()}"


def test_without_apprise_the_words_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(UrlUnusable, match=r"run: pip install 'eagle-flow\[notify\]'"):
        UrlChannel("phone", Secret("json://x"), timeout_s=1)
