"""Whether this is still the database that `hub ingest` has been writing to, and not another one put in its place.

A backup that is put back by hand, under a hub that runs, still has people in it who have withdrawn since. So each
transaction of `hub ingest` leaves a new random mark in the database, and looks first for the one before. A file of
SQLite is watched too: one that is copied over keeps its name, its inode and what stands in the log beside it. Whatever
else writes to the file (another process may empty its log) is then looked at once for nothing, which costs little.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from edge.errors import StoreError
from hub.database import DATABASE_FILE, is_on_server, upsert
from hub.schema import marks


class ReplacedError(StoreError):
    """Another database may stand where ours was; nothing was written to it."""


class Mark:
    """`adopt`, then `begin` for every transaction; used from one thread."""

    def __init__(self, engine: sa.Engine, directory: Path) -> None:
        self._engine = engine
        self._file = None if is_on_server(directory) else directory / DATABASE_FILE
        self._expected: frozenset[str] = frozenset()
        self._seen_file = self._look()

    def adopt(self) -> bool:
        """From now on this database is ours; whether it is another than before. Raises what the database raises."""
        # What is held open may belong to the file before.
        self._engine.dispose()
        expected = self._expected
        with self._engine.begin() as connection:
            found = _read(connection)
            self._leave(connection, found)
        self._settled()
        return found is None or found not in expected

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction, as `Engine.begin`. Raises ReplacedError before anything is written to another database."""
        if self._look() != self._seen_file:
            raise ReplacedError("expected the database's file to be written by this hub alone, somebody else has")
        with self._engine.begin() as connection:
            found = _read(connection)
            if found is None or found not in self._expected:
                raise ReplacedError("expected the database that this hub has been writing to, got another one")
            self._leave(connection, found)
            yield connection
        self._settled()

    def _leave(self, connection: sa.Connection, found: str | None) -> None:
        # Where nobody can say whether the commit was done, either may be found.
        self._newest = os.urandom(16).hex()
        self._expected = frozenset({self._newest, *([] if found is None else [found])})
        row = {"id": 1, "mark": self._newest}
        statement = upsert(connection, marks).values(row)
        connection.execute(statement.on_conflict_do_update(index_elements=[marks.c.id], set_=row))

    def _settled(self) -> None:
        self._expected = frozenset({self._newest})
        self._seen_file = self._look()

    def _look(self) -> tuple[int, int, int]:
        """inode, bytes and time of the file's last change; zeros where there is none."""
        try:
            status = None if self._file is None else self._file.stat()
        except OSError:
            status = None
        return (0, 0, 0) if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)


def _read(connection: sa.Connection) -> str | None:
    return connection.execute(sa.select(marks.c.mark)).scalar_one_or_none()
