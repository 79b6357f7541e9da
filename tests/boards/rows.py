"""Rows as `hub ingest` would have written them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from edge.wire import State
from hub import schema
from tests.hub.sender import EPOCH

KEY = b"k" * 32


def add_device(connection: sa.Connection, device: str, site: str, *, online: bool = True, **state: Any) -> None:
    now = datetime.now(UTC)
    connection.execute(
        sa.insert(schema.devices).values(device=device, site=site, seal_key=KEY, sign_key=KEY, added_at=now)
    )
    said = State(ts=now, backlog=0, app="1", clock_synced=True, epoch=EPOCH, last_seq=1)
    row = msgspec.to_builtins(msgspec.structs.replace(said, **state))
    connection.execute(
        sa.insert(schema.device_states).values(device=device, online=online, state=row, state_at=now, last_seen_at=now)
    )


def add_people(connection: sa.Connection, site: str, *, screened: int, refused: int = 0, **tiers: int) -> None:
    """tiers: how many findings of each."""
    now = datetime.now(UTC)
    for _ in range(screened):
        row = {"encounter_id": str(uuid.uuid4()), "device": "cam-1", "site": site, "cohort": "c", "wave": 1}
        row |= {"closed_at": now, "outcome": "completed", "findings": 0}
        connection.execute(sa.insert(schema.encounters).values(row))
    for _ in range(refused):
        row = {"event_id": str(uuid.uuid4()), "encounter_id": "e", "device": "cam-1", "site": site, "cohort": "c"}
        connection.execute(sa.insert(schema.refusals).values(row | {"reason": "no_time", "at": now}))
    for tier, count in tiers.items():
        for _ in range(count):
            connection.execute(sa.insert(schema.findings).values(finding(site, tier, now)))


def finding(site: str, tier: str, now: datetime) -> dict[str, Any]:
    return {
        "finding_id": str(uuid.uuid4()),
        "event_id": str(uuid.uuid4()),
        "encounter_id": "e",
        "site": site,
        "device": "cam-1",
        "label": "cutaneous_tumour",
        "score": 0.5,
        "tier": tier,
        "rules": "triage-1",
        "captured_at": now,
        "received_at": now,
        "model_name": "m",
        "model_version": "1",
        "model_status": "research",
        "card_sha256": "c",
        "body_site": "face",
        "box_px": [0, 0, 1, 1],
        "frame_size_px": [2, 2],
        "frame_sequence": 1,
        "observations": 9,
    }
