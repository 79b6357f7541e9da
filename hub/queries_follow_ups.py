"""What the follow-ups' page reads: who is due, and who is overdue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa

from hub.schema_desk import follow_ups

PAGE_ROWS = 50


class FollowUpPlace(NamedTuple):
    """Where a page ends, for the next to go on from."""

    due_on: date
    encounter_id: str
    device: str
    visit: str


@dataclass(frozen=True)
class FollowUpRow:
    """A visit that is due. overdue_days: 0 for one that is not."""

    encounter_id: str
    device: str
    visit: str
    site: str
    cohort: str
    participant: str
    tier: str
    due_on: date
    overdue_days: int


@dataclass(frozen=True)
class FollowUpPage:
    """next: where the next page begins; None at the end."""

    rows: Sequence[FollowUpRow]
    next: FollowUpPlace | None


@dataclass(frozen=True)
class FollowUpCounts:
    """overdue, and due within so many days."""

    overdue: int
    due: int


def page(
    connection: sa.Connection,
    today: date,
    until: date,
    *,
    site: str = "",
    cohort: str = "",
    after: FollowUpPlace | None = None,
    rows: int = PAGE_ROWS,
) -> FollowUpPage:
    """What is not done and due until a day, the longest overdue first."""
    order = (follow_ups.c.due_on, follow_ups.c.encounter_id, follow_ups.c.device, follow_ups.c.visit)
    names = [name for name in FollowUpRow.__dataclass_fields__ if name != "overdue_days"]
    query = sa.select(*(follow_ups.c[name] for name in names)).where(*_due(until, site, cohort))
    if after is not None:
        bound = [sa.literal(value, column.type) for value, column in zip(after, order, strict=True)]
        query = query.where(sa.tuple_(*order) > sa.tuple_(*bound))
    found = [
        FollowUpRow(**row, overdue_days=max(0, (today - row["due_on"]).days))
        for row in connection.execute(query.order_by(*order).limit(rows + 1)).mappings()
    ]
    last = found[rows - 1] if len(found) > rows else None
    place = FollowUpPlace(last.due_on, last.encounter_id, last.device, last.visit) if last is not None else None
    return FollowUpPage(found[:rows], place)


def counts(connection: sa.Connection, today: date, until: date, *, site: str = "", cohort: str = "") -> FollowUpCounts:
    """How many."""
    query = sa.select(
        sa.func.count().filter(follow_ups.c.due_on < today), sa.func.count().filter(follow_ups.c.due_on >= today)
    )
    overdue, due = connection.execute(query.where(*_due(until, site, cohort))).one()
    return FollowUpCounts(overdue, due)


def history_of(
    connection: sa.Connection, device: str, encounter_id: str
) -> Sequence[tuple[str, date, datetime | None]]:
    """Visit, day, and when it was kept, of one encounter."""
    mine = follow_ups.c.device == device, follow_ups.c.encounter_id == encounter_id
    query = sa.select(follow_ups.c.visit, follow_ups.c.due_on, follow_ups.c.done_at).where(*mine)
    return [(row.visit, row.due_on, row.done_at) for row in connection.execute(query.order_by(follow_ups.c.due_on))]


def _due(until: date, site: str, cohort: str) -> list[sa.ColumnElement[bool]]:
    conditions = [follow_ups.c.done_at.is_(None), follow_ups.c.due_on <= until]
    if site:
        conditions.append(follow_ups.c.site == site)
    if cohort:
        conditions.append(follow_ups.c.cohort == cohort)
    return conditions
