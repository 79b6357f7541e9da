"""Run by Alembic, on the connection and within the transaction that hub/schema_version.py has given it."""

from __future__ import annotations

from alembic import context

from hub.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
