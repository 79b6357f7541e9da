"""The subcommands of `dermedge hub` that keep its database in order.

What a subcommand needs is imported when it runs, so that --help stays light.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_upkeep(actions: Any, add_directory: Callable[[argparse.ArgumentParser], None]) -> None:
    """Their arguments, beside the other subcommands of `dermedge hub`."""
    migrate = actions.add_parser("migrate", help="bring a database that an older version made to this one")
    migrate.add_argument("--has-backup", action="store_true", help="a PostgreSQL has been dumped; asked for before it")
    add_directory(migrate)
    retention = actions.add_parser("retention", help="erase now what is older than hub.toml has it kept")
    add_directory(retention)
    export = actions.add_parser("export-person", help="everything about a participant into a JSON file")
    export.add_argument("participant", metavar="PARTICIPANT", help="the pseudonym on the person's slip")
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument("--by", required=True, metavar="ACCOUNT", help="the admin who has decided it")
    add_directory(export)


def run_upkeep(arguments: argparse.Namespace) -> int:
    """Raises DermedgeError; the command turns it into one line and an exit code."""
    match arguments.hub_action:
        case "migrate":
            return _migrate(arguments.dir, has_backup=arguments.has_backup)
        case "retention":
            return _retention(arguments.dir)
        case _:
            return _export(arguments.dir, arguments.participant, arguments.file, arguments.by)


def _migrate(directory: Path, *, has_backup: bool) -> int:
    from edge.clock import SystemClock
    from hub import migrating

    done = migrating.migrate(directory, SystemClock().now(), has_backup=has_backup)
    if done.copy is not None:
        print(f"the database before: {done.copy}; it holds opened events, remove it when all is well")
    print(f"applied: {', '.join(done.applied)}" if done.applied else "this version already")
    return 0


def _retention(directory: Path) -> int:
    from edge.clock import SystemClock
    from hub import database, retention, settings

    kept = settings.load(directory).retention
    with database.opened(directory) as engine:
        erased = retention.erase_old(engine, kept, SystemClock().now())
    limits = (("pictures", kept.pictures_days), ("bodies", kept.bodies_days))
    print(*(f"{what} are kept {f'{days} days' if days else 'for ever'}" for what, days in limits), sep="; ")
    print(f"{erased.pictures} parts of pictures and {erased.bodies} other bodies erased")
    return 0


def _export(directory: Path, participant: str, file: Path, by: str) -> int:
    from edge.clock import SystemClock
    from hub import database, person

    with database.opened(directory) as engine:
        count = person.export(engine, participant, file, by, SystemClock().now())
    print(f"{file}: {count} rows; opened health data, for the person and nobody else")
    return 0
