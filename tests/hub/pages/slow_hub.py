"""`dermedge hub …` with faults put into two of its queries: the cohorts' never ends, the models' fails.

The query runs in the database and by the page's own way there; only its SQL is exchanged for one that takes for ever.
"""

from __future__ import annotations

import sys

import sqlalchemy as sa

import dermedge
from hub import queries_cohorts, queries_models
from hub.dashboard import reading
from hub.dashboard.models import ModelsPage

ENDLESS = sa.text(
    "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted) SELECT max(n) FROM counted"
)


def endless(connection: sa.Connection) -> list[queries_cohorts.Wave]:
    return list(connection.execute(ENDLESS).scalars())


def broken(self: ModelsPage, connection: sa.Connection) -> list[queries_models.ModelInUse]:
    raise RuntimeError("a fault that the test put in")


WITHIN_S = 60.0
"""Longer than in the field: so the query still runs while the test sends, on a busy machine too."""

if __name__ == "__main__":
    reading.limit.__defaults__ = reading.ReadingRoom.__init__.__defaults__ = (WITHIN_S,)
    queries_cohorts.waves = endless
    ModelsPage.read = broken  # type: ignore[method-assign]
    sys.exit(dermedge.main(sys.argv[1:]))
