"""A hub's database with one registered device, and events that arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import database
from tests.hub.desk.arrivals import Arrivals
from tests.hub.sender import make_hub


@pytest.fixture
def arrivals(tmp_path: Path) -> Iterator[Arrivals]:
    folder = make_hub(tmp_path / "hub")
    engine = database.open_database(folder)
    made = Arrivals(engine, folder)
    made.register()
    yield made
    engine.dispose()
