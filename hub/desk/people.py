"""Whom an encounter is about, and what that person agreed to."""

from __future__ import annotations

import sqlalchemy as sa

from hub.schema import encounters


def participant_of(connection: sa.Connection, device: str, encounter_id: str) -> str | None:
    """The pseudonym; None for somebody who has not agreed, or whose consent has not come yet."""
    mine = encounters.c.device == device, encounters.c.encounter_id == encounter_id
    return connection.execute(sa.select(encounters.c.participant).where(*mine)).scalar_one_or_none()
