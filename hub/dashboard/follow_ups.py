"""The follow-ups' page: who is to come again, the longest overdue first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import sqlalchemy as sa
from nicegui import ui

from hub import queries_follow_ups as queries
from hub.dashboard.office import Office, Visit
from hub.dashboard.shell import Shell, fill
from hub.desk import follow_ups
from hub.queries_follow_ups import FollowUpCounts, FollowUpPage, FollowUpPlace

AHEAD = timedelta(days=30)


@dataclass(frozen=True)
class Reading:
    """All that the page shows, of one moment."""

    page: FollowUpPage
    counts: FollowUpCounts


class FollowUpsPage(Shell[Reading]):
    """What is due within a month, and what is overdue."""

    name: ClassVar[str] = "follow-ups"
    needs: ClassVar = "reviewer"

    def __init__(self, office: Office, visit: Visit, query: Mapping[str, str]) -> None:
        super().__init__(office, visit, query)
        self._after: FollowUpPlace | None = None
        self._next: FollowUpPlace | None = None

    def lay_out(self) -> None:
        self._list = ui.html("", sanitize=False)

    def read(self, connection: sa.Connection) -> Reading:
        today = self.office.now().date()
        until = today + AHEAD
        return Reading(
            queries.page(connection, today, until, after=self._after), queries.counts(connection, today, until)
        )

    def show(self, reading: Reading) -> None:
        self._next = reading.page.next
        today = self.office.now().date()
        html = self.render(
            "follow_ups", page=reading.page, counts=reading.counts, today=today, ahead=AHEAD.days, later=self._after
        )
        fill(self._list, html)

    async def act(self, act: str, said: dict[str, str]) -> None:
        match act:
            case "next" | "first":
                self._after = self._next if act == "next" else None
                await self.refresh()
            case "done":
                await self._say_done(said)

    async def _say_done(self, said: Mapping[str, str]) -> None:
        device, encounter_id, due = (said.get(name, "") for name in ("device", "encounter", "visit"))
        account, now = self.visit.account, self.office.now()
        done = await self.write(
            lambda connection: follow_ups.say_done(connection, device, encounter_id, due, account, now)
        )
        if done is not None:
            self.tell(self.word("follow-ups.kept" if done else "impossible.not_now"), bad=not done)
        await self.refresh()
