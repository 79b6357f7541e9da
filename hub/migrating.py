"""`dermedge hub migrate`: a database that an older version made gets the tables of this one; first a copy is put aside.

Beside a `hub ingest` or `hub serve` that runs: both wait on tables that they do not know, and go on when they are ours.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from edge.errors import ConfigError, StoreError
from hub import accounts, schema_version
from hub.auditing import CONSOLE, audit
from hub.database import DATABASE_FILE, is_on_server, open_database
from hub.disk import to_disk
from hub.lock import beside
from hub.schema_accounts import audit_log


@dataclass(frozen=True)
class Migrated:
    """copy: of the database before, to be removed when it is not needed any more. applied: revisions; none, no copy."""

    copy: Path | None
    applied: Sequence[str]


def migrate(directory: Path, now: datetime, *, has_backup: bool = False) -> Migrated:
    """Bring the hub's database in this folder to this version, in one transaction.

    has_backup: a PostgreSQL has been dumped; required there. Raises ConfigError, VersionError for a database that is
    newer or half migrated, AlreadyRunningError beside a restore, StoreError.
    """
    if is_on_server(directory) and not has_backup:
        raise ConfigError("expected a backup before the tables change: make one with pg_dump, then say --has-backup")
    engine = open_database(directory, any_version=True)
    copy: Path | None = None
    try:
        with beside(directory), engine.begin() as connection:
            # The transaction keeps every other writer out, so the copy has all that the migration begins with.
            if not schema_version.is_current(connection) and not is_on_server(directory):
                copy = _copy(directory / DATABASE_FILE, now)
            applied = schema_version.upgrade(connection)
            if applied:
                audit(connection, now, CONSOLE, "database.migrate", schema_version.REVISIONS[-1], ", ".join(applied))
    except sa.exc.SQLAlchemyError as error:
        kept = "" if copy is None else f"; a copy of it is at {copy}"
        raise StoreError(f"expected to migrate the database; {error}; it is as it was{kept}") from error
    finally:
        engine.dispose()
    return Migrated(copy, applied)


def settle_restored(directory: Path, aside: Path | None, now: datetime) -> int:
    """After a backup was put in the database's place: it gets this version's tables, and nobody is signed in.

    Sessions and links that had ended since it was made must not live again. aside: the database before; how many acts
    of people are in its audit log and not in the backup's: no device has them to send again. Raises VersionError,
    StoreError.
    """
    engine = open_database(directory, any_version=True)
    try:
        with engine.begin() as connection:
            schema_version.upgrade(connection)
            accounts.end_everything(connection)
            last = connection.execute(sa.select(sa.func.coalesce(sa.func.max(audit_log.c.number), 0))).scalar_one()
            acts = 0 if aside is None else _acts_since(aside, last)
            audit(connection, now, CONSOLE, "database.restore", detail=f"{acts} acts are in the database before only")
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"expected to bring the backup's tables to this version; {error}") from error
    finally:
        engine.dispose()
    return acts


def _acts_since(path: Path, number: int) -> int:
    """In the audit log of this file; 0 also where it cannot be read, as in one that is damaged."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            query = "SELECT count(*) FROM audit_log WHERE number > ?"
            return int(connection.execute(query, (number,)).fetchone()[0])
    except sqlite3.Error:
        return 0


def _copy(path: Path, now: datetime) -> Path:
    copy = path.with_name(f"{path.name}.before-{now:%Y%m%dT%H%M%S}")
    try:
        os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        to_disk(copy)
        to_disk(copy.parent)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"expected to copy the database to {copy} before its tables change; {error}") from error
    return copy
