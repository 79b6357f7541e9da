"""The quality page: how model and reviewers agree, what is missed, what is taken again, what people say of it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa
from nicegui import ui

from hub import queries_quality as queries
from hub.dashboard.office import Office, Visit
from hub.dashboard.shell import Shell, fill
from hub.queries_quality import QUESTIONS, ROLES, ROWS_MIN, Agreement, Cell, Missed, ModelDrift, Retakes, SampleState

SPECIFICITY = 0.9
DIMENSIONS = ("site", "device", "label")
ROWS_SHOWN = 12
"""Of a dimension; those with the most answers."""


@dataclass(frozen=True)
class Reading:
    """All that the page shows, of one moment."""

    agreement: Sequence[Agreement]
    agreement_by: Sequence[Agreement]
    missed: Missed | None
    missed_by: Mapping[str, Missed]
    sample: SampleState
    retakes: Sequence[Retakes]
    retakes_by: Sequence[Retakes]
    drifts: Sequence[ModelDrift]
    feedback: Mapping[tuple[str, str], Cell]


class QualityPage(Shell[Reading]):
    """Overall, and by one dimension at a time."""

    name: ClassVar[str] = "quality"
    refresh_s: ClassVar[float] = 60.0

    def __init__(self, office: Office, visit: Visit, query: Mapping[str, str]) -> None:
        super().__init__(office, visit, query)
        self._by = query.get("by", "site")

    def lay_out(self) -> None:
        self._all = ui.html("", sanitize=False)

    def read(self, connection: sa.Connection) -> Reading:
        # The same resamples every time: a figure that moves by itself would be taken for news.
        rng = random.Random(SPECIFICITY)  # noqa: S311 - of a bootstrap, no secret
        by = self._by if self._by in DIMENSIONS else "site"
        of_sample = queries.missed(connection, SPECIFICITY, rng)
        agreement_by = queries.agreement(connection, by)  # type: ignore[arg-type]
        return Reading(
            agreement=queries.agreement(connection),
            agreement_by=sorted(agreement_by, key=lambda row: -row.answered)[:ROWS_SHOWN],
            missed=of_sample.get("all"),
            missed_by={} if by == "label" else queries.missed(connection, SPECIFICITY, rng, by),  # type: ignore[arg-type]
            sample=queries.sample_state(connection),
            retakes=queries.retakes(connection),
            retakes_by=[] if by == "label" else self._most(queries.retakes(connection, by)),  # type: ignore[arg-type]
            drifts=queries.drifts(connection, self.office.now()),
            feedback=queries.feedback_table(connection),
        )

    def show(self, reading: Reading) -> None:
        by = self._by if self._by in DIMENSIONS else "site"
        html = self.render(
            "quality",
            read=reading,
            by=by,
            dimensions=DIMENSIONS,
            floor=ROWS_MIN,
            specificity=SPECIFICITY,
            roles=ROLES,
            questions=QUESTIONS,
        )
        fill(self._all, html)

    async def act(self, act: str, said: dict[str, str]) -> None:
        if act == "by":
            self._by = said.get("by", "")
            self.keep_address(by=self._by)
            await self.refresh()

    @staticmethod
    def _most(rows: Sequence[Retakes]) -> Sequence[Retakes]:
        return sorted(rows, key=lambda row: -row.people)[:ROWS_SHOWN]
