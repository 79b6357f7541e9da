"""The restore drill: a day at the desk after the backup, then the backup is put back.

What devices sent comes again, and the desk's tables with it. What only people said is named, and stands in the database
that was kept aside. Nobody who had been shut out is let in again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

import dermedge
from edge.events import EventBody, Finding
from hub import accounts, backup, schema, schema_accounts, sessions
from hub.desk.deciding import Decision, decide
from hub.reconcile import reconcile
from hub.schema_desk import decisions, pictures, roster_people, worklist
from hub.settings import Sessions
from tests.faults.pair import Pair
from tests.hub.desk.bodies import crop, visit
from tests.hub.sender import now
from tests.patience import wait_until

PASSWORD = "correct horse battery staple"


def send(pair: Pair, count: int) -> list[str]:
    """People who are seen and have a finding with its picture; their encounters."""
    ids = []
    for _ in range(count):
        bodies: Sequence[EventBody] = visit("routine")
        (found,) = [body for body in bodies if isinstance(body, Finding)]
        pair.outbox.append_many([*bodies, *crop(found)])
        ids.append(found.encounter.encounter_id)
    pair.drained()
    return ids


def accept(pair: Pair, encounter_id: str) -> None:
    with pair.engine() as engine, engine.begin() as connection:
        decide(connection, "cam-1", encounter_id, 0, Decision("accept"), "li", now())


def of(pair: Pair, table: sa.Table, column: str = "encounter_id") -> set[str]:
    return {row[column] for row in pair.rows(table)}


@pytest.fixture
def worked(pair: Pair) -> tuple[Pair, list[str], str]:
    """Two people before the backup, one of them decided on, a roster, an account; the same again after it."""
    pair.start_hub()
    pair.start_device()
    before = send(pair, 2)
    accept(pair, before[0])
    with pair.engine() as engine:
        with engine.begin() as connection:
            link = accounts.add(connection, "wang", "admin", now())
            row = {"cohort": "village-3", "wave": 1, "participant": "7K3PQV", "unit": "east"}
            connection.execute(sa.insert(roster_people).values(row))
        token = sessions.use_link(engine, link, PASSWORD, now())
    backup.backup(pair.hub, pair.folder / "backup.db")
    after = send(pair, 2)
    accept(pair, after[0])
    with pair.engine() as engine:
        sessions.sign_out(engine, token, now())
    pair.stop_hub()
    return pair, before + after, token


def test_nothing_that_devices_hold_is_lost_and_what_none_holds_is_named(
    worked: tuple[Pair, list[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    pair, seen, _ = worked
    assert dermedge.main(["hub", "restore", str(pair.folder / "backup.db"), "--dir", str(pair.hub)]) == 0
    out = capsys.readouterr().out
    assert "1 chains of events are asked for again" in out
    assert "2 acts of people since this backup" in out, "one decision, one sign-out"
    assert of(pair, worklist) == set(seen[:2])
    pair.start_hub()
    wait_until(lambda: of(pair, worklist) == set(seen), "the desk's rows of what came after the backup", 30)
    pair.drained()
    for table in (schema.findings, schema.encounters, pictures):
        assert of(pair, table) == set(seen)
    assert of(pair, decisions) == {seen[0]}, "what was said after the backup no device has"
    assert of(pair, roster_people, "participant") == {"7K3PQV"}
    with pair.engine() as engine:
        (report,) = reconcile(engine)
    assert report.whole


def test_a_session_that_had_ended_does_not_live_again(worked: tuple[Pair, list[str], str], tmp_path: Path) -> None:
    pair, _, token = worked
    kept = tmp_path / "kept.db"
    shutil.copy(pair.folder / "backup.db", kept)
    assert backup.restore(pair.hub, kept, now()).acts == 2
    with pair.engine() as engine:
        assert sessions.find(engine, token, Sessions(), now()) is None
    assert pair.rows(schema_accounts.account_sessions) == []
    assert [row["account"] for row in pair.rows(schema_accounts.accounts)] == ["wang"]
