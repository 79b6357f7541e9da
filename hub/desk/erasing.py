"""Everything that the desk knows of an encounter or of a person, erased with a withdrawn consent.

Of commands that are about them, what was answered keeps its place and loses its content; what was not is not sent any
more, and where it was sealed already, the rest goes under a new epoch of commands, so that no number is missing.
"""

from __future__ import annotations

import sqlalchemy as sa

from hub import commanding
from hub.schema import commands, encounters
from hub.schema_accounts import audit_contents
from hub.schema_desk import (
    decisions,
    encounter_commands,
    follow_ups,
    picture_parts,
    pictures,
    referral_steps,
    referrals,
    roster_people,
    sample,
    worklist,
)

OF_ENCOUNTERS = (worklist, pictures, picture_parts, sample, referrals, referral_steps, decisions, follow_ups)
"""Tables whose rows name an encounter."""


def erase_encounter(connection: sa.Connection, device: str, encounter_id: str) -> None:
    """All rows that name this encounter of this device."""
    for table in OF_ENCOUNTERS:
        mine = table.c.device == device, table.c.encounter_id == encounter_id
        connection.execute(sa.delete(table).where(*mine))
    connection.execute(sa.delete(audit_contents).where(audit_contents.c.subject == encounter_id))
    _erase_commands(connection, device, encounter_id)


def erase_person(connection: sa.Connection, participant: str) -> None:
    """Where the pseudonym itself stands, and what is about the encounters that are known to be theirs."""
    query = sa.select(encounters.c.device, encounters.c.encounter_id).where(encounters.c.participant == participant)
    for row in connection.execute(query).all():
        erase_encounter(connection, row.device, row.encounter_id)
        mine = encounters.c.device == row.device, encounters.c.encounter_id == row.encounter_id
        connection.execute(sa.delete(encounters).where(*mine))
    for table in (follow_ups, roster_people, audit_contents):
        connection.execute(sa.delete(table).where(table.c.participant == participant))


def _erase_commands(connection: sa.Connection, device: str, encounter_id: str) -> None:
    of = encounter_commands.c.device == device, encounter_commands.c.encounter_id == encounter_id
    ids = connection.execute(sa.select(encounter_commands.c.command_id).where(*of)).scalars().all()
    if not ids:
        return
    mine = commands.c.command_id.in_(ids)
    waits = mine, commands.c.answered_at.is_(None)
    sealed_at = connection.execute(
        sa.select(sa.func.max(commands.c.queued_at)).where(*waits, commands.c.message.is_not(None))
    ).scalar_one_or_none()
    if sealed_at is not None:
        commanding.begin_anew(connection, device, sealed_at)
    connection.execute(sa.delete(commands).where(*waits))
    connection.execute(sa.update(commands).where(mine).values(type="erased", body={}, message=None, detail=""))
    connection.execute(sa.delete(encounter_commands).where(*of))
