"""One bad message, one bad word, one bad database: none of them stops the others, and none of them fills the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from edge.events import Finding
from edge.wire import MESSAGE_BYTES_MAX, State
from hub import database, schema, store
from hub import ingest as ingest_module
from hub.inbox import REPORT_BYTES_MAX, REPORTS_BYTES_MAX, Inbox, Report
from hub.opening import Arrival, Opened
from hub.store import DeviceReport
from hub.tally import EVERY_NS, Tally
from tests.hub.conftest import MakeSender, Reader
from tests.hub.sender import Sender, encounter, finding, now, wait_for

MARKER = "marker-of-a-cohort"
OVERFLOWS = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
"""Whose time in UTC is before the first year."""


def kinds(reader: Reader) -> dict[tuple[str, str], int]:
    return {(row["kind"], row["device"]): row["count"] for row in reader.rows(schema.alarms)}


def test_a_stranger_s_message_that_comes_again_holds_up_nobody(
    sender: Sender, make_sender: MakeSender, reader: Reader
) -> None:
    stranger = make_sender("cam-9", registered=False)
    unknown = stranger.seal(finding())
    junk = b"junk"
    for _ in range(3):
        stranger.send(unknown, junk)
        sealed = sender.seal(finding())
        sender.send(sealed)
        assert sender.await_receipts(sealed) == ["stored"]
    wait_for(lambda: all(row["received_count"] == 3 for row in reader.rows(schema.quarantine)), "three of each")
    assert {row["reason"] for row in reader.rows(schema.quarantine)} == {"unknown_device", "malformed"}
    assert stranger.receipts == []


def poisoned(poison: Finding, changes: dict[str, object]) -> Callable[[Opened], dict[str, object]]:
    """A fault is injected: the row of this finding's event cannot be written, as none of the schema can be today."""
    real = store._event_row

    def row(opened: Opened) -> dict[str, object]:
        mine = isinstance(opened.body, Finding) and opened.body.finding_id == poison.finding_id
        return real(opened) | (changes if mine else {})

    return row


@pytest.mark.parametrize(
    "changes",
    [{"seq": None}, {"seq": 2**70}, {"received_at": "no time"}, {"received_at": OVERFLOWS}, {"body": "\ud800"}],
)
def test_what_the_database_refuses_is_put_aside_alone_and_the_log_has_nothing_of_it(
    changes: dict[str, object],
    sender: Sender,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    poison = finding(encounter(cohort=MARKER))
    monkeypatch.setattr(store, "_event_row", poisoned(poison, changes))
    bad, good = sender.seal(poison), sender.seal(finding(encounter(cohort=MARKER)))
    sender.send(bad, good)
    assert sender.await_receipts(bad, good) == ["quarantined", "stored"]
    assert [row["reason"] for row in reader.rows(schema.quarantine)] == ["not_storable"]
    assert MARKER not in caplog.text
    assert "INSERT" not in caplog.text


def test_an_error_of_the_database_does_not_quote_what_was_opened(hub: Path) -> None:
    engine = database.open_database(hub)
    with engine.begin() as connection, pytest.raises(sa.exc.IntegrityError) as refused:
        connection.execute(sa.insert(schema.events).values(event_id=MARKER, device=MARKER, body={"cohort": MARKER}))
    engine.dispose()
    assert MARKER not in str(refused.value)


def test_what_can_be_neither_stored_nor_held_is_dropped_with_an_alarm(
    sender: Sender, reader: Reader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault is injected: the quarantine refuses everything."""

    def refuse(*_: Any) -> set[str]:
        raise sa.exc.IntegrityError("INSERT INTO quarantine", {"message": MARKER}, Exception("UNIQUE"))

    monkeypatch.setattr(store, "hold", lambda _, refused: refuse() if refused else set())
    good = sender.seal(finding())
    sender.send(b"junk", good, b"more junk")
    assert sender.await_receipts(good) == ["stored"]
    wait_for(lambda: kinds(reader).get(("dropped", ""), 0) == 2, "the alarm")
    assert caplog.text.count("dropped a message of nobody known") == 1
    assert "INSERT" not in caplog.text
    assert MARKER not in caplog.text


def test_a_word_that_the_database_refuses_loses_no_other_device_s(
    sender: Sender, make_sender: MakeSender, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault is injected: a time that no zone can show passes for one."""
    other = make_sender("cam-2")
    real = store._note_report

    def note(connection: sa.Connection, each: DeviceReport) -> None:
        if each.device.device == "cam-1" and isinstance(each.content, State):
            connection.execute(sa.update(schema.device_states).values(state_at=OVERFLOWS))
        real(connection, each)

    monkeypatch.setattr(store, "_note_report", note)
    for each in (sender, other):
        each.send_status(online=True)
        each.send_state(backlog=3)
    wait_for(lambda: kinds(reader).get(("dropped", "cam-1")), "the alarm")
    states = {row["device"]: row for row in reader.rows(schema.device_states)}
    assert states["cam-2"]["state"]["backlog"] == 3
    assert states["cam-1"]["online"] is True
    assert states["cam-1"]["state"] is None


def test_another_device_cannot_take_an_event_s_or_a_finding_s_place(
    sender: Sender, make_sender: MakeSender, reader: Reader
) -> None:
    evil = make_sender("evil-1")
    found = finding()
    mine = sender.seal(found)
    theirs = evil.seal(finding(finding_id=found.finding_id, label="acne_rosacea"), event_id=mine.header.event_id)
    evil.send(theirs)
    assert evil.await_receipts(theirs) == ["stored"]
    sender.send(mine, mine)
    assert sender.await_receipts(mine) == ["stored"]
    evil.send(theirs)
    wait_for(lambda: evil.times_acknowledged(theirs) == 2, "the second receipt")
    stored = {row["device"]: row for row in reader.rows(schema.events)}
    assert {name: row["event_id"] for name, row in stored.items()} == dict.fromkeys(
        ("cam-1", "evil-1"), mine.header.event_id
    )
    assert {name: row["received_count"] for name, row in stored.items()} == {"cam-1": 2, "evil-1": 2}
    assert {row["device"]: row["label"] for row in reader.rows(schema.findings)} == {
        "cam-1": "cutaneous_tumour",
        "evil-1": "acne_rosacea",
    }
    assert reader.rows(schema.quarantine) == []
    assert reader.rows(schema.alarms) == []


def test_the_inbox_takes_no_message_larger_than_any_of_ours_and_bounds_what_waits() -> None:
    inbox = Inbox()
    assert inbox.put_event(Arrival(b"x" * MESSAGE_BYTES_MAX, now()))
    assert not inbox.put_event(Arrival(b"x" * (MESSAGE_BYTES_MAX + 1), now()))

    def report(number: int, size: int) -> Report:
        return Report(f"dermedge/v1/a/{number:06}/state", b"x" * size, now(), retained=False)

    assert not inbox.put_report(report(0, REPORT_BYTES_MAX))
    assert inbox.take_counts() == {"too_large": 2}
    size = REPORT_BYTES_MAX - 100
    for _ in range(2):  # what was taken makes room again
        taken = sum(inbox.put_report(report(number, size)) for number in range(REPORTS_BYTES_MAX // size + 50))
        assert 0.95 * REPORTS_BYTES_MAX < taken * size <= REPORTS_BYTES_MAX
        assert inbox.put_report(report(0, size))  # the newest of a topic takes the place of the one before
        assert len(inbox.take_reports()) == taken


def test_a_message_that_is_too_large_is_an_alarm(sender: Sender, ingest: Any, reader: Reader) -> None:
    sender._publish("state", b"x" * (REPORT_BYTES_MAX + 1))
    wait_for(lambda: kinds(reader) == {("too_large", ""): 1}, "the alarm")


class StillClock:
    """Time stands until it is told to pass."""

    def __init__(self) -> None:
        self.at_ns = 0

    def now(self) -> datetime:
        return now()

    def monotonic_ns(self) -> int:
        return self.at_ns

    def synchronised(self) -> bool:
        return True


def test_the_log_has_one_line_a_minute_of_a_kind_with_its_count(caplog: pytest.LogCaptureFixture) -> None:
    clock = StillClock()
    tally = Tally(clock)
    for _ in range(1000):
        tally.add("malformed", "junk came")
        tally.add("dropped", "dropped it")
    assert [record.getMessage() for record in caplog.records] == ["junk came", "dropped it"]
    clock.at_ns += EVERY_NS
    tally.tell()
    tally.tell()
    assert [record.getMessage() for record in caplog.records[2:]] == [
        "junk came (999 of this kind, malformed)",
        "dropped it (999 of this kind, dropped)",
    ]


def test_a_flood_of_junk_is_one_line(sender: Sender, caplog: pytest.LogCaptureFixture) -> None:
    sealed = sender.seal(finding())
    sender.send(*(b"junk %d" % number for number in range(50)), sealed)
    sender.await_receipts(sealed)
    assert sum("quarantined" in record.getMessage() for record in caplog.records) == 1


def test_a_hub_whose_database_takes_nothing_says_that_it_takes_no_events(
    sender: Sender, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_module, "WITHDRAW_AFTER_NS", 500_000_000)
    with database.opened(hub) as other, other.begin():  # holds the write lock
        monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 100)
        wait_for(lambda: sender.presences[-1] == b"", "the presence to be taken back")
    wait_for(lambda: sender.presences[-1], "the presence")
    sealed = sender.seal(finding())
    sender.send(sealed)
    assert sender.await_receipts(sealed) == ["stored"]
