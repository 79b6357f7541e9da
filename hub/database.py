"""Opening the hub's database: one SQLite file in the hub's folder, or a PostgreSQL that a file there names.

Everything else in hub/ is written for both, in SQLAlchemy Core. On both one transaction writes at a time, and its
commit is on the disk when it returns: what is acknowledged stays.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edge.errors import ConfigError, StoreError
from hub.disk import to_disk
from hub.schema_version import require_current, require_whole, upgrade

DATABASE_FILE = "hub.db"
URL_FILE = "database.url"
"""One line, `postgresql+psycopg://user:password@host/database`; 0600, because of the password."""
WRITER_LOCK = 5_037
"""PostgreSQL's advisory lock for the one writer; any number that nobody else takes in this database."""
BUSY_TIMEOUT_MS = 5000
_OPTIONS: dict[str, Any] = {
    "hide_parameters": True,  # an error's text goes to the log, and parameters are what was opened
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
}


def create(directory: Path, url: str | None = None) -> Path:
    """A new database with all tables, readable by its owner only: it holds opened events; the file that stands for it.

    url: of an empty PostgreSQL database, for SQLite none. Raises StoreError, ConfigError.
    """
    if url is not None:
        return _create_on_server(directory, url)
    path = directory / DATABASE_FILE
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _create_tables(directory)
        to_disk(directory)
    except (OSError, sa.exc.SQLAlchemyError) as error:
        raise StoreError(f"expected to write a new database at {path}; {error}") from error
    return path


def _create_on_server(directory: Path, url: str) -> Path:
    path = directory / URL_FILE
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(url + "\n")
        _create_tables(directory)
        to_disk(path)
        to_disk(directory)
    except (OSError, sa.exc.SQLAlchemyError) as error:
        raise StoreError(f"expected to write a new database at the server that {path} names; {error}") from error
    return path


def _create_tables(directory: Path) -> None:
    """In the new and empty database; removes its file where that fails."""
    try:
        engine = open_database(directory, any_version=True)
        try:
            with engine.begin() as connection:
                _require_empty(connection)
                upgrade(connection)
        finally:
            engine.dispose()
    except BaseException:
        for name in (DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm", URL_FILE):
            (directory / name).unlink(missing_ok=True)
        raise


def _require_empty(connection: sa.Connection) -> None:
    if found := sa.inspect(connection).get_table_names():
        raise StoreError(f"expected an empty database, found tables in it: {', '.join(sorted(found)[:3])}")


def is_on_server(directory: Path) -> bool:
    """Whether the hub in this folder keeps its events in PostgreSQL."""
    return (directory / URL_FILE).is_file()


def open_database(directory: Path, *, read_only: bool = False, any_version: bool = False) -> sa.Engine:
    """The engine of the database in this folder. Raises ConfigError where there is none.

    A reader never waits for a writer, nor the other way round. A writer's commit is on the disk when it returns, and
    its transaction takes the write lock at once. Every transaction raises VersionError where the tables are not those
    that this code knows, but with any_version, for who is about to change that.
    """
    if is_on_server(directory):
        engine = _open_on_server(directory / URL_FILE, read_only=read_only)
    else:
        engine = _open_file(directory, read_only=read_only)
    sa.event.listen(engine, "handle_error", _keep_to_the_first_line)
    if not any_version:
        sa.event.listen(engine, "begin", _require_version)
    return engine


@contextmanager
def opened(directory: Path, *, read_only: bool = False) -> Iterator[sa.Engine]:
    """As `open_database`; every connection is closed at the end, however it ends."""
    engine = open_database(directory, read_only=read_only)
    try:
        yield engine
    finally:
        engine.dispose()


def _keep_to_the_first_line(context: sa.engine.ExceptionContext) -> None:
    """PostgreSQL quotes the row in the DETAIL of an error, and an error goes to the log."""
    primary = getattr(getattr(context.original_exception, "diag", None), "message_primary", None)
    if primary is not None and context.sqlalchemy_exception is not None:
        context.original_exception.args = (primary,)
        context.sqlalchemy_exception.args = (f"({type(context.original_exception).__name__}) {primary}",)


def _require_version(connection: sa.Connection) -> None:
    if connection.info.get("is_whole"):
        require_current(connection)  # the database may have been migrated, or replaced, under this very connection
    else:
        require_whole(connection)
        connection.info["is_whole"] = True


def _open_file(directory: Path, *, read_only: bool) -> sa.Engine:
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
        **_OPTIONS,
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


def _open_on_server(file: Path, *, read_only: bool) -> sa.Engine:
    try:
        url = sa.make_url(file.read_text().strip())
        if url.drivername != "postgresql+psycopg":
            raise ValueError(f"got {url.drivername}")
        waiting = {"connect_timeout": BUSY_TIMEOUT_MS // 1000}
        engine = sa.create_engine(url, connect_args=waiting, pool_pre_ping=True, **_OPTIONS)
    except (OSError, ValueError, sa.exc.ArgumentError) as error:
        raise ConfigError(f"expected postgresql+psycopg://user@host/database in {file}; {error}") from error
    except ModuleNotFoundError as error:
        raise ConfigError(f"expected psycopg for the database that {file} names: install dermedge[postgres]") from error

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if read_only:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return
        # Whatever the server's own settings are: a commit that returns is on the disk, and one writes at a time.
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {BUSY_TIMEOUT_MS}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")

    return engine


def erase_for_good(connection: sa.Connection) -> None:
    """In this transaction, before anything is erased: what goes is overwritten too."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")


def empty_log(engine: sa.Engine) -> None:
    """After erasing: bring SQLite's log to nothing, for it holds what was erased; left as it is while somebody reads.

    PostgreSQL overwrites dead rows when it vacuums, and its own log when it wraps around; archives of that are the
    clinic's to keep as the database.
    """
    if engine.dialect.name != "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as server:
            server.exec_driver_sql("VACUUM")
        return
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
        if error.connection_invalidated:
            return True
        at_fault = (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.InterfaceError, sa.exc.ProgrammingError)
        return not isinstance(error, at_fault)
    return isinstance(error, (sa.exc.TimeoutError, OSError))


def in_short(error: Exception) -> str:
    """Without the statement: what the database itself says."""
    return str(getattr(error, "orig", None) or error)


def table_of_json(connection: sa.Connection, column: sa.Column[Any]) -> Any:
    """A JSON object's keys and values, as a table of `key` and `value` beside each row."""
    in_file = connection.dialect.name == "sqlite"
    pairs = sa.func.json_each(column) if in_file else sa.func.json_each_text(column)
    columns = sa.column("key", sa.String), sa.column("value", sa.String)
    return pairs.table_valued(*columns, joins_implicitly=True) if in_file else pairs.table_valued(*columns).lateral()


def upsert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, in this connection's dialect."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
