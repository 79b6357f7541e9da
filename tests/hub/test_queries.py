"""What the page is told, from rows that stand in a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from edge.config import load
from edge.wire import State, encode
from hub import database, queries, schema
from hub.queries import Count, People
from tests.hub.conftest import SQLITE_ONLY
from tests.hub.sender import EPOCH

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def engine(hub: Path) -> Iterator[sa.Engine]:
    made = database.open_database(hub)
    yield made
    made.dispose()


def add_device(connection: sa.Connection, device: str, **state: object) -> None:
    key = b"k" * 32
    connection.execute(
        sa.insert(schema.devices).values(device=device, site="ward", seal_key=key, sign_key=key, added_at=NOW)
    )
    if state:
        connection.execute(sa.insert(schema.device_states).values(device=device, **state))


def add_finding(connection: sa.Connection, number: int, **changes: object) -> None:
    row: dict[str, object] = {
        "finding_id": f"f{number:05}",
        "event_id": f"e{number:05}",
        "encounter_id": "n",
        "site": "ward",
        "device": "cam-1",
        "label": "cutaneous_tumour",
        "score": 0.5,
        "tier": "routine",
        "rules": "triage-1",
        "captured_at": NOW,
        "received_at": NOW + timedelta(seconds=number),
        "model_name": "m",
        "model_version": "1",
        "model_status": "research",
        "card_sha256": "c",
        "body_site": "face",
        "box_px": [0, 0, 1, 1],
        "frame_size_px": [2, 2],
        "frame_sequence": 1,
        "observations": 9,
    }
    connection.execute(sa.insert(schema.findings).values(row | changes))


def test_an_empty_hub_reads_as_empty_and_not_taking_events(engine: sa.Engine) -> None:
    live = queries.live(engine, NOW)
    assert (list(live.devices), list(live.findings), list(live.counts), live.quarantined) == ([], [], [], 0)
    assert live.people == People(0, 0, 0, 0)
    assert live.taking_events is False


@pytest.mark.parametrize(
    ("row", "presence"),
    [
        ({}, "never"),
        ({"online": True, "last_seen_at": NOW - timedelta(seconds=5)}, "online"),
        ({"online": True, "last_seen_at": NOW - timedelta(seconds=45)}, "online"),
        ({"online": True, "last_seen_at": NOW - timedelta(minutes=5)}, "silent"),
        ({"online": True}, "silent"),
        ({"online": False, "last_seen_at": NOW - timedelta(seconds=5)}, "offline"),
    ],
)
def test_a_device_that_says_nothing_for_long_is_not_called_online(
    engine: sa.Engine, row: dict[str, object], presence: str
) -> None:
    with engine.begin() as connection:
        add_device(connection, "cam-1", **row)
    live = queries.live(engine, NOW)
    assert [each.presence for each in live.devices] == [presence]
    assert live.online == (presence == "online")


def test_no_board_is_called_silent_for_one_state_that_came_late() -> None:
    profiles = Path(__file__).resolve().parents[2].glob("firmware_cfg/profiles/*.toml")
    told_every_s = [load(path.stem, environ={})[0].delivery.state_every_s for path in profiles]
    assert len(told_every_s) > 1
    assert 3 * timedelta(seconds=max(told_every_s)) <= queries.SILENT_AFTER


def test_devices_that_need_a_person_come_first(engine: sa.Engine) -> None:
    import json

    told = State(ts=NOW, backlog=0, app="1", clock_synced=True, epoch=EPOCH, last_seq=0, problem="no picture")
    with engine.begin() as connection:
        add_device(connection, "a-fine", online=True, last_seen_at=NOW)
        add_device(connection, "z-bad", online=True, last_seen_at=NOW, state=json.loads(encode(told)))
    live = queries.live(engine, NOW)
    assert [(row.device, row.needs_attention) for row in live.devices] == [("z-bad", True), ("a-fine", False)]


def test_findings_are_the_newest_to_arrive_and_all_are_counted(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for number in range(60):
            site, tier = ("ward", "urgent") if number % 3 else ("centre", "routine")
            add_finding(connection, number, site=site, tier=tier)
    live = queries.live(engine, NOW)
    assert [row.finding_id for row in live.findings] == [
        f"f{number:05}" for number in range(59, 59 - queries.FINDINGS_SHOWN, -1)
    ]
    assert list(live.counts) == [
        Count("cutaneous_tumour", "centre", "routine", 20),
        Count("cutaneous_tumour", "ward", "urgent", 40),
    ]
    assert (live.total_findings, live.of_tier("urgent"), live.models[0].findings) == (60, 40, 60)


def test_people_are_counted_by_how_their_encounter_ended(engine: sa.Engine) -> None:
    rows = [
        ("a", "completed", 0, NOW),
        ("b", "completed", 2, NOW),
        ("c", "aborted", 0, NOW),
        ("d", "refused", 0, NOW),
        ("e", None, None, None),
    ]
    with engine.begin() as connection:
        for encounter_id, outcome, found, closed_at in rows:
            values = {"encounter_id": encounter_id, "device": "cam-1", "site": "s", "cohort": "c", "wave": 1}
            ended = {"outcome": outcome, "findings": found, "closed_at": closed_at}
            connection.execute(sa.insert(schema.encounters).values(values | ended))
    assert queries.live(engine, NOW).people == People(screened=2, nothing_found=1, open=1, refused=0)


@pytest.mark.parametrize(("age_s", "connected", "taking"), [(1, True, True), (1, False, False), (60, True, False)])
def test_the_hub_takes_events_only_while_ingest_says_so(
    engine: sa.Engine, age_s: int, connected: bool, taking: bool
) -> None:
    with engine.begin() as connection:
        at = NOW - timedelta(seconds=age_s)
        connection.execute(
            sa.insert(schema.ingest_state).values(id=1, at=at, connected=connected, problem="", waiting=0)
        )
    assert queries.live(engine, NOW).taking_events is taking


@SQLITE_ONLY
def test_the_same_reading_costs_little_with_many_findings(engine: sa.Engine) -> None:
    """Every query of a page is answered from an index; a scan of whole findings would show in the plan."""
    statements: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    queries.live(engine, NOW)
    with engine.connect() as connection:
        for statement in [each for each in statements if "FROM findings" in each]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (1, 1, 1)[: statement.count("?")])
            assert all("INDEX" in row[3] for row in plan if "SCAN" in row[3]), statement


def test_unregistered_devices_are_named_a_few_of_them_and_not_once_registered(engine: sa.Engine) -> None:
    row = {"reason": "unknown_device", "trust": "stranger", "detail": "", "received_count": 1, "message_bytes": 0}
    with engine.begin() as connection:
        for number in range(6):
            values = row | {
                "message_sha256": f"{number}",
                "device": f"cam-{number % 5}",
                "first_at": NOW,
                "last_at": NOW,
            }
            connection.execute(sa.insert(schema.quarantine).values(values))
        add_device(connection, "cam-0")
    assert list(queries.live(engine, NOW).strangers) == ["cam-1", "cam-2", "cam-3"]


def test_a_state_that_this_version_does_not_take_is_no_state(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        add_device(connection, "cam-1", online=True, last_seen_at=NOW, state={"of": "another version"})
    (row,) = queries.live(engine, NOW).devices
    assert (row.state, row.presence) == (None, "online")
