"""The hub's pages, served by a process of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.pages.served import Served, served


@pytest.fixture
def pages(hub: Path) -> Iterator[Served]:
    with served(hub) as running:
        yield running
