"""What is held about one participant: exported whole, and erased until no table has a trace of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

import dermedge
from edge.encounter import Encounter
from edge.events import Finding, PictureDegraded, ReferralRequest, ReferralState
from hub import accounts, auditing, schema, schema_desk, withdrawal
from hub.desk import sampling
from hub.desk.deciding import Decision, decide
from hub.schema_desk import follow_ups, roster_people, worklist
from hub.tables import metadata
from tests.hub.desk.arrivals import Arrivals
from tests.hub.desk.bodies import an_id, crop, visit
from tests.hub.sender import encounter, now

NOBODYS = {"rosters", "models", "feedback", "sample_shares", "sample_key", "daily_runs"}
"""Tables of the desk whose rows are about nobody."""


class Someone:
    """A participant of whom every table that may name one has a row; two visits, at two devices."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._ids: set[str] = set()
        self.first, self.second = encounter(), encounter()
        assert self.first.participant is not None
        self.participant = self.first.participant
        self.second = msgspec.structs.replace(self.second, participant=self.participant)
        self._see(arrivals, self.first, "cam-1")
        self._see(arrivals, self.second, "cam-2")
        with arrivals.engine.begin() as connection:
            row = {"cohort": "village-3", "wave": 1, "participant": self.participant, "unit": "east"}
            connection.execute(sa.insert(roster_people).values(row))

    @property
    def names(self) -> set[str]:
        """What must not be found anywhere once they have withdrawn."""
        return {self.participant, self.first.encounter_id, self.second.encounter_id, *self._ids}

    def _see(self, arrivals: Arrivals, seen: Encounter, device: str) -> None:
        bodies = visit("routine", seen=seen, sample_share=1.0)
        (found,) = [body for body in bodies if isinstance(body, Finding)]
        referral = an_id()
        self._ids |= {found.finding_id, referral}
        arrivals.take(*bodies, *crop(found), device=device)
        arrivals.take(
            ReferralRequest(
                at=now(), encounter=seen, referral_id=referral, finding_ids=(found.finding_id,), tier="routine"
            ),
            ReferralState(at=now(), encounter=seen, referral_id=referral, step="seen"),
            PictureDegraded(
                at=now(),
                encounter=seen,
                finding_id=found.finding_id,
                rendition="full",
                picture_sha256="b" * 64,
                reason="quota",
            ),
            device=device,
        )
        with arrivals.engine.begin() as connection:
            mine = worklist.c.device == device, worklist.c.encounter_id == seen.encounter_id
            connection.execute(sa.update(worklist).where(*mine).values(blind=False, state="open", version=0))
            version = 0
            for action in ("another_picture", "undo", "refer"):
                said = Decision(action, note="the left arm", finding_id=found.finding_id)
                decided = decide(connection, device, seen.encounter_id, version, said, "li", arrivals.now)
                version = decided.version
            row = {"visit": "half-year", "site": "village-3", "cohort": "village-3", "tier": "routine"}
            due = {"due_on": arrivals.now.date(), "participant": self.participant}
            key = {"device": device, "encounter_id": seen.encounter_id}
            connection.execute(sa.insert(follow_ups).values(row | due | key))


@pytest.fixture
def someone(arrivals: Arrivals) -> Someone:
    arrivals.register("cam-2")
    with arrivals.engine.begin() as connection:
        sampling.set_share(connection, 1.0, arrivals.now)
    arrivals.take(*visit("routine"))  # somebody else
    return Someone(arrivals)


def rows(connection: sa.Connection, table: sa.Table) -> list[str]:
    return [repr(tuple(row)) for row in connection.execute(sa.select(table))]


def traces(engine: sa.Engine, names: Iterable[str]) -> dict[str, int]:
    """Tables with a row that has one of these names anywhere in it."""
    with engine.connect() as connection:
        found = {
            table.name: sum(any(name in row for name in names) for row in rows(connection, table))
            for table in metadata.sorted_tables
        }
    return {name: count for name, count in found.items() if count}


def counts(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {table.name: len(rows(connection, table)) for table in metadata.sorted_tables}


def test_every_table_of_the_desk_that_may_name_a_person_names_this_one(arrivals: Arrivals, someone: Someone) -> None:
    """Otherwise the test of the erasure shows nothing. A new table stands here or among NOBODYS."""
    desk = {each.name for each in vars(schema_desk).values() if isinstance(each, sa.Table)}
    assert desk - NOBODYS <= set(traces(arrivals.engine, someone.names))
    also = {"events", "findings", "encounters", "commands", "audit_contents"}
    assert also <= set(traces(arrivals.engine, someone.names))


def test_who_withdraws_leaves_no_trace_in_any_table_but_the_list_of_who_did(
    arrivals: Arrivals, someone: Someone
) -> None:
    theirs = traces(arrivals.engine, someone.names)
    others = {name: count - theirs.get(name, 0) for name, count in counts(arrivals.engine).items()}
    withdrawal.withdraw(arrivals.folder, arrivals.engine, someone.participant, now())
    assert traces(arrivals.engine, someone.names - {someone.participant}) == {}
    assert traces(arrivals.engine, {someone.participant}) == {"tombstones": 1, "commands": 2}
    left = counts(arrivals.engine)
    for name in ("findings", "encounters", "worklist", "follow_ups", "decisions"):
        assert left[name] == others[name], f"{name}: what is about others stays"
    with arrivals.engine.connect() as connection:
        assert all(each.fits for each in auditing.entries(connection)), "the audit log is whole"
        kept = connection.execute(sa.select(schema.events.c.type)).scalars().all()
    assert kept.count("void") > 10, "every event keeps its place"


def test_the_export_has_all_that_the_erasure_takes_and_nothing_of_others(
    arrivals: Arrivals, someone: Someone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with arrivals.engine.begin() as connection:
        accounts.add(connection, "wang", "admin", now())
        accounts.add(connection, "li", "reviewer", now())
    file = tmp_path / "person.json"
    command = ["hub", "export-person", someone.participant.lower(), str(file), "--dir", str(arrivals.folder), "--by"]
    for nobody in ("li", "zhao"):
        assert dermedge.main([*command, nobody]) == 64
        assert not file.exists()
    before = traces(arrivals.engine, {someone.participant, someone.first.encounter_id, someone.second.encounter_id})
    assert dermedge.main([*command, "wang"]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    written = json.loads(file.read_bytes())
    assert (written["participant"], written["exported_by"]) == (someone.participant, "wang")
    assert {name: len(found) for name, found in written["tables"].items()} == before
    pictures = [row["body"]["content"] for row in written["tables"]["events"] if row["type"] == "picture_part"]
    assert len(pictures) == 4
    with arrivals.engine.connect() as connection:
        newest = list(auditing.entries(connection))[-1]
    assert (newest.account, newest.action, newest.subject) == ("wang", "person.export", someone.participant)
    assert dermedge.main([*command, "wang"]) == 74, "never written over"
    assert "name another" in capsys.readouterr().err


@pytest.mark.parametrize("participant", ["7K3PQX", "7K3PQV", ""])
def test_nobody_known_and_nobody_at_all_are_told(arrivals: Arrivals, tmp_path: Path, participant: str) -> None:
    with arrivals.engine.begin() as connection:
        accounts.add(connection, "wang", "admin", now())
    file = tmp_path / "person.json"
    command = ["hub", "export-person", participant, str(file), "--dir", str(arrivals.folder), "--by", "wang"]
    assert dermedge.main(command) == 64
    assert not file.exists()
