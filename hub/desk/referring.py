"""Referrals: what devices ask for and say, and the hub's replies, to the device that asked and to no other.

A referral belongs to the device whose id stands in its key: no other device's word moves it, and every reply is a
command to that one device, which hub/commanding.py keeps until it is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from edge.clock import uuid7
from edge.encounter import Encounter
from edge.events import CommandBody, ReferralOpened, ReferralReply, ReferralRequest, ReferralState, ReferralStep
from edge.wire import Tier
from hub import commanding
from hub.auditing import audit
from hub.database import upsert
from hub.desk import items
from hub.desk.people import participant_of
from hub.desk.steps import RANK, TABLE
from hub.opening import Opened
from hub.schema_desk import encounter_commands, referral_steps, referrals, worklist

DEVICE = "device"
HUB = "hub"
"""Who says a step that no person said."""
NOTE_MAX = 200


@dataclass(frozen=True)
class Replied:
    """Done; the device is told when it connects."""

    step: ReferralStep


@dataclass(frozen=True)
class NotNow:
    """Nothing was done: the referral stands elsewhere by now, or is not there."""

    step: ReferralStep | None
    possible: Sequence[ReferralStep]


def take_request(connection: sa.Connection, opened: Opened, body: ReferralRequest) -> None:
    """Once, whether its later steps came before it or not."""
    at = opened.arrival.received_at
    row = _row(opened, body.encounter, body.referral_id, at)
    row |= {"tier": body.tier, "finding_ids": list(body.finding_ids)}
    known = {name: row[name] for name in ("tier", "finding_ids")}
    statement = upsert(connection, referrals).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=_KEYS, set_=known))
    _take_step(connection, opened, body.encounter, body.referral_id, "requested")
    items.take_referral(connection, items.open_item(connection, opened, body.encounter), body.tier)


def take_state(connection: sa.Connection, opened: Opened, body: ReferralState) -> None:
    """A device's word; the referral is made here where the request has not come yet."""
    row = _row(opened, body.encounter, body.referral_id, opened.arrival.received_at)
    connection.execute(upsert(connection, referrals).values(row).on_conflict_do_nothing())
    _take_step(connection, opened, body.encounter, body.referral_id, body.step)


def reply(
    connection: sa.Connection,
    device: str,
    referral_id: str,
    step: ReferralStep,
    account: str,
    now: datetime,
    *,
    place: str = "",
    note: str = "",
) -> Replied | NotNow:
    """Say the next step of a referral, for its device to hear. Raises WireError for a text that is too long."""
    mine = referrals.c.device == device, referrals.c.referral_id == referral_id
    row = connection.execute(sa.select(referrals).where(*mine)).mappings().one_or_none()
    if row is None:
        return NotNow(None, ())
    if step not in TABLE[row["step"]]:
        return NotNow(row["step"], TABLE[row["step"]])
    body = ReferralReply(at=now, referral_id=referral_id, step=step, place=place, note=note)
    command = tell(connection, device, row["encounter_id"], body, now)
    said = {"source": command, "referral_id": referral_id, "device": device, "encounter_id": row["encounter_id"]}
    said |= {"step": step, "at": now, "by": account, "place": place, "note": note}
    connection.execute(sa.insert(referral_steps).values(said))
    _move(connection, device, referral_id, step, now, place)
    participant = participant_of(connection, device, row["encounter_id"])
    audit(connection, now, account, f"referral_{step}", referral_id, place, participant=participant)
    return Replied(step)


def begin(
    connection: sa.Connection,
    device: str,
    encounter_id: str,
    tier: Tier,
    finding_ids: Sequence[str],
    account: str,
    now: datetime,
    *,
    place: str = "",
    note: str = "",
) -> str | None:
    """A referral that a reviewer begins, accepted at once; its id. None for somebody who has not agreed."""
    participant = participant_of(connection, device, encounter_id)
    if participant is None:
        return None
    referral_id = uuid7(now)
    body = ReferralOpened(
        at=now,
        referral_id=referral_id,
        encounter_id=encounter_id,
        participant=participant,
        finding_ids=tuple(finding_ids),
        tier=tier,
        place=place,
        note=note,
    )
    command = tell(connection, device, encounter_id, body, now)
    site = sa.select(worklist.c.site).where(worklist.c.device == device, worklist.c.encounter_id == encounter_id)
    key = {"referral_id": referral_id, "device": device, "encounter_id": encounter_id}
    row = {"origin": "hub", "tier": tier, "finding_ids": list(finding_ids), "since": now, "step_at": now}
    row |= {"site": connection.execute(site).scalar_one(), "step": "accepted", "place": place}
    connection.execute(sa.insert(referrals).values(key | row))
    said = {"source": command, "step": "accepted", "at": now, "by": account, "place": place, "note": note}
    connection.execute(sa.insert(referral_steps).values(key | said))
    audit(connection, now, account, "referral_opened", referral_id, place, participant=participant)
    return referral_id


def tell(connection: sa.Connection, device: str, encounter_id: str, body: CommandBody, now: datetime) -> str:
    """A command about an encounter, to the device that saw it; its id."""
    command = commanding.queue(connection, device, body, now)
    row = {"command_id": command, "device": device, "encounter_id": encounter_id}
    connection.execute(sa.insert(encounter_commands).values(row))
    return command


def expire(connection: sa.Connection, before: datetime, now: datetime, at_most: int) -> int:
    """Referrals that nobody accepted, or that nobody came to, since `before`; how many, at most so many at once."""
    done = 0
    open_steps: tuple[Literal["requested", "accepted"], ...] = ("requested", "accepted")
    for step in open_steps:
        query = sa.select(referrals.c.device, referrals.c.referral_id)
        query = query.where(referrals.c.step == step, referrals.c.step_at < before)
        for row in connection.execute(query.limit(at_most - done)).all():
            reply(connection, row.device, row.referral_id, "expired", HUB, now)
            done += 1
    return done


_KEYS = ["referral_id", "device"]


def _row(opened: Opened, encounter: Encounter, referral_id: str, at: datetime) -> dict[str, object]:
    return {
        "referral_id": referral_id,
        "device": opened.device.device,
        "encounter_id": encounter.encounter_id,
        "site": opened.device.site,
        "origin": "device",
        "tier": "person",
        "finding_ids": [],
        "since": at,
        "step": "requested",
        "step_at": at,
        "place": "",
    }


def _take_step(
    connection: sa.Connection, opened: Opened, encounter: Encounter, referral_id: str, step: ReferralStep
) -> None:
    at, device = opened.arrival.received_at, opened.device.device
    row: dict[str, object] = {"source": opened.header.event_id, "referral_id": referral_id, "device": device}
    row |= {"encounter_id": encounter.encounter_id, "step": step, "at": at, "by": DEVICE, "place": "", "note": ""}
    connection.execute(upsert(connection, referral_steps).values(row).on_conflict_do_nothing())
    _move(connection, device, referral_id, step, at, "")


def _move(
    connection: sa.Connection, device: str, referral_id: str, step: ReferralStep, at: datetime, place: str
) -> None:
    """Forward only: an older step that comes late stays in the history."""
    behind = [name for name, rank in RANK.items() if rank < RANK[step]]
    mine = referrals.c.device == device, referrals.c.referral_id == referral_id, referrals.c.step.in_(behind)
    values = {"step": step, "step_at": at} | ({"place": place} if place else {})
    connection.execute(sa.update(referrals).where(*mine).values(values))
