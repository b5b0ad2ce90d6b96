"""`eagle doctor` on files: journals, counters, permissions and secrets, each made wrong for real."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_kit import ROOT, Eagle, Said, eagle

from cli import doctor_journal, doctor_private
from cli.examined import Examined, Health
from engine.runtime.control_socket import open_socket

__all__ = ["eagle"]

RUN = ("run", "--speed", "max", "--rounds", 1)
IS_ROOT = os.geteuid() == 0
OK, WARNING, FAILED = Health.OK, Health.WARNING, Health.FAILED


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the state of the one run is kept of which each test gets a copy; there is none before the first."""
    return tmp_path_factory.mktemp("ran") / "state"


@pytest.fixture
def journal(eagle: Eagle, tmp_path: Path, ran: Path) -> Path:
    """Of one run that ended well, with its counter."""
    state = tmp_path / "state"
    if ran.exists():
        shutil.copytree(ran, state)
    else:
        assert eagle(*RUN).code == 0
        shutil.copytree(state, ran)
    return state / "eagle.sqlite"


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def sql(journal: Path, statement: str) -> None:
    with sqlite3.connect(journal) as connection:
        connection.execute(statement)
    connection.close()


def verdict(found: Iterator[Examined], check: str) -> tuple[Health, str]:
    (it,) = [it for it in found if it.check == check]
    assert bool(it.advice) == (it.health is not OK)
    return it.health, it.found


# --- the journal


def test_a_sound_journal(journal: Path) -> None:
    found = list(doctor_journal.journal(journal))
    assert [(it.check, it.health) for it in found] == [("journal", OK), ("last run", OK), ("run counter", OK)]
    assert found[2].found == "the next run is 2"


def damage(journal: Path) -> None:
    content = bytearray(journal.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    journal.write_bytes(content)


BROKEN: list[tuple[str, Callable[[Path], object], str]] = [
    ("damaged", damage, "journal is damaged ("),
    ("newer", lambda path: sql(path, "PRAGMA user_version = 99"), "journal has version 99, this program writes"),
    ("foreign", lambda path: path.write_text("words"), "is not an SQLite file"),
    ("empty", lambda path: path.write_text(""), "is empty, not a journal"),
    ("log alone", lambda path: path.with_name(path.name + "-wal").write_text("x"), "eagle.sqlite-wal lies beside it"),
]


@pytest.mark.parametrize(("break_it", "words"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_journal_that_cannot_be_used(journal: Path, break_it: Callable[[Path], object], words: str) -> None:
    break_it(journal)
    health, found = verdict(doctor_journal.journal(journal), "journal")
    assert health is FAILED
    assert found.startswith(f"{journal} {words}")


def test_a_folder_is_no_journal(journal: Path) -> None:
    assert verdict(doctor_journal.journal(journal.parent), "journal")[0] is FAILED


LAST = [
    ("exit_code = NULL, ended_wall_ms = NULL", WARNING, " has no end and does not answer: its process died"),
    ("exit_code = 1", WARNING, "run 1 ended with exit code 1, in virtual time"),
    ("ended_wall_ms = 9999999999999", FAILED, " of 2286-11-20 17:46:39 UTC, which is still to come"),
]


@pytest.mark.parametrize(("change", "health", "words"), LAST)
def test_how_the_last_run_ended(journal: Path, change: str, health: Health, words: str) -> None:
    sql(journal, f"UPDATE runs SET {change}")
    found = verdict(doctor_journal.journal(journal), "last run")
    assert found[0] is health
    assert words in found[1]


def test_a_run_that_goes_on(journal: Path) -> None:
    sql(journal, "UPDATE runs SET exit_code = NULL, ended_wall_ms = NULL")
    with open_socket(journal.parent, 1):
        health, found = verdict(doctor_journal.journal(journal), "last run")
        assert health is OK
        assert found.startswith("run 1 goes on since ")
    assert verdict(doctor_journal.journal(journal), "last run")[0] is WARNING


COUNTERS = [
    ("0", FAILED, " says 0, the journal has run 1: order ids would come back (S15)"),
    ("seven", FAILED, ": expected the last run number, found b'seven'"),
    (None, WARNING, " is lost; the next run counts on from 1, the journal's highest"),
    ("9", OK, "the next run is 10"),
]


@pytest.mark.parametrize(("text", "health", "words"), COUNTERS)
def test_a_counter_that_would_bring_ids_back(journal: Path, text: str | None, health: Health, words: str) -> None:
    counter = journal.with_name("run_number")
    counter.unlink() if text is None else counter.write_text(text)
    found = verdict(doctor_journal.journal(journal), "run counter")
    assert found[0] is health
    assert found[1].endswith(words)


def test_a_counter_without_a_journal_is_looked_at_too(journal: Path) -> None:
    journal.unlink()
    journal.with_name("run_number").write_text("x")
    assert verdict(doctor_journal.journal(journal), "run counter")[0] is FAILED


def test_a_journal_in_use_is_read_without_being_in_the_way(journal: Path) -> None:
    """The newest rows are in its log, and the writer goes on."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA journal_mode = WAL'); c.execute('PRAGMA wal_autocheckpoint = 0');"
        "c.execute('UPDATE runs SET exit_code = 1'); print('ready', flush=True); sys.stdin.readline();"
        "c.execute('UPDATE runs SET exit_code = 0'); print('written', flush=True)"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    assert verdict(doctor_journal.journal(journal), "last run")[0] is WARNING
    writer.stdin.write("\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "written\n"
    assert writer.wait() == 0
    writer.stdin.close()
    writer.stdout.close()


# --- who may touch what


def faults(found: Iterator[Examined]) -> list[tuple[str, Health, str]]:
    return [(it.check, it.health, it.found) for it in found if it.health is not OK]


def test_what_a_run_makes_is_private(journal: Path) -> None:
    assert faults(doctor_private.state(journal)) == []


def test_a_state_folder_that_is_open_to_others(journal: Path) -> None:
    folder = journal.parent
    folder.chmod(0o755)
    assert faults(doctor_private.state(journal)) == [("state folder", WARNING, f"{folder} can be read by others")]
    folder.chmod(0o770)
    journal.chmod(0o640)
    journal.with_name("run_number").chmod(0o606)
    assert faults(doctor_private.state(journal)) == [
        ("state folder", FAILED, f"{folder} can be changed by others"),
        ("state file", WARNING, f"{journal} can be read by others"),
        ("state file", FAILED, f"{journal.with_name('run_number')} can be changed by others"),
    ]


def test_a_state_folder_that_is_a_link(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("state")
    found = faults(doctor_private.state(tmp_path / "link" / journal.name))
    assert found == [("state folder", WARNING, f"{tmp_path / 'link'} is a link to {journal.parent}")]


@pytest.mark.skipif(not IS_ROOT, reason="only the superuser gives files away")
def test_a_file_of_somebody_else(journal: Path) -> None:
    os.chown(journal, 4242, -1)
    assert faults(doctor_private.state(journal)) == [
        ("state file", FAILED, f"{journal} belongs to user 4242, you are root")
    ]


@pytest.fixture
def real(eagle: Eagle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Said]:
    """A config of a real venue whose secrets are as they should be; looks at it."""
    said = eagle(
        "init", "c.yaml", "--yes", "--venue", "backpack", "--market", "ETH-PERP", "--symbol", "backpack=ETH_USDC_PERP",
        "--use", "maker=hawk", "--use", "takers=chick", "--owner", "me", "--owner", "chick=you", "--set",
        "quantity=0.01", "--limit", "max_loss_run=9", "--credential", "chick.api_key=env:CHICK_KEY",
    )  # fmt: skip
    assert said.code == 0, said.err
    (tmp_path / "keys").mkdir(mode=0o700)
    for name in ("hawk_api_key", "hawk_api_secret", "chick_api_secret"):
        (tmp_path / "keys" / name).write_text("a secret")
        (tmp_path / "keys" / name).chmod(0o600)
    monkeypatch.setenv("CHICK_KEY", "a secret")
    return lambda: eagle("doctor", "--config", "c.yaml")


def told(said: Said) -> list[str]:
    """What was found wrong."""
    lines = said.out.splitlines()
    return [line for line in lines if line.startswith(("failed", "warning")) and line[9:16] in ("config ", "secrets")]


def test_secrets_in_their_places_are_ok_and_never_shown(real: Callable[[], Said]) -> None:
    said = real()
    assert told(said) == []
    assert "secrets         all 4 are where the config says, and yours alone\n" in said.out
    assert "a secret" not in said.out


SECRETS: list[tuple[str, Callable[[Path], object], str]] = [
    ("gone", lambda path: path.unlink(), "cannot be found (No such file or directory)"),
    ("empty", lambda path: path.write_text(""), "is empty"),
    ("a folder", lambda path: (path.unlink(), path.mkdir()), "is no file"),
    ("readable", lambda path: path.chmod(0o640), "can be read by others"),
    ("writable", lambda path: path.chmod(0o602), "can be changed by others"),
    ("replaceable", lambda path: path.parent.chmod(0o777), "others can replace files in "),
]


@pytest.mark.parametrize(("break_it", "words"), [case[1:] for case in SECRETS], ids=[case[0] for case in SECRETS])
def test_a_secret_that_is_missing_or_open(
    real: Callable[[], Said], tmp_path: Path, break_it: Callable[[Path], object], words: str
) -> None:
    break_it(tmp_path / "keys" / "hawk_api_key")
    said = real()
    assert said.code == 1
    assert any(line.startswith("failed   secrets         api_key of hawk: ") and words in line for line in told(said))


def test_a_secret_behind_a_link_fails(real: Callable[[], Said], tmp_path: Path) -> None:
    shutil.move(tmp_path / "keys" / "hawk_api_key", tmp_path / "keys" / "elsewhere")
    (tmp_path / "keys" / "hawk_api_key").symlink_to("elsewhere")
    (line,) = told(real())
    assert line.startswith("failed   secrets         api_key of hawk: ")
    assert "is a link to" in line


def test_a_variable_that_is_not_set(real: Callable[[], Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHICK_KEY", "")
    assert told(real()) == ["failed   secrets         api_key of chick: the variable CHICK_KEY is not set"]


def test_a_key_of_the_guard_that_is_not_there(real: Callable[[], Said], tmp_path: Path) -> None:
    config = (tmp_path / "c.yaml").read_text()
    mine = "    credentials:\n"
    (tmp_path / "c.yaml").write_text(
        config.replace(mine, '    guard_credentials: {api_key: {secret: "env:NO"}}\n' + mine, 1)
    )
    assert told(real()) == ["failed   secrets         api_key of the guard of hawk: the variable NO is not set"]


def test_a_config_that_others_can_touch(real: Callable[[], Said], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").chmod(0o644)
    assert told(real()) == ["warning  config file     c.yaml can be read by others"]
    (tmp_path / "c.yaml").chmod(0o666)
    assert told(real()) == ["failed   config file     c.yaml can be changed by others"]


def test_a_paper_config_may_be_read_by_others(eagle: Eagle, tmp_path: Path) -> None:
    shutil.copy(ROOT / "docs" / "examples" / "eagle_paper.yaml", tmp_path / "c.yaml")
    (tmp_path / "c.yaml").chmod(0o644)
    assert told(eagle("doctor", "--config", "c.yaml")) == []


def test_an_alert_command_or_url_that_is_not_there(eagle: Eagle, tmp_path: Path) -> None:
    example = (ROOT / "docs" / "examples" / "eagle_paper.yaml").read_text()
    alerts = 'alerts:\n  command: [no-such-command]\n  urls: {phone: {secret: "env:NO_SUCH_URL"}}\n'
    (tmp_path / "c.yaml").write_text(example.partition("alerts:")[0] + alerts)
    (tmp_path / "c.yaml").chmod(0o600)
    out = eagle("doctor", "--config", "c.yaml").out
    assert "failed   alerts          the command no-such-command cannot be found\n" in out
    assert "failed   secrets         alert URL phone: the variable NO_SUCH_URL is not set\n" in out
    (tmp_path / "c.yaml").write_text(example.partition("alerts:")[0] + "alerts: {command: [sh, -c, true]}\n")
    assert "ok       alerts          " in eagle("doctor", "--config", "c.yaml").out


def test_a_faulty_config_fails_and_one_that_is_not_there_is_a_wrong_option(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("version: 1\nvenues: {}\n")
    said = eagle("doctor", "--config", "c.yaml")
    assert said.code == 1
    assert told(said)[0].startswith("failed   config          c.yaml: ")
    gone = eagle("doctor", "--config", "gone.yaml")
    assert (gone.code, gone.out) == (2, "")
    assert gone.err.startswith("eagle: gone.yaml: cannot be read")
