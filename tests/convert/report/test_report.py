"""report.html in a browser: it needs nothing from outside, fits a phone, and draws what the account holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from convert import report
from convert.report.account import Account
from tests.convert.report.accounts import account

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
DESKTOP, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "expected chromium on this machine; `make packages` installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


def opened(browser: Browser, folder: Path, shown: Account, size: Any) -> tuple[Page, list[str]]:
    """The page of an account, and what the browser asked the network for or complained of."""
    path = folder / "report.html"
    path.write_text(report.render(shown), encoding="utf-8")
    page, noted = browser.new_page(viewport=size), []
    page.on("console", lambda message: noted.append(message.text))
    page.on("request", lambda request: noted.append(request.url) if request.url != path.as_uri() else None)
    page.goto(path.as_uri())
    return page, noted


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_it_opens_without_a_network_and_fits(browser: Browser, tmp_path: Path, size: Any) -> None:
    page, noted = opened(browser, tmp_path, account(), size)
    assert noted == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.locator("h2").all_inner_texts() == [
        "The gate passed",
        "What was done",
        "Float against converted",
        "By label, source and skin tone",
        "How scores are spread",
        "Repair",
        "Layer by layer",
        "Calibration set",
        "Inputs and outputs",
        "Files and cost of the conversion",
    ]
    drawn = page.locator("svg.plot")
    assert drawn.count() == 2
    for index in range(2):
        box = drawn.nth(index).bounding_box()
        assert box is not None
        assert box["width"] > 250
        assert box["height"] > 120
    page.close()


def test_the_worst_layers_are_marked(browser: Browser, tmp_path: Path) -> None:
    page, _ = opened(browser, tmp_path, account(), DESKTOP)
    bars = page.locator("svg.plot rect")
    assert bars.count() == 60
    marked = [index for index in range(60) if bars.nth(index).get_attribute("class") == "worst"]
    assert marked == list(range(50, 60))
    assert page.locator("svg.plot rect.worst").last.evaluate("each => each.getBBox().height") < 6
    page.close()


def test_what_is_lost_lies_left_of_nothing_lost(browser: Browser, tmp_path: Path) -> None:
    """The dot of a difference under 0 stands left of the dashed line, and the limit's line between both or left."""
    page, _ = opened(browser, tmp_path, account(), DESKTOP)
    plot = page.locator("svg.forest").first
    places = {
        part: plot.locator(f".{part}").evaluate(
            "each => { const b = each.getBoundingClientRect(); return b.x + b.width / 2 }"
        )
        for part in ("dot", "zero", "limit")
    }
    assert places["limit"] < places["dot"] < places["zero"]
    page.close()


def test_names_from_outside_are_text(browser: Browser, tmp_path: Path) -> None:
    page, noted = opened(browser, tmp_path, account(), DESKTOP)
    assert "lesion <v2>.keras is a Keras model" in page.inner_text("body")
    assert noted == []
    page.close()
