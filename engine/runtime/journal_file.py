"""Opens the journal's file, or says in one line why not. A file that is refused is left as it was."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import peewee
from peewee import SqliteDatabase

from engine.errors import (
    JournalCorrupt,
    JournalError,
    JournalForeign,
    JournalNewer,
    JournalUnreadable,
    JournalUnwritable,
)
from engine.runtime import schema
from engine.runtime.folders import is_device

BUSY_MS = 200  # how long a write may wait for another process before the journal counts as failed
Look = Callable[[Path, sqlite3.Connection], JournalError | None]
_MAGIC = b"SQLite format 3\0"
_SQLITE_ERRORS = (sqlite3.Error, peewee.PeeweeException)
_CANNOT = (sqlite3.OperationalError, peewee.OperationalError)  # the system's "no"; other errors tell of the content


def open_for_writing(path: Path) -> SqliteDatabase:
    """The journal at `path`, made if there is none, readable by its owner only (as are its -wal and -shm).

    Raises: JournalUnwritable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    if path.is_dir():
        raise JournalUnwritable(f"{path}: is a directory; name a file for the journal")
    if is_device(path):  # its rights would be changed, for everybody who uses it
        raise JournalUnwritable(
            f"{path}: is no ordinary file; name one for the journal, or run without (--journal off)"
        )
    made = _make_file(path)
    if not _is_blank(path):
        _checked(path, _finding).close()
    database = SqliteDatabase(str(path), pragmas=[("busy_timeout", BUSY_MS)])
    try:
        _prepare(database)
    except _SQLITE_ERRORS as error:
        database.close()
        if made:
            path.unlink()
        raise JournalUnwritable(f"{path}: journal cannot be written: {error}") from error
    return database


def open_for_reading(path: Path) -> SqliteDatabase:
    """The journal at `path`, also while a run writes it; no statement through it can change a row.

    Raises: JournalUnreadable, JournalForeign, JournalNewer, JournalCorrupt.
    """
    _refuse_blank(path)
    return _checked(path, _finding)


def open_for_streaming(path: Path) -> SqliteDatabase:
    """As `open_for_reading`, but no page is read beforehand: for readers that go through long tables anyway.

    Damage shows as sqlite3.DatabaseError where it is met. Raises: as `open_for_reading`.
    """
    _refuse_blank(path)
    return _checked(path, _version_finding)


def _refuse_blank(path: Path) -> None:
    if path.is_dir():
        raise JournalUnreadable(f"{path}: is a directory, not a journal")
    if is_device(path):  # a pipe would be waited for
        raise JournalForeign(f"{path}: is no ordinary file, and no journal")
    if _is_blank(path):
        raise JournalForeign(f"{path}: is empty, not a journal")


def open_untouched(path: Path) -> SqliteDatabase:
    """The journal at `path` for a look that changes no byte, not even in the files beside it; also while a run writes.

    Raises: JournalUnreadable, also where the write-ahead log can only be read by writing; JournalForeign, JournalNewer,
    JournalCorrupt.
    """
    _refuse_blank(path)
    log, shared = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
    if not shared.exists() and log.exists() and log.stat().st_size:
        raise JournalUnreadable(f"{path}: {log.name} lies beside it without a -shm; `eagle audit {path}` reads it in")
    # Without a log the file is all there is; else SQLite builds the log's index in its own memory.
    how = "readonly_shm=1" if shared.exists() else "immutable=1"
    database = SqliteDatabase(f"file:{quote(str(path))}?mode=ro&{how}", uri=True, pragmas=[("busy_timeout", BUSY_MS)])
    try:
        _check(path, database, _finding)
    except JournalError:
        database.close()
        raise
    return database


def _make_file(path: Path) -> bool:
    """True if there was none. SQLite gives -wal and -shm the permissions of this file."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise JournalUnwritable(f"{path}: journal cannot be made: {error.strerror}") from error
    else:
        return True
    try:
        with path.open("r+b"):
            pass
    except OSError as error:
        raise JournalUnwritable(f"{path}: journal cannot be written: {error.strerror}") from error
    return False


def _prepare(database: SqliteDatabase) -> None:
    """The tables come before the write-ahead log, so that a file of ours always says so in its first bytes."""
    Path(database.database).chmod(0o600)
    connection = schema.raw(database)
    if not _marks(connection)[0]:
        schema.create(database)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise sqlite3.OperationalError(f"the file system allows no write-ahead log (journal_mode stays {mode})")
    connection.execute("PRAGMA wal_autocheckpoint = 0")


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def _is_blank(path: Path) -> bool:
    """True for a file without content or tables: what a kill leaves between making the file and its tables.

    Looks without touching, because the file may be another program's. Raises: JournalForeign, JournalUnreadable.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError as error:
        raise JournalUnreadable(f"{path}: there is no such journal") from error
    except OSError as error:
        raise JournalUnreadable(f"{path}: journal cannot be read: {error.strerror}") from error
    if not head:
        return True
    if head != _MAGIC:
        raise JournalForeign(f"{path}: is not an SQLite file; name another path for the journal")
    database = SqliteDatabase(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    try:
        connection = schema.raw(database)
        if _marks(connection)[0] == schema.APPLICATION_ID:
            return False
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except _SQLITE_ERRORS:
        return False
    finally:
        database.close()
    if tables:
        raise JournalForeign(f"{path}: is an SQLite file of another program; name another path for the journal")
    return True


def _query_only(path: Path) -> SqliteDatabase:
    """Opened for writing underneath, so that the last reader takes -wal and -shm away again."""
    return SqliteDatabase(
        f"file:{quote(str(path))}?mode=rw", uri=True, pragmas=[("busy_timeout", BUSY_MS), ("query_only", 1)]
    )


def _checked(path: Path, look: Look) -> SqliteDatabase:
    """The open journal, in which `look` finds nothing. Raises: JournalUnreadable, JournalNewer, JournalCorrupt."""
    database = _query_only(path)
    try:
        _check(path, database, look)
    except JournalError:
        database.close()
        raise
    return database


def _check(path: Path, database: SqliteDatabase, look: Look) -> None:
    """Raises: JournalUnreadable, JournalNewer, JournalCorrupt."""
    try:
        finding = look(path, schema.raw(database))
    except _CANNOT as error:
        raise JournalUnreadable(f"{path}: journal cannot be read: {error}") from error
    except _SQLITE_ERRORS as error:
        raise JournalCorrupt(f"{path}: journal is damaged ({error}); move it aside and start a new one") from error
    if finding is not None:
        raise finding


def _finding(path: Path, connection: sqlite3.Connection) -> JournalError | None:
    """The version, and whether every page is whole."""
    finding = _version_finding(path, connection)
    if finding is not None:
        return finding
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict == "ok":
        return None
    return JournalCorrupt(
        f"{path}: journal is damaged ({' '.join(verdict.split())}); move it aside and start a new one"
    )


def _version_finding(path: Path, connection: sqlite3.Connection) -> JournalError | None:
    _, version = _marks(connection)
    if version == schema.VERSION:
        return None
    if version > schema.VERSION:
        return JournalNewer(
            f"{path}: journal has version {version}, this program writes version {schema.VERSION}; "
            "update the program or name another path"
        )
    if 0 < version < schema.VERSION:
        return JournalCorrupt(
            f"{path}: journal has version {version} of an older release, this program reads version {schema.VERSION}; "
            "read it with that release, or move it aside and start a new one"
        )
    return JournalCorrupt(f"{path}: journal is damaged (version {version}); move it aside and start a new one")
