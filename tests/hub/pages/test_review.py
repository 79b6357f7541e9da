"""A reviewer at work in a real browser, by keyboard alone: what is decided reaches the device that asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from edge import config, referrals
from edge.clock import SystemClock
from edge.delivery import Delivery
from edge.device_secret import DeviceSecret
from edge.events import ReferralRequest
from edge.outbox import Outbox, open_database
from edge.terms import groups
from hub import database
from hub.desk import cards, sampling
from hub.ingest import Ingest
from hub.schema_desk import roster_people, rosters
from hub.words import word
from tests.broker import Mosquitto
from tests.hub.conftest import SQLITE_ONLY, publisher
from tests.hub.desk.arrivals import Arrivals
from tests.hub.desk.bodies import PICTURES, an_id, consent, crop, visit
from tests.hub.pages.served import PHONE, Served
from tests.hub.sender import Sender, closed, encounter, finding, now, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def arrivals(shared_pages: Served) -> Iterator[Arrivals]:
    engine = database.open_database(shared_pages.folder)
    made = Arrivals(engine, shared_pages.folder)
    made.now = now()
    yield made
    engine.dispose()


def chosen(page: Page) -> str:
    return page.locator(".queue [aria-selected=true]").inner_text()


@SQLITE_ONLY
def test_a_referral_goes_by_keyboard_to_the_device_that_asked_and_its_word_comes_back(
    pages: Served, browser: Browser, ingest: Ingest, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    assert isinstance(ingest, Ingest)
    made = Sender(tmp_path / "cam-1", pages.folder).register().identity
    outbox = Outbox(open_database(tmp_path / "outbox.db"), made, SystemClock(), config.Outbox(), None)
    delivery = Delivery(outbox, publisher(mosquitto), made, config.Delivery(), SystemClock(), dict)
    delivery.start()
    page = pages.open(browser, "worklist")
    page.get_by_text(word("worklist.none", "en")).wait_for()
    seen = encounter()
    found = finding(seen, tier="urgent")
    request = ReferralRequest(
        at=now(), encounter=seen, referral_id=an_id(), finding_ids=(found.finding_id,), tier="urgent"
    )
    outbox.append_many([consent(seen, PICTURES), found, *crop(found), closed(seen, 1, "urgent"), request])
    page.locator(".queue li").wait_for()
    page.locator(".item img").wait_for()
    page.keyboard.press("f")
    page.locator("form.refer [name=place]").wait_for()
    page.wait_for_function("document.activeElement.name === 'place'")
    page.keyboard.type("County hospital <b>2</b>")
    page.keyboard.press("Enter")
    page.get_by_text(word("worklist.none", "en")).wait_for()

    def heard() -> list[str]:
        with outbox.opened() as opened:
            rows = referrals.listed(opened, DeviceSecret(made.sealing_key))
        return [f"{row.step} {row.replies[0].place}" for row in rows if row.replies]

    wait_for(lambda: heard() == ["accepted County hospital <b>2</b>"], "the reply at the device")
    page.goto(f"{pages.address}referrals?step=accepted")
    page.locator(".heard.applied").wait_for()
    assert word("referrals.reached", "en") in page.inner_text(".steps")
    assert "County hospital <b>2</b>" in page.inner_text(".steps")  # a text, never markup
    page.context.close()
    delivery.stop(20)
    outbox.close()


def test_keys_move_decide_and_take_back_and_the_second_reviewer_is_told(
    shared_pages: Served, browser: Browser, arrivals: Arrivals
) -> None:
    arrivals.register("cam-2", "school-7")
    for label in ("psoriasis", "acne_rosacea"):
        arrivals.take(*visit("urgent", label=label), device="cam-2", site="school-7")
    names = [groups()["psoriasis"].en, groups()["acne_rosacea"].en]
    first = shared_pages.open(browser, "worklist?site=school-7")
    second = shared_pages.open(browser, "worklist?site=school-7", "zh", PHONE, name="reviewer-2")
    first.locator(".queue li").nth(1).wait_for()
    second.locator(".queue li").nth(1).wait_for()
    assert second.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert names[0] in chosen(first)
    first.keyboard.press("j")
    wait_for(lambda: names[1] in chosen(first), "the next one")
    first.keyboard.press("k")
    wait_for(lambda: names[0] in chosen(first), "the one before")
    first.keyboard.press("1")
    first.locator("[data-label=cutaneous_tumour][aria-pressed=true]").wait_for()
    first.keyboard.press("a")
    wait_for(lambda: first.locator(".queue li").count() == 1 and names[1] in chosen(first), "one left, and chosen")
    second.locator("[data-act=reject]").click()
    said = word("decide.meanwhile", "zh", account="reviewer-1")
    second.get_by_text(said).or_(second.get_by_text(word("worklist.none_chosen", "zh"))).first.wait_for()
    first.keyboard.press("u")
    wait_for(lambda: first.locator(".queue li").count() == 2, "it waits again")
    history = first.locator(".history")
    history.wait_for()
    assert word("decide.accept", "en") in history.inner_text()
    assert word("decide.undo", "en") in history.inner_text()
    first.keyboard.press("?")
    first.get_by_text(word("help.title", "en")).wait_for()
    first.keyboard.press("Escape")
    first.keyboard.press("/")
    first.wait_for_function("document.activeElement.name === 'site'")
    for page in (first, second):
        page.context.close()


def test_what_the_model_said_of_a_blind_item_is_hidden_until_it_is_answered(
    shared_pages: Served, browser: Browser, arrivals: Arrivals
) -> None:
    with arrivals.engine.begin() as connection:
        sampling.set_share(connection, 1.0, arrivals.now)
    arrivals.register("cam-3", "clinic-9")
    (name,) = [each.en for label, each in groups().items() if label == "psoriasis"]
    opened = arrivals.take(*visit("routine", label="psoriasis", sample_share=1.0), device="cam-3", site="clinic-9")
    page = shared_pages.open(browser, "worklist?site=clinic-9")
    page.locator(".tier.blind").first.wait_for()
    page.locator(".item img").wait_for()
    shown = page.content()
    assert "0.81" not in page.inner_text("main")
    assert name not in page.inner_text(".queue") + page.inner_text(".item .pictures")
    assert page.locator("a[href*='/slip/']").count() == 0
    body = opened[0].body
    encounter_id = getattr(body, "encounter").encounter_id  # noqa: B009 - every body of a visit has one
    assert encounter_id in shown
    page.keyboard.press("a")
    page.get_by_text(word("answer.needs_label", "en")).wait_for()
    page.keyboard.press("0")
    page.keyboard.press("a")
    wait_for(lambda: name in page.inner_text(".item .pictures"), "the model's word, after the answer")
    page.goto(f"{shared_pages.address}slip/cam-3/{encounter_id}")
    assert word("slip.reviewed_nothing", "en") in page.inner_text(".sheet >> nth=0")
    page.context.close()


def test_a_viewer_s_browser_cannot_decide(shared_pages: Served, browser: Browser, arrivals: Arrivals) -> None:
    """Whatever a browser sends: a page of another role has no ear for it."""
    arrivals.register("cam-4", "school-8")
    arrivals.take(*visit("urgent"), device="cam-4", site="school-8")
    page = shared_pages.open(browser, "quality", name="viewer-1", role="viewer")
    page.get_by_role("heading", name=word("quality.title", "en")).wait_for()
    page.evaluate("emitEvent('act', {act: 'accept'}); emitEvent('act', {act: 'key', key: 'a'}); emitEvent('act', 7)")
    reviewer = shared_pages.open(browser, "worklist?site=school-8", name="reviewer-3")
    reviewer.locator(".queue li").wait_for()
    for each in (page, reviewer):
        each.context.close()


def test_a_tap_on_the_slip_is_counted_once(shared_pages: Served, browser: Browser, arrivals: Arrivals) -> None:
    arrivals.register("cam-5", "school-5")
    (first, *_) = arrivals.take(*visit(), device="cam-5", site="school-5")
    encounter_id = getattr(first.body, "encounter").encounter_id  # noqa: B009
    page = shared_pages.open(browser, f"slip/cam-5/{encounter_id}", "zh", PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert word("banner.research", "zh") in page.inner_text(".sheet >> nth=0")
    page.locator("input[value=nurse]").check()
    for value in (2, 4):
        page.locator(f"button[value='usability:{value}']").click()
        page.get_by_text(word("feedback.thanks", "zh")).wait_for()
    page.goto(f"{shared_pages.address}quality")
    row = page.locator("#feedback tr", has_text=word("role.nurse", "en"))
    row.wait_for()
    assert "4.0" in row.inner_text()
    assert word("feedback.count", "en", count=1) in row.inner_text()
    assert row.inner_text().count(word("page.no_data", "en")) == 3
    page.context.close()


def test_a_village_s_cards_are_printed_by_name_and_for_reviewers_only(
    shared_pages: Served, browser: Browser, arrivals: Arrivals
) -> None:
    names = cards.new_pseudonyms(12)
    row = {"cohort": "pupils", "wave": 1, "unit": "class-2"}
    with arrivals.engine.begin() as connection:
        kept = {"eligible": 12, "by_name": True, "imported_at": now(), "account": "console"}
        connection.execute(sa.insert(rosters).values(row | kept))
        connection.execute(sa.insert(roster_people), [row | {"participant": name} for name in names])
    page = shared_pages.open(browser, "cohorts?cohort=pupils&wave=1")
    page.get_by_role("link", name=word("cards.print", "en"), exact=True).click()
    page.locator(".a4 svg").nth(1).wait_for()
    assert all(name in page.inner_text("main") for name in names)
    viewer = shared_pages.open(browser, "cohorts?cohort=pupils&wave=1", "zh", PHONE, name="viewer-2", role="viewer")
    viewer.get_by_text("class-2").wait_for()
    assert viewer.get_by_role("link", name=word("cards.print", "zh"), exact=True).count() == 0
    assert viewer.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    for each in (page, viewer):
        each.context.close()
