"""The outbox's file: SQLite through apsw, its tables, and its errors in our words.

One file holds events (sealed), commands (sealed) and a few facts about itself. WAL with synchronous=FULL: a commit is
on the disk before it returns. `message_sha256` is over the sealed message, as an acknowledgement names it;
`ciphertext_sha256` is what the next event's prev_hash must be. `acknowledged_at` is null until the hub has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from edge.errors import ConfigError, OutboxFullError, StoreError
from edge.wire import FIRST_PREVIOUS

SCHEMA_VERSION = 1

# AUTOINCREMENT: a plain integer key gives numbers out again once the table is empty.
SCHEMA = """
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE events(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    priority TEXT NOT NULL CHECK (priority IN ('urgent', 'live', 'backlog')),
    message BLOB NOT NULL,
    message_sha256 TEXT NOT NULL,
    ciphertext_sha256 TEXT NOT NULL,
    appended_at TEXT NOT NULL,
    acknowledged_at TEXT
) STRICT;
CREATE INDEX events_pending ON events(priority, seq) WHERE acknowledged_at IS NULL;
CREATE TABLE commands(
    command_id TEXT PRIMARY KEY,
    message BLOB NOT NULL,
    response BLOB NOT NULL,
    received_at TEXT NOT NULL
) STRICT;
"""


def open_database(path: Path) -> apsw.Connection:
    """Open or make the file, 0600. Raises StoreError where it cannot be opened or is not a database."""
    with errors_told(str(path)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreError(f"expected an outbox that can be written at {path}; {error}") from error
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(5000)
        if connection.pragma("journal_mode", "WAL") != "wal":
            raise StoreError(f"expected a file system that takes SQLite's WAL at {path}: use a local disk")
        connection.pragma("synchronous", "FULL")
        connection.pragma("journal_size_limit", 4 * 1024 * 1024)
    return connection


def prepare(connection: apsw.Connection) -> None:
    """Make the tables in a new file. Raises StoreError for a file of a newer version or of another program."""
    with errors_told(connection.filename):
        version = connection.pragma("user_version")
        if version == SCHEMA_VERSION:
            return
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if version != 0 or tables:
            raise StoreError(
                f"expected an outbox of version {SCHEMA_VERSION} at {connection.filename}, got version {version} with "
                f"{tables} tables: name another file, or use the program that wrote it"
            )
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
                ("last_hash", FIRST_PREVIOUS),
                ("response_epoch", os.urandom(16).hex()),
                ("last_response_hash", FIRST_PREVIOUS),
                ("last_response_seq", "0"),
            ],
        )
    owner = fact(connection, "device")
    if owner != device:
        raise ConfigError(
            f"expected the outbox of device {device!r} at {connection.filename}, got that of {owner!r}: set "
            "outbox.path to another file"
        )
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


def last_seq(connection: apsw.Connection) -> int:
    """The highest seq ever given out to an event in this file."""
    seq: int | None = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").get
    return seq or 0


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
    except apsw.Error as error:
        raise StoreError(f"expected the outbox at {path} to be readable and writable, got: {error}") from error
