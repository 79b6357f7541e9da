"""What is older than the hub is to keep it loses its body: pictures first, as `hub.toml` says under [retention].

The event's place in the chain stays, and so does what was counted and decided. A withdrawal still finds what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from hub.auditing import CONSOLE, audit
from hub.database import empty_log, erase_for_good
from hub.schema import events
from hub.settings import Retention

BATCH_EVENTS = 500
"""In one transaction, so that events which arrive meanwhile do not wait long."""
REASON = "retention"
PICTURE = "picture_part"


@dataclass(frozen=True)
class Erased:
    """How many events lost their bodies."""

    pictures: int
    bodies: int


def erase_old(
    engine: sa.Engine, retention: Retention, now: datetime, is_stopping: Callable[[], bool] = lambda: False
) -> Erased:
    """Erase what is due. To be called once a day. Raises what the database raises; what was erased before stays so.

    is_stopping: asked between transactions; the next call goes on.
    """
    done = {True: 0, False: 0}
    for is_picture, days in ((True, retention.pictures_days), (False, retention.bodies_days)):
        which = events.c.type == PICTURE if is_picture else events.c.type != PICTURE
        while days and not is_stopping() and (count := _erase_batch(engine, which, now - timedelta(days=days))):
            done[is_picture] += count
    erased = Erased(pictures=done[True], bodies=done[False])
    if erased.pictures or erased.bodies:
        with engine.begin() as connection:
            detail = f"{erased.pictures} parts of pictures, {erased.bodies} other events"
            audit(connection, now, CONSOLE, "retention.erase", detail=detail)
        empty_log(engine)
    return erased


def _erase_batch(engine: sa.Engine, which: sa.ColumnElement[bool], before: datetime) -> int:
    due = which, events.c.body.is_not(None), events.c.received_at < before
    query = sa.select(events.c.device, events.c.event_id).where(*due).order_by(events.c.received_at)
    with engine.begin() as connection:
        erase_for_good(connection)
        rows = connection.execute(query.limit(BATCH_EVENTS)).all()
        if rows:
            connection.execute(
                sa.update(events)
                .where(events.c.device == sa.bindparam("device_"), events.c.event_id == sa.bindparam("id_"))
                .values(body=None, void_reason=REASON),
                [{"device_": row.device, "id_": row.event_id} for row in rows],
            )
    return len(rows)
