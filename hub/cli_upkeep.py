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


def run_upkeep(arguments: argparse.Namespace) -> int:
    """Raises DermedgeError; the command turns it into one line and an exit code."""
    return _migrate(arguments.dir, has_backup=arguments.has_backup)


def _migrate(directory: Path, *, has_backup: bool) -> int:
    from edge.clock import SystemClock
    from hub import migrating

    done = migrating.migrate(directory, SystemClock().now(), has_backup=has_backup)
    if done.copy is not None:
        print(f"the database before: {done.copy}; it holds opened events, remove it when all is well")
    print(f"applied: {', '.join(done.applied)}" if done.applied else "this version already")
    return 0
