from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.pair import Pair


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.stop()
