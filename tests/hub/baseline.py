"""Writes hub/migrations/versions/v0001_baseline.py anew from the tables: `python -m tests.hub.baseline`.

For as long as nothing has shipped. From the first release on a changed table is a further migration instead.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from sqlalchemy.types import TypeDecorator

from hub import schema_version
from hub.tables import metadata

FILE = schema_version.SCRIPTS / "versions" / "v0001_baseline.py"
HEAD = '''"""All tables of the first version. Made by `python -m tests.hub.baseline`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """On an empty database."""
'''


def _render(kind: str, item: Any, _: AutogenContext) -> str | bool:
    """Types as the database has them, so that a migration stays what it was when the hub's own types change."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


def text() -> str:
    """What the file should be, as ruff formats it."""
    with sa.create_engine("sqlite://").connect() as connection:
        options = {"target_metadata": metadata, "render_item": _render}
        context = MigrationContext.configure(connection, opts=options)
        made = produce_migrations(context, metadata)
        assert made.upgrade_ops is not None
        body = render_python_code(made.upgrade_ops, render_item=_render, migration_context=context)
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("#")]
    # Alembic has indented all but the first line.
    source = HEAD + "    " + "\n".join(lines).lstrip() + "\n"
    ruff = [str(Path(sys.executable).with_name("ruff")), "format", "--stdin-filename", str(FILE), "-"]
    return subprocess.run(ruff, input=source, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
