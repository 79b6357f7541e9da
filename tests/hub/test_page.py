"""The page in a real browser, over a real ingest: what arrives is seen, in both languages, and nobody else is asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from benchmarks.processes import free_port
from edge.terms import groups
from edge.words import LANGUAGES, Language
from hub.words import word
from tests.hub.sender import Sender, finding, person, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START_WITHIN_S = 90.0
SEEN_WITHIN_MS = 45_000
HUB = (sys.executable, "-m", "dermedge", "hub")


def environment() -> dict[str, str]:
    """The page's framework does other things in a process that it takes for a test's own."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture
def address(hub: Path) -> Iterator[str]:
    """`hub serve` as a process, answering."""
    port = free_port()
    command = [*HUB, "serve", "--dir", str(hub), "--port", str(port), "--no-browser"]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
    page = f"http://127.0.0.1:{port}/"

    def answers() -> bool:
        assert process.poll() is None, "expected `hub serve` to run"
        try:
            urllib.request.urlopen(page, timeout=5).close()
        except OSError:
            return False
        return True

    try:
        wait_for(answers, "the page to be served", within_s=START_WITHIN_S)
        yield page
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def open_page(browser: Browser, address: str, language: Language, asked: set[str], width: int = 1280) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(SEEN_WITHIN_MS)
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc or "(no host)"))
    page.on("websocket", lambda socket: asked.add(urlsplit(socket.url).netloc))
    page.goto(f"{address}?lang={language}")
    return page


def test_a_finding_is_seen_as_it_comes_in_both_languages_and_no_other_host_is_asked(
    address: str, browser: Browser, sender: Sender
) -> None:
    asked: set[str] = set()
    pages = {language: open_page(browser, address, language, asked) for language in LANGUAGES}
    pages["en"].get_by_text(word("presence.never", "en")).wait_for()
    pages["zh"].get_by_text(word("findings.none_yet", "zh")).wait_for()
    sender.send_status(online=True)
    sender.send_state(backlog=7)
    found = finding(tier="urgent", body_site="face")
    sealed = [sender.seal(body) for body in person(found)]
    sender.send(*sealed)
    sender.await_receipts(*sealed)
    group = groups()["cutaneous_tumour"]
    for said, page in pages.items():
        row = page.locator(f"[data-finding='{found.finding_id}']")
        row.wait_for()
        text = row.inner_text()
        for part in (
            group.zh if said == "zh" else group.en,
            word("tier.urgent", said),
            word("body.face", said),
            "village-3",
            "cam-1",
            "0.81",
        ):
            assert part in text
        assert word("banner.research", said) in page.inner_text("main")
        page.locator(".presence.online").wait_for()  # a state is written within a second, not with the events
        numbers = page.locator(".number dd:not(.under)")
        wait_for(lambda numbers=numbers: numbers.all_inner_texts() == ["1"] * 4, "one person, one finding, one device")  # type: ignore[misc]
        device = page.locator("[data-device='cam-1']").inner_text()
        assert word("presence.online", said) in device
        assert "7" in device
        chart = page.locator(".chart svg")
        chart.wait_for()
        assert page.evaluate("document.documentElement.lang") == ("zh-CN" if said == "zh" else "en-US")
        page.close()
    assert asked == {urlsplit(address).netloc}


def test_the_page_fits_a_phone_and_the_switch_changes_the_language(
    address: str, browser: Browser, sender: Sender
) -> None:
    sealed = [sender.seal(body) for body in person(finding(), finding(label="acne_rosacea", tier="person"))]
    sender.send_state(problem="the camera gives no picture; it is opened again", capturing=False)
    sender.send(*sealed)
    sender.await_receipts(*sealed)
    page = open_page(browser, address, "en", set(), width=390)
    page.locator("[data-finding]").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "the camera gives no picture" in page.locator("tr.attention").inner_text()
    page.get_by_role("link", name=word("page.language", "en")).click()
    page.get_by_role("heading", name=word("page.heading", "zh")).wait_for()
    page.close()


def test_the_page_says_when_events_are_not_taken_and_what_is_in_quarantine(
    address: str, browser: Browser, sender: Sender, ingest: object
) -> None:
    from hub.ingest import Ingest

    assert isinstance(ingest, Ingest)
    sealed = sender.seal(finding())
    altered = sealed.message[:-1] + bytes([sealed.message[-1] ^ 1])
    sender.send(altered)
    sender.await_receipts(altered)
    page = open_page(browser, address, "en", set())
    page.get_by_text(word("alarm.quarantine", "en", count=1)).wait_for()
    assert word("reason.bad_signature", "en") in page.inner_text("main")
    assert word("alarm.ingest", "en") not in page.inner_text("main")
    ingest.stop()
    page.get_by_text(word("alarm.ingest", "en")).wait_for()
    page.close()


def test_an_alarm_is_seen_though_nothing_is_in_quarantine(address: str, browser: Browser, sender: Sender) -> None:
    found = finding()
    twice = [sender.seal(found), sender.seal(found)]
    sender.send(*twice)
    assert sender.await_receipts(*twice) == ["stored", "stored"]
    page = open_page(browser, address, "zh", set())
    page.get_by_text(word("alarm.noticed", "zh")).wait_for()
    assert word("reason.finding_repeated", "zh") in page.inner_text("main")
    page.close()


def test_a_port_that_is_taken_is_told_before_any_address(hub: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*HUB, "serve", "--dir", str(hub), "--port", port, "--no-browser"]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"expected port {port} of 127.0.0.1" in done.stderr
    assert "--port" in done.stderr


def test_only_this_machine_s_own_names_are_answered(address: str) -> None:
    with urllib.request.urlopen(address, timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    request = urllib.request.Request(address, headers={"Host": "dermedge.example.org"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 400
    refused.value.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
    ],
)
def test_another_site_s_page_gets_neither_the_socket_nor_the_page(address: str, headers: dict[str, str]) -> None:
    socket_address = f"{address}_nicegui_ws/socket.io/?EIO=4&transport=polling"
    own = {"Origin": address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    with urllib.request.urlopen(urllib.request.Request(socket_address, headers=own), timeout=10) as answer:
        assert answer.status == 200
    for asked in (socket_address, address):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(asked, headers=headers), timeout=10)
        assert refused.value.code == 403
        assert refused.value.headers["Access-Control-Allow-Origin"] is None
        refused.value.close()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    asked = socket_address.replace("polling", "websocket")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(asked, headers=headers | upgrade), timeout=10)
    assert refused.value.code == 403
    refused.value.close()


def test_a_link_from_another_site_may_open_the_page(address: str) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as answer:
        assert answer.status == 200
