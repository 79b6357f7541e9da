"""`make screenshots`: the pictures of README.md and docs/, of a running demonstration with its drawn phantom."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks.processes import DERMEDGE, environment, free_port
from hub.dashboard.office import COOKIE
from tests.hub.pages.served import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run"]
SETTLE_S = 24.0
"""Long enough for findings of several persons to stand on the page."""
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 412, "height": 915}

VIEWS = (("live-view", "en", LAPTOP), ("live-view", "zh", LAPTOP), ("live-view-phone", "zh", PHONE))
HUB = (
    ("hub-live", "", "en", LAPTOP),
    ("hub-live", "", "zh", LAPTOP),
    ("hub-live-phone", "", "zh", PHONE),
    ("hub-worklist", "worklist", "en", LAPTOP),
    ("hub-worklist-phone", "worklist", "zh", PHONE),
)


def main() -> None:
    chromium = shutil.which("chromium")
    assert chromium is not None, "expected chromium on this machine; `make packages` installs it"
    page_port, view_port = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "demo"
        command = [*DERMEDGE, "demo", "--no-browser", "--duration", "90", "--keep", str(kept)]
        command += ["--port", str(page_port), "--view", str(view_port)]
        demo = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
        try:
            time.sleep(SETTLE_S)
            IMAGES.mkdir(exist_ok=True)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                for name, language, size in VIEWS:
                    # The view's stream never ends, so "networkidle" would never come.
                    take(browser, f"http://127.0.0.1:{view_port}/?lang={language}", f"{name}-{language}", size, {})
                hub = Served(kept / "hub", f"http://127.0.0.1:{page_port}/")
                cookie = {"name": COOKIE, "value": hub.sign_in(), "url": hub.address}
                for name, page, language, size in HUB:
                    address = f"{hub.address}{'zh/' if language == 'zh' else ''}{page}".rstrip("/")
                    asked = address if language == "zh" or page else f"{address}/?lang=en"
                    take(browser, asked, f"{name}-{language}", size, cookie)
                browser.close()
        finally:
            demo.terminate()
            demo.wait()


def take(browser: Browser, address: str, name: str, size: dict[str, int], cookie: dict[str, str]) -> None:
    context = browser.new_context(viewport=size, locale="en-US")  # type: ignore[arg-type]
    if cookie:
        context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(address, wait_until="domcontentloaded")
    if name.startswith("live-view"):
        page.wait_for_selector("#labels .kept", timeout=60_000)  # not of a person who refused: there is nothing to see
    else:
        page.wait_for_timeout(2500)
    page.screenshot(path=str(IMAGES / f"{name}.png"))
    context.close()


if __name__ == "__main__":
    main()
