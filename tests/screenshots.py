"""`make screenshots`: the pictures in README.md, of a running demonstration. Only the drawn phantom is in them."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.processes import DERMEDGE, environment, free_port

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run"]
SETTLE_S = 24.0
"""Long enough for findings of several persons to stand on the page."""
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 412, "height": 915}

SHOTS = (
    ("hub-live", "en", LAPTOP),
    ("hub-live", "zh", LAPTOP),
    ("hub-live-phone", "zh", PHONE),
    ("live-view", "en", LAPTOP),
    ("live-view", "zh", LAPTOP),
    ("live-view-phone", "zh", PHONE),
)


def main() -> None:
    chromium = shutil.which("chromium")
    assert chromium is not None, "expected chromium on this machine; `make packages` installs it"
    page_port, view_port = free_port(), free_port()
    command = [*DERMEDGE, "demo", "--no-browser", "--duration", "75"]
    command += ["--port", str(page_port), "--view", str(view_port)]
    demo = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE_S)
        IMAGES.mkdir(exist_ok=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            for name, language, size in SHOTS:
                port = page_port if name.startswith("hub") else view_port
                page = browser.new_page(viewport=size)
                # The view's stream never ends, so "networkidle" would never come.
                page.goto(f"http://127.0.0.1:{port}/?lang={language}", wait_until="domcontentloaded")
                page.wait_for_timeout(2500)
                page.screenshot(path=str(IMAGES / f"{name}-{language}.png"))
                page.close()
            browser.close()
    finally:
        demo.terminate()
        demo.wait()


if __name__ == "__main__":
    main()
