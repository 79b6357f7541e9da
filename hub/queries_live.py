"""What the live page reads of five thousand devices: added up by site, and one page of one site's devices at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa

from hub.queries import DeviceRow
from hub.schema import alarms, quarantine

PAGE_ROWS = 50
CERTIFICATE_DAYS_MIN = 30.0
STALE_FRAME_S = 10.0
LONG_UNSENT_S = 86_400.0
Trouble = Literal["silent", "full", "stopped", "stale", "wrong_clock", "certificate", "unsent", "problem"]


@dataclass(frozen=True)
class SiteRow:
    """A site's devices added up. oldest_unsent_s: of the device that has waited longest."""

    site: str
    devices: int
    online: int
    silent: int
    offline: int
    never: int
    backlog: int
    oldest_unsent_s: float
    troubled: int


@dataclass(frozen=True)
class AlarmRow:
    """Something noticed, at one device or "" where it is not registered; how often, when first and last."""

    kind: str
    device: str
    first_at: datetime
    last_at: datetime
    count: int
    detail: str


@dataclass(frozen=True)
class QuarantineRow:
    """A message that could not be stored as an event."""

    message_sha256: str
    reason: str
    device: str | None
    trust: str
    detail: str
    first_at: datetime
    last_at: datetime
    received_count: int
    message_bytes: int


def troubles(row: DeviceRow) -> list[Trouble]:
    """Why a person should look at a device, the worst first; empty where nobody need."""
    found: list[Trouble] = ["silent"] if row.presence == "silent" else []
    state = row.state
    if state is None:
        return found
    days = [each for each in (state.cert_days, state.crl_days) if each is not msgspec.UNSET]
    stale = state.frame_age_s is not msgspec.UNSET and state.frame_age_s > STALE_FRAME_S
    present = row.presence == "online"
    told: list[tuple[Trouble, bool]] = [
        ("full", state.outbox_full),
        ("stopped", present and not state.capturing),
        ("problem", state.problem is not msgspec.UNSET and bool(state.problem)),
        ("stale", present and stale),
        ("wrong_clock", not state.clock_synced),
        ("certificate", any(each < CERTIFICATE_DAYS_MIN for each in days)),
        ("unsent", state.backlog > 0 and state.oldest_s > LONG_UNSENT_S),
    ]
    return [*found, *(name for name, is_so in told if is_so)]


def sites(devices: Iterable[DeviceRow]) -> list[SiteRow]:
    """By name; those where somebody should look come first."""
    by_site: dict[str, list[DeviceRow]] = {}
    for row in devices:
        by_site.setdefault(row.site, []).append(row)
    rows = [_site(name, mine) for name, mine in by_site.items()]
    return sorted(rows, key=lambda row: (not row.troubled, row.site))


def alarm_rows(connection: sa.Connection, rows: int = PAGE_ROWS) -> list[AlarmRow]:
    """The newest first."""
    query = sa.select(alarms).order_by(alarms.c.last_at.desc(), alarms.c.kind, alarms.c.device).limit(rows)
    return [AlarmRow(**row) for row in connection.execute(query).mappings()]


def quarantine_rows(connection: sa.Connection, rows: int = PAGE_ROWS) -> Sequence[QuarantineRow]:
    """The newest first; never the message itself."""
    columns = (quarantine.c[name] for name in QuarantineRow.__dataclass_fields__)
    query = sa.select(*columns).order_by(quarantine.c.last_at.desc(), quarantine.c.message_sha256).limit(rows)
    return [QuarantineRow(**row) for row in connection.execute(query).mappings()]


def _site(name: str, devices: Sequence[DeviceRow]) -> SiteRow:
    states = [row.state for row in devices if row.state is not None]
    presence = [row.presence for row in devices]
    return SiteRow(
        site=name,
        devices=len(devices),
        online=presence.count("online"),
        silent=presence.count("silent"),
        offline=presence.count("offline"),
        never=presence.count("never"),
        backlog=sum(state.backlog for state in states),
        oldest_unsent_s=max((state.oldest_s for state in states if state.backlog), default=0.0),
        troubled=sum(bool(troubles(row)) for row in devices),
    )
