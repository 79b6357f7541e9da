"""All tables: for whoever makes, migrates, walks or empties them. A new schema module is imported here."""

from __future__ import annotations

from hub import schema_accounts, schema_desk
from hub.schema import metadata

__all__ = ["metadata", "schema_accounts", "schema_desk"]
