"""A picture put together from its parts, as they stand in their events; never written anywhere else.

Its hash is checked over the whole, so what is shown is what the device took.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from edge.sealing import sha256
from hub.schema import encounters, events
from hub.schema_desk import picture_parts, pictures, sample

Missing = Literal["not_agreed", "not_here_yet", "given_up", "erased", "damaged", "none"]
"""Why there is nothing to show: the consent does not cover pictures, so it is kept on the device; it is on its way; its
device had no room for it; it was kept as long as the hub keeps pictures; its bytes are others; there never was one."""
Rendition = Literal["full", "crop", "thumbnail"]
PREFERENCE: tuple[Rendition, ...] = ("crop", "full", "thumbnail")


@dataclass(frozen=True)
class Picture:
    """jpeg: the very bytes of the device. Or missing says why there are none."""

    jpeg: bytes | None
    missing: Missing | None
    rendition: Rendition | None = None


def of_finding(
    connection: sa.Connection,
    device: str,
    encounter_id: str,
    finding_id: str,
    renditions: tuple[Rendition, ...] = PREFERENCE,
) -> Picture:
    """The first of these renditions that is here."""
    return _best(connection, device, encounter_id, pictures.c.finding_id == finding_id, renditions)


def whole_view(connection: sa.Connection, device: str, encounter_id: str) -> Picture:
    """The whole view of somebody who was drawn for the sample."""
    return _best(connection, device, encounter_id, pictures.c.finding_id.is_(None), ("full",))


def _best(
    connection: sa.Connection,
    device: str,
    encounter_id: str,
    which: sa.ColumnElement[bool],
    renditions: tuple[Rendition, ...],
) -> Picture:
    mine = pictures.c.device == device, pictures.c.encounter_id == encounter_id
    rows = connection.execute(sa.select(pictures).where(*mine, which)).mappings().all()
    ranked = sorted(
        (row for row in rows if row["rendition"] in renditions), key=lambda row: renditions.index(row["rendition"])
    )
    missing: Missing | None = None
    for row in ranked:
        found = _assembled(connection, row)
        if found.jpeg is not None:
            return found
        missing = missing or found.missing
    return Picture(None, missing or _why_none(connection, device, encounter_id))


def _assembled(connection: sa.Connection, row: sa.RowMapping) -> Picture:
    if not 0 < row["parts"] <= row["parts_here"]:
        return Picture(None, "given_up" if row["given_up"] else "not_here_yet")
    joined = picture_parts.join(
        events,
        sa.and_(events.c.device == picture_parts.c.device, events.c.event_id == picture_parts.c.event_id),
    )
    mine = [picture_parts.c[name] == row[name] for name in ("device", "encounter_id", "picture_sha256")]
    query = sa.select(events.c.body).select_from(joined).where(*mine).order_by(picture_parts.c.part)
    bodies = connection.execute(query).scalars().all()
    if any(body is None for body in bodies):
        return Picture(None, "erased")
    jpeg = b"".join(base64.b64decode(body["content"]) for body in bodies)
    if sha256(jpeg) != row["picture_sha256"]:
        return Picture(None, "damaged")
    return Picture(jpeg, None, row["rendition"])


def _why_none(connection: sa.Connection, device: str, encounter_id: str) -> Missing:
    mine = encounters.c.device == device, encounters.c.encounter_id == encounter_id
    agreed = connection.execute(sa.select(encounters.c.pictures_agreed).where(*mine)).scalar_one_or_none()
    if agreed is False:
        return "not_agreed"
    drawn = sample.c.device == device, sample.c.encounter_id == encounter_id
    waits = agreed or connection.execute(sa.select(sample.c.state).where(*drawn)).first() is not None
    return "not_here_yet" if waits else "none"
