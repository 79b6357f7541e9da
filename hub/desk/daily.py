"""The work of a day: what no event and no person sets going. In short transactions, and again does no harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from hub import retention, sessions
from hub.database import upsert
from hub.desk import follow_ups, items, protocols, referring, sampling
from hub.schema_desk import daily_runs, sample
from hub.settings import Settings

AT_ONCE = 100
"""Rows in one transaction."""
PICTURE_WITHIN = timedelta(hours=24)
"""So long an item of the blind sample waits for its picture."""


def is_due(engine: sa.Engine, now: datetime) -> bool:
    """Whether the work of this day, by UTC, has not been done."""
    with engine.connect() as connection:
        query = sa.select(daily_runs.c.day).where(daily_runs.c.day == now.date())
        return connection.execute(query).first() is None


def run(
    engine: sa.Engine, folder: Path, settings: Settings, now: datetime, is_stopping: Callable[[], bool] = lambda: False
) -> Mapping[str, int]:
    """Do it, and note that it was done; how many of each. Raises ConfigError, and what the database raises.

    is_stopping: asked between transactions; what is left is done the next time.
    """
    cohorts = protocols.load(folder / settings.cohorts.protocols if settings.cohorts.protocols else None)
    with engine.begin() as connection:
        sampling.set_share(connection, settings.review.sample_share, now)
        sessions.forget_ended(connection, settings.sessions, now)
    counts = {
        "referrals_expired": _expire(engine, now - timedelta(days=settings.referrals.expire_after_days), now),
        "items_shown": _stop_waiting(engine, now - PICTURE_WITHIN),
        "follow_ups_planned": follow_ups.plan(engine, cohorts, is_stopping),
        "follow_ups_kept": follow_ups.mark_kept(engine, cohorts, now),
    }
    erased = retention.erase_old(engine, settings.retention, now, is_stopping)
    counts |= {"pictures_erased": erased.pictures, "bodies_erased": erased.bodies}
    if is_stopping():
        return counts
    row = {"done_at": now, "counts": counts}
    with engine.begin() as connection:
        statement = upsert(connection, daily_runs).values(day=now.date(), **row)
        connection.execute(statement.on_conflict_do_update(index_elements=[daily_runs.c.day], set_=row))
    return counts


def _expire(engine: sa.Engine, before: datetime, now: datetime) -> int:
    count = 0
    while True:
        with engine.begin() as connection:
            done = referring.expire(connection, before, now, AT_ONCE)
        count += done
        if done < AT_ONCE:
            return count


def _stop_waiting(engine: sa.Engine, before: datetime) -> int:
    """Show items whose picture did not come: nobody waits longer for having been drawn."""
    count = 0
    while True:
        with engine.begin() as connection:
            query = sa.select(sample.c.device, sample.c.encounter_id)
            query = query.where(sample.c.state == "waiting", sample.c.drawn_at < before).limit(AT_ONCE)
            rows = connection.execute(query).all()
            for row in rows:
                items.give_up_view(connection, row.device, row.encounter_id)
        count += len(rows)
        if len(rows) < AT_ONCE:
            return count
