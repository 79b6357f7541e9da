"""The live page: laid out once, then only what changed is sent to the browser."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

from nicegui import ui

from edge.words import Language
from hub.dashboard import chart
from hub.dashboard.feed import Feed, Reading
from hub.dashboard.sections import Sections
from hub.queries import Live
from hub.words import word

REFRESH_S = 1.0
STYLE = files("hub.dashboard").joinpath("style.css").read_text(encoding="utf-8")
MARK = (
    '<svg class="mark" viewBox="0 0 34 34" aria-hidden="true"><rect width="34" height="34" rx="9" fill="#0b6e7a"/>'
    '<circle cx="17" cy="17" r="8.5" fill="none" stroke="#fff" stroke-width="2.4"/>'
    '<circle cx="19.5" cy="15" r="2.6" fill="#fff"/></svg>'
)


class LivePage:
    """One browser's page."""

    def __init__(self, feed: Feed, language: Language, switch_to: str) -> None:
        """switch_to: the address of the same page in the other language."""
        self._feed = feed
        self._switch_to = switch_to
        self._language = language
        self._sections = Sections(language, feed.coverage)
        self._shown: list[tuple[ui.html, Callable[[Live], str]]] = []

    async def build(self) -> None:
        """Lay out, fill, and keep filling."""
        ui.add_css(STYLE)
        with ui.element("main").classes("hub"):
            with ui.element("header").classes("top"):
                self._heading()
            self._alerts = ui.html("", sanitize=False)
            self._section(self._sections.numbers)
            self._section(self._sections.devices)
            with ui.element("div").classes("columns"):
                self._section(self._sections.findings)
                with ui.element("div").classes("side"):
                    self._counts()
                    self._section(self._sections.tiers)
                    self._section(self._sections.model)
        await self.refresh()
        ui.timer(REFRESH_S, self.refresh, immediate=False)

    async def refresh(self) -> None:
        self._show(await self._feed.newest())

    def _show(self, reading: Reading) -> None:
        live = reading.live
        _set(self._alerts, self._sections.alerts(reading))
        for element, render in self._shown:
            _set(element, render(live))
        self._updated.set_text(word("page.updated", self._language, time=f"{live.at.astimezone():%H:%M:%S}"))
        self._show_counts(live)

    def _heading(self) -> None:
        heading, name = word("page.heading", self._language), word("page.title", self._language)
        ui.html(MARK, sanitize=False)
        ui.html(f'<h1>{heading}</h1><span class="name">{name}</span>', sanitize=False)
        with ui.element("div").classes("end"):
            self._updated = ui.label().classes("updated")
            ui.link(word("page.language", self._language), self._switch_to)

    def _section(self, render: Callable[[Live], str]) -> None:
        self._shown.append((ui.html("", sanitize=False), render))

    def _counts(self) -> None:
        with ui.element("section").classes("card"):
            ui.html(f"<h2>{word('counts.title', self._language)}</h2>", sanitize=False)
            self._no_counts = ui.html(f'<p class="empty">{word("counts.none", self._language)}</p>', sanitize=False)
            self._chart_options: dict[str, Any] = {}
            self._chart = ui.echart({}, renderer="svg").classes("chart")

    def _show_counts(self, live: Live) -> None:
        self._no_counts.set_visibility(not live.counts)
        self._chart.set_visibility(bool(live.counts))
        new = chart.options(live.counts, self._language)
        if live.counts and new != self._chart_options:
            self._chart_options = new
            self._chart.options.clear()
            self._chart.options.update(new)
            self._chart.update()


def _set(element: ui.html, content: str) -> None:
    if element.content != content:
        element.set_content(content)
