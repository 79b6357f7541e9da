"""Follow-up visits: planned from who was screened and what was found, by the cohort's protocol; kept by coming again.

Only of people whose consent covers it. Planning again changes what is still due, and nothing that was kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from hub.auditing import audit
from hub.database import upsert
from hub.desk.protocols import Protocol, of_cohort
from hub.schema import encounters
from hub.schema_desk import follow_ups, worklist

CHUNK_ROWS = 100
"""Of encounters planned in one transaction: whoever waits to write waits no longer than these take."""
BY_COMING = "visit"


def plan(engine: sa.Engine, protocols: Sequence[Protocol], is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Plan all visits that follow from what is known now; how many are new. In short transactions."""
    count, after = 0, ("", "")
    while not is_stopping():
        with engine.begin() as connection:
            rows = _screened(connection, after)
            for row in rows:
                count += _plan_one(connection, row, protocols)
        if len(rows) < CHUNK_ROWS:
            break
        after = (rows[-1]["encounter_id"], rows[-1]["device"])
    return count


def mark_kept(engine: sa.Engine, protocols: Sequence[Protocol], now: datetime) -> int:
    """Visits that are due and whose person came again in time, at whatever device; how many."""
    window = {(each.name, visit.name): visit.window_days for each in protocols for visit in each.visit}
    count = 0
    with engine.begin() as connection:
        due = follow_ups.c.done_at.is_(None), follow_ups.c.due_on <= (now + timedelta(days=365)).date()
        again = encounters.alias("again")
        query = (
            sa.select(follow_ups, again.c.closed_at)
            .join(again, again.c.participant == follow_ups.c.participant)
            .where(*due, again.c.outcome == "completed", again.c.encounter_id != follow_ups.c.encounter_id)
            .order_by(again.c.closed_at)
        )
        kept: set[tuple[str, str, str]] = set()
        for row in connection.execute(query).mappings().all():
            protocol = of_cohort(protocols, row["cohort"])
            days = window.get((protocol.name, row["visit"]), 0) if protocol is not None else 0
            key = (row["encounter_id"], row["device"], row["visit"])
            if key in kept or row["closed_at"].date() < row["due_on"] - timedelta(days=days):
                continue
            kept.add(key)
            count += _done(connection, *key, row["closed_at"], BY_COMING)
    return count


def say_done(
    connection: sa.Connection, device: str, encounter_id: str, visit: str, account: str, now: datetime
) -> bool:
    """Somebody knows that this visit took place, or need not; False where it is not due any more."""
    mine = _mine(encounter_id, device, visit)
    participant = connection.execute(sa.select(follow_ups.c.participant).where(*mine)).scalar_one_or_none()
    done = _done(connection, encounter_id, device, visit, now, account) == 1
    if done:
        audit(connection, now, account, "follow_up_done", encounter_id, visit, participant=participant)
    return done


def _screened(connection: sa.Connection, after: tuple[str, str]) -> Sequence[sa.RowMapping]:
    """The next of those who completed a screening and agreed to be followed up, with the tier that counts."""
    joined = encounters.outerjoin(
        worklist,
        sa.and_(worklist.c.device == encounters.c.device, worklist.c.encounter_id == encounters.c.encounter_id),
    )
    names = ("encounter_id", "device", "site", "cohort", "participant", "closed_at")
    key = sa.tuple_(encounters.c.encounter_id, encounters.c.device)
    query = (
        sa.select(
            *(encounters.c[name] for name in names),
            worklist.c.answer_tier,
            worklist.c.answer_label,
            sa.case((worklist.c.findings > 0, worklist.c.tier)).label("model_tier"),
        )
        .select_from(joined)
        .where(
            key > sa.tuple_(*(sa.literal(value) for value in after)),
            encounters.c.outcome == "completed",
            encounters.c.follow_up_agreed.is_(True),
            encounters.c.participant.is_not(None),
        )
        .order_by(encounters.c.encounter_id, encounters.c.device)
        .limit(CHUNK_ROWS)
    )
    return connection.execute(query).mappings().all()


def _plan_one(connection: sa.Connection, row: sa.RowMapping, protocols: Sequence[Protocol]) -> int:
    protocol = of_cohort(protocols, row["cohort"])
    tier = "nothing" if row["answer_label"] == "nothing" else row["answer_tier"] or row["model_tier"] or "nothing"
    visits = [each for each in protocol.visit if tier in each.after] if protocol is not None else []
    mine = follow_ups.c.encounter_id == row["encounter_id"], follow_ups.c.device == row["device"]
    known = connection.execute(sa.select(follow_ups).where(*mine)).mappings().all()
    names = {visit.name for visit in visits}
    for old in known:
        if old["visit"] not in names and old["done_at"] is None:
            connection.execute(sa.delete(follow_ups).where(*_mine(row["encounter_id"], row["device"], old["visit"])))
    for values in _rows(row, tier, visits):
        moved = {"due_on": values["due_on"], "tier": tier}
        statement = upsert(connection, follow_ups).values(values)
        keys = ["encounter_id", "device", "visit"]
        due = follow_ups.c.done_at.is_(None)
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=moved, where=due))
    return len(names - {old["visit"] for old in known})


def _rows(row: sa.RowMapping, tier: str, visits: Sequence[Any]) -> Iterator[dict[str, Any]]:
    names = ("encounter_id", "device", "site", "cohort", "participant")
    for visit in visits:
        planned = {"visit": visit.name, "tier": tier, "due_on": visit.due_on(row["closed_at"].date())}
        yield {name: row[name] for name in names} | planned


def _done(connection: sa.Connection, encounter_id: str, device: str, visit: str, at: datetime, by: str) -> int:
    mine = *_mine(encounter_id, device, visit), follow_ups.c.done_at.is_(None)
    return connection.execute(sa.update(follow_ups).where(*mine).values(done_at=at, done_by=by)).rowcount


def _mine(encounter_id: str, device: str, visit: str) -> tuple[sa.ColumnElement[bool], ...]:
    return follow_ups.c.encounter_id == encounter_id, follow_ups.c.device == device, follow_ups.c.visit == visit
