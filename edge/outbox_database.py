"""The outbox's file: SQLite through apsw, opened and claimed, its facts, and its errors in our words.

WAL with synchronous=FULL: a commit is on the disk before it returns. The tables stand in edge/outbox_schema.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from edge import ballast
from edge.durable import make_folder, sync_folder
from edge.errors import ConfigError, OutboxFullError, StoreError
from edge.outbox_schema import SCHEMA, SCHEMA_VERSION
from edge.wire import FIRST_PREVIOUS

_COUNT = "SELECT count(*) FROM events"
MAX_BYTES_MIN = 256 * 1024


class OutboxStatus(NamedTuple):
    """backlog: unacknowledged events. oldest_s: the age of the oldest of them. full: the last append did not fit.

    quarantined: events still here that the hub has set aside. degraded, withdrawn: those in whose place a void stands.
    beyond_backup: acknowledged events still here that no backup of the hub has yet; 0 where it tells of none.
    """

    backlog: int
    oldest_s: float
    used_bytes: int
    full: bool
    epoch: str
    last_seq: int
    quarantined: int = 0
    degraded: int = 0
    withdrawn: int = 0
    beyond_backup: int = 0


def open_database(path: Path) -> apsw.Connection:
    """Open or make the file, 0600; on a full disk with the ballast's room.

    Raises StoreError where it cannot be opened or is not a database.
    """
    try:
        return _open(path)
    except StoreError:
        if not ballast.give_for(path):
            raise
    return _open(path)


def _open(path: Path) -> apsw.Connection:
    with errors_told(str(path)):
        try:
            make_folder(path.parent)
            is_new = not path.exists()
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            if is_new:
                sync_folder(path.parent)
        except OSError as error:
            raise StoreError(f"expected an outbox that can be written at {path}; {error}") from error
        connection = apsw.Connection(str(path))
        try:
            connection.set_busy_timeout(5000)
            if connection.pragma("journal_mode", "WAL") != "wal":
                raise StoreError(f"expected a file system that takes SQLite's WAL at {path}: use a local disk")
            connection.pragma("synchronous", "FULL")
            connection.pragma("journal_size_limit", 4 * 1024 * 1024)
        except BaseException:
            connection.close()
            raise
    return connection


def read_status(path: Path, device: str, now: datetime) -> OutboxStatus:
    """The status of this device's file, read beside a device that runs; nothing in the file is changed.

    `full` is known to that device alone, and False here. Raises StoreError, ConfigError for another device's file.
    """
    with errors_told(str(path)), closing(open_reader(path, device)) as connection:
        return status_of(connection, now, full=False)


def open_reader(path: Path, device: str) -> apsw.Connection:
    """This device's file beside a device that runs, as it is at this moment until it is closed.

    Raises StoreError, ConfigError for another device's file.
    """
    with errors_told(str(path)):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            connection.set_busy_timeout(5000)
            connection.execute("BEGIN")
            if _is_new(connection):
                raise StoreError(f"expected an outbox at {path}, got an empty file: the first `dermedge run` fills it")
            _require_owner(connection, device)
        except BaseException:
            connection.close()
            raise
        return connection


def status_of(connection: apsw.Connection, now: datetime, *, full: bool) -> OutboxStatus:
    """Counts and sizes of a file that is claimed."""
    query = "SELECT count(*), min(appended_at) FROM events WHERE acknowledged_at IS NULL"
    backlog, oldest = connection.execute(query).get
    oldest_s = 0.0 if oldest is None else max(0.0, (now - datetime.fromisoformat(oldest)).total_seconds())
    pages = connection.pragma("page_count") - connection.pragma("freelist_count")
    used_bytes = pages * connection.pragma("page_size")
    quarantined = connection.execute(f"{_COUNT} WHERE acknowledged_outcome = 'quarantined'").get
    query = "SELECT void_reason, count(*) FROM events WHERE void_reason IS NOT NULL GROUP BY void_reason"
    rows: list[Any] = connection.execute(query).fetchall()
    voids: dict[str, int] = dict(rows)
    backed_up_to, beyond_backup = int(fact(connection, "backed_up_to")), 0
    if backed_up_to:
        query = f"{_COUNT} WHERE acknowledged_outcome = 'stored' AND seq > ?"
        beyond_backup = connection.execute(query, (backed_up_to,)).get
    return OutboxStatus(
        backlog,
        oldest_s,
        used_bytes,
        full,
        fact(connection, "epoch"),
        last_seq(connection),
        quarantined,
        voids.get("picture_degraded", 0),
        voids.get("consent_withdrawn", 0),
        beyond_backup,
    )


def check_quota(max_bytes: int) -> None:
    """Raises ConfigError for a quota that holds hardly anything."""
    if max_bytes < MAX_BYTES_MIN:
        raise ConfigError(f"expected outbox.max_bytes of at least {MAX_BYTES_MIN}, got {max_bytes}")


def prepare(connection: apsw.Connection) -> None:
    """Make the tables in a new file. Raises StoreError for a file of another version or of another program."""
    with errors_told(connection.filename):
        if _is_new(connection):
            with transaction(connection):
                connection.execute(SCHEMA)
                connection.pragma("user_version", SCHEMA_VERSION)


def claim(connection: apsw.Connection, device: str) -> str:
    """A new file becomes this device's, under a new epoch; the epoch. Raises ConfigError for another device's file."""
    with transaction(connection):
        connection.executemany(
            "INSERT OR IGNORE INTO facts VALUES (?, ?)",
            [
                ("device", device),
                ("epoch", os.urandom(16).hex()),
                ("last_seq", "0"),
                ("last_hash", FIRST_PREVIOUS),
                ("generation", "0"),
                ("backed_up_to", "0"),
                ("reconciled_to", "0"),
                ("reconciled_on", ""),
            ],
        )
    _require_owner(connection, device)
    return fact(connection, "epoch")


def fact(connection: apsw.Connection, name: str) -> str:
    """What the file knows of itself. Raises StoreError where it should know and does not."""
    value: str | None = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).get
    if value is None:
        raise StoreError(f"expected the fact {name!r} in the outbox at {connection.filename}: the file is damaged")
    return value


def put_fact(connection: apsw.Connection, name: str, value: str) -> None:
    """Change what `claim` has put there."""
    connection.execute("UPDATE facts SET value = ? WHERE name = ?", (value, name))


def raise_generation(connection: apsw.Connection, generation: int) -> None:
    """The hub was heard under this one: never back to a lower."""
    if generation > int(fact(connection, "generation")):
        put_fact(connection, "generation", str(generation))


def last_seq(connection: apsw.Connection) -> int:
    """The highest seq ever given out to an event in this file: kept apart, since rows are freed."""
    return int(fact(connection, "last_seq"))


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE … COMMIT; rolled back on any exception, a failing COMMIT's included."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def errors_told(path: str) -> Iterator[None]:
    """SQLite's errors as ours. Raises OutboxFullError, StoreError."""
    try:
        yield
    except apsw.FullError as error:
        raise OutboxFullError(
            f"expected room in the outbox at {path}, got none ({error}): capturing stops until events are "
            "acknowledged; free the disk, or raise outbox.max_bytes"
        ) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise StoreError(
            f"expected an undamaged outbox at {path}, got: {error}. Move the file and its -wal aside, keep them (what "
            "is whole in them can still be sent), and start again with a new one"
        ) from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreError(f"expected the outbox at {path} to be free, got: {error}: stop the other process") from error
    except (apsw.IOError, apsw.CantOpenError) as error:
        raise StoreError(
            f"expected the outbox at {path} to be readable and writable, got: {error}. The disk may be full (see "
            "`df`), failing, or not this user's"
        ) from error
    except apsw.Error as error:
        raise StoreError(f"expected the outbox at {path} to be readable and writable, got: {error}") from error


def _is_new(connection: apsw.Connection) -> bool:
    """Whether nothing is in the file yet. Raises StoreError for a file of another version or of another program."""
    version: int = connection.pragma("user_version")
    if version == SCHEMA_VERSION:
        return False
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if version != 0 or tables:
        raise StoreError(
            f"expected an outbox of version {SCHEMA_VERSION} at {connection.filename}, got version {version} with "
            f"{tables} tables: name another file, or use the program that wrote it"
        )
    return True


def _require_owner(connection: apsw.Connection, device: str) -> None:
    owner = fact(connection, "device")
    if owner != device:
        raise ConfigError(
            f"expected the outbox of device {device!r} at {connection.filename}, got that of {owner!r}: set "
            "outbox.path to another file"
        )
