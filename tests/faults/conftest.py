from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge.tell.conftest import clock, deliver, identity, keys, make_outbox, outbox
from tests.faults.pair import Pair

__all__ = ["clock", "deliver", "identity", "keys", "make_outbox", "outbox"]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.stop()
