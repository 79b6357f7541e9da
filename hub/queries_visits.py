"""The encounters of one participant, to find a slip by the number on a card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from hub.schema import encounters

VISITS_SHOWN = 20


@dataclass(frozen=True)
class Visit:
    """One encounter."""

    device: str
    encounter_id: str
    site: str
    at: datetime | None


def visits_of(connection: sa.Connection, participant: str) -> Sequence[Visit]:
    """Newest first."""
    at = sa.func.coalesce(encounters.c.opened_at, encounters.c.closed_at).label("at")
    query = sa.select(encounters.c.device, encounters.c.encounter_id, encounters.c.site, at)
    query = query.where(encounters.c.participant == participant).order_by(at.desc()).limit(VISITS_SHOWN)
    return [Visit(row.device, row.encounter_id, row.site, row.at) for row in connection.execute(query)]
