"""Cohort protocols: which visits follow a screening, as data. Those that ship stand in hub/protocols/*.toml."""

from __future__ import annotations

import calendar
import fnmatch
import tomllib
from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.errors import ConfigError
from edge.wire import Name


class Visit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """after: the tier that counts (the reviewer's, else the model's), or "nothing" where nothing was found.

    after_months, after_days: from the screening. window_days: so much earlier it counts as kept.
    """

    name: Name
    after: tuple[Literal["urgent", "routine", "person", "self_care", "nothing"], ...]
    after_months: Annotated[int, Meta(ge=0, le=120)] = 0
    after_days: Annotated[int, Meta(ge=0, le=3650)] = 0
    window_days: Annotated[int, Meta(ge=0, le=365)] = 0

    def due_on(self, screened_on: date) -> date:
        """The day. A month's last day stays its last day."""
        months = screened_on.year * 12 + screened_on.month - 1 + self.after_months
        year, month = divmod(months, 12)
        day = min(screened_on.day, calendar.monthrange(year, month + 1)[1])
        return date.fromordinal(date(year, month + 1, day).toordinal() + self.after_days)


class Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """cohorts: names, or patterns such as "school-*"; the first protocol that fits a cohort counts."""

    name: Name
    cohorts: tuple[str, ...]
    visit: tuple[Visit, ...] = ()

    def __post_init__(self) -> None:
        names = [visit.name for visit in self.visit]
        if len(set(names)) != len(names):
            raise ValueError(f"visits need names of their own, got {', '.join(names)}")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    protocol: tuple[Protocol, ...]


def load(path: Path | None = None) -> Sequence[Protocol]:
    """Of this file; None are those that ship. Raises ConfigError."""
    try:
        if path is not None:
            return _read(path.read_text(encoding="utf-8"))
        folder = files("hub").joinpath("protocols")
        names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml"))
        return [each for name in names for each in _read(folder.joinpath(name).read_text(encoding="utf-8"))]
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"expected cohort protocols at {path or 'the package'}; {error}") from error


def of_cohort(protocols: Sequence[Protocol], cohort: str) -> Protocol | None:
    """The first that fits."""
    return next((each for each in protocols if any(fnmatch.fnmatchcase(cohort, name) for name in each.cohorts)), None)


def _read(text: str) -> Sequence[Protocol]:
    return msgspec.convert(tomllib.loads(text), _File).protocol
