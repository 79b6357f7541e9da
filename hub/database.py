"""Opening the hub's database, one SQLite file in the hub's folder."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from edge.errors import ConfigError, StoreError
from hub.schema import metadata

DATABASE_FILE = "hub.db"
BUSY_TIMEOUT_MS = 5000


def create(directory: Path) -> Path:
    """A new database with all tables, readable by its owner only: it holds opened events. Raises StoreError."""
    path = directory / DATABASE_FILE
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _create_tables(directory)
    except (OSError, sa.exc.SQLAlchemyError) as error:
        raise StoreError(f"expected to write a new database at {path}; {error}") from error
    return path


def _create_tables(directory: Path) -> None:
    """In the new and empty file; removes it where that fails."""
    engine = open_database(directory)
    try:
        with engine.begin() as connection:
            metadata.create_all(connection)
    except BaseException:
        engine.dispose()
        for name in (DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm"):
            (directory / name).unlink(missing_ok=True)
        raise
    engine.dispose()


def open_database(directory: Path, *, read_only: bool = False) -> sa.Engine:
    """The engine of the database in this folder. Raises ConfigError where there is none.

    A reader never waits for a writer, nor the other way round (WAL). A writer's commit is on the disk (synchronous
    FULL) when it returns, and its transaction takes the write lock at once.
    """
    path = (directory / DATABASE_FILE).absolute()
    if not path.is_file():
        raise ConfigError(f"expected a hub's database at {path}, found none: make a hub with `dermedge hub init DIR`")

    def connect() -> sqlite3.Connection:
        # mode=rw: a database that vanished is an error, never a new and empty one.
        return sqlite3.connect(
            f"{path.as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )

    engine = sa.create_engine(
        "sqlite+pysqlite://",
        creator=connect,
        poolclass=sa.pool.QueuePool,
        hide_parameters=True,  # an error's text goes to the log, and parameters are what was opened
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["inode"] = _inode(path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        if read_only:
            connection.execute("PRAGMA query_only=ON")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A file that was moved or replaced under an open connection would still take writes, and lose them.
        if connection.info["inode"] != _inode(path):
            raise StoreError(f"expected the database at {path} to stay in its place, it was moved or replaced")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def empty_log(engine: sa.Engine) -> None:
    """Bring SQLite's log to nothing: it holds what was erased from the tables. Left as it is while somebody reads."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def passes(error: Exception) -> bool:
    """Whether waiting may help: the database is locked, full, damaged or gone.

    False where what it was given is at fault. A value that cannot be bound is a StatementError that is no DBAPIError.
    """
    if isinstance(error, sa.exc.DBAPIError):
        at_fault = (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.InterfaceError, sa.exc.ProgrammingError)
        return not isinstance(error, at_fault)
    return isinstance(error, (sa.exc.TimeoutError, OSError))


def in_short(error: Exception) -> str:
    """Without the statement: what the database itself says."""
    return str(getattr(error, "orig", None) or error)


def upsert(table: sa.Table) -> sqlite.Insert:
    """An INSERT that knows ON CONFLICT."""
    return sqlite.insert(table)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
