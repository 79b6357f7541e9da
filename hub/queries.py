"""What pages read: no private key, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from edge.wire import State
from hub.database import open_database
from hub.schema import (
    alarms,
    device_states,
    devices,
    encounters,
    events,
    findings,
    ingest_state,
    quarantine,
    refusals,
)

SILENT_AFTER = timedelta(seconds=60)
"""This long without a state, what the broker says of a device is not believed. A profile has its board send one every
15 s at most (delivery.state_every_s): one that is late, and two that are lost on a poor link, are no silence yet."""
HUB_SILENT_AFTER = timedelta(seconds=15)
FINDINGS_SHOWN = 24
STRANGERS_SHOWN = 3

Presence = Literal["online", "silent", "offline", "never"]


@dataclass(frozen=True)
class DeviceRow:
    """A registered device. state is its own word, by its own clock; None where it never sent one."""

    device: str
    site: str
    presence: Presence
    last_seen_at: datetime | None
    state: State | None

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look at it."""
        state = self.state
        return self.presence == "silent" or (
            state is not None and (state.outbox_full or not state.capturing or state.problem is not msgspec.UNSET)
        )


@dataclass(frozen=True)
class FindingRow:
    """What the page shows of a finding. score is not a probability."""

    finding_id: str
    site: str
    device: str
    label: str
    score: float
    tier: str
    body_site: str
    captured_at: datetime
    received_at: datetime


@dataclass(frozen=True)
class Count:
    """How many findings of one label and tier at one site."""

    label: str
    site: str
    tier: str
    findings: int


@dataclass(frozen=True)
class ModelRow:
    """A model that findings came from."""

    name: str
    version: str
    status: str
    findings: int


@dataclass(frozen=True)
class People:
    """Encounters: closed with a screening done, of those without any finding, still open, refused."""

    screened: int
    nothing_found: int
    open: int
    refused: int


@dataclass(frozen=True)
class Live:
    """All that the live page shows, read in one transaction."""

    at: datetime
    devices: Sequence[DeviceRow]
    findings: Sequence[FindingRow]
    counts: Sequence[Count]
    models: Sequence[ModelRow]
    people: People
    quarantined: int
    alarms: dict[str, int]
    taking_events: bool
    ingest_at: datetime | None
    ingest_problem: str
    strangers: Sequence[str] = ()
    """Names that sent events and are not registered, at most STRANGERS_SHOWN."""

    @property
    def online(self) -> int:
        return sum(each.presence == "online" for each in self.devices)

    def of_tier(self, tier: str) -> int:
        """How many findings."""
        return sum(each.findings for each in self.counts if each.tier == tier)

    @property
    def total_findings(self) -> int:
        return sum(each.findings for each in self.counts)


def live(engine: sa.Engine, now: datetime) -> Live:
    """Raises what the database raises."""
    with engine.connect() as connection:
        ingest = connection.execute(sa.select(ingest_state)).mappings().first()
        recent = ingest is not None and now - ingest["at"] < HUB_SILENT_AFTER
        return Live(
            at=now,
            devices=device_rows(connection, now),
            findings=_findings(connection),
            counts=_counts(connection),
            models=_models(connection),
            people=_people(connection),
            quarantined=connection.execute(sa.select(sa.func.count()).select_from(quarantine)).scalar_one(),
            alarms=_alarms(connection),
            taking_events=ingest is not None and recent and bool(ingest["connected"]),
            ingest_at=ingest["at"] if ingest is not None else None,
            ingest_problem=ingest["problem"] if ingest is not None else "",
            strangers=_strangers(connection),
        )


def stored_findings(directory: Path, device: str) -> list[dict[str, Any]]:
    """The bodies of one device's findings in this hub's folder, in the order of capture; of those that have theirs."""
    engine = open_database(directory, read_only=True)
    with engine.connect() as connection:
        joined = findings.join(
            events, sa.and_(findings.c.device == events.c.device, findings.c.event_id == events.c.event_id)
        )
        here = sa.select(events.c.body).select_from(joined).where(events.c.body.is_not(None))
        query = here.where(findings.c.device == device).order_by(findings.c.captured_at, findings.c.finding_id)
        bodies = list(connection.execute(query).scalars())
    engine.dispose()
    return bodies


def device_rows(connection: sa.Connection, now: datetime) -> list[DeviceRow]:
    """Every registered device; those that need attention first. Raises what the database raises."""
    joined = devices.outerjoin(device_states, devices.c.device == device_states.c.device)
    columns = (devices.c.device, devices.c.site, device_states.c.online, device_states.c.state)
    query = sa.select(*columns, device_states.c.last_seen_at).select_from(joined)
    rows = [
        DeviceRow(
            device=row.device,
            site=row.site,
            presence=_presence(row.online, row.last_seen_at, now),
            last_seen_at=row.last_seen_at,
            state=_state(row.state),
        )
        for row in connection.execute(query)
    ]
    return sorted(rows, key=lambda row: (not row.needs_attention, row.site, row.device))


def _state(kept: Any) -> State | None:
    """None also for what an older version took and this one does not: one device's word must not blank the page."""
    try:
        return msgspec.convert(kept, State) if kept is not None else None
    except msgspec.ValidationError:
        return None


def _presence(online: bool | None, last_seen_at: datetime | None, now: datetime) -> Presence:
    if online is None:
        return "never" if last_seen_at is None else "silent"
    if not online:
        return "offline"
    return "online" if last_seen_at is not None and now - last_seen_at < SILENT_AFTER else "silent"


def _findings(connection: sa.Connection) -> list[FindingRow]:
    names = FindingRow.__dataclass_fields__
    query = (
        sa.select(*(findings.c[name] for name in names))
        .order_by(findings.c.received_at.desc(), findings.c.finding_id.desc())
        .limit(FINDINGS_SHOWN)
    )
    return [FindingRow(**row) for row in connection.execute(query).mappings()]


def _counts(connection: sa.Connection) -> list[Count]:
    keys = (findings.c.label, findings.c.site, findings.c.tier)
    query = sa.select(*keys, sa.func.count()).group_by(*keys).order_by(*keys)
    return [Count(*row) for row in connection.execute(query)]


def _models(connection: sa.Connection) -> list[ModelRow]:
    keys = (findings.c.model_name, findings.c.model_version, findings.c.model_status)
    query = sa.select(*keys, sa.func.count()).group_by(*keys).order_by(*keys)
    return [ModelRow(*row) for row in connection.execute(query)]


def _people(connection: sa.Connection) -> People:
    query = sa.select(
        sa.func.count().filter(encounters.c.outcome == "completed"),
        sa.func.count().filter(encounters.c.outcome == "completed", encounters.c.findings == 0),
        sa.func.count().filter(encounters.c.closed_at.is_(None)),
    )
    screened, nothing_found, still_open = connection.execute(query).one()
    refused = connection.execute(sa.select(sa.func.count()).select_from(refusals)).scalar_one()
    return People(screened, nothing_found, still_open, refused)


def _alarms(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(alarms.c.kind, sa.func.sum(alarms.c.count)).group_by(alarms.c.kind).order_by(alarms.c.kind)
    return {kind: int(count) for kind, count in connection.execute(query)}


def _strangers(connection: sa.Connection) -> list[str]:
    unregistered = quarantine.c.device.not_in(sa.select(devices.c.device))
    query = (
        sa.select(quarantine.c.device)
        .where(quarantine.c.trust == "stranger", quarantine.c.reason == "unknown_device", unregistered)
        .distinct()
        .order_by(quarantine.c.device)
        .limit(STRANGERS_SHOWN)
    )
    return [str(device) for device in connection.execute(query).scalars()]
