"""Log files rotate, belong to their owner alone, and lose nothing silently when the disk or the folder fails."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from log_kit import parsed, read_log

from engine.runtime import log_files
from engine.runtime.log_files import AT_A_TIME_NS, TURN_S, LogFile, LogWriter, open_logs
from engine.runtime.log_format import Value
from engine.runtime.log_lines import Happening, Log
from engine.runtime.secrets import Secret
from engine.trading.effects import Alert, CancelOrder, Effect, Finish, Level

MB = 1_000_000
CANCEL = CancelOrder("hawk", "ETH", "e1r1", 0)


def happening(*effects: Effect, seq: int = 1) -> Happening:
    return Happening(seq, 5, 1_700_000_000_000, None, effects or (CANCEL,))


def writer(folder: Path, *, size: int = MB, keep: int = 3) -> LogWriter:
    return LogWriter(open_logs(folder, size=size, keep=keep), run=7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "logs"


class FullDisk:
    """Stands between a log and its disk: so many more bytes fit."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        disk = self

        class Raw:
            def __init__(self, number: int) -> None:
                self._raw = os.fdopen(number, "ab", buffering=0)

            def write(self, data: bytes) -> int:
                if disk.room is not None:
                    if not disk.room:
                        raise OSError(errno.ENOSPC, "No space left on device")
                    data = data[: disk.room]
                    disk.room -= len(data)
                return self._raw.write(data) or 0

            def __getattr__(self, name: str) -> object:
                return getattr(self._raw, name)

        monkeypatch.setattr(log_files, "unbuffered", Raw)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    return FullDisk(monkeypatch)


def test_the_four_logs_are_made_for_their_owner_only(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "errors.log").touch(mode=0o644)
    writer(folder).close(within_s=1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(["errors.log", "orders.log", "performance.log", "positions.log"], 0o600)


def test_a_log_that_is_a_link_to_a_device_leaves_its_rights_alone(folder: Path, tmp_path: Path) -> None:
    """A link to /dev/null silences a log; that must not close /dev/null to everybody else."""
    folder.mkdir(parents=True)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    (folder / "errors.log").symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        writer(folder).close(within_s=1)
    finally:
        os.close(reader)
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o666


def test_a_log_is_put_aside_at_its_size_and_the_oldest_is_dropped(folder: Path) -> None:
    """No line is torn by it, none stands twice, and the newest are all there."""
    logs = writer(folder, size=2_000, keep=2)
    for seq in range(100):
        logs.put([happening(seq=seq)])
    logs.close(within_s=1)
    names = sorted(path.name for path in folder.glob("orders.log*"))
    assert names == ["orders.log", "orders.log.1", "orders.log.2"]
    kept = [line for name in reversed(names) for line in read_log(folder / name)]
    seqs = [int(line["seq"]) for line in kept]
    assert seqs == list(range(100 - len(seqs), 100))
    assert all((folder / name).stat().st_size <= 2_000 for name in names)
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in names} == {0o600}


def test_a_full_disk_is_told_once_and_the_gap_is_noted_when_there_is_room_again(folder: Path, disk: FullDisk) -> None:
    logs = writer(folder)
    logs.put([happening(seq=1)])
    disk.room = 20
    logs.put([happening(seq=2)])
    first = logs.trouble
    logs.put([happening(seq=3)])
    assert first == logs.trouble == f"{folder / 'orders.log'}: No space left on device"
    disk.room = None
    logs.put([happening(seq=4)])
    logs.close(within_s=1)
    lines = (folder / "orders.log").read_text().splitlines()
    assert lines[1] == "time=2023-11-14T22:1"  # what fitted of the line of seq 2
    lost, last = parsed(lines[2]), parsed(lines[3])
    assert (lost["event"], lost["count"], last["seq"], len(lines)) == ("lines_lost", "2", "4", 4)


def test_a_disk_that_fills_up_at_the_moment_of_rotation_costs_no_later_line(folder: Path, disk: FullDisk) -> None:
    logs = writer(folder, size=300, keep=2)
    for seq in (1, 2):
        logs.put([happening(seq=seq)])
    disk.room = 0
    for seq in (3, 4, 5):
        logs.put([happening(seq=seq)])
    disk.room = None
    logs.put([happening(seq=6)])
    logs.close(within_s=1)
    assert [line["seq"] for line in read_log(folder / "orders.log")][-1] == "6"


def test_a_log_that_cannot_be_put_aside_grows_on_and_is_told(folder: Path) -> None:
    (folder / "orders.log.1").mkdir(parents=True)
    logs = writer(folder, size=300, keep=1)
    for seq in range(10):
        logs.put([happening(seq=seq)])
    logs.close(within_s=1)
    assert [int(line["seq"]) for line in read_log(folder / "orders.log")] == list(range(10))
    assert logs.trouble == f"{folder / 'orders.log'}: cannot be put aside: Is a directory"


def test_a_batch_is_put_aside_between_its_lines(folder: Path) -> None:
    logs = writer(folder, size=2_000, keep=50)
    logs.put([happening(seq=seq) for seq in range(100)])
    logs.close(within_s=1)
    files = sorted(folder.glob("orders.log*"), key=lambda path: -int(path.suffix[1:] if path.suffix != ".log" else 0))
    assert len(files) > 4
    assert all(path.stat().st_size <= 2_000 for path in files)
    assert [int(line["seq"]) for path in files for line in read_log(path)] == list(range(100))


def test_of_a_batch_that_the_disk_takes_in_part_the_rest_is_counted(folder: Path, disk: FullDisk) -> None:
    logs = writer(folder)
    length = len(
        "time=2023-11-14T22:13:20.000Z run=7 seq=1 at_ns=5 event=cancel account=hawk symbol=ETH client_id=e1r1"
    )
    disk.room = 2 * (length + 1) + 10
    logs.put([happening(seq=seq) for seq in range(1, 6)])
    disk.room = None
    logs.put([happening(seq=6)])
    logs.close(within_s=1)
    lines = (folder / "orders.log").read_text().splitlines()
    assert [parsed(line)["seq"] for line in lines[:2]] == ["1", "2"]
    assert lines[2] == "time=2023-"
    assert [parsed(line).get("count") for line in lines[3:]] == ["3", None]


@pytest.mark.parametrize("gone", ["folder", "file", "moved", "replaced"])
def test_a_log_that_went_away_is_made_anew(folder: Path, gone: str) -> None:
    """Removed by hand, or put aside by logrotate: lines must not go into a file that nobody can see."""
    logs = writer(folder)
    logs.put([happening(seq=1)])
    if gone == "folder":
        shutil.rmtree(folder)
    elif gone == "file":
        (folder / "orders.log").unlink()
    else:
        (folder / "orders.log").rename(folder / "orders.log.mine")
        if gone == "replaced":
            (folder / "orders.log").touch()
    logs.put([happening(seq=2)])
    logs.close(within_s=1)
    assert [line["seq"] for line in read_log(folder / "orders.log")] == ["2"]
    assert logs.trouble == ""


def test_a_folder_that_cannot_be_made_again_is_told(folder: Path) -> None:
    logs = writer(folder)
    shutil.rmtree(folder)
    folder.write_text("in the way")
    logs.put([happening()])
    logs.close(within_s=1)
    assert logs.trouble == f"{folder / 'orders.log'}: Not a directory"


def test_two_processes_on_one_folder_lose_no_line(folder: Path) -> None:
    one, other = writer(folder, size=1_000, keep=50), writer(folder, size=1_000, keep=50)
    for seq in range(60):
        (one if seq % 2 else other).put([happening(seq=seq)])
    for logs in (one, other):
        logs.close(within_s=1)
        assert logs.trouble == ""
    seqs = [int(line["seq"]) for path in folder.glob("orders.log*") for line in read_log(path)]
    assert sorted(seqs) == list(range(60))


def test_a_thread_writes_in_order_and_is_done_at_the_end(folder: Path) -> None:
    logs = writer(folder)
    logs.start()
    for seq in range(500):
        logs.put([happening(seq=seq)])
    logs.close(within_s=30)
    assert [int(line["seq"]) for line in read_log(folder / "orders.log")] == list(range(500))


def test_the_thread_gives_way_to_the_loop_after_so_much_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who computes keeps the interpreter for 5 ms: a fill that came meanwhile was read so much later."""
    waits: list[float] = []
    times = iter(range(0, 10**9, AT_A_TIME_NS // 2))
    monkeypatch.setattr(log_files, "counting_ns", lambda: next(times))
    logs = writer(folder)
    monkeypatch.setattr(logs, "_never", SimpleNamespace(wait=waits.append))
    logs.put([happening(seq=seq) for seq in range(5)])
    assert not waits  # it is the loop's own
    logs.start()
    logs.put([happening(seq=seq) for seq in range(5)])
    logs.close(within_s=30)
    assert waits == [TURN_S] * 2


def test_a_disk_that_hangs_is_not_waited_for_and_what_was_left_out_is_noted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go, stuck = threading.Event(), threading.Event()
    write = LogFile.write

    def slow(file: LogFile, lines: Sequence[str]) -> int:
        stuck.set()
        assert let_go.wait(30)
        return write(file, lines)

    monkeypatch.setattr(LogFile, "write", slow)
    monkeypatch.setattr(log_files, "MOST_WAITING", 3)
    logs = writer(folder)
    logs.start()
    logs.put([happening(seq=0)])
    assert stuck.wait(30)
    for seq in range(1, 11):
        logs.put([happening(seq=seq)])
    assert logs.trouble == "the disk does not keep up: 3 steps wait"
    logs.close(within_s=0)
    let_go.set()
    logs.close(within_s=30)
    assert [line["seq"] for line in read_log(folder / "orders.log")] == ["0", "1", "2"]
    assert [(line["event"], line["count"]) for line in read_log(folder / "errors.log")] == [("steps_left_out", "8")]


def test_a_line_that_cannot_be_made_does_not_end_the_logs(folder: Path) -> None:
    logs = writer(folder)
    logs.start()
    logs.put([happening(Finish(0, None), Alert(Level.PERSON, "c", "t", None))])  # type: ignore[arg-type]
    logs.put([happening(seq=2)])
    logs.close(within_s=30)
    assert logs.trouble.startswith("a line could not be made: AttributeError")
    assert read_log(folder / "orders.log")[-1]["seq"] == "2"


def test_no_secret_is_ever_written(folder: Path) -> None:
    Secret("canary-1")
    Secret("canary-1-longer")
    logs = writer(folder)
    alert = Alert(Level.PERSON, "internal_error", "GET https://x/?token=canary-1-longer failed", {"url": "canary-1"})
    logs.put([happening(alert, Finish(1, "left with canary-1"))])
    logs.close(within_s=1)
    written = "".join(path.read_text() for path in folder.iterdir())
    assert "canary" not in written
    assert "longer" not in written
    assert written.count("***") == 6


def test_figures_and_numbers_keep_their_digits(folder: Path) -> None:
    logs = writer(folder)
    figures: dict[str, Value] = {"event": "figures", "profit": Decimal("-0.450"), "rounds": 3}
    logs.put([Happening(None, 5, 0, None, (), lines=((Log.PERFORMANCE, figures),))])
    logs.close(within_s=1)
    assert read_log(folder / "performance.log") == [
        {"time": "1970-01-01T00:00:00.000Z", "run": "7", "at_ns": "5", "event": "figures", "profit": "-0.450",
         "rounds": "3"}
    ]  # fmt: skip
    assert read_log(folder / f"{Log.ORDERS.value}.log") == []
