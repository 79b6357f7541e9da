"""What the hub makes of what arrives, over a real broker into a real database."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from edge.clock import SystemClock, uuid7
from edge.events import CommandApplied
from edge.sealing import seal, sha256
from edge.wire import FIRST_PREVIOUS, Header, HubPresence, VoidReason, decode, device_topic, encode, encode_sealed
from hub import database, schema
from hub.ingest import Ingest
from tests.broker import Mosquitto
from tests.hub.conftest import SQLITE_ONLY, MakeSender, Reader, publisher
from tests.hub.sender import EPOCH, Sender, closed, encounter, finding, now, person, refusal, wait_for


def test_events_are_stored_once_however_often_and_in_whatever_order_they_come(sender: Sender, reader: Reader) -> None:
    sealed = [sender.seal(body) for _ in range(8) for body in person(finding(), finding())]
    copies = sealed * 3
    random.Random(7).shuffle(copies)
    sender.send(*copies)
    assert sender.await_receipts(*sealed) == ["stored"] * len(sealed)

    def received() -> int:
        return sum(row["received_count"] for row in reader.rows(schema.events))

    wait_for(lambda: received() == len(copies), "all copies to be counted")
    rows = {row["event_id"]: row for row in reader.rows(schema.events)}
    assert set(rows) == {each.header.event_id for each in sealed}
    assert {row["received_count"] for row in rows.values()} == {3}
    assert {(row["message_sha256"], row["seq"]) for row in rows.values()} == {(s.sha256, s.header.seq) for s in sealed}
    assert len(reader.rows(schema.findings)) == 16
    assert len(reader.rows(schema.encounters)) == 8
    assert reader.rows(schema.quarantine) == []


def test_a_redelivery_is_acknowledged_again(sender: Sender, reader: Reader) -> None:
    sealed = sender.seal(finding())
    sender.send(sealed)
    sender.await_receipts(sealed)
    sender.send(sealed)
    wait_for(lambda: sender.times_acknowledged(sealed) == 2, "the second receipt")
    assert reader.event(sealed.header.event_id)["received_count"] == 2


def test_the_rows_say_what_the_signed_header_and_the_body_say(sender: Sender, reader: Reader) -> None:
    seen = encounter()
    found = finding(seen, tier="urgent", body_site="back")
    sealed = sender.seal(found)
    told_no = sender.seal(refusal())
    sender.send(sender.seal(closed(seen, 1, "urgent")), sealed, told_no)
    sender.await_receipts(sealed, told_no)
    event = reader.event(sealed.header.event_id)
    assert (event["device"], event["site"], event["epoch"], event["type"]) == ("cam-1", "village-3", EPOCH, "finding")
    assert event["body"]["finding_id"] == found.finding_id
    (row,) = reader.rows(schema.findings)
    for name in ("finding_id", "label", "tier", "score", "body_site", "captured_at", "frame_sequence", "observations"):
        assert row[name] == getattr(found, name)
    assert (row["event_id"], row["site"], row["model_status"]) == (sealed.header.event_id, "village-3", "research")
    (met,) = reader.rows(schema.encounters)
    assert (met["encounter_id"], met["outcome"], met["findings"], met["opened_at"]) == (
        seen.encounter_id,
        "completed",
        1,
        None,
    )
    assert [each["event_id"] for each in reader.rows(schema.refusals)] == [told_no.header.event_id]


def test_the_site_is_the_registry_s_and_never_the_topic_s(sender: Sender, reader: Reader, mosquitto: Mosquitto) -> None:
    sealed = sender.seal(finding())
    other = publisher(mosquitto)
    other.start("other", [], lambda: None, lambda *_: None)
    wait_for(lambda: other.connected, "a connection")
    other.publish(device_topic("another-site", "cam-9", "event"), sealed.message)
    assert sender.await_receipts(sealed) == ["stored"]
    other.stop()
    assert reader.event(sealed.header.event_id)["site"] == "village-3"


@pytest.mark.parametrize("reason", ["picture_degraded", "consent_withdrawn"])
@pytest.mark.parametrize("void_first", [False, True])
def test_a_void_counts_as_present_before_and_after_its_envelope(
    sender: Sender, reader: Reader, reason: VoidReason, *, void_first: bool
) -> None:
    sealed = sender.seal(finding())
    void = sender.void(sealed, reason)
    order = (void, sealed.message) if void_first else (sealed.message, void)
    for message in order:
        sender.send(message)
        assert sender.await_receipts(message) == ["stored"]
    row = reader.event(sealed.header.event_id)
    is_gone = reason == "consent_withdrawn"
    assert (row["type"], row["received_count"]) == ("void" if is_gone else "finding", 2)
    assert (row["body"] is None, row["participant"] is None) == (is_gone, is_gone)
    assert len(reader.rows(schema.findings)) == (0 if is_gone else 1)
    assert reader.rows(schema.quarantine) == []


def test_a_finding_in_two_events_counts_once(sender: Sender, reader: Reader) -> None:
    found = finding()
    twice = [sender.seal(found), sender.seal(found)]
    sender.send(*twice)
    assert sender.await_receipts(*twice) == ["stored", "stored"]
    assert len(reader.rows(schema.findings)) == 1
    assert [row["kind"] for row in reader.rows(schema.alarms)] == ["finding_repeated"]


@pytest.mark.parametrize("together", [True, False])
def test_two_events_under_one_number_are_both_kept_and_raise_an_alarm(
    sender: Sender, make_sender: MakeSender, reader: Reader, *, together: bool
) -> None:
    """As from a copied outbox. Another device's same numbers are its own."""
    other = make_sender("cam-2")
    first = sender.seal(finding())
    sender._seq -= 1
    second = sender.seal(finding())
    if not together:
        sender.send(first)
        sender.await_receipts(first)
        assert reader.rows(schema.alarms) == []
    sender.send(first, second, second)
    other.send(theirs := other.seal(finding()))
    assert sender.await_receipts(first, second) == ["stored", "stored"]
    assert other.await_receipts(theirs) == ["stored"]
    assert len(reader.rows(schema.events)) == 3
    (alarm,) = reader.rows(schema.alarms)
    assert (alarm["kind"], alarm["device"], alarm["count"]) == ("seq_repeated", "cam-1", 1)
    assert f"number 1 of epoch {EPOCH}" in alarm["detail"]


def test_a_device_s_answer_to_a_command_is_kept_once(sender: Sender, reader: Reader) -> None:
    header = Header(
        kind="response",
        device="cam-1",
        epoch=EPOCH,
        seq=1,
        event_id=uuid7(now()),
        priority="live",
        prev_hash=FIRST_PREVIOUS,
    )
    answer = CommandApplied(at=now(), command_id=uuid7(now()), seq=1, outcome="applied")
    message = seal(header, encode(answer), sender.identity.hub.recipients, sender.identity.signing_key)
    for _ in range(2):
        sender._publish("rsp", encode_sealed(message))
    wait_for(lambda: reader.rows(schema.responses), "the response")
    event = sender.seal(finding())
    sender.send(event)
    sender.await_receipts(event)
    assert [row["command_id"] for row in reader.rows(schema.responses)] == [answer.command_id]


def test_status_and_state_are_kept_for_registered_devices_only(
    sender: Sender, make_sender: MakeSender, reader: Reader
) -> None:
    stranger = make_sender("cam-2", registered=False)
    for each in (sender, stranger):
        each.send_status(online=True)
        each.send_state(backlog=4)
    sender._publish("state", b"{}")
    wait_for(lambda: any(row["kind"] == "state_not_understood" for row in reader.rows(schema.alarms)), "the alarm")
    sender.send_state(backlog=5)

    def backlogs() -> dict[str, int]:
        return {row["device"]: row["state"]["backlog"] for row in reader.rows(schema.device_states) if row["state"]}

    wait_for(lambda: backlogs() == {"cam-1": 5}, "the newest state of the registered device")
    (row,) = reader.rows(schema.device_states)
    assert row["online"] is True
    assert row["last_seen_at"] is not None
    sender.send_status(online=False)
    wait_for(lambda: reader.rows(schema.device_states)[0]["online"] is False, "the device to be offline")


def test_the_hub_says_that_it_is_there_and_takes_it_back(
    hub: Path, mosquitto: Mosquitto, make_sender: MakeSender
) -> None:
    sender = make_sender()
    ingest = Ingest(hub, publisher(mosquitto), SystemClock())
    ingest.start()
    wait_for(lambda: sender.presences, "the presence")
    presence: HubPresence = decode(sender.presences[0], HubPresence)
    assert presence.hub == sender.identity.hub.hub
    mosquitto.kill()
    mosquitto.start()
    wait_for(lambda: len(sender.presences) >= 2, "the presence after the broker came back")
    ingest.stop()
    wait_for(lambda: sender.presences[-1] == b"", "the presence to be taken back")


def test_a_locked_database_makes_events_wait_and_nothing_is_acknowledged(
    sender: Sender, reader: Reader, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = sender.seal(finding())
    with database.opened(hub) as other, other.begin():  # holds the write lock
        monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 100)
        sender.send(sealed)
        threading.Event().wait(0.8)
        assert sender.receipts == []
    assert sender.await_receipts(sealed) == ["stored"]
    assert reader.event(sealed.header.event_id)["received_count"] == 1


@SQLITE_ONLY
def test_a_database_that_is_gone_is_waited_for_and_never_written_anew(sender: Sender, hub: Path) -> None:
    before, sealed = sender.seal(finding()), sender.seal(finding())
    sender.send(before)
    sender.await_receipts(before)
    away = hub / "away"
    away.mkdir()
    for path in hub.glob("hub.db*"):
        path.rename(away / path.name)
    sender.send(sealed)
    threading.Event().wait(0.8)
    assert sender.receipt(sealed) is None
    assert not (hub / "hub.db").exists()
    for path in away.glob("hub.db*"):
        path.rename(hub / path.name)
    assert sender.await_receipts(sealed) == ["stored"]


def test_a_reader_that_takes_its_time_delays_no_acknowledgement(sender: Sender, hub: Path) -> None:
    slow = database.open_database(hub, read_only=True)
    with slow.connect() as connection:
        connection.execute(sa.select(sa.func.count()).select_from(schema.events)).scalar_one()
        sealed = sender.seal(finding())
        sender.send(sealed)
        assert sender.await_receipts(sealed) == ["stored"]  # while the reader's transaction is still open
        with pytest.raises(sa.exc.DBAPIError, match=r"read-?only"):
            connection.execute(sa.delete(schema.events))
    slow.dispose()


def test_an_acknowledgement_names_the_whole_message(sender: Sender) -> None:
    sealed = sender.seal(finding())
    sender.send(sealed)
    sender.await_receipts(sealed)
    (receipt,) = sender.receipts
    assert (receipt.event_id, receipt.seq) == (sealed.header.event_id, sealed.header.seq)
    assert receipt.message_sha256 == sha256(sealed.message)
