"""Signing in with a one-time link and with a password, signing out, and what a role does not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import accounts, database
from hub.dashboard.office import COOKIE
from hub.words import word
from tests.hub.pages.served import PASSWORD, PHONE, SEEN_WITHIN_MS, Served
from tests.hub.sender import now

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def fresh(browser: Browser, size: tuple[int, int] = PHONE, locale: str = "en-US") -> Page:
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale=locale).new_page()
    page.set_default_timeout(SEEN_WITHIN_MS)
    return page


def link_of(shared_pages: Served, name: str) -> str:
    engine = database.open_database(shared_pages.folder)
    with engine.begin() as connection:
        token = accounts.add(connection, name, "reviewer", now())
    engine.dispose()
    return f"{shared_pages.address}link#{token}"


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)
    page.keyboard.press("Enter")


def test_a_link_sets_a_password_once_and_the_password_signs_in_and_out(shared_pages: Served, browser: Browser) -> None:
    link = link_of(shared_pages, "new-1")
    page = fresh(browser)
    page.goto(link)
    assert "#" not in page.url, "the token stays in no history"
    fill(page, password="short", again="short")
    page.get_by_text("at least 15 characters").first.wait_for()
    fill(page, password=PASSWORD, again=PASSWORD + "x")
    page.get_by_text(word("account.differ", "en")).wait_for()
    fill(page, password=PASSWORD, again=PASSWORD)
    page.get_by_role("heading", name=word("page.heading", "en")).wait_for()
    (cookie,) = [each for each in page.context.cookies() if each["name"] == COOKIE]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    page.get_by_role("button", name=word("account.sign_out", "en")).click()
    page.get_by_role("heading", name=word("account.title", "en")).wait_for()
    page.context.add_cookies([{"name": COOKIE, "value": cookie["value"], "url": shared_pages.address}])
    page.goto(f"{shared_pages.address}worklist")
    page.get_by_role("heading", name=word("account.title", "en")).wait_for()  # the hub ended it, not the browser alone
    fill(page, name="new-1", password="another sentence of length")
    page.get_by_text(word("account.wrong", "en")).wait_for()
    fill(page, password=PASSWORD)
    page.get_by_role("heading", name=word("worklist.title", "en")).wait_for()  # where it was wanted to go
    other = fresh(browser, locale="zh-CN")
    other.goto(link)
    fill(other, password=PASSWORD, again=PASSWORD)
    other.get_by_text(word("account.no_link", "zh")).wait_for()
    for each in (page, other):
        each.context.close()


def test_nobody_is_led_to_another_site_and_a_form_of_another_browser_is_not_taken(
    shared_pages: Served, browser: Browser
) -> None:
    shared_pages.sign_in("lead-1")
    page = fresh(browser)
    page.goto(f"{shared_pages.address}sign-in?next=//evil.example/")
    assert page.input_value("[name=next]") == ""
    page.evaluate("document.querySelector('[name=form]').value = 'f'.repeat(64)")
    fill(page, name="lead-1", password=PASSWORD)
    page.get_by_text(word("account.stale", "en")).wait_for()
    page.context.close()


def test_too_many_tries_have_to_wait(shared_pages: Served, browser: Browser) -> None:
    page = fresh(browser)
    page.goto(f"{shared_pages.address}zh/sign-in")
    for _ in range(5):
        fill(page, name="guessed", password="not the password at all")
        page.get_by_text(word("account.wrong", "zh")).wait_for()
    fill(page, password="not the password at all")
    page.get_by_text(word("account.wait", "zh")).wait_for()
    page.context.close()


def test_a_viewer_sees_numbers_and_no_people(shared_pages: Served, browser: Browser) -> None:
    page = shared_pages.open(browser, "worklist", name="viewer-1", role="viewer")
    page.get_by_role("heading", name=word("page.heading", "en")).wait_for()
    assert page.get_by_role("link", name=word("nav.worklist", "en")).count() == 0
    page.goto(f"{shared_pages.address}slip")
    page.get_by_role("heading", name=word("page.heading", "en")).wait_for()
    page.context.close()


def test_a_page_that_is_open_ends_with_its_session(shared_pages: Served, browser: Browser) -> None:
    page = shared_pages.open(browser, name="ended-1")
    page.get_by_role("heading", name=word("page.heading", "en")).wait_for()
    engine = database.open_database(shared_pages.folder)
    with engine.begin() as connection:
        accounts.disable(connection, "ended-1", now())
    engine.dispose()
    page.get_by_role("heading", name=word("account.title", "en")).wait_for()
    page.context.close()
