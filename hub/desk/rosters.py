"""Who is expected: participants or counts of a village or a class, from a CSV file, all of it or nothing.

Three kinds of file, told apart by their columns, whatever order these have:

    participant                  one person a line, all of the unit that the command names
    participant,unit             one person a line
    unit,eligible                a count a unit, where nobody is known by pseudonym before coming

A unit that is imported again is replaced. What was counted before stays counted: encounters know nothing of rosters.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from edge import pseudonym
from edge.errors import EX_DATA, DermedgeError, printable
from hub.auditing import audit
from hub.schema import tombstones
from hub.schema_desk import roster_people, rosters

ROWS_MAX = 200_000
ELIGIBLE_MAX = 1_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_KINDS = ({"participant"}, {"participant", "unit"}, {"unit", "eligible"})


class RosterError(DermedgeError, ValueError):
    """A file is not a roster; the message names its line."""

    exit_code = EX_DATA


@dataclass(frozen=True)
class Unit:
    """participants: empty where only a count is known."""

    unit: str
    eligible: int
    participants: Sequence[str]


@dataclass(frozen=True)
class Imported:
    """replaced: units that were known before. withdrawn: people who were left out because they have withdrawn."""

    units: int
    eligible: int
    replaced: int
    withdrawn: int


def read(path: Path, unit: str | None = None) -> list[Unit]:
    """The units of a file. Raises RosterError, with the number of the line, for whatever is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RosterError(f"expected a roster as CSV in UTF-8 at {path}; {error}") from error
    return parse(text, unit, str(path))


def parse(text: str, unit: str | None = None, source: str = "the roster") -> list[Unit]:
    """As `read`, of a text. unit: of all lines, where the file has no column for it."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        _check_header(header, unit, source)
        rows = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise RosterError(f"{source}, line {lines.line_num}: expected CSV; {error}") from error
    if not rows:
        raise RosterError(f"{source}: expected at least one line below the columns, got none")
    if len(rows) > ROWS_MAX:
        raise RosterError(f"{source}: expected at most {ROWS_MAX} lines, got {len(rows)}: import it in parts")
    records = list(_records(header, rows, unit, source))
    return _people(records, source) if "participant" in header else _counts(records, source)


def replace(
    connection: sa.Connection, units: Sequence[Unit], cohort: str, wave: int, account: str, now: datetime
) -> Imported:
    """Put these units in the place of what was known of them in this wave, in the caller's transaction.

    Raises RosterError for a participant who stands in another unit of this wave already, or a name that is none.
    """
    _require_name(cohort, "the cohort", "--cohort")
    if not 1 <= wave <= 1000:
        raise RosterError(f"expected --wave from 1 to 1000, got {wave}")
    names = [each.unit for each in units]
    here = rosters.c.cohort == cohort, rosters.c.wave == wave, rosters.c.unit.in_(names)
    replaced = connection.execute(sa.delete(rosters).where(*here)).rowcount
    of = roster_people.c.cohort == cohort, roster_people.c.wave == wave
    connection.execute(sa.delete(roster_people).where(*of, roster_people.c.unit.in_(names)))
    gone = set(connection.execute(sa.select(tombstones.c.participant)).scalars())
    elsewhere = dict(connection.execute(sa.select(roster_people.c.participant, roster_people.c.unit).where(*of)).all())
    withdrawn = 0
    key = {"cohort": cohort, "wave": wave}
    for each in units:
        people = [name for name in each.participants if name not in gone]
        withdrawn += len(each.participants) - len(people)
        for name in people:
            if name in elsewhere:
                raise RosterError(
                    f"expected each participant in one unit of wave {wave}, {name} of {each.unit} is in "
                    f"{elsewhere[name]} already: take one out, or import both units in one file"
                )
        row = {"unit": each.unit, "eligible": each.eligible, "by_name": bool(each.participants)}
        connection.execute(sa.insert(rosters).values(**key, **row, imported_at=now, account=account))
        if people:
            rows = [{**key, "unit": each.unit, "participant": name} for name in people]
            connection.execute(sa.insert(roster_people), rows)
    done = Imported(len(units), sum(each.eligible for each in units), replaced, withdrawn)
    detail = f"{done.units} units, {done.eligible} eligible, {done.replaced} replaced"
    audit(connection, now, account, "roster_imported", f"{cohort} wave {wave}", detail)
    return done


def _check_header(header: Sequence[str], unit: str | None, source: str) -> None:
    if len(set(header)) != len(header) or set(header) not in _KINDS:
        got = ",".join(printable(name) for name in header) or "nothing"
        raise RosterError(
            f"{source}, line 1: expected the columns participant, or participant,unit, or unit,eligible; got {got[:80]}"
        )
    if ("unit" in header) == (unit is not None):
        told = "names them itself: leave --unit out" if unit is not None else "names none: say --unit"
        raise RosterError(f"{source}, line 1: expected one source of the unit; the file {told}")
    if unit is not None:
        _require_name(unit, "the unit", "--unit")


def _records(
    header: Sequence[str], rows: Sequence[tuple[int, list[str]]], unit: str | None, source: str
) -> Iterator[tuple[int, dict[str, str]]]:
    for number, row in rows:
        where = f"{source}, line {number}"
        if len(row) != len(header):
            raise RosterError(f"{where}: expected {len(header)} values, got {len(row)}")
        record = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
        record.setdefault("unit", unit or "")
        _require_name(record["unit"], "a unit", where)
        yield number, record


def _people(records: Sequence[tuple[int, dict[str, str]]], source: str) -> list[Unit]:
    units: dict[str, list[str]] = {}
    first: dict[str, int] = {}
    for number, record in records:
        name = pseudonym.normal(record["participant"])
        if name is None:
            raise RosterError(
                f"{source}, line {number}: expected a participant's pseudonym, got "
                f"{printable(record['participant'])[:20]!r}: its check symbol does not fit, read it again"
            )
        if name in first:
            raise RosterError(
                f"{source}, line {number}: expected each participant once, {name} is on line {first[name]}"
            )
        first[name] = number
        units.setdefault(record["unit"], []).append(name)
    return [Unit(unit, len(people), people) for unit, people in units.items()]


def _counts(records: Sequence[tuple[int, dict[str, str]]], source: str) -> list[Unit]:
    units: dict[str, Unit] = {}
    first: dict[str, int] = {}
    for number, record in records:
        unit, digits = record["unit"], record["eligible"]
        count = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 7 else -1
        if not 0 <= count <= ELIGIBLE_MAX:
            raise RosterError(
                f"{source}, line {number}: expected a count from 0 to {ELIGIBLE_MAX}, got {printable(digits)[:20]!r}"
            )
        if unit in units:
            raise RosterError(f"{source}, line {number}: expected each unit once, {unit} is on line {first[unit]}")
        units[unit], first[unit] = Unit(unit, count, ()), number
    return list(units.values())


def _require_name(name: str, what: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise RosterError(
            f"{where}: expected {what} as 1 to 32 of a-z, 0-9 and -, beginning with a letter or digit; got "
            f"{printable(name)[:40]!r}"
        )
