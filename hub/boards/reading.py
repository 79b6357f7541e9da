"""The newest reading of the database, shared by whoever asks; a database that is away is a value, not an error."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from edge.clock import Clock
from edge.errors import StoreError
from hub.boards.released import Released, ReleasedCounts
from hub.database import in_short
from hub.queries_boards import Standing, standing

READ_EVERY_NS = 5_000_000_000
WAIT_S = 8.0
"""Prometheus gives up after 10 s; who asks while a slow reading is under way waits no longer than this."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """standing None: the database cannot be read, and nothing but that is known."""

    standing: Standing | None
    sites: Sequence[ReleasedCounts] = ()


class Readings:
    """Thread-safe; one thread reads at a time, whatever the number of those that ask."""

    def __init__(self, engine: sa.Engine, clock: Clock, suppress_under: int) -> None:
        self._engine = engine
        self._clock = clock
        self._released = Released(suppress_under)
        self._lock = threading.Lock()
        self._read_at_ns = clock.monotonic_ns() - READ_EVERY_NS
        self._newest = Reading(None)
        self._away_told = False

    def newest(self) -> Reading:
        """At most READ_EVERY_NS old; without a standing where the database does not answer in WAIT_S."""
        if not self._lock.acquire(timeout=WAIT_S):
            return Reading(None)
        try:
            if self._clock.monotonic_ns() - self._read_at_ns >= READ_EVERY_NS:
                self._newest = self._read()
                self._read_at_ns = self._clock.monotonic_ns()
            return self._newest
        finally:
            self._lock.release()

    def _read(self) -> Reading:
        try:
            found = standing(self._engine, self._clock.now())
        except (sa.exc.SQLAlchemyError, StoreError, OSError, ValueError) as error:
            if not self._away_told:
                _log.warning("the database cannot be read: %s", in_short(error))
            self._away_told = True
            self._engine.dispose()
            return Reading(None)
        self._away_told = False
        return Reading(found, self._released.release(found.sites))
