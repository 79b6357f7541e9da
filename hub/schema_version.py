"""Which version the database's tables have, and bringing them to ours, by Alembic's migrations in hub/migrations.

A whole migration is one transaction on both databases: it is there or it is not. Every transaction of the hub first
asks which version it has before it (hub/database.py), so no code works on tables that it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from edge.errors import StoreError
from hub import migrations
from hub.tables import metadata

SCRIPTS = Path(str(migrations.__file__)).parent
REVISIONS: tuple[str, ...] = ("0001",)
"""All that there are, oldest first, each a file in hub/migrations/versions; the last is what this code knows."""


class VersionError(StoreError):
    """The database's tables are not those of this version of dermedge. Waiting may help: somebody may be migrating."""


def is_current(connection: sa.Connection) -> bool:
    """Whether the database says that it has this version."""
    return _found(connection) == (REVISIONS[-1],)


def require_current(connection: sa.Connection) -> None:
    """Raises VersionError for a database that is older or newer than this code, or half migrated."""
    found, current = _found(connection), REVISIONS[-1]
    if found == (current,):
        return
    if not found:
        raise VersionError(f"expected a hub's database of version {current}, got one without a version: not a hub's")
    if len(found) > 1:
        raise VersionError(
            f"expected a database of version {current}, got one that is half migrated ({', '.join(found)}): "
            "put a backup back with `dermedge hub restore`"
        )
    if found[0] in REVISIONS:
        raise VersionError(
            f"expected a database of version {current}, got an older one, {found[0]}: run `dermedge hub migrate`"
        )
    raise VersionError(
        f"expected a database of version {current}, got {found[0]}, which a newer dermedge made: install that one"
    )


def require_whole(connection: sa.Connection) -> None:
    """As `require_current`, and every table and column is there."""
    require_current(connection)
    absent = missing(connection)
    if absent:
        raise VersionError(
            f"expected all tables of version {REVISIONS[-1]}, got a database that is half migrated: it lacks "
            f"{', '.join(absent[:3])}{' and more' if len(absent) > 3 else ''}; put a backup back with "
            "`dermedge hub restore`"
        )


def missing(connection: sa.Connection) -> list[str]:
    """Tables, and columns as table.column, that this code knows and the database has not."""
    found = {
        name: {column["name"] for column in columns}
        for (_, name), columns in sa.inspect(connection).get_multi_columns().items()
    }
    absent = []
    for table in metadata.sorted_tables:
        if table.name not in found:
            absent.append(table.name)
        else:
            absent += [
                f"{table.name}.{column.name}" for column in table.columns if column.name not in found[table.name]
            ]
    return absent


def upgrade(connection: sa.Connection) -> Sequence[str]:
    """Bring the tables to this version, in the caller's transaction; the revisions that were applied.

    An empty database gets them all. Raises VersionError for one that is newer, half migrated or not a hub's, and what
    the database raises.
    """
    from alembic import command
    from alembic.config import Config

    found = _found(connection)
    is_known = len(found) == 1 and found[0] in REVISIONS
    if not is_known and (found or sa.inspect(connection).get_table_names()):
        require_current(connection)
    configuration = Config()
    configuration.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, REVISIONS[-1])
    require_whole(connection)
    return REVISIONS[REVISIONS.index(found[0]) + 1 :] if found else REVISIONS


def _found(connection: sa.Connection) -> tuple[str, ...]:
    """What stands in Alembic's table; nothing where there is none."""
    if connection.dialect.name == "sqlite":
        exists = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
    else:
        exists = "SELECT count(to_regclass('alembic_version'))"
    if not connection.exec_driver_sql(exists).scalar_one():
        return ()
    rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version ORDER BY 1")
    return tuple(str(version) for version in rows.scalars())
