"""What cannot be stored as an event is held here, bounded: a flood must fill neither the disk nor the page.

A device is told "quarantined" only while its message is held, so that what finds no room stays with its device. Of what
is about a participant who has withdrawn only the place is held, without the bytes. And what nobody can read may be
about one, until its device has heard of all of them: so long it stays with its device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from hub.database import upsert
from hub.opening import Refused
from hub.schema import alarms, commands, quarantine, tombstones

Trust = Literal["stranger", "unverified", "verified"]


@dataclass(frozen=True)
class Limit:
    """How much of one trust is held."""

    rows: int
    held_bytes: int


LIMITS: dict[Trust, Limit] = {
    "stranger": Limit(1_000, 0),
    "unverified": Limit(1_000, 64 * 1024 * 1024),
    "verified": Limit(10_000, 1024 * 1024 * 1024),
}
DETAIL_CHARACTERS_MAX = 200


def trust_of(refused: Refused) -> Trust:
    if refused.device is None:
        return "stranger"
    return "verified" if refused.verified else "unverified"


def hold(connection: sa.Connection, refused: Sequence[Refused]) -> set[str]:
    """Within the caller's transaction; the SHA-256 of those whose bytes are held, now or from before."""
    held = set()
    for each in refused:
        known = _count_up(connection, each)
        if known == "held" or (known == "absent" and _insert(connection, each)):
            held.add(each.message_sha256)
    return held


def release_strangers(connection: sa.Connection, message_sha256s: Sequence[str]) -> None:
    """Forget messages that were stored after all, because their device was registered after they first came.

    With the last of them goes the alarm: a device that was switched on before it was registered is no alarm for ever.
    """
    stranger = quarantine.c.trust == "stranger"
    released = connection.execute(
        sa.delete(quarantine).where(quarantine.c.message_sha256.in_(message_sha256s), stranger)
    )
    if not released.rowcount:
        return
    unknown = sa.select(quarantine.c.message_sha256).where(stranger, quarantine.c.reason == "unknown_device")
    if connection.execute(unknown.limit(1)).first() is None:
        connection.execute(sa.delete(alarms).where(alarms.c.kind == "unknown_device", alarms.c.device == ""))


def alarm(connection: sa.Connection, kind: str, device: str, at: datetime, detail: str, count: int = 1) -> None:
    """Count an alarm up; `device` is "" where it is not registered."""
    cut = detail[:DETAIL_CHARACTERS_MAX]
    statement = upsert(connection, alarms).values(
        kind=kind, device=device, first_at=at, last_at=at, count=count, detail=cut
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[alarms.c.kind, alarms.c.device],
            set_={"last_at": at, "count": alarms.c.count + count, "detail": cut},
        )
    )


def _count_up(connection: sa.Connection, refused: Refused) -> Literal["absent", "counted", "held"]:
    """Whether these very bytes have a row: none, one without the bytes (a stranger's), or one that holds them."""
    same = quarantine.c.message_sha256 == refused.message_sha256
    trust: str | None = connection.execute(sa.select(quarantine.c.trust).where(same)).scalar_one_or_none()
    if trust is None:
        return "absent"
    if trust == "stranger" and refused.device is not None:
        # A stranger's row holds no bytes: once its device is registered, the message is held anew.
        connection.execute(sa.delete(quarantine).where(same))
        return "absent"
    connection.execute(
        sa.update(quarantine)
        .where(same)
        .values(received_count=quarantine.c.received_count + 1, last_at=refused.arrival.received_at)
    )
    return "counted" if trust == "stranger" else "held"


def _insert(connection: sa.Connection, refused: Refused) -> bool:
    """Whether there was room, and the bytes are held."""
    trust, at = trust_of(refused), refused.arrival.received_at
    registered = refused.device.device if refused.device else ""
    alarm(connection, refused.reason, registered, at, refused.detail)
    standing = "whole" if trust == "stranger" else _about_withdrawn(connection, refused)
    if standing == "unknown":
        alarm(connection, "unread_and_withdrawn", registered, at, f"{refused.reason}: nobody can read whom it is about")
        return False
    payload = None if trust == "stranger" or standing == "withdrawn" else refused.arrival.payload
    rows, held_bytes = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(quarantine.c.message_bytes), 0)).where(
            quarantine.c.trust == trust
        )
    ).one()
    limit = LIMITS[trust]
    if rows >= limit.rows or (payload is not None and held_bytes + len(payload) > limit.held_bytes):
        alarm(connection, "quarantine_full", registered, at, f"no room for more {trust} messages")
        return False
    connection.execute(
        sa.insert(quarantine).values(
            message_sha256=refused.message_sha256,
            reason=refused.reason,
            device=refused.claimed_device,
            event_id=refused.header.event_id if refused.header else None,
            epoch=refused.header.epoch if refused.header else None,
            seq=refused.header.seq if refused.header else None,
            trust=trust,
            detail=refused.detail[:DETAIL_CHARACTERS_MAX],
            first_at=at,
            last_at=at,
            received_count=1,
            message_bytes=len(payload or b""),
            message=payload,
        )
    )
    return trust != "stranger"


def _about_withdrawn(connection: sa.Connection, refused: Refused) -> Literal["whole", "withdrawn", "unknown"]:
    """Whether it may be held whole, or is about somebody who has withdrawn, or nobody can know."""
    gone = sa.select(tombstones.c.participant)
    if refused.participants is not None:
        named = connection.execute(gone.where(tombstones.c.participant.in_(refused.participants)).limit(1)).first()
        return "whole" if named is None else "withdrawn"
    if refused.verified and refused.device is not None:
        told = commands.c.device == refused.device.device, commands.c.type == "tombstone"
        bodies = connection.execute(sa.select(commands.c.body).where(*told, commands.c.outcome == "applied")).scalars()
        # A device that has heard of somebody seals nothing about that person any more.
        has_heard = set(connection.execute(gone).scalars()) <= {body["participant"] for body in bodies}
        return "whole" if has_heard else "unknown"
    return "whole" if connection.execute(gone.limit(1)).first() is None else "unknown"
