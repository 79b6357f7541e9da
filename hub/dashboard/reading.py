"""Questions of pages to the database: in threads, each with an end, and never more at once than there is room for.

A page whose query is slow takes neither another page's turn nor the ingest's: it is told that there is no answer.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import sqlalchemy as sa

from edge.errors import StoreError
from hub.database import in_short

T = TypeVar("T")

ANSWER_WITHIN_S = 8.0
"""What a person may be kept waiting; the shared feed is read once a second, in milliseconds."""
THREADS = 15
"""As many as the engine has connections."""
OF_ONE_KIND_MAX = 4
"""But for sessions, which every page asks for."""
SQLITE_LOOKS_UP_EVERY = 20_000
"""Steps of SQLite's machine between two looks at the clock; about a millisecond."""

_log = logging.getLogger(__name__)


class NoAnswerError(StoreError):
    """The database cannot be read, or not in time."""


def limit(engine: sa.Engine, within_s: float = ANSWER_WITHIN_S) -> sa.Engine:
    """The same engine; a statement that takes longer is ended by the database itself and raises OperationalError."""
    if engine.dialect.name == "postgresql":

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(within_s * 1000)}")

        return engine
    deadline = threading.local()  # a connection is used by one thread at a time, in which its statement began

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, record: sa.pool.ConnectionPoolEntry) -> None:  # noqa: ARG001
        connection.set_progress_handler(
            lambda: time.monotonic() > getattr(deadline, "at", float("inf")), SQLITE_LOOKS_UP_EVERY
        )

    @sa.event.listens_for(engine, "before_cursor_execute")
    def begins(*_: object) -> None:
        deadline.at = time.monotonic() + within_s

    return engine


class ReadingRoom:
    """Used on the server's event loop. The engine is one that `limit` has seen."""

    def __init__(self, engine: sa.Engine, within_s: float = ANSWER_WITHIN_S) -> None:
        self._engine = engine
        self._within_s = within_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")
        self._at_work: Counter[str] = Counter()

    async def ask(self, kind: str, query: Callable[[sa.Engine], T]) -> T:
        """kind: whose question; only so many of one kind at once. Raises NoAnswerError, and the query's own."""
        if self._at_work[kind] >= (THREADS if kind == "sessions" else OF_ONE_KIND_MAX):
            raise NoAnswerError(f"expected answers for {kind} in time; {self._at_work[kind]} questions wait for theirs")
        self._at_work[kind] += 1
        asked = asyncio.get_running_loop().run_in_executor(self._threads, query, self._engine)
        asked.add_done_callback(lambda _: self._done(kind))
        try:
            # Shielded: the thread goes on until the database ends it, and counts until then.
            return await asyncio.wait_for(asyncio.shield(asked), self._within_s)
        except TimeoutError as error:
            asked.add_done_callback(lambda late: late.cancelled() or late.exception())  # its end interests nobody
            raise NoAnswerError(f"expected an answer for {kind} within {self._within_s:g} s, got none") from error
        except (sa.exc.SQLAlchemyError, StoreError, OSError) as error:
            _log.warning("%s cannot be read: %s", kind, in_short(error))
            self._engine.dispose()  # a database that was put back in its place is another file to old connections
            raise NoAnswerError(f"expected to read {kind}; the database says: {in_short(error)}") from error

    def _done(self, kind: str) -> None:
        self._at_work[kind] -= 1

    def close(self) -> None:
        """Waits for nothing."""
        self._threads.shutdown(wait=False, cancel_futures=True)
