"""`eagle doctor`: each check made to fail for real; the whole changes nothing and says what to do."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_kit import ROOT, Eagle, eagle

from cli import doctor_machine, doctor_program
from cli.doctor_machine import JUMP_NS, Reading, read_clocks
from cli.examined import Examined, Health, ok
from engine.runtime.clock import MS, S

__all__ = ["eagle"]

RUN = ("run", "--speed", "max", "--rounds", 1)
IS_ROOT = os.geteuid() == 0
LINUX = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes nothing")


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


def one(found: Iterator[Examined], check: str) -> Examined:
    (it,) = [it for it in found if it.check == check]
    assert bool(it.advice) == (it.health is not Health.OK), "what is wrong has advice, what is right has none"
    return it


# --- the whole


def test_a_sound_place_is_ok_and_says_so_line_by_line(eagle: Eagle) -> None:
    assert eagle(*RUN).code == 0
    said = eagle("doctor")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[-1].endswith(", 0 failed")
    checks = ("python", "packages", "names", "terminal", "open files", "disk space", "disk flush", "port", "socket")
    for check in (*checks, "journal", "last run", "run counter", "state folder", "clock", "suspend"):
        assert any(line.startswith((f"ok       {check:<16}", f"warning  {check:<16}")) for line in lines), check


def test_a_failure_is_exit_code_1_with_what_to_do_also_as_json(eagle: Eagle, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("no journal")
    said = eagle("doctor", "--journal", "words")
    assert said.code == 1
    assert "failed   journal         words is not an SQLite file\n" in said.out
    assert "                         -> name another path for the journal\n" in said.out
    as_json = json.loads(eagle("doctor", "--journal", "words", "--format", "json").out)
    assert as_json["fit"] is False
    assert {
        "check": "journal", "health": "failed", "found": "words is not an SQLite file",
        "advice": "name another path for the journal",
    } in as_json["checks"]  # fmt: skip


def test_before_the_first_run_nothing_is_missing_and_nothing_is_made(eagle: Eagle, tmp_path: Path) -> None:
    said = eagle("doctor")
    assert said.code == 0
    assert "ok       journal         state/eagle.sqlite is not there yet; the first run makes it\n" in said.out
    assert list(tmp_path.iterdir()) == []


def snapshot(folder: Path) -> dict[str, tuple[str, int, int]]:
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mode,
            path.stat().st_mtime_ns if path.is_file() else 0,
        )
        for path in sorted(folder.rglob("*"))
    }


def killed_while_writing(journal: Path) -> None:
    """What a process that was killed leaves: rows in the write-ahead log, and its index beside it."""
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode = WAL');"
        "c.execute('UPDATE runs SET exit_code = NULL, ended_wall_ms = NULL'); c.commit(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(journal)], check=True)


@pytest.mark.parametrize("dead", [False, True], ids=["ended", "killed"])
def test_it_changes_no_byte(eagle: Eagle, tmp_path: Path, dead: bool) -> None:
    assert eagle(*RUN).code == 0
    shutil.copy(ROOT / "docs" / "examples" / "eagle_paper.yaml", tmp_path / "c.yaml")
    if dead:
        killed_while_writing(tmp_path / "state" / "eagle.sqlite")
        assert (tmp_path / "state" / "eagle.sqlite-wal").stat().st_size
    before = snapshot(tmp_path)
    said = eagle("doctor", "--config", "c.yaml")
    assert ("run 1 of" in said.out and "has no end" in said.out) == dead
    assert snapshot(tmp_path) == before


def test_what_needs_a_missing_package_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    script = "import sys; sys.modules['peewee'] = None; from cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "doctor", "--format", "json"], cwd=tmp_path, capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    health = {it["check"]: it["health"] for it in json.loads(done.stdout)["checks"]}
    assert (done.returncode, health["journal"], health["clock"]) == (1, "failed", "ok")


# --- the program


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Puts the metadata of an installed distribution first on the path."""

    def install(name: str, version: str, *fields: str, packages: str = "") -> None:
        folder = tmp_path / "site" / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *fields]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
        (folder / "top_level.txt").write_text(packages)
        monkeypatch.syspath_prepend(tmp_path / "site")

    return install


def test_a_python_outside_the_range_fails(installed: Callable[..., None]) -> None:
    installed("eagle-flow", "9", "Requires-Python: >=4")
    found = one(doctor_program.packages(), "python")
    assert found.health is Health.FAILED
    assert found.found.endswith("; needed >=4")


def test_a_package_that_is_missing_or_too_old_fails(installed: Callable[..., None]) -> None:
    installed("eagle-flow", "9", "Requires-Python: >=3", "Requires-Dist: click>=99", "Requires-Dist: goose-feather>=1")
    installed("click", "7.1")
    found = one(doctor_program.packages(), "packages")
    assert (found.health, found.found) == (Health.FAILED, "click 7.1 is not >=99; goose-feather is missing")


def test_an_extra_in_part_is_a_warning_and_none_of_it_is_not(installed: Callable[..., None]) -> None:
    extras = ("Provides-Extra: wings", "Provides-Extra: dev", 'Requires-Dist: nothing; extra=="dev"')
    half = ('Requires-Dist: goose>=2; extra=="wings"', 'Requires-Dist: feather; extra=="wings"')
    installed("eagle-flow", "9", "Requires-Python: >=3", *extras, *half)
    found = one(doctor_program.packages(), "[wings]")
    assert found == ok("[wings]", "not installed; to have it: pip install 'eagle-flow[wings]'")
    installed("goose", "1.0")
    found = one(doctor_program.packages(), "[wings]")
    assert (found.health, found.found) == (Health.WARNING, "goose 1.0 is not >=2; feather is missing")
    assert "[dev]" not in [it.check for it in doctor_program.packages()]


def test_without_the_means_to_compare_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert one(doctor_program.packages(), "packages").health is Health.FAILED


def test_an_environment_without_us_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_program, "DISTRIBUTION", "eagle-flow-not-there")
    assert one(doctor_program.packages(), "packages").found.startswith("eagle-flow-not-there is not installed in ")


def test_another_distribution_with_our_package_fails(installed: Callable[..., None]) -> None:
    assert one(doctor_program.names(), "names").health is Health.OK
    installed("goose", "1.0", packages="engine\ncli\n")
    found = one(doctor_program.names(), "names")
    assert (found.health, found.found) == (
        Health.FAILED, "installed by others too: goose (package cli), goose (package engine)",
    )  # fmt: skip


def test_a_package_of_our_name_behind_ours_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()  # a mere folder gives way to a package
    (tmp_path / "exchanges.py").touch()
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path, str(tmp_path)])
    found = one(doctor_program.names(), "names")
    assert (found.health, found.found) == (
        Health.WARNING, f"packages of our names beside ours: {tmp_path / 'exchanges.py'}",
    )  # fmt: skip


def started(*args: str, cwd: Path, before: Path) -> subprocess.CompletedProcess[str]:
    """The script's entry in a process whose path begins with `before`."""
    script = "import sys; from cli.entry import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", script, *args], cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{before}{os.pathsep}{ROOT}"},
    )  # fmt: skip


def test_a_package_that_takes_the_place_of_ours_fails(tmp_path: Path) -> None:
    (tmp_path / "before" / "flows").mkdir(parents=True)
    (tmp_path / "before" / "flows" / "__init__.py").touch()
    done = started("doctor", "--format", "json", cwd=tmp_path, before=tmp_path / "before")
    (found,) = [it for it in json.loads(done.stdout)["checks"] if it["check"] == "names"]
    assert done.returncode == 1
    assert found["found"] == f"flows comes from {tmp_path / 'before' / 'flows'}, not from {ROOT / 'flows'}"


@pytest.mark.parametrize("command", ["doctor", "run"])
def test_a_package_that_keeps_us_from_starting_is_named_by_every_command(tmp_path: Path, command: str) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "engine.py").touch()
    done = started(command, cwd=tmp_path, before=tmp_path / "before")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("eagle: cannot start: No module named 'engine.")
    assert f"  engine comes from {tmp_path / 'before' / 'engine.py'}, not from {ROOT / 'engine'}\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_installation_is_one_clear_word(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "click.py").write_text("raise ImportError('no click')\n")
    done = started("run", cwd=tmp_path, before=tmp_path / "before")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "eagle: cannot start: no click"
    assert "install eagle-flow again" in done.stderr


# --- the terminal


def on_terminal(cwd: Path, **environment: str) -> dict[str, Examined]:
    master, slave = pty.openpty()
    script = "import sys; from cli.main import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "doctor", "--format", "json"], cwd=cwd, stdout=subprocess.PIPE, stderr=slave,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100", **environment},
    )  # fmt: skip
    os.close(master)
    os.close(slave)
    return {it["check"]: it for it in json.loads(done.stdout)["checks"]}


@pytest.mark.parametrize(
    ("environment", "health", "found"),
    [
        ({}, "ok", "100 columns, utf-8"),
        ({"PYTHONIOENCODING": "ascii"}, "warning", "ascii cannot show signs such as "),
        ({"TERM": "dumb"}, "warning", "TERM is dumb or not set"),
        ({"COLUMNS": "60"}, "warning", "60 columns wide"),
    ],
)
def test_a_terminal_that_shows_too_little(tmp_path: Path, environment: dict[str, str], health: str, found: str) -> None:
    it = on_terminal(tmp_path, **environment)["terminal"]
    assert it["health"] == health  # type: ignore[index]
    assert it["found"].startswith(found)  # type: ignore[index]


# --- the machine


def readings(*spans_ns: tuple[int, int, int]) -> Callable[[], Reading]:
    """One after the other, the last for ever."""
    left = [Reading(*span) for span in spans_ns]
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def ticking(first: Reading, *, wall_ns: int = 0, steady_ns: int = 0, step_ns: int = 100) -> Callable[[], Reading]:
    """Goes on from `first` in steps, with so much lost or gained at once."""
    count = 0

    def read() -> Reading:
        nonlocal count
        count += 1
        gone_ns = count * step_ns
        return Reading(
            first.wall_ns + gone_ns + wall_ns, first.steady_ns + gone_ns + steady_ns, first.counting_ns + gone_ns
        )

    return read


NOW = Reading(1_800_000_000 * S, 7 * S, 9 * S)


@pytest.mark.parametrize(
    ("first", "read", "health", "words"),
    [
        (NOW, ticking(NOW), Health.OK, "2027-01-15 08:00:00 UTC, steps of 100 ns or less, no jump"),
        (NOW, ticking(NOW, wall_ns=JUMP_NS + MS), Health.WARNING, "the wall clock was moved by +51 ms while"),
        (NOW, ticking(NOW, wall_ns=-3 * S), Health.WARNING, "the wall clock was moved by -3000 ms while"),
        (NOW, ticking(NOW, steady_ns=-S), Health.FAILED, "the monotonic clock ran backwards"),
        (NOW, ticking(NOW, step_ns=4 * MS), Health.WARNING, "it steps by 4.0 ms"),
        (Reading(0, 7, 9), ticking(Reading(0, 7, 9)), Health.FAILED, "the wall clock says 1970-01-01 00:00 UTC"),
    ],
)
def test_a_clock_that_cannot_be_relied_on(
    first: Reading, read: Callable[[], Reading], health: Health, words: str
) -> None:
    found = one(doctor_machine.clock(first, read), "clock")
    assert found.health is health
    assert found.found.startswith(words)


def test_a_machine_without_a_clock_that_counts_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(doctor_machine.time, "CLOCK_BOOTTIME", raising=False)
    assert one(doctor_machine.clock(read_clocks()), "suspend").health is Health.WARNING


@pytest.mark.parametrize(("limit", "health"), [(40, Health.FAILED), (128, Health.WARNING), (256, Health.OK)])
def test_few_open_files(limit: int, health: Health) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        found = one(doctor_machine.files(), "open files")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (found.health, found.found) == (health, f"{limit} allowed")


@LINUX
def test_a_folder_without_space_or_that_takes_nothing() -> None:
    found = {it.check: it for it in (*doctor_machine.disk(Path("/proc")), *doctor_machine.sockets(Path("/proc")))}
    assert found["disk space"].health is Health.FAILED
    assert found["disk flush"].health is Health.FAILED
    assert found["disk flush"].found.startswith("nothing can be written into /proc (")
    assert found["socket"].health is Health.FAILED


def test_a_disk_that_becomes_full_while_it_is_measured(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        found = one(doctor_machine.disk(tmp_path), "disk flush")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (found.health, found.found) == (
        Health.FAILED, f"nothing can be written into {tmp_path} (File too large)",
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "health"), [(99 << 20, Health.FAILED), (500 << 20, Health.WARNING), (2 << 30, Health.OK)]
)
def test_little_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, health: Health) -> None:
    monkeypatch.setattr(doctor_machine, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))  # type: ignore[attr-defined]
    assert one(doctor_machine.disk(tmp_path), "disk space").health is health


@pytest.mark.parametrize(
    ("median_ns", "health"), [(MS, Health.OK), (11 * MS, Health.WARNING), (101 * MS, Health.FAILED)]
)
def test_a_slow_flush(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, median_ns: int, health: Health) -> None:
    monkeypatch.setattr(doctor_machine, "_flushes", lambda _: iter([0, median_ns, S]))
    assert one(doctor_machine.disk(tmp_path), "disk flush").health is health


def test_an_address_that_is_not_ours(tmp_path: Path) -> None:
    found = one(doctor_machine.sockets(tmp_path, address="192.0.2.1"), "port")
    assert found.health is Health.FAILED
    assert found.found.startswith("no port of 192.0.2.1 can be opened (")


def test_a_deep_folder_takes_sockets_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    here = Path.cwd()
    assert one(doctor_machine.sockets(deep), "socket").health is Health.OK
    assert (Path.cwd(), list(deep.iterdir())) == (here, [])
