"""One owner (S21): a venue account belongs to one process of this machine, for as long as that process lives.

A lease is a lock on a file that the kernel lets go when its process dies, however it dies. It covers this machine and
this user's folder only: a second host, or a process that uses another folder, is not seen.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shlex
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from engine.errors import AccountInUse, LeaseUnwritable
from engine.runtime.folders import make_folder

__all__ = ["Holder", "Lease", "Leases", "held", "holder_of", "is_free", "lease_name", "started_at"]


LOOKS, LOOK_S = 3, 0.05
DEAD = ("Z", "X")  # states of a process that has ended


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an account; what a second start is told and a watchdog goes by."""

    account: str
    pid: int
    started: str  # of the process, as the kernel tells: with `pid` it names one process for ever
    host: str
    journal: str


@dataclass(slots=True)
class Lease:
    path: Path
    number: int  # of the open file

    def lost(self) -> bool:
        """Somebody took the file away or put another in its place: a second process could hold that one."""
        try:
            there = self.path.stat()
        except OSError:
            return True
        ours = os.fstat(self.number)
        return (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev)


@dataclass(frozen=True, slots=True)
class Leases:
    """Those of a run, by account."""

    by_account: Mapping[str, Lease]

    def lost(self) -> str:
        """The accounts whose lease is lost, in words; empty while all are held."""
        gone = [name for name, lease in self.by_account.items() if lease.lost()]
        return f"the lease of {', '.join(gone)} is lost: its file was removed or replaced" if gone else ""


def lease_name(venue: str, identity: str) -> str:
    """The file's name for an account that its venue knows as `identity`; says nothing of it to who reads the folder."""
    return f"{venue}-{sha256(identity.encode()).hexdigest()[:16]}.lock"


@contextmanager
def held(paths: Mapping[str, Path], *, journal: Path) -> Iterator[Leases]:
    """Hold the leases of accounts while entered; `paths` are account -> its file, named by `lease_name`.

    Raises: AccountInUse, also for two accounts of one config that are one at the venue; LeaseUnwritable.
    """
    with ExitStack() as stack:
        leases: dict[str, Lease] = {}
        for account, path in paths.items():
            twin = next((other for other, lease in leases.items() if lease.path == path), None)
            if twin is not None:
                raise AccountInUse(f"{account} and {twin} are one account at the venue; give each its own")
            leases[account] = stack.enter_context(_taken(path, account, journal))
        yield Leases(leases)


@contextmanager
def _taken(path: Path, account: str, journal: Path) -> Iterator[Lease]:
    try:
        make_folder(path.parent)
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LeaseUnwritable(f"{path}: the lease of {account} cannot be taken: {error.strerror}") from error
    try:
        if not _locked(number):
            raise AccountInUse(_words(account, holder_of(path)))
        told = Holder(account, os.getpid(), started_at(os.getpid()), socket.gethostname(), str(journal))
        os.ftruncate(number, 0)
        os.pwrite(number, json.dumps(asdict(told)).encode(), 0)
        yield Lease(path, number)
    finally:
        os.close(number)  # the lock goes with it; the file stays, a lock on a file that comes and goes is none


def _locked(number: int) -> bool:
    """Take the lock, unless another process keeps it: `is_free` of a guard holds it for a moment only."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            select.select([], [], [], LOOK_S)
        else:
            return True
    return False


def is_free(path: Path) -> bool:
    """Does nobody hold it now?"""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(number)
    return True


def holder_of(path: Path) -> Holder | None:
    """What the newest holder wrote; it need not hold it any more."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def started_at(pid: int) -> str:
    """When a process began, in the kernel's count; empty if there is none, or only one that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in DEAD else fields[19]


def _words(account: str, holder: Holder | None) -> str:
    if holder is None:
        return f"{account} is in use by another process; nothing was sent"
    where = f"--journal {shlex.quote(holder.journal)}"  # it need not be the one beside which this process started
    return (
        f"{account} is in use by process {holder.pid} on {holder.host} (as its {holder.account}, journal"
        f" {holder.journal}); nothing was sent; see it: eagle status {where}, end it: eagle stop {where}"
    )
