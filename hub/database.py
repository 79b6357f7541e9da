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
        engine = open_database(directory)
        with engine.begin() as connection:
            metadata.create_all(connection)
        engine.dispose()
    except (OSError, sa.exc.SQLAlchemyError) as error:
        raise StoreError(f"expected to write a new database at {path}; {error}") from error
    return path


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


def upsert(table: sa.Table) -> sqlite.Insert:
    """An INSERT that knows ON CONFLICT."""
    return sqlite.insert(table)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
