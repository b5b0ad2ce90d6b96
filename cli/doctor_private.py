"""Are the files private: the state folder, the config, and the secrets that it refers to? No secret is read."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from cli.examined import Examined, Health, failed, ok

if TYPE_CHECKING:
    from engine.runtime.config import Reference

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OTHERS = stat.S_IRWXG | stat.S_IRWXO
FOLDER_MODE, FILE_MODE = 0o700, 0o600


def state(journal: Path) -> Iterator[Examined]:
    """The folder of the journal and the files of its runs."""
    from cli.outputs import LOGS
    from cli.record import COUNTER

    folder = journal.absolute().parent
    if not folder.is_dir():
        yield ok("state folder", f"{folder} is not there yet; the first run makes it, for you alone")
        return
    ours = sorted(entry for entry in folder.iterdir() if entry.name.startswith((journal.name, COUNTER, LOGS)))
    faults = [*_faults("state folder", folder, if_readable=Health.WARNING)]
    faults += [fault for entry in ours for fault in _faults("state file", entry, if_readable=Health.WARNING)]
    yield from faults or [ok("state folder", f"{folder} and what is in it of runs: yours alone")]


def config(path: Path, vault: Path) -> Iterator[Examined]:
    """What `eagle validate` says of it, who may touch it, and whether its secrets are where it says.

    Raises: CannotUse.
    """
    from cli.checking import Checker
    from cli.findings import counted, has_errors
    from cli.locate import read_source
    from engine.runtime.config import load_config

    source = read_source(str(path))
    checker = Checker(None)
    checker.check_sources([source])
    told = f"{path}: {counted(checker.findings)}"
    if has_errors(checker.findings):
        yield failed("config", told, f"eagle validate {path}")
        return
    yield ok("config", told)
    flow = next(flow for flow in checker.flows.values() if flow is not None)
    read = load_config(source.text, file=source.file, flow=flow)
    references = [pair for it in read.used_accounts for pair in it.references.items()]
    references += [(f"alert URL {name}", place) for name, place in read.alerts.urls.items()]
    # Without references to secrets there is nothing in it that others must not read.
    faults = _faults("config file", path, if_readable=Health.WARNING if references else Health.OK)
    yield from [*faults] or [ok("config file", f"{path} is changed by nobody else")]
    if references:
        yield from secrets(references, vault)
    if read.alerts.command:
        yield _command(read.alerts.command[0])


def _command(name: str) -> Examined:
    place = which(name)
    if place is None:
        return failed("alerts", f"the command {name} cannot be found", "install it, or name it by its whole path")
    return ok("alerts", f"{place} is called when a person is needed; eagle alert test tries it")


def secrets(references: list[tuple[str, Reference]], vault: Path) -> Iterator[Examined]:
    """Each is there, not empty, and open to nobody else."""
    faults = [fault for what, reference in references for fault in _secret(what, reference, vault)]
    yield from faults or [ok("secrets", f"all {len(references)} are where the config says, and yours alone")]


def _secret(what: str, reference: Reference, vault: Path) -> Iterator[Examined]:
    """Nothing is read or run; `eagle vault test --config` does that."""
    match reference.source:
        case "env":
            if not os.environ.get(reference.name):
                told = f"{what}: the variable {reference.name} is not set"
                yield failed("secrets", told, f"export {reference.name}=...")
        case "cmd":
            program = shlex.split(reference.name)[0]
            if which(program) is None:
                told = f"{what}: the command {program} cannot be found"
                yield failed("secrets", told, "install it, or name it by its whole path")
        case "vault":
            yield from _file(what, vault, "make it: eagle vault init")
        case "file":
            yield from _file(what, Path(reference.name).expanduser(), "put the secret there, alone in a file of yours")


def _file(what: str, place: Path, advice: str) -> Iterator[Examined]:
    path = place.absolute()
    problem = _unusable(path)
    if problem:
        yield failed("secrets", f"{what}: {path} {problem}", advice)
        return
    for fault in _faults("secrets", path, if_readable=Health.FAILED, if_link=Health.FAILED):
        yield Examined(fault.check, fault.health, f"{what}: {fault.found}", fault.advice)
    folder = path.resolve().parent
    mode = folder.stat().st_mode
    if mode & OTHERS_WRITE and not mode & stat.S_ISVTX:
        yield failed("secrets", f"{what}: others can replace files in {folder}", f"chmod {FOLDER_MODE:o} {folder}")


def _unusable(path: Path) -> str:
    try:
        found = path.stat()
    except OSError as error:
        return f"cannot be found ({error.strerror})"
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if not found.st_size:
        return "is empty"
    return "" if os.access(path, os.R_OK) else "cannot be read by you"


def _faults(check: str, path: Path, *, if_readable: Health, if_link: Health = Health.WARNING) -> Iterator[Examined]:
    """A link, a stranger's, or open to others; of a link, what it leads to is looked at as well."""
    if path.is_symlink():
        told = f"{path} is a link to {path.resolve()}"
        yield Examined(check, if_link, told, "name that place itself: a link is easily moved")
    try:
        found = path.stat()
    except OSError:  # it has gone meanwhile, or the link leads nowhere: whoever needs it will tell
        return
    mode = FOLDER_MODE if stat.S_ISDIR(found.st_mode) else FILE_MODE
    if found.st_uid != os.geteuid():
        told = f"{path} belongs to {_user(found.st_uid)}, you are {_user(os.geteuid())}"
        yield failed(check, told, "be that user, or have it given to you (chown)")
    if found.st_mode & OTHERS_WRITE:
        yield failed(check, f"{path} can be changed by others", f"chmod {mode:o} {path}")
    elif found.st_mode & OTHERS and if_readable is not Health.OK:
        yield Examined(check, if_readable, f"{path} can be read by others", f"chmod {mode:o} {path}")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
