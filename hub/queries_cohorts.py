"""What the cohorts' page reads: screened of eligible, refusals, retakes by reason, time a person takes.

Counts of people pass through hub/suppression.py before they leave here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from hub.database import table_of_json
from hub.schema import encounters, refusals
from hub.schema_desk import roster_people, rosters
from hub.suppression import FLOOR, shown_count, shown_part, suppressed


@dataclass(frozen=True)
class Wave:
    """One round of a cohort, and whether a roster is known for it."""

    cohort: str
    wave: int
    has_roster: bool


@dataclass(frozen=True)
class UnitRow:
    """A village or a class. None: suppressed. by_name: counted by the roster's people, else by the site's name."""

    unit: str
    eligible: int
    screened: int | None
    by_name: bool


@dataclass(frozen=True)
class Cohort:
    """One wave. None: suppressed. mean_time_s: of a completed visit; retakes are frames, of nobody in particular."""

    cohort: str
    wave: int
    units: Sequence[UnitRow]
    eligible: int
    screened_of_eligible: int | None
    screened: int | None
    without_finding: int | None
    aborted: int | None
    refused: int | None
    refused_by_reason: Mapping[str, int | None]
    shots: int
    retakes: Mapping[str, int]
    mean_time_s: float | None


def waves(connection: sa.Connection) -> list[Wave]:
    """Those with a roster or with people seen, by name and number."""
    names = (encounters.c.cohort, encounters.c.wave)
    seen = {tuple(row) for row in connection.execute(sa.select(*names).group_by(*names))}
    known = {tuple(row) for row in connection.execute(sa.select(rosters.c.cohort, rosters.c.wave).distinct())}
    return [Wave(cohort, wave, (cohort, wave) in known) for cohort, wave in sorted(seen | known)]


def cohort(connection: sa.Connection, name: str, wave: int, floor: int = FLOOR) -> Cohort:
    """All of one wave; refusals carry no wave, and are those of the whole cohort."""
    mine = encounters.c.cohort == name, encounters.c.wave == wave
    units, eligible, of_eligible = _units(connection, name, wave, floor)
    completed = encounters.c.outcome == "completed"
    query = sa.select(
        sa.func.count().filter(completed),
        sa.func.count().filter(completed, encounters.c.findings == 0),
        sa.func.count().filter(encounters.c.outcome == "aborted"),
        sa.func.coalesce(sa.func.sum(encounters.c.shots), 0),
        sa.func.avg(encounters.c.duration_ms).filter(completed),
    )
    screened, without, aborted, shots, mean_ms = connection.execute(query.where(*mine)).one()
    reasons, refused = _refused(connection, name, floor)
    return Cohort(
        cohort=name,
        wave=wave,
        units=units,
        eligible=eligible,
        screened_of_eligible=of_eligible,
        screened=shown_count(screened, floor),
        without_finding=shown_part(without, screened, floor),
        aborted=shown_count(aborted, floor),
        refused=refused,
        refused_by_reason=reasons,
        shots=int(shots),
        retakes=_retakes(connection, mine),
        mean_time_s=float(mean_ms) / 1000 if screened >= floor and mean_ms is not None else None,
    )


def _units(connection: sa.Connection, name: str, wave: int, floor: int) -> tuple[list[UnitRow], int, int | None]:
    of = rosters.c.cohort == name, rosters.c.wave == wave
    rows = connection.execute(sa.select(rosters).where(*of).order_by(rosters.c.unit)).mappings().all()
    by_name, by_site = _by_name(connection, name, wave), _by_site(connection, name, wave)
    counts = [(by_name if row["by_name"] else by_site).get(row["unit"], 0) for row in rows]
    counts = [min(count, row["eligible"]) for count, row in zip(counts, rows, strict=True)]
    eligible = sum(row["eligible"] for row in rows)
    # Who was not screened stands between the two columns, so it must not be few either.
    small = [shown_part(count, row["eligible"], floor) is None for count, row in zip(counts, rows, strict=True)]
    shown, total = suppressed([0 if hide else count for hide, count in zip(small, counts, strict=True)], floor)
    total = shown_part(sum(counts), eligible, floor)
    units = [
        UnitRow(row["unit"], row["eligible"], None if hide else count, row["by_name"])
        for row, count, hide in zip(rows, shown, small, strict=True)
    ]
    return units, eligible, total


def _by_name(connection: sa.Connection, name: str, wave: int) -> Mapping[str, int]:
    """People of the roster who completed a screening in this wave, by unit; each once."""
    joined = roster_people.join(encounters, encounters.c.participant == roster_people.c.participant)
    query = (
        sa.select(roster_people.c.unit, sa.func.count(sa.distinct(roster_people.c.participant)).label("people"))
        .select_from(joined)
        .where(
            roster_people.c.cohort == name,
            roster_people.c.wave == wave,
            encounters.c.cohort == name,
            encounters.c.wave == wave,
            encounters.c.outcome == "completed",
        )
        .group_by(roster_people.c.unit)
    )
    return {row.unit: row.people for row in connection.execute(query)}


def _by_site(connection: sa.Connection, name: str, wave: int) -> Mapping[str, int]:
    """Completed screenings by the name of their site."""
    query = (
        sa.select(encounters.c.site, sa.func.count().label("people"))
        .where(encounters.c.cohort == name, encounters.c.wave == wave, encounters.c.outcome == "completed")
        .group_by(encounters.c.site)
    )
    return {row.site: row.people for row in connection.execute(query)}


def _refused(connection: sa.Connection, name: str, floor: int) -> tuple[Mapping[str, int | None], int | None]:
    query = sa.select(refusals.c.reason, sa.func.count()).where(refusals.c.cohort == name)
    rows = connection.execute(query.group_by(refusals.c.reason).order_by(refusals.c.reason)).all()
    shown, total = suppressed([count for _, count in rows], floor)
    return {reason: count for (reason, _), count in zip(rows, shown, strict=True)}, total


def _retakes(connection: sa.Connection, mine: Sequence[sa.ColumnElement[bool]]) -> Mapping[str, int]:
    """Frames that were not accepted, by hint, the most frequent first."""
    pairs: Any = table_of_json(connection, encounters.c.retakes)
    count = sa.func.sum(sa.cast(pairs.c.value, sa.BigInteger))
    query = sa.select(pairs.c.key, count).select_from(encounters.join(pairs, sa.true())).where(*mine)
    rows = connection.execute(query.group_by(pairs.c.key)).all()
    return {str(key): int(total) for key, total in sorted(rows, key=lambda row: (-int(row[1]), row[0]))}
