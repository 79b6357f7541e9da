"""The models' page: versions in the field, what each covers, and as what it counts at this hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import sqlalchemy as sa
from nicegui import ui

from hub import queries_models as queries
from hub.dashboard.shell import Shell, fill
from hub.queries_models import ModelInUse


class ModelsPage(Shell[Sequence[ModelInUse]]):
    """One table."""

    name: ClassVar[str] = "models"

    def lay_out(self) -> None:
        self._table = ui.html("", sanitize=False)

    def read(self, connection: sa.Connection) -> Sequence[ModelInUse]:
        return queries.in_use(connection)

    def show(self, reading: Sequence[ModelInUse]) -> None:
        fill(self._table, self.render("models", models=reading))
