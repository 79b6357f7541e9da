"""A copy of the database, and putting one back. What devices sent since is asked for again.

A backup is one SQLite file, made while everything runs. Devices are told how far it goes and keep what is beyond it
longest. It holds opened events: keep it as you keep the database.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from edge.errors import ConfigError, StoreError
from hub import commanding, withdrawal
from hub.database import DATABASE_FILE, is_on_server, open_database
from hub.disk import to_disk
from hub.lock import alone, beside
from hub.migrating import settle_restored
from hub.schema import chains, devices


@dataclass(frozen=True)
class Restored:
    """asked: chains whose later events were asked for. erased: events of participants who have withdrawn since.

    acts: of people since the backup, as decisions; they are in the database that was kept aside, and nowhere else.
    """

    aside: Path | None
    asked: int
    erased: int
    acts: int


def backup(directory: Path, file: Path) -> int:
    """Copy the database into a new file, on the disk when this returns; how many events are in it.

    Raises ConfigError where there is no hub, StoreError where the file cannot be written or is there already,
    AlreadyRunningError beside a restore.
    """
    _require_file(directory)
    with beside(directory):
        return _copy(directory, file)


def _copy(directory: Path, file: Path) -> int:
    engine = open_database(directory)
    part = file.with_name(file.name + ".part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        if file.exists():
            raise FileExistsError(f"{file} is there already")
        with closing(sqlite3.connect(directory / DATABASE_FILE)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
            # Whoever puts this back by hand lacks again what has come since it was asked for.
            target.execute("UPDATE chains SET asked_from = NULL")
            # And a hub that runs on while that is done sees that it is not its own.
            target.execute("UPDATE marks SET mark = ?", (os.urandom(16).hex(),))
            target.commit()
            reached = target.execute("SELECT device, epoch, whole_to FROM chains").fetchall()
            count: int = target.execute("SELECT count(*) FROM events").fetchone()[0]
        to_disk(part)
        part.rename(file)
        to_disk(file.parent)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"expected to write a new backup at {file}; {error}") from error
    with engine.begin() as connection:
        for device, epoch, whole_to in reached:
            mine = chains.c.device == device, chains.c.epoch == epoch
            connection.execute(sa.update(chains).where(*mine).values(backed_up_to=whole_to))
    engine.dispose()
    return count


def restore(directory: Path, file: Path, now: datetime) -> Restored:
    """Put a backup in the database's place; the one that is there is kept aside. `hub ingest` must not run.

    Raises ConfigError for a file that is no backup, AlreadyRunningError, StoreError.
    """
    _require_file(directory)
    _require_backup(file)
    with alone(directory):
        path = directory / DATABASE_FILE
        part = path.with_name(path.name + ".part")
        aside: Path | None = None
        try:
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(part)) as target:
                source.backup(target)
            to_disk(part)
            aside = _move_aside(path, now)
            part.rename(path)
            to_disk(directory)
        except (OSError, sqlite3.Error) as error:
            left = "the one before is in its place" if aside is None else f"the one before is at {aside}"
            raise StoreError(f"expected to write the database at {path}; {error}; {left}") from error
        acts = settle_restored(directory, aside, now)
        engine = open_database(directory)
        erased_before = _erased(engine)
        withdrawal.bring_together(directory, engine, now)
        with engine.begin() as connection:
            asked = _ask_for_the_rest(connection, now)
        erased = _erased(engine) - erased_before
        engine.dispose()
    return Restored(aside, asked, erased, acts)


def _ask_for_the_rest(connection: sa.Connection, now: datetime) -> int:
    """Of every chain that this backup knows; of one that it does not know, when its device says where it stands."""
    for device in connection.execute(sa.select(devices.c.device)).scalars().all():
        commanding.begin_anew(connection, device, now)
    rows = connection.execute(sa.select(chains)).mappings().all()
    for row in rows:
        mine = chains.c.device == row["device"], chains.c.epoch == row["epoch"]
        values = {"asked_from": row["whole_to"] + 1, "backed_up_to": row["whole_to"]}
        connection.execute(sa.update(chains).where(*mine).values(values))
        commanding.ask_again(connection, row["device"], row["epoch"], row["whole_to"] + 1, now)
    return len(rows)


def _erased(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT coalesce(sum(erased), 0) FROM tombstones").scalar_one())


def _require_file(directory: Path) -> None:
    if is_on_server(directory):
        raise ConfigError(
            f"expected a hub with an SQLite file in {directory}, got one on PostgreSQL: use pg_dump and pg_restore; "
            "what devices sent since is asked for again when they connect"
        )


def _require_backup(file: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            verdict = connection.execute("PRAGMA integrity_check").fetchone()[0]
            connection.execute("SELECT count(*) FROM chains, tombstones").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"expected a file of `dermedge hub backup` at {file}; {error}; name another") from error
    if verdict != "ok":
        raise ConfigError(f"expected a whole backup at {file}, got a damaged one: {verdict}; name another")


def _move_aside(path: Path, now: datetime) -> Path | None:
    """The database and its log, kept: it may have what the backup has not."""
    if not path.exists():
        return None
    aside = path.with_name(f"{path.name}.before-{now:%Y%m%dT%H%M%S}")
    try:
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise StoreError(f"expected to move the database at {path} aside; {error}") from error
    return aside
