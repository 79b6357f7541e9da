"""Rosters, screened of eligible, refusals, retakes, follow-ups; small counts stay hidden."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from edge import pseudonym
from edge.errors import ConfigError
from edge.events import EventBody
from hub import withdrawal
from hub.desk import follow_ups, protocols, rosters
from hub.desk.rosters import RosterError, Unit
from hub.queries_cohorts import cohort, waves
from hub.queries_follow_ups import counts, page
from hub.schema_desk import roster_people
from hub.schema_desk import rosters as roster_table
from tests.hub.desk.arrivals import Arrivals
from tests.hub.desk.bodies import visit
from tests.hub.sender import encounter, refusal

NAMES = [pseudonym.make(os.urandom) for _ in range(20)]


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("", None, "line 1: expected the columns"),
        ("name,age\nx,1\n", None, "line 1: expected the columns"),
        ("participant,participant\nx,y\n", None, "line 1: expected the columns"),
        ("participant\n", "class-1", "at least one line"),
        (f"participant\n{NAMES[0]}\n", None, "say --unit"),
        (f"participant,unit\n{NAMES[0]},a\n", "class-1", "leave --unit out"),
        (f"participant\n{NAMES[0]}\n\n{NAMES[1]}\n{NAMES[0]}\n", "class-1", "line 5: expected each participant once"),
        (f"participant\n{NAMES[0]}\nABCDEFGHJK\n", "class-1", "line 3: expected a participant's pseudonym"),
        (f"participant,unit\n{NAMES[0]}\n", None, "line 2: expected 2 values, got 1"),
        ("unit,eligible\na,3\nb,many\n", None, "line 3: expected a count"),
        ("unit,eligible\na,-3\n", None, "line 2: expected a count"),
        ("unit,eligible\na,3\na,4\n", None, "line 3: expected each unit once"),
        ("unit,eligible\nClass 1,3\n", None, "line 2: expected a unit"),
        ('unit,eligible\n"a,3\n', None, "expected CSV"),
    ],
)
def test_what_is_wrong_with_a_roster_is_one_line_with_its_number(text: str, unit: str | None, expected: str) -> None:
    with pytest.raises(RosterError) as caught:
        rosters.parse(text, unit)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_with_a_mark_of_its_encoding_and_lower_case_is_read(tmp_path: Path) -> None:
    file = tmp_path / "class.csv"
    file.write_bytes(b"\xef\xbb\xbfParticipant , Unit\r\n" + f"{NAMES[0].lower()},class-1\r\n".encode())
    assert rosters.read(file) == [Unit("class-1", 1, [NAMES[0]])]


def test_of_two_units_with_one_person_nothing_is_imported(arrivals: Arrivals) -> None:
    with arrivals.engine.begin() as connection:
        rosters.replace(connection, [Unit("a", 1, NAMES[:1])], "school-1", 1, "li", arrivals.now)
    with pytest.raises(RosterError, match="is in a already"), arrivals.engine.begin() as connection:
        rosters.replace(connection, [Unit("b", 2, [NAMES[1], NAMES[0]])], "school-1", 1, "li", arrivals.now)
    with arrivals.engine.connect() as connection:
        assert [row.unit for row in connection.execute(sa.select(roster_table))] == ["a"]


def test_screened_of_eligible_by_name_and_by_site(arrivals: Arrivals) -> None:
    with arrivals.engine.begin() as connection:
        by_name, by_site = Unit("class-1", 20, NAMES), Unit("village-3", 400, ())
        done = rosters.replace(connection, [by_name, by_site], "school-1", 1, "li", arrivals.now)
        assert (done.units, done.eligible, done.replaced) == (2, 420, 0)
        assert rosters.replace(connection, [by_name], "school-1", 1, "li", arrivals.now).replaced == 1
    for name in NAMES[:8]:
        arrivals.take(*visit(seen=encounter(cohort="school-1", participant=name)))
    for _ in range(3):
        arrivals.take(refusal())
    with arrivals.engine.connect() as connection:
        found = cohort(connection, "school-1", 1)
        assert [(each.cohort, each.wave, each.has_roster) for each in waves(connection)] == [("school-1", 1, True)]
    assert [(each.unit, each.screened) for each in found.units] == [("class-1", 8), ("village-3", 8)]
    assert found.screened == 8
    assert found.without_finding == 8
    assert (found.refused, found.mean_time_s) == (None, 9.0)
    assert found.retakes == {"hold-still": 16}


def test_a_few_are_not_shown_and_neither_are_the_few_that_are_left(arrivals: Arrivals) -> None:
    units = [Unit("class-1", 10, NAMES[:10]), Unit("class-2", 10, NAMES[10:])]
    with arrivals.engine.begin() as connection:
        rosters.replace(connection, units, "school-1", 1, "li", arrivals.now)
    for name in NAMES[:8]:  # two of class-1 were not
        arrivals.take(*visit(seen=encounter(cohort="school-1", participant=name)))
    with arrivals.engine.connect() as connection:
        found = cohort(connection, "school-1", 1)
    assert [each.screened for each in found.units] == [None, None]
    assert found.screened_of_eligible == 8


def test_visits_are_planned_by_what_was_found_and_kept_by_coming_again(arrivals: Arrivals) -> None:
    seen = encounter()
    arrivals.take(*visit("routine", seen=seen), *visit(), *visit("urgent", scope=("screening",)))
    cohorts = protocols.load()
    assert follow_ups.plan(arrivals.engine, cohorts) == 2
    assert follow_ups.plan(arrivals.engine, cohorts) == 0
    far = arrivals.now.date() + timedelta(days=4000)
    with arrivals.engine.connect() as connection:
        rows = page(connection, far, far).rows
        assert [each.visit for each in rows] == ["half-year", "next-wave"]
        assert counts(connection, far, far).overdue == 2
        first = page(connection, far, far, rows=1)
        assert [*first.rows, *page(connection, far, far, after=first.next, rows=1).rows] == list(rows)
    assert follow_ups.mark_kept(arrivals.engine, cohorts, arrivals.now) == 0
    late = visit(seen=encounter(participant=seen.participant))
    arrivals.take(*(_later(each, timedelta(days=150)) for each in late))
    assert follow_ups.mark_kept(arrivals.engine, cohorts, arrivals.now + timedelta(days=150)) == 1
    with arrivals.engine.begin() as connection:
        (left,) = page(connection, far, far).rows
        assert left.visit == "next-wave"
        assert follow_ups.say_done(connection, left.device, left.encounter_id, left.visit, "li", arrivals.now)
        assert not follow_ups.say_done(connection, left.device, left.encounter_id, left.visit, "li", arrivals.now)


def _later(body: EventBody, by: timedelta) -> EventBody:
    return msgspec.structs.replace(body, at=body.at + by)


def test_a_month_ends_where_it_ends() -> None:
    visit_ = protocols.Visit(name="x", after=("nothing",), after_months=6)
    assert visit_.due_on(date(2026, 8, 31)) == date(2027, 2, 28)


def test_a_protocol_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "visits.toml"
    file.write_text('[[protocol]]\nname = "x"\ncohorts = ["*"]\nvisits = []\n')
    with pytest.raises(ConfigError, match="visits"):
        protocols.load(file)


def test_who_withdrew_is_in_no_roster_again(arrivals: Arrivals) -> None:
    withdrawal.withdraw(arrivals.folder, arrivals.engine, NAMES[0], arrivals.now)
    with arrivals.engine.begin() as connection:
        done = rosters.replace(connection, [Unit("a", 2, NAMES[:2])], "school-1", 1, "li", arrivals.now)
        assert (done.eligible, done.withdrawn) == (2, 1)
        assert list(connection.execute(sa.select(roster_people.c.participant)).scalars()) == [NAMES[1]]
