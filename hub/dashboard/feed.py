"""One reading of the database a second, shared by all pages that are open; none while nobody looks."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from edge import bundle
from edge.clock import Clock
from edge.errors import BundleError, StoreError
from hub import queries
from hub.queries import Live, People

READ_EVERY_NS = 900_000_000
NOTHING_READ = People(0, 0, 0, 0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Coverage:
    """What the model of a card covers, and whether it is more than research."""

    model: str
    status: str
    labels: tuple[str, ...]
    not_covered: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """database_away: `live` is the last that could be read, or empty."""

    live: Live
    database_away: bool


class Feed:
    """Used on the server's event loop; the query itself runs in a thread, so that a slow one holds up no page."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = asyncio.Lock()
        self._read_at_ns = -READ_EVERY_NS
        self._newest = Reading(_nothing(clock.now()), database_away=False)
        self.coverage = shipped_coverage()

    async def newest(self) -> Reading:
        """At most a second old, while the database answers."""
        async with self._lock:
            if self._clock.monotonic_ns() - self._read_at_ns >= READ_EVERY_NS:
                self._newest = await asyncio.to_thread(self._read)
                self._read_at_ns = self._clock.monotonic_ns()
            return self._newest

    def _read(self) -> Reading:
        try:
            return Reading(queries.live(self._engine, self._clock.now()), database_away=False)
        except (sa.exc.SQLAlchemyError, ValueError, StoreError, OSError) as error:
            if not self._newest.database_away:
                _log.warning("the database cannot be read: %s", error)
            self._engine.dispose()
            return Reading(self._newest.live, database_away=True)


def shipped_coverage() -> Coverage | None:
    """Of the bundle that ships with this version; None where there is none."""
    try:
        card = bundle.load().card
    except BundleError as error:
        _log.warning("no model card to tell what is covered: %s", error)
        return None
    labels = tuple(label.name for label in card.labels)
    return Coverage(f"{card.name} {card.version}", card.status, labels, card.not_covered)


def _nothing(at: datetime) -> Live:
    return Live(at, (), (), (), (), NOTHING_READ, 0, {}, taking_events=False, ingest_at=None, ingest_problem="")
