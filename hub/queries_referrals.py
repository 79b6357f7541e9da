"""What the referrals' pages read: each where it stands, and how it came there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from edge.events import ReferralStep
from hub.desk.steps import RANK, TABLE
from hub.schema import commands
from hub.schema_desk import referral_steps, referrals

PAGE_ROWS = 50


class ReferralPlace(NamedTuple):
    """Where a page ends, for the next to go on from."""

    step_at: datetime
    referral_id: str
    device: str


@dataclass(frozen=True)
class ReferralRow:
    """origin: who began it, `device` or `hub`. place: where the person is to go, "" where nobody has said."""

    referral_id: str
    device: str
    encounter_id: str
    site: str
    origin: str
    tier: str
    since: datetime
    step: ReferralStep
    step_at: datetime
    place: str

    @property
    def possible(self) -> Sequence[ReferralStep]:
        """What a person at the hub may say next; that it expired is said by the calendar."""
        return [step for step in TABLE[self.step] if step != "expired"]


@dataclass(frozen=True)
class StepRow:
    """by: an account, `hub` or `device`. heard_at: when the device answered that it has it; None of its own steps."""

    step: ReferralStep
    at: datetime
    by: str
    place: str
    note: str
    queued: bool
    heard_at: datetime | None
    outcome: str | None


@dataclass(frozen=True)
class ReferralPage:
    """next: where the next page begins; None at the end."""

    rows: Sequence[ReferralRow]
    next: ReferralPlace | None


@dataclass(frozen=True)
class ReferralDetail:
    """A referral with all its steps, oldest first."""

    referral: ReferralRow
    steps: Sequence[StepRow]


def page(
    connection: sa.Connection,
    step: ReferralStep,
    site: str = "",
    after: ReferralPlace | None = None,
    rows: int = PAGE_ROWS,
) -> ReferralPage:
    """Those that stand at a step, longest there first."""
    order = (referrals.c.step_at, referrals.c.referral_id, referrals.c.device)
    query = _select().where(referrals.c.step == step).order_by(*order).limit(rows + 1)
    if site:
        query = query.where(referrals.c.site == site)
    if after is not None:
        bound = [sa.literal(value, column.type) for value, column in zip(after, order, strict=True)]
        query = query.where(sa.tuple_(*order) > sa.tuple_(*bound))
    found = [ReferralRow(**row) for row in connection.execute(query).mappings()]
    last = found[rows - 1] if len(found) > rows else None
    return ReferralPage(found[:rows], ReferralPlace(last.step_at, last.referral_id, last.device) if last else None)


def counts(connection: sa.Connection, site: str = "") -> Mapping[ReferralStep, int]:
    """How many stand at each step."""
    query = sa.select(referrals.c.step, sa.func.count().label("rows")).group_by(referrals.c.step)
    if site:
        query = query.where(referrals.c.site == site)
    found = {row.step: row.rows for row in connection.execute(query)}
    return {step: found.get(step, 0) for step in RANK}


def detail(connection: sa.Connection, device: str, referral_id: str) -> ReferralDetail | None:
    """None for one that is not there, or not any more."""
    mine = referrals.c.device == device, referrals.c.referral_id == referral_id
    row = connection.execute(_select().where(*mine)).mappings().one_or_none()
    if row is None:
        return None
    joined = referral_steps.outerjoin(commands, commands.c.command_id == referral_steps.c.source)
    columns = (*(referral_steps.c[name] for name in ("step", "at", "by", "place", "note")),)
    query = (
        sa.select(
            *columns,
            commands.c.command_id.is_not(None).label("queued"),
            commands.c.answered_at.label("heard_at"),
            commands.c.outcome,
        )
        .select_from(joined)
        .where(referral_steps.c.device == device, referral_steps.c.referral_id == referral_id)
        .order_by(referral_steps.c.at, referral_steps.c.source)
    )
    steps = [StepRow(**each) for each in connection.execute(query).mappings()]
    # Of one moment, the lesser step first.
    return ReferralDetail(ReferralRow(**row), sorted(steps, key=lambda each: (each.at, RANK[each.step])))


def of_encounter(connection: sa.Connection, device: str, encounter_id: str) -> list[ReferralRow]:
    """All of one person's visit, newest first."""
    mine = referrals.c.device == device, referrals.c.encounter_id == encounter_id
    query = _select().where(*mine).order_by(referrals.c.since.desc(), referrals.c.referral_id)
    return [ReferralRow(**row) for row in connection.execute(query).mappings()]


def _select() -> sa.Select[tuple[object, ...]]:
    return sa.select(*(referrals.c[name] for name in ReferralRow.__dataclass_fields__))
