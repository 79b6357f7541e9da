"""One reading of the database a second, shared by all pages that are open; none while nobody looks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from edge import bundle
from edge.clock import Clock
from edge.errors import BundleError
from hub import queries, queries_live, queries_models
from hub.dashboard.reading import NoAnswerError, ReadingRoom
from hub.queries import Live, People
from hub.queries_live import SiteRow
from hub.queries_models import ModelInUse

READ_EVERY_NS = 900_000_000
PATIENCE_S = 0.8
"""So long a page waits for a fresh reading before it shows the last one."""
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
    """database_away: `live` is the last that could be read. is_read: there was one; else it is empty."""

    live: Live
    database_away: bool
    is_read: bool = True
    models: Sequence[ModelInUse] = ()
    sites: Sequence[SiteRow] = ()


class Feed:
    """Used on the server's event loop."""

    def __init__(self, room: ReadingRoom, clock: Clock) -> None:
        self._room = room
        self._clock = clock
        self._reading: asyncio.Task[None] | None = None
        self._read_at_ns = -READ_EVERY_NS
        self._newest = Reading(_nothing(clock.now()), database_away=False, is_read=False)
        self.coverage = shipped_coverage()

    @property
    def is_research(self) -> bool:
        """Whether any model that this hub knows of is for research: then every page says so."""
        return queries_models.is_research(self._newest.models)

    async def newest(self) -> Reading:
        """At most a second old while the database answers; while it is slow, the last one, and nobody waits long."""
        if self._reading is None and self._clock.monotonic_ns() - self._read_at_ns >= READ_EVERY_NS:
            self._reading = asyncio.create_task(self._read())
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=PATIENCE_S)
        return self._newest

    async def _read(self) -> None:
        now = self._clock.now()
        try:
            self._newest = await self._room.ask("feed", partial(_read, now=now))
        except (NoAnswerError, ValueError):
            self._newest = replace(self._newest, database_away=True)
        finally:
            self._read_at_ns = self._clock.monotonic_ns()
            self._reading = None


def _read(engine: sa.Engine, now: datetime) -> Reading:
    with engine.connect() as connection:
        models = queries_models.in_use(connection)
    live = queries.live(engine, now)
    return Reading(live, database_away=False, models=models, sites=queries_live.sites(live.devices))


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
