"""Whether this is still the database that `hub ingest` has been writing to, and not another one put in its place.

A backup that is put back by hand, under a hub that runs, still has people in it who have withdrawn since. So each
transaction of `hub ingest` leaves a new random mark in the database, and looks first for the one before.

A file of SQLite that is copied over keeps its name and its inode, and the log of the one before would be read on top of
it. So whenever the file itself has changed, its own mark, without the log, must be one of those that went into the log
since it was last looked at. If not, what was copied is given a file of its own, and the log is left behind.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from edge.errors import StoreError
from hub.database import DATABASE_FILE, is_on_server, upsert
from hub.disk import to_disk
from hub.schema import marks


class ReplacedError(StoreError):
    """Another database stands where ours was; nothing was written to it."""


class Mark:
    """`adopt`, then `begin` for every transaction; used from one thread."""

    def __init__(self, engine: sa.Engine, directory: Path) -> None:
        self._engine = engine
        self._file = None if is_on_server(directory) else directory / DATABASE_FILE
        self._expected: frozenset[str | None] = frozenset()
        self._seen_file = (0, 0, 0)
        self._suspected = self._seen_file
        self._logged: list[str | None] = []

    def adopt(self) -> bool:
        """From now on this database is ours; whether it is another than before. Raises what the database raises."""
        self._engine.dispose()
        expected = self._expected
        self._seen_file = self._look()
        self._logged = [] if self._file is None else [_mark_of(self._file)]
        with self._engine.begin() as connection:
            found = _read(connection)
            newest = self._leave(connection, found)
        self._expected = frozenset({newest})
        return found is None or found not in expected

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction, as `Engine.begin`. Raises ReplacedError before anything is written to another database."""
        self._require_own_file()
        with self._engine.begin() as connection:
            found = _read(connection)
            if found not in self._expected:
                raise ReplacedError("expected the database that this hub has been writing to, got another one")
            newest = self._leave(connection, found)
            yield connection
        self._expected = frozenset({newest})

    def let_go(self) -> None:
        """Close what is held open of a server, or of a file that was moved away."""
        # Not otherwise: who closes a file last brings its log into it, and it may be one that was copied over ours.
        if self._file is None or self._look()[0] != self._seen_file[0]:
            self._engine.dispose()

    def _leave(self, connection: sa.Connection, found: str | None) -> str:
        newest = os.urandom(16).hex()
        # Where nobody can say whether the commit was done, either may be found.
        self._expected = frozenset({newest, found})
        self._logged.append(newest)
        row = {"id": 1, "mark": newest}
        statement = upsert(connection, marks).values(row)
        connection.execute(statement.on_conflict_do_update(index_elements=[marks.c.id], set_=row))
        return newest

    def _require_own_file(self) -> None:
        now = self._look()
        if self._file is None or now == self._seen_file:
            return
        if now[0] != self._seen_file[0]:
            raise ReplacedError(f"expected the database at {self._file} to stay in its place, it was moved or replaced")
        mark = _mark_of(self._file)
        if mark not in self._logged and now != self._suspected:
            self._suspected = now
            raise StoreError(f"expected the file {self._file} at rest, it is being written: it is looked at again")
        if mark not in self._logged:
            self._set_apart(self._file)
            raise ReplacedError("expected the database that this hub has been writing to, another was copied over it")
        del self._logged[: self._logged.index(mark)]
        self._seen_file = now

    def _set_apart(self, file: Path) -> None:
        """What was copied over our file, as a new file in its place. Raises StoreError while it is not whole."""
        apart = file.with_name(file.name + ".copied")
        shutil.copyfile(file, apart)
        apart.chmod(0o600)
        with closing(sqlite3.connect(f"{apart.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            try:
                verdict = str(connection.execute("PRAGMA quick_check").fetchone()[0])
            except sqlite3.Error as error:
                verdict = str(error)
        if verdict != "ok":
            apart.unlink()
            raise StoreError(
                f"expected a whole database at {file}, got one that is being copied, or damaged: {verdict}"
            )
        to_disk(apart)
        for suffix in ("-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
        apart.replace(file)
        to_disk(file.parent)

    def _look(self) -> tuple[int, int, int]:
        """inode, bytes and time of the file's last change; zeros where there is none."""
        try:
            status = None if self._file is None else self._file.stat()
        except OSError:
            status = None
        return (0, 0, 0) if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)


def _read(connection: sa.Connection) -> str | None:
    return connection.execute(sa.select(marks.c.mark)).scalar_one_or_none()


def _mark_of(file: Path) -> str | None:
    """Of the file alone, without its log; None where it has none, or is being written."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            row = connection.execute("SELECT mark FROM marks").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])
