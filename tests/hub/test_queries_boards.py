"""What other people's dashboards are told, from rows on both databases."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub import database, schema
from hub.queries_boards import IngestHealth, SiteCounts, standing
from tests.boards.rows import add_device, add_people

NOW = datetime.now(UTC)
EPOCH = "e" * 32


@pytest.fixture
def engine(hub: Path) -> Iterator[sa.Engine]:
    made = database.open_database(hub)
    yield made
    made.dispose()


def test_an_empty_hub_has_nothing_to_tell(engine: sa.Engine) -> None:
    told = standing(engine, NOW)
    assert (list(told.devices), list(told.sites), told.missing, told.lost, told.commands_waiting) == ([], [], 0, 0, 0)
    assert told.ingest == IngestHealth()
    assert told.oldest_command_age == timedelta(0)


def test_people_and_findings_are_counted_by_the_site_of_registered_devices(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        add_device(connection, "cam-1", "ward")
        add_device(connection, "cam-2", "quiet")
        add_people(connection, "ward", screened=3, refused=2, urgent=1, routine=4)
        still_open = {"encounter_id": str(uuid.uuid4()), "device": "cam-1", "site": "ward", "cohort": "c", "wave": 1}
        connection.execute(sa.insert(schema.encounters).values(still_open))
    quiet, ward = standing(engine, NOW).sites
    assert quiet == SiteCounts("quiet")
    assert (ward.screened, ward.refused, ward.findings) == (3, 2, 5)
    assert ward.tiers == {"urgent": 1, "routine": 4, "person": 0, "self_care": 0}


def test_what_is_missing_lost_quarantined_noticed_or_unanswered_is_counted(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        chain = {"device": "cam-1", "epoch": EPOCH, "whole_to": 7, "told_to": 10}
        ahead = {"device": "cam-2", "epoch": EPOCH, "whole_to": 9, "told_to": 4}
        connection.execute(sa.insert(schema.chains), [chain, ahead])
        lost = {"device": "cam-1", "epoch": EPOCH, "first_seq": 3, "last_seq": 6}
        connection.execute(sa.insert(schema.unheld).values(lost))
        alarm = {"kind": "seq_repeated", "first_at": NOW, "last_at": NOW, "detail": ""}
        rows = [{"device": device, "count": count, **alarm} for device, count in (("cam-1", 2), ("cam-2", 1))]
        connection.execute(sa.insert(schema.alarms), rows)
        queued = {"command_id": str(uuid.uuid4()), "device": "cam-1", "type": "tombstone", "body": {}}
        connection.execute(sa.insert(schema.commands).values(queued_at=NOW - timedelta(hours=2), **queued))
        connection.execute(sa.insert(schema.ingest_state).values(id=1, at=NOW, connected=True, problem="", waiting=12))
    told = standing(engine, NOW)
    assert (told.missing, told.lost) == (3, 4)
    assert told.alarms == {"seq_repeated": 3}
    assert told.commands_waiting == 1
    assert told.oldest_command_age == timedelta(hours=2)
    assert told.ingest == IngestHealth(NOW, taking_events=True, waiting=12)
    assert not standing(engine, NOW + timedelta(minutes=1)).ingest.taking_events
