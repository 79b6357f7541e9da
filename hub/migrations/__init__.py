"""Alembic's scripts: `versions/` has a file for each version of the tables. hub/schema_version.py runs them."""
