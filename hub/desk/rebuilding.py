"""The worklist made again from the events, and from what people decided: for a database in doubt.

What people said stays as it is and is played again over the fresh rows. An encounter of which the hub keeps no bodies
any more (hub/retention.py) keeps the rows that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from edge.events import EventBody, Finding
from edge.wire import Header
from hub.desk import deciding, intake, items
from hub.opening import Arrival, Opened
from hub.registry import Device, Registry
from hub.schema import encounters, events, findings
from hub.schema_desk import picture_parts, pictures, sample, worklist

MADE = (worklist, pictures, picture_parts, sample)
"""Rows that are made anew. A referral's steps are joined, and need no removal."""
CHUNK_ROWS = 50
"""Encounters in one transaction."""


def rebuild(engine: sa.Engine, registry: Registry) -> int:
    """Encounter by encounter, in short transactions, beside a hub that runs; how many were made anew."""
    count, after = 0, ("", "")
    while rows := _next(engine, after):
        # Read before the transaction begins: the registry reads the same database, on a connection of its own.
        known = {row.device: registry.find(row.device) for row in rows}
        with engine.begin() as connection:
            for row in rows:
                device = known[row.device]
                count += device is not None and rebuild_encounter(connection, device, row.encounter_id)
        after = (rows[-1].encounter_id, rows[-1].device)
    return count


def _next(engine: sa.Engine, after: tuple[str, str]) -> Sequence[sa.Row[Any, Any]]:
    key = sa.tuple_(encounters.c.encounter_id, encounters.c.device)
    query = sa.select(encounters.c.encounter_id, encounters.c.device)
    query = query.where(key > sa.tuple_(*(sa.literal(value) for value in after)))
    with engine.connect() as connection:
        order = (encounters.c.encounter_id, encounters.c.device)
        return connection.execute(query.order_by(*order).limit(CHUNK_ROWS)).all()


def rebuild_encounter(connection: sa.Connection, device: Device, encounter_id: str) -> bool:
    """False where something of it is not kept any more, and its rows stay as they are."""
    mine = events.c.device == device.device, events.c.encounter_id == encounter_id
    order = (events.c.received_at, events.c.epoch, events.c.seq)
    rows = connection.execute(sa.select(events).where(*mine).order_by(*order)).mappings().all()
    if any(row["body"] is None for row in rows):
        return False
    for table in MADE:
        of = table.c.device == device.device, table.c.encounter_id == encounter_id
        connection.execute(sa.delete(table).where(*of))
    of_findings = findings.c.device == device.device, findings.c.encounter_id == encounter_id
    counted = set(connection.execute(sa.select(findings.c.event_id).where(*of_findings)).scalars())
    for row in rows:
        opened = _opened(row, device)
        if not isinstance(opened.body, Finding):
            intake.take(connection, opened)
        elif row["event_id"] in counted:
            intake.take_finding(connection, opened, opened.body)
    if (item := items.find(connection, device.device, encounter_id)) is not None:
        deciding.stand(connection, item)
    return True


def _opened(row: sa.RowMapping, device: Device) -> Opened:
    """As it was when it came; of its message only the hashes are left."""
    names = ("device", "epoch", "seq", "event_id", "priority", "prev_hash")
    header = Header(kind="event", **{name: row[name] for name in names})
    body: EventBody = msgspec.convert(row["body"], EventBody)
    of_day = Device(device.device, row["site"], device.signer)
    hashes = row["message_sha256"], row["ciphertext_sha256"], row["content_sha256"]
    return Opened(Arrival(b"", row["received_at"]), of_day, header, body, *hashes)
