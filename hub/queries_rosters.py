"""Who is on a roster by name, for their cards."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from hub.schema_desk import roster_people


def participants(connection: sa.Connection, cohort: str, wave: int, unit: str, at_most: int) -> Sequence[str]:
    """The pseudonyms of a village or class, in order."""
    mine = roster_people.c.cohort == cohort, roster_people.c.wave == wave, roster_people.c.unit == unit
    query = sa.select(roster_people.c.participant).where(*mine).order_by(roster_people.c.participant)
    return list(connection.execute(query.limit(at_most)).scalars())
