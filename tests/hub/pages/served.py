"""`hub serve` as a process on a hub's folder, and people who are signed in to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.processes import free_port
from edge.words import Language
from hub import accounts, database, sessions
from hub.accounts import Role
from hub.dashboard.office import COOKIE
from tests.hub.sender import now, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START_WITHIN_S = 90.0
SEEN_WITHIN_MS = 60_000
HUB = (sys.executable, "-m", "dermedge", "hub")
PASSWORD = "a sentence that is long enough"
LAPTOP, PHONE = (1280, 900), (390, 844)


def environment() -> dict[str, str]:
    """The page's framework does other things in a process that it takes for a test's own."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@dataclass
class Served:
    """asked: every host that a page of it asked for anything."""

    folder: Path
    address: str
    asked: set[str] = field(default_factory=set)

    def sign_in(self, name: str = "reviewer-1", role: Role = "reviewer") -> str:
        """The token of a session: of a new account, or of one that has its password."""
        engine = database.open_database(self.folder)
        try:
            with engine.begin() as connection:
                known = name in {each.account for each in accounts.listed(connection)}
                link = "" if known else accounts.add(connection, name, role, now())
            return (
                sessions.use_link(engine, link, PASSWORD, now())
                if link
                else sessions.sign_in(engine, name, PASSWORD, now())
            )
        finally:
            engine.dispose()

    def open(
        self,
        browser: Browser,
        path: str = "",
        language: Language = "en",
        size: tuple[int, int] = LAPTOP,
        *,
        name: str = "reviewer-1",
        role: Role = "reviewer",
    ) -> Page:
        """A page of a browser of its own, signed in."""
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="en-US")
        context.add_cookies([{"name": COOKIE, "value": self.sign_in(name, role), "url": self.address}])
        page = context.new_page()
        page.set_default_timeout(SEEN_WITHIN_MS)
        page.on("request", lambda request: self.asked.add(urlsplit(request.url).netloc or "(no host)"))
        page.on("websocket", lambda socket: self.asked.add(urlsplit(socket.url).netloc))
        prefix = "zh/" if language == "zh" else ""
        page.goto(f"{self.address}{prefix}{path}".rstrip("/") + ("" if path or prefix else "/?lang=en"))
        return page


@contextmanager
def served(folder: Path, command: Sequence[str] = HUB, end_within_s: float = 30.0) -> Iterator[Served]:
    """Answering, until the end; then it ends by itself when told to, after what it still asks the database."""
    port = free_port()
    process = subprocess.Popen(
        [*command, "serve", "--dir", str(folder), "--port", str(port), "--no-browser"],
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/"

    def answers() -> bool:
        assert process.poll() is None, "expected `hub serve` to run"
        try:
            urllib.request.urlopen(f"{address}sign-in", timeout=5).close()
        except OSError:
            return False
        return True

    try:
        wait_for(answers, "the page to be served", within_s=START_WITHIN_S)
        yield Served(folder, address)
        process.send_signal(signal.SIGTERM)
        assert process.wait(end_within_s) == 0
    finally:
        process.kill()
        process.wait()
