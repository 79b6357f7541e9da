"""A hub's database with one registered device, and events that arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import database
from tests.hub.desk.arrivals import Arrivals


@pytest.fixture
def arrivals(hub: Path) -> Iterator[Arrivals]:
    engine = database.open_database(hub)
    made = Arrivals(engine, hub)
    made.register()
    yield made
    engine.dispose()
