"""A page whose query never ends, or that fails, takes nobody else's turn: not other pages', not the ingest's."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from hub import database
from hub.dashboard.reading import limit
from hub.words import word
from tests.hub.conftest import SQLITE_ONLY
from tests.hub.pages.served import Served, served
from tests.hub.pages.slow_hub import WITHIN_S
from tests.hub.sender import Sender, finding, person

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SLOW_HUB = (sys.executable, "-m", "tests.hub.pages.slow_hub", "hub")


@pytest.fixture
def slow_pages(hub: Path) -> Iterator[Served]:
    with served(hub, SLOW_HUB, 2 * WITHIN_S) as running:
        yield running


@SQLITE_ONLY
def test_an_endless_query_and_a_failing_page_delay_neither_pages_nor_acknowledgements(
    slow_pages: Served, browser: Browser, sender: Sender
) -> None:
    slow = [slow_pages.open(browser, "cohorts", name=f"slow-{number}") for number in range(2)]
    waiting = 0
    while any(word("page.no_answer", "en") not in page.inner_text("main") for page in slow):
        sealed = [sender.seal(body) for body in person(finding(), finding(tier="urgent"))]
        sender.send(*sealed)
        assert set(sender.await_receipts(*sealed)) == {"stored"}
        waiting += 1
    assert waiting, "expected to send while the query ran"
    live = slow_pages.open(browser)  # while the pages before it ask again
    live.locator("[data-finding]").first.wait_for()
    failing = slow_pages.open(browser, "models")
    failing.get_by_text(word("page.failed", "en")).wait_for()
    more = [sender.seal(body) for body in person(finding())]
    sender.send(*more)
    assert set(sender.await_receipts(*more)) == {"stored"}
    for page in (*slow, live, failing):
        page.context.close()


def test_a_statement_that_takes_too_long_is_ended_in_the_database(hub: Path) -> None:
    """On both databases; the connection is good for the next one."""
    engine = limit(database.open_database(hub, read_only=True), within_s=0.3)
    endless = "WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted) SELECT max(n) FROM counted"
    ended = threading.Event()

    def run() -> None:
        with pytest.raises(sa.exc.OperationalError), engine.connect() as connection:
            connection.execute(sa.text(endless)).scalar_one()
        ended.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ended.wait(60), "expected the database to end it"
    thread.join()
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    engine.dispose()


@SQLITE_ONLY
def test_a_page_says_that_the_database_is_gone_and_goes_on_when_it_is_back(pages: Served, browser: Browser) -> None:
    live, worklist = pages.open(browser), pages.open(browser, "worklist")
    live.get_by_text(word("findings.none_yet", "en")).wait_for()
    worklist.get_by_text(word("worklist.none", "en")).wait_for()
    file, away = pages.folder / database.DATABASE_FILE, pages.folder / "away.db"
    file.rename(away)
    live.get_by_text(word("alarm.database", "en")).wait_for()
    worklist.get_by_text(word("page.no_answer", "en")).wait_for()
    other = live.context.new_page()
    answer = other.goto(f"{pages.address}quality")
    assert answer is not None
    assert answer.status == 503
    assert word("account.away", "en") in other.inner_text("main")
    away.rename(file)
    live.get_by_text(word("alarm.database", "en")).wait_for(state="detached")
    worklist.get_by_text(word("page.no_answer", "en")).wait_for(state="detached")
    for page in (live, worklist):
        page.context.close()
