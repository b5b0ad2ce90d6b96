"""One owner of an account (S21)."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import AccountInUse, LeaseUnwritable
from engine.runtime.lease import held, holder_of, lease_name, started_at

HOLD = """
import sys
from pathlib import Path
from engine.runtime.lease import held
with held({"hawk": Path(sys.argv[1], "v-1.lock")}, journal=Path("their.sqlite")):
    print("held", flush=True)
    sys.stdin.read()
"""


def _other(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_and_told_who_has_the_account(tmp_path: Path) -> None:
    with _other(tmp_path) as other:
        with pytest.raises(AccountInUse) as refused, held({"mine": tmp_path / "v-1.lock"}, journal=Path("j")):
            pytest.fail("two processes own one account")
        assert f"mine is in use by process {other.pid}" in str(refused.value)
        assert "as its hawk, journal their.sqlite" in str(refused.value)
        assert "eagle status --journal their.sqlite, end it: eagle stop --journal their.sqlite" in str(refused.value)
        assert refused.value.exit_code == 3
        other.kill()
    with held({"mine": tmp_path / "v-1.lock"}, journal=Path("j")):  # however it died, the kernel let go
        holder = holder_of(tmp_path / "v-1.lock")
        assert holder is not None
        assert (holder.account, holder.pid, holder.started) == ("mine", os.getpid(), started_at(os.getpid()))


def test_an_account_that_is_refused_gives_back_those_that_were_taken_before(tmp_path: Path) -> None:
    with _other(tmp_path) as other:
        with (
            pytest.raises(AccountInUse),
            held({"free": tmp_path / "v-0.lock", "mine": tmp_path / "v-1.lock"}, journal=Path("j")),
        ):
            pytest.fail("two processes own one account")
        with held({"free": tmp_path / "v-0.lock"}, journal=Path("j")) as leases:
            assert leases.lost() == ""
        other.kill()


def test_two_accounts_of_a_config_may_not_be_one_at_the_venue(tmp_path: Path) -> None:
    name = lease_name("backpack", "http://x key")
    with (
        pytest.raises(AccountInUse, match="taker and maker are one account at the venue"),
        held({"maker": tmp_path / name, "taker": tmp_path / name}, journal=Path("j")),
    ):
        pytest.fail("one account is both sides")


@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_a_lease_is_lost_when_its_file_goes_or_another_takes_its_place(tmp_path: Path, what: str) -> None:
    with held({"a": tmp_path / "v-1.lock", "b": tmp_path / "v-2.lock"}, journal=Path("j")) as leases:
        (tmp_path / "v-1.lock").unlink()
        if what == "replaced":
            (tmp_path / "v-1.lock").write_text("{}")
        assert leases.lost() == "the lease of a is lost: its file was removed or replaced"


def test_a_folder_that_cannot_be_made_is_said_and_nothing_is_traded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LeaseUnwritable, match="the lease of a cannot be taken"),
        held({"a": tmp_path / "file" / "leases" / "v.lock"}, journal=Path("j")),
    ):
        pytest.fail("no lease, no trade")


def test_a_lease_that_is_a_link_to_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "v.lock").symlink_to(tmp_path / "other")
    with (
        pytest.raises(LeaseUnwritable, match="the lease of a cannot be taken"),
        held({"a": tmp_path / "v.lock"}, journal=Path("j")),
    ):
        pytest.fail("whose lease is it?")
    assert not (tmp_path / "other").exists()


def test_two_accounts_of_a_venue_have_two_leases() -> None:
    assert lease_name("backpack", "url AKEY") != lease_name("backpack", "url BKEY")


def test_a_name_says_nothing_of_the_key() -> None:
    assert lease_name("backpack", "url AKEY") == lease_name("backpack", "url AKEY") != lease_name("okx", "url AKEY")
    assert "AKEY" not in lease_name("backpack", "url AKEY")


def test_a_look_at_a_free_lease_refuses_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard looks every second, and holds the lock for that moment."""
    path = tmp_path / "v.lock"
    path.touch()
    looking = os.open(path, os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("engine.runtime.lease.select.select", lambda *_: os.close(looking))
    with held({"a": path}, journal=Path("j")) as leases:
        assert leases.lost() == ""
