"""The cohorts' page: who was expected, who came, who did not agree, what had to be taken again, how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa
from nicegui import ui

from hub import queries_cohorts as queries
from hub.dashboard.office import Office, Visit
from hub.dashboard.shell import Shell, fill
from hub.queries_cohorts import Cohort, Wave


@dataclass(frozen=True)
class Reading:
    """All that the page shows, of one moment."""

    waves: Sequence[Wave]
    chosen: Cohort | None


class CohortsPage(Shell[Reading]):
    """One wave of one cohort at a time."""

    name: ClassVar[str] = "cohorts"
    refresh_s: ClassVar[float] = 30.0

    def __init__(self, office: Office, visit: Visit, query: Mapping[str, str]) -> None:
        super().__init__(office, visit, query)
        self._chosen = (query.get("cohort", ""), query.get("wave", ""))

    def lay_out(self) -> None:
        self._all = ui.html("", sanitize=False)

    def read(self, connection: sa.Connection) -> Reading:
        waves = queries.waves(connection)
        name, wave = self._chosen
        wanted = [each for each in waves if (each.cohort, str(each.wave)) == (name, wave)] or waves[-1:]
        floor = self.office.settings.counts.suppress_under
        chosen = queries.cohort(connection, wanted[0].cohort, wanted[0].wave, floor) if wanted else None
        return Reading(waves, chosen)

    def show(self, reading: Reading) -> None:
        floor = self.office.settings.counts.suppress_under
        fill(self._all, self.render("cohorts", waves=reading.waves, cohort=reading.chosen, floor=floor))

    async def act(self, act: str, said: dict[str, str]) -> None:
        if act == "wave":
            self._chosen = (said.get("cohort", ""), said.get("wave", ""))
            self.keep_address(cohort=self._chosen[0], wave=self._chosen[1])
            await self.refresh()
