"""The live page: laid out once, then only what changed is sent to the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from nicegui import ui

from hub.dashboard import chart
from hub.dashboard.office import Office, Visit
from hub.dashboard.sections import Sections
from hub.dashboard.shell import Shell, fill
from hub.queries import Live


class LivePage(Shell[Live]):
    """Of one reading a second, which all open pages share."""

    name: ClassVar[str] = ""
    refresh_s: ClassVar[float] = 1.0

    def __init__(self, office: Office, visit: Visit, query: Mapping[str, str]) -> None:
        super().__init__(office, visit, query)
        self._sections = Sections(self.language, office.feed.coverage)
        self._site = query.get("site", "")
        self._shown: list[tuple[ui.html, Callable[[Live], str]]] = []

    def lay_out(self) -> None:
        with ui.element("div").classes("title"):
            ui.html(f"<h1>{self.word('page.heading')}</h1>", sanitize=False)
            self._updated = ui.label().classes("updated quiet")
        self._section(self._sections.numbers)
        self._sites = ui.html("", sanitize=False)
        self._devices = ui.html("", sanitize=False)
        with ui.element("div").classes("columns"):
            self._section(self._sections.findings)
            with ui.element("div").classes("side"):
                self._counts()
                self._section(self._sections.tiers)
                self._section(self._sections.model)

    async def refresh(self) -> None:
        """From the shared feed, not by a question of its own."""
        reading = await self.office.feed.newest()
        self.show_notices(reading)
        if reading.is_read:
            self.show_content()
            fill(self._sites, self._sections.sites(reading.sites, self._site) if len(reading.sites) > 1 else "")
            fill(self._devices, self._sections.devices(reading.live, self._site))
            self.show(reading.live)

    async def act(self, act: str, said: dict[str, str]) -> None:
        if act == "site":
            site = said.get("site", "")
            self._site = "" if site == self._site else site
            self.keep_address(site=self._site)
            await self.refresh()

    def show(self, reading: Live) -> None:
        for element, render in self._shown:
            fill(element, render(reading))
        self._updated.set_text(self.word("page.updated", time=f"{reading.at.astimezone():%H:%M:%S}"))
        self._show_counts(reading)

    def _section(self, render: Callable[[Live], str]) -> None:
        self._shown.append((ui.html("", sanitize=False), render))

    def _counts(self) -> None:
        with ui.element("section").classes("card"):
            ui.html(f"<h2>{self.word('counts.title')}</h2>", sanitize=False)
            self._no_counts = ui.html(f'<p class="empty">{self.word("counts.none")}</p>', sanitize=False)
            self._chart_options: dict[str, Any] = {}
            self._chart = ui.echart({}, renderer="svg").classes("chart")

    def _show_counts(self, live: Live) -> None:
        self._no_counts.set_visibility(not live.counts)
        self._chart.set_visibility(bool(live.counts))
        new = chart.options(live.counts, self.language)
        if live.counts and new != self._chart_options:
            self._chart_options = new
            self._chart.options.clear()
            self._chart.options.update(new)
            self._chart.update()
