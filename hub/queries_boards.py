"""What other people's dashboards are told: devices, the hub's health, how many people; nothing about a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from hub.queries import HUB_SILENT_AFTER, DeviceRow, device_rows
from hub.schema import (
    alarms,
    chains,
    commands,
    devices,
    encounters,
    findings,
    ingest_state,
    quarantine,
    refusals,
    unheld,
)

TIERS = ("urgent", "routine", "person", "self_care")


@dataclass(frozen=True)
class SiteCounts:
    """Exact numbers of one site: to be suppressed before they go anywhere (hub/boards/released.py)."""

    site: str
    screened: int = 0
    refused: int = 0
    tiers: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(TIERS, 0))

    @property
    def findings(self) -> int:
        return sum(self.tiers.values())


@dataclass(frozen=True)
class IngestHealth:
    """What `hub ingest` last said of itself; at None: it never ran."""

    at: datetime | None = None
    taking_events: bool = False
    waiting: int = 0


@dataclass(frozen=True)
class Standing:
    """Read in one transaction. missing: events that devices committed and the hub lacks; lost: that nobody holds."""

    at: datetime
    devices: Sequence[DeviceRow]
    sites: Sequence[SiteCounts]
    ingest: IngestHealth
    quarantined: Mapping[str, int]
    alarms: Mapping[str, int]
    missing: int
    lost: int
    commands_waiting: int
    oldest_command_age: timedelta


def standing(engine: sa.Engine, now: datetime) -> Standing:
    """Raises what the database raises."""
    with engine.connect() as connection:
        waiting, oldest = connection.execute(
            sa.select(sa.func.count(), sa.func.min(commands.c.queued_at)).where(commands.c.answered_at.is_(None))
        ).one()
        return Standing(
            at=now,
            devices=device_rows(connection, now),
            sites=_sites(connection),
            ingest=_ingest(connection, now),
            quarantined=_counted(connection, sa.select(quarantine.c.reason, sa.func.count()), quarantine.c.reason),
            alarms=_counted(connection, sa.select(alarms.c.kind, sa.func.sum(alarms.c.count)), alarms.c.kind),
            missing=_missing(connection),
            lost=_total(connection, sa.select(sa.func.sum(unheld.c.last_seq - unheld.c.first_seq + 1))),
            commands_waiting=waiting,
            oldest_command_age=now - oldest if oldest is not None else timedelta(0),
        )


def _sites(connection: sa.Connection) -> list[SiteCounts]:
    """Every site that has a registered device, by name."""
    names = connection.execute(sa.select(devices.c.site).distinct().order_by(devices.c.site)).scalars()
    screened = _counted(
        connection,
        sa.select(encounters.c.site, sa.func.count()).where(encounters.c.outcome == "completed"),
        encounters.c.site,
    )
    refused = _counted(connection, sa.select(refusals.c.site, sa.func.count()), refusals.c.site)
    tiers: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(TIERS, 0))
    keys = (findings.c.site, findings.c.tier)
    for site, tier, count in connection.execute(sa.select(*keys, sa.func.count()).group_by(*keys)):
        tiers[site][tier] = count
    return [SiteCounts(name, screened.get(name, 0), refused.get(name, 0), tiers[name]) for name in names]


def _ingest(connection: sa.Connection, now: datetime) -> IngestHealth:
    row = connection.execute(sa.select(ingest_state)).mappings().first()
    if row is None:
        return IngestHealth()
    taking = now - row["at"] < HUB_SILENT_AFTER and bool(row["connected"])
    return IngestHealth(row["at"], taking, row["waiting"])


def _missing(connection: sa.Connection) -> int:
    """As far as devices have told; one row a chain."""
    behind = sa.case((chains.c.told_to > chains.c.whole_to, chains.c.told_to - chains.c.whole_to), else_=0)
    return _total(connection, sa.select(sa.func.sum(behind)))


def _counted(connection: sa.Connection, query: sa.Select[str, int], key: sa.Column[str]) -> dict[str, int]:
    return {name: int(count) for name, count in connection.execute(query.group_by(key).order_by(key))}


def _total(connection: sa.Connection, query: sa.Select[int | None]) -> int:
    return int(connection.execute(query).scalar_one() or 0)
