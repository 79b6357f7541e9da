"""Everything that the hub holds about one participant, found by the columns by which tables name people.

A table that has `participant`, or `device` and `encounter_id`, needs nothing further to be found here.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from edge import pseudonym
from edge.errors import StoreError, UsageError
from hub import accounts
from hub.auditing import audit
from hub.schema import commands, tombstones
from hub.schema_desk import encounter_commands
from hub.tables import metadata

Rows = Sequence[Mapping[str, Any]]


def encounters_of(connection: sa.Connection, participant: str) -> set[tuple[str, str]]:
    """(device, encounter_id) of every encounter that any table names together with this participant."""
    found: set[tuple[str, str]] = set()
    for table in metadata.sorted_tables:
        if {"participant", "device", "encounter_id"} <= set(table.c.keys()):
            columns = table.c.device, table.c.encounter_id
            query = sa.select(*columns).where(table.c.participant == participant, table.c.encounter_id.is_not(None))
            found |= {(row.device, row.encounter_id) for row in connection.execute(query)}
    return found


def about(table: sa.Table, participant: str, keys: set[tuple[str, str]]) -> sa.ColumnElement[bool]:
    """Which rows of a table are about this participant and these encounters; none of a table that names nobody."""
    ways: list[sa.ColumnElement[bool]] = []
    if "participant" in table.c:
        ways.append(table.c.participant == participant)
    if {"device", "encounter_id"} <= set(table.c.keys()):
        ways += [sa.and_(table.c.device == device, table.c.encounter_id == each) for device, each in sorted(keys)]
    if table is commands:
        of = about(encounter_commands, participant, keys)
        ways.append(commands.c.command_id.in_(sa.select(encounter_commands.c.command_id).where(of)))
    return sa.or_(sa.false(), *ways)


def held(connection: sa.Connection, participant: str) -> dict[str, Rows]:
    """The rows about this participant, by table; tables without any are left out."""
    keys = encounters_of(connection, participant)
    found: dict[str, Rows] = {}
    for table in metadata.sorted_tables:
        query = sa.select(table).where(about(table, participant, keys)).order_by(*table.primary_key.columns)
        if rows := connection.execute(query).mappings().all():
            found[table.name] = [dict(row) for row in rows]
    return found


def export(engine: sa.Engine, participant: str, file: Path, by: str, now: datetime) -> int:
    """Write all of it, pictures too, into a new file that its owner alone may read; how many rows.

    by: the account of an admin, who answers for it in the audit log. Raises UsageError for an account that is none, or
    a participant of whom nothing is here, StoreError where the file is there already or cannot be written.
    """
    name = pseudonym.normal(participant)
    if name is None:
        raise UsageError(
            f"expected a participant's pseudonym such as 7K3PQV, got {participant!r}: its check symbol does not fit"
        )
    with engine.begin() as connection:
        accounts.require_admin(connection, by)
        found = held(connection, name)
        if not set(found) - {tombstones.name}:
            raise UsageError(f"expected a participant of whom this hub has something, it has nothing of {name}")
        _write(file, {"participant": name, "exported_at": now, "exported_by": by, "tables": found})
        audit(connection, now, by, "person.export", name, file.name, participant=name)
    return sum(len(rows) for rows in found.values())


def _write(file: Path, content: Mapping[str, Any]) -> None:
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(content, enc_hook=_encoded), indent=2) + b"\n")
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError as error:
        raise StoreError(f"expected a new file at {file}, there is one already: name another") from error
    except OSError as error:
        file.unlink(missing_ok=True)
        raise StoreError(f"expected to write what is held about a person to {file}; {error}") from error


def _encoded(value: object) -> str:
    return base64.b64encode(bytes(value)).decode() if isinstance(value, memoryview) else str(value)
