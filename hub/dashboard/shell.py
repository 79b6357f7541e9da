"""What every page has: where one is, who is signed in, what needs a person; and how it is kept true."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import urlencode

import sqlalchemy as sa
from nicegui import background_tasks, ui

from edge.errors import DermedgeError
from edge.words import Language
from hub.accounts import Role
from hub.dashboard.feed import Reading
from hub.dashboard.mark import MARK
from hub.dashboard.notices import notices
from hub.dashboard.office import Office, Visit
from hub.dashboard.reading import NoAnswerError
from hub.dashboard.templating import address, render
from hub.words import word

T = TypeVar("T")
W = TypeVar("W")

STYLE = files("hub.dashboard").joinpath("static/style.css").read_text(encoding="utf-8")
SCRIPT = files("hub.dashboard").joinpath("static/page.js").read_text(encoding="utf-8")
PAGES: Mapping[str, Role] = {
    "": "viewer",
    "worklist": "reviewer",
    "referrals": "reviewer",
    "follow-ups": "reviewer",
    "cohorts": "viewer",
    "quality": "viewer",
    "models": "viewer",
}
"""In the order of the navigation, with who may see them: numbers are for all, people for those who decide."""
BUILT_WITHIN_S = 1.0
"""So long a first reading may hold up the page; then it is shown without, and filled when the answer is there."""

_log = logging.getLogger(__name__)


class Shell(Generic[T]):
    """One browser's page. A page says what it reads, and what it shows of it."""

    name: ClassVar[str]
    needs: ClassVar[Role] = "viewer"
    refresh_s: ClassVar[float] = 10.0

    def __init__(self, office: Office, visit: Visit, query: Mapping[str, str]) -> None:
        """query: of the address; anything may stand there."""
        self.office = office
        self.visit = visit
        self.language: Language = visit.language
        self.query = query
        self._reading = False

    # ---- what a page fills in

    def lay_out(self) -> None:
        """The page's own elements, once."""
        raise NotImplementedError

    def read(self, connection: sa.Connection) -> T:
        """In a thread, by hub/queries*.py."""
        raise NotImplementedError

    def show(self, reading: T) -> None:
        """Fill the elements."""
        raise NotImplementedError

    async def act(self, act: str, said: dict[str, str]) -> None:
        """What a person did; `said` comes from a browser and may be anything."""

    # ---- what all pages share

    async def build(self) -> None:
        """Lay out, fill, and keep filling for as long as the browser is there: its timers end with it."""
        ui.add_css(STYLE)
        ui.colors(primary="#0b6e7a", positive="#2b6b3f", negative="#b3261e")
        ui.add_body_html(f"<script>{SCRIPT}</script>")
        with ui.element("main").classes(f"hub {self.name or 'live'}"):
            self._header = ui.html(self._heading(), sanitize=False)
            self._notices = ui.html("", sanitize=False)
            self._problem = ui.html(f'<p class="quiet">{self.word("page.loading")}</p>', sanitize=False)
            with ui.element("div").classes("content") as self._content:
                self.lay_out()
        self._content.set_visibility(False)
        ui.on("act", self._acted)
        first = background_tasks.create(self.refresh(), name=f"first reading of {self.name or 'live'}")
        await asyncio.wait({first}, timeout=BUILT_WITHIN_S)
        ui.timer(self.refresh_s, self.tick, immediate=False)

    async def tick(self) -> None:
        """A page that is only looked at keeps nobody signed in, and shows nothing to those who no longer are."""
        if not await self.office.door.still_open(self.visit):
            ui.navigate.to(address("sign-in", self.language))
            return
        await self.refresh()

    async def refresh(self) -> None:
        """Read once more and show it."""
        if self._reading:
            return  # a slow answer is waited for, not asked for again
        self._reading = True
        try:
            reading = await self.office.read(self.name or "live", self.read)
            self.show(reading)
            self.show_content()
        except NoAnswerError:
            fill(self._problem, f'<p class="alert" role="alert">{self.word("page.no_answer")}</p>')
        except Exception:  # noqa: BLE001 - our own fault, and this page's alone: said on it, and tried again
            _log.exception("the page %s failed", self.name or "live")
            fill(self._problem, f'<p class="alert" role="alert">{self.word("page.failed")}</p>')
        finally:
            self._reading = False
        self.show_notices(await self.office.feed.newest())

    def show_content(self) -> None:
        """There is something to show."""
        fill(self._problem, "")
        self._content.set_visibility(True)

    def show_notices(self, reading: Reading) -> None:
        fill(self._notices, notices(reading, self.language, full=not self.name))

    async def write(self, command: Callable[[sa.Connection], W]) -> W | None:
        """What a signed-in person does, after asking whether they still are; None where it was not done.

        Why it was not is said on the page.
        """
        if not await self.office.door.still_open(self.visit, used=True):
            ui.navigate.to(address("sign-in", self.language))
            return None
        try:
            return await self.office.write(f"write {self.name}", command)
        except DermedgeError as error:
            self.tell(self.word("page.not_saved", reason=self.reason(error)), bad=True)
            return None

    def reason(self, error: DermedgeError) -> str:
        """In this page's language, where there are words for it."""
        return self.word("account.away") if isinstance(error, NoAnswerError) else str(error)

    def tell(self, text: str, *, bad: bool = False) -> None:
        """A line that goes away by itself; what is bad stays until it is closed."""
        ui.notify(
            text,
            type="negative" if bad else "positive",
            position="bottom",
            close_button=bad,
            timeout=0 if bad else 4000,
        )

    def keep_address(self, **query: str) -> None:
        """The address that shows the same again."""
        shown = {name: value for name, value in query.items() if value}
        target = address(self.name, self.language) + (f"?{urlencode(shown)}" if shown else "")
        ui.run_javascript(f"dermedgeAddress({target!r})")

    def word(self, key: str, **fields: object) -> str:
        return word(key, self.language, **fields)

    def render(self, name: str, **values: Any) -> str:
        return render(name, self.language, visit=self.visit, **values)

    async def _acted(self, event: Any) -> None:
        said = event.args
        if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
            return
        await self.act(said.pop("act", ""), said)

    def _heading(self) -> str:
        other: Language = "en" if self.language == "zh" else "zh"
        shown = [page for page, needed in PAGES.items() if self.visit.may(needed)]
        return self.render("heading", mark=MARK, pages=shown, here=self.name, switch_to=self.switch_to(other))

    def switch_to(self, other: Language) -> str:
        """This page in the other language."""
        target = address(self.name, other)
        return f"{target}?lang=en" if target == "/" else target


def fill(element: ui.html, content: str) -> None:
    """Sends nothing where nothing changed."""
    if element.content != content:
        element.set_content(content)
