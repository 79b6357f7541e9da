"""What all rooms share: a real broker, a real browser, the training pictures. What is missing fails loudly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.broker import Mosquitto

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker; `.port` on 127.0.0.1, `.stop()`, `.kill()`, `.start()`."""
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running PostgreSQL, one for all tests; each makes a database of its own in it."""
    from tests.postgres import INSTALLED, Postgres

    if not INSTALLED and os.environ.get("CI") != "true":
        pytest.skip("expected PostgreSQL on this machine; `make packages` installs it")
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless. Playwright's own download is not used."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program is not None, "expected chromium on this machine; `make packages` installs it"
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not run as root, as in a container.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The training pictures; they are not part of the project. Missing is a failure where CI=true."""
    folder = Path(os.environ.get("DERMEDGE_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "boxes.csv").is_file():
        missing = "expected the training pictures in ../shared/data or where DERMEDGE_DATA says"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return folder
