"""The hub's pages, served by a process of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.pages.served import Served, served
from tests.hub.sender import make_hub


@pytest.fixture
def pages(hub: Path) -> Iterator[Served]:
    """Of a hub of this test's own, on each of the two databases in turn."""
    with served(hub) as running:
        yield running


@pytest.fixture(scope="module")
def shared_pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Of one hub for all tests of a file."""
    with served(make_hub(tmp_path_factory.mktemp("pages") / "hub")) as running:
        yield running
