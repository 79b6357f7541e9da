"""The page in a real browser, over a real ingest: what arrives is seen, in both languages, and nobody else is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge.terms import groups
from edge.words import LANGUAGES
from hub.words import word
from tests.hub.pages.served import PHONE, Served
from tests.hub.sender import Sender, finding, person, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_finding_is_seen_as_it_comes_in_both_languages_and_no_other_host_is_asked(
    pages: Served, browser: Browser, sender: Sender
) -> None:
    opened = {language: pages.open(browser, language=language, role="viewer") for language in LANGUAGES}
    opened["en"].get_by_text(word("presence.never", "en")).wait_for()
    opened["zh"].get_by_text(word("findings.none_yet", "zh")).wait_for()
    sender.send_status(online=True)
    sender.send_state(backlog=7)
    found = finding(tier="urgent", body_site="face")
    sealed = [sender.seal(body) for body in person(found)]
    sender.send(*sealed)
    sender.await_receipts(*sealed)
    group = groups()["cutaneous_tumour"]
    for said, page in opened.items():
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
    assert pages.asked == {urlsplit(pages.address).netloc}


def test_the_page_fits_a_phone_and_the_switch_changes_the_language(
    pages: Served, browser: Browser, sender: Sender
) -> None:
    sealed = [sender.seal(body) for body in person(finding(), finding(label="acne_rosacea", tier="person"))]
    sender.send_state(problem="the camera gives no picture; it is opened again", capturing=False)
    sender.send(*sealed)
    sender.await_receipts(*sealed)
    page = pages.open(browser, size=PHONE)
    page.locator("[data-finding]").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "the camera gives no picture" in page.locator("tr.attention").inner_text()
    page.get_by_role("link", name=word("page.language", "en")).click()
    page.get_by_role("heading", name=word("page.heading", "zh")).wait_for()
    page.close()


def test_the_page_says_when_events_are_not_taken_and_what_is_in_quarantine(
    pages: Served, browser: Browser, sender: Sender, ingest: object
) -> None:
    from hub.ingest import Ingest

    assert isinstance(ingest, Ingest)
    sealed = sender.seal(finding())
    altered = sealed.message[:-1] + bytes([sealed.message[-1] ^ 1])
    sender.send(altered)
    sender.await_receipts(altered)
    page = pages.open(browser)
    page.get_by_text(word("alarm.quarantine", "en", count=1)).wait_for()
    assert word("reason.bad_signature", "en") in page.inner_text("main")
    assert word("alarm.ingest", "en") not in page.inner_text("main")
    ingest.stop()
    page.get_by_text(word("alarm.ingest", "en")).wait_for()
    page.close()


def test_an_alarm_is_seen_though_nothing_is_in_quarantine(pages: Served, browser: Browser, sender: Sender) -> None:
    found = finding()
    twice = [sender.seal(found), sender.seal(found)]
    sender.send(*twice)
    assert sender.await_receipts(*twice) == ["stored", "stored"]
    page = pages.open(browser, language="zh")
    page.get_by_text(word("alarm.noticed", "zh")).wait_for()
    assert word("reason.finding_repeated", "zh") in page.inner_text("main")
    page.close()
