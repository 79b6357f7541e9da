"""What is older than it is to be kept loses its body, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa

import dermedge
from edge.events import Finding
from hub import auditing, chains, reconcile, retention, schema, withdrawal
from hub.desk.pictures import Picture
from hub.opening import Opened
from hub.queries_worklist import Filter, page, picture
from hub.retention import Erased, erase_old
from hub.settings import FILE, Retention
from tests.hub.conftest import SQLITE_ONLY
from tests.hub.desk.arrivals import Arrivals
from tests.hub.desk.bodies import crop, visit
from tests.hub.sender import encounter, finding, now


def with_body(arrivals: Arrivals, opened: Sequence[Opened]) -> list[bool]:
    """Of each event, whether its body is here."""
    with arrivals.engine.connect() as connection:
        query = sa.select(schema.events.c.event_id).where(schema.events.c.body.is_not(None))
        here = set(connection.execute(query).scalars())
    return [each.header.event_id in here for each in opened]


@pytest.fixture
def old(arrivals: Arrivals) -> list[Opened]:
    """A visit of long ago: its findings, and a picture last."""
    seen = encounter()
    found = finding(seen, tier="routine")
    taken = arrivals.take(*visit("routine", seen=seen), *crop(found))
    arrivals.now += timedelta(days=100)
    return taken


def test_for_ever_is_for_ever(arrivals: Arrivals, old: list[Opened]) -> None:
    assert erase_old(arrivals.engine, Retention(), arrivals.now) == Erased(0, 0)
    assert all(with_body(arrivals, old))


def test_pictures_go_first_and_what_is_younger_stays(arrivals: Arrivals, old: list[Opened]) -> None:
    new = arrivals.take(*visit("routine"), *crop(finding()))
    limits = Retention(pictures_days=90, bodies_days=365)
    assert erase_old(arrivals.engine, limits, arrivals.now) == Erased(1, 0)
    assert with_body(arrivals, old) == [True] * (len(old) - 1) + [False]
    assert all(with_body(arrivals, new))
    assert erase_old(arrivals.engine, limits, arrivals.now) == Erased(0, 0), "once"
    assert erase_old(arrivals.engine, Retention(bodies_days=90), arrivals.now) == Erased(0, len(old) - 1)
    assert not any(with_body(arrivals, old))
    assert all(with_body(arrivals, new))


def test_more_than_one_transaction_holds_and_a_stop_between_them(
    arrivals: Arrivals, old: list[Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_EVENTS", 2)
    stops = iter([False, True])
    limits = Retention(bodies_days=1)
    assert erase_old(arrivals.engine, limits, arrivals.now, lambda: next(stops)) == Erased(0, 2)
    assert erase_old(arrivals.engine, limits, arrivals.now) == Erased(0, len(old) - 3)


def test_what_was_counted_stays_and_the_chain_and_the_audit_say_what_was_done(
    arrivals: Arrivals, old: list[Opened]
) -> None:
    with arrivals.engine.connect() as connection:
        before = page(connection, Filter()).items
    erase_old(arrivals.engine, Retention(pictures_days=90, bodies_days=90), arrivals.now)
    with arrivals.engine.connect() as connection:
        assert page(connection, Filter()).items == before
        (entry,) = [each for each in auditing.entries(connection) if each.action == "retention.erase"]
        assert chains.read(connection, "cam-1", old[0].header.epoch).whole_to == len(old)
    assert entry.detail == f"1 parts of pictures, {len(old) - 1} other events"
    (report,) = reconcile.reconcile(arrivals.engine)
    assert report.voids == {"retention": len(old)}
    assert not report.missing


def test_one_that_comes_again_is_acknowledged_and_stays_erased(arrivals: Arrivals, old: list[Opened]) -> None:
    erase_old(arrivals.engine, Retention(pictures_days=90, bodies_days=90), arrivals.now)
    arrivals.again(*old)
    assert not any(with_body(arrivals, old))
    with arrivals.engine.connect() as connection:
        assert set(connection.execute(sa.select(schema.events.c.received_count)).scalars()) == {2}


def test_who_withdraws_later_is_erased_all_the_same(arrivals: Arrivals, old: list[Opened]) -> None:
    erase_old(arrivals.engine, Retention(pictures_days=90, bodies_days=90), arrivals.now)
    (participant,) = {each.participant for each in old} - {None}
    assert participant is not None
    withdrawal.withdraw(arrivals.folder, arrivals.engine, participant, arrivals.now)
    with arrivals.engine.connect() as connection:
        for table in (schema.findings, schema.encounters):
            assert connection.execute(sa.select(table)).all() == []


def test_a_picture_that_was_erased_is_told_as_such(arrivals: Arrivals) -> None:
    seen = encounter()
    bodies = visit("routine", seen=seen)
    (found,) = [each for each in bodies if isinstance(each, Finding)]
    arrivals.take(*bodies, *crop(found))
    arrivals.now += timedelta(days=100)
    erase_old(arrivals.engine, Retention(pictures_days=90), arrivals.now)
    with arrivals.engine.connect() as connection:
        shown = picture(connection, "cam-1", seen.encounter_id, found.finding_id)
    assert shown == Picture(None, "erased")


def test_by_the_command(arrivals: Arrivals, old: list[Opened], capsys: pytest.CaptureFixture[str]) -> None:
    (arrivals.folder / FILE).write_text("[retention]\npictures_days = 1\n")
    assert dermedge.main(["hub", "retention", "--dir", str(arrivals.folder)]) == 0
    out = capsys.readouterr().out
    assert "pictures are kept 1 days; bodies are kept for ever" in out
    assert ("1 parts of pictures" in out) == (old[0].arrival.received_at < now() - timedelta(days=1))


@SQLITE_ONLY
def test_the_scan_is_by_age(arrivals: Arrivals) -> None:
    query = sa.select(schema.events.c.device).where(
        schema.events.c.type == "picture_part",
        schema.events.c.body.is_not(None),
        schema.events.c.received_at < arrivals.now,
    )
    with arrivals.engine.connect() as connection:
        compiled = query.order_by(schema.events.c.received_at).compile(connection)
        statement = f"EXPLAIN QUERY PLAN {compiled}"
        plan = repr(connection.exec_driver_sql(statement, tuple(compiled.params.values())).all())
    assert "events_with_body_by_age" in plan, plan
