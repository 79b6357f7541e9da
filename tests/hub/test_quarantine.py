"""What the hub cannot store as an event: held and bounded, never a loop, and never in the way of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.clock import SystemClock, uuid7
from edge.sealing import seal, sha256
from edge.wire import FIRST_PREVIOUS, Header, encode, encode_sealed
from hub import database, quarantine, schema, withdrawal
from hub.ingest import Ingest
from hub.opening import Opened
from tests.broker import Mosquitto
from tests.hub.conftest import MakeSender, Reader, publisher
from tests.hub.sender import EPOCH, Sender, encounter, finding, now, wait_for


def test_other_bytes_under_a_stored_id_are_quarantined_and_told_so_each_time(sender: Sender, reader: Reader) -> None:
    first = sender.seal(finding())
    other = sender.seal(finding(), event_id=first.header.event_id)
    sender.send(first)
    sender.await_receipts(first)
    for times in (1, 2):
        sender.send(other)
        wait_for(lambda times=times: sender.times_acknowledged(other) == times, f"receipt {times}")  # type: ignore[misc]
    assert sender.await_receipts(first, other) == ["stored", "quarantined"]
    assert reader.event(first.header.event_id)["message_sha256"] == first.sha256
    (held,) = reader.rows(schema.quarantine)
    assert (held["reason"], held["received_count"], held["message"]) == ("other_bytes", 2, other.message)
    (alarm,) = reader.rows(schema.alarms)
    assert (alarm["kind"], alarm["device"]) == ("other_bytes", "cam-1")


def test_a_message_that_was_altered_is_held_and_its_original_still_stored(sender: Sender, reader: Reader) -> None:
    sealed = sender.seal(finding())
    altered = sealed.message[:-1] + bytes([sealed.message[-1] ^ 1])
    sender.send(altered)
    assert sender.await_receipts(altered) == ["quarantined"]
    sender.send(sealed)
    assert sender.await_receipts(sealed) == ["stored"]
    (held,) = reader.rows(schema.quarantine)
    assert (held["reason"], held["trust"], held["message"]) == ("bad_signature", "unverified", altered)


def test_what_is_signed_but_sealed_to_another_hub_or_not_understood_is_held(sender: Sender, reader: Reader) -> None:
    good = sender.seal(finding())
    header = Header(
        kind="event",
        device="cam-1",
        epoch=EPOCH,
        seq=900,
        event_id=uuid7(now()),
        priority="live",
        prev_hash=FIRST_PREVIOUS,
    )
    recipients, signer = sender.identity.hub.recipients, sender.identity.signing_key
    escrow_only = encode_sealed(seal(header, encode(finding()), recipients[1:], signer))
    strange = encode_sealed(seal(header, b'{"type":"poem"}', recipients, signer))
    sender.send(escrow_only, strange, good)
    assert sender.await_receipts(escrow_only, strange, good) == ["quarantined", "quarantined", "stored"]
    held = {row["reason"]: row["message"] for row in reader.rows(schema.quarantine)}
    assert held == {"does_not_open": escrow_only, "body_not_understood": strange}


def test_an_unknown_device_is_told_nothing_until_it_is_registered(
    ingest: Ingest, make_sender: MakeSender, reader: Reader
) -> None:
    stranger = make_sender("cam-2", registered=False)
    sealed = stranger.seal(finding())
    stranger.send(sealed)
    wait_for(lambda: reader.rows(schema.quarantine), "the stranger's message in quarantine")
    (held,) = reader.rows(schema.quarantine)
    assert (held["reason"], held["device"], held["message"]) == ("unknown_device", "cam-2", None)
    assert [row["kind"] for row in reader.rows(schema.alarms)] == ["unknown_device"]
    assert stranger.receipts == []

    stranger.register()

    def sent_again() -> bool:
        stranger.send(sealed)
        return stranger.receipt(sealed) is not None

    wait_for(sent_again, "a receipt after the registration")
    assert reader.event(sealed.header.event_id)["device"] == "cam-2"
    assert reader.rows(schema.quarantine) == []
    assert reader.rows(schema.alarms) == []


def test_the_alarm_of_strangers_stays_while_one_of_them_is_not_registered(
    ingest: Ingest, make_sender: MakeSender, reader: Reader
) -> None:
    strangers = [make_sender(name, registered=False) for name in ("cam-2", "cam-3")]
    sealed = [each.seal(finding()) for each in strangers]
    for stranger, message in zip(strangers, sealed, strict=True):
        stranger.send(message)
    wait_for(lambda: len(reader.rows(schema.quarantine)) == 2, "both in quarantine")
    strangers[0].register()

    def sent_again() -> bool:
        strangers[0].send(sealed[0])
        return strangers[0].receipt(sealed[0]) is not None

    wait_for(sent_again, "a receipt after the registration")
    assert [row["device"] for row in reader.rows(schema.quarantine)] == ["cam-3"]
    assert [row["kind"] for row in reader.rows(schema.alarms)] == ["unknown_device"]


def test_a_device_cannot_speak_in_another_s_name(ingest: Ingest, make_sender: MakeSender, reader: Reader) -> None:
    first, second = make_sender("cam-1"), make_sender("cam-2")
    header = first.seal(finding()).header
    bare = Header(**{name: getattr(header, name) for name in header.__struct_fields__ if name != "recipients"})
    forged = seal(bare, encode(finding()), first.identity.hub.recipients, second.identity.signing_key)
    second.send(encode_sealed(forged))
    wait_for(lambda: reader.rows(schema.quarantine), "the forgery in quarantine")
    assert reader.rows(schema.events) == []
    assert reader.rows(schema.quarantine)[0]["reason"] == "bad_signature"


def test_noise_does_not_end_the_ingest(sender: Sender, reader: Reader) -> None:
    sealed = sender.seal(finding())
    sender.send(b"", b"\x00" * 1000, b"\x93\x01", sealed.message[:-40], sealed.message)
    assert sender.await_receipts(sealed) == ["stored"]
    assert {row["reason"] for row in reader.rows(schema.quarantine)} == {"malformed"}


def test_a_flood_of_noise_keeps_a_bounded_number_of_rows(
    sender: Sender, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quarantine.LIMITS, "stranger", quarantine.Limit(rows=5, held_bytes=0))
    monkeypatch.setitem(quarantine.LIMITS, "unverified", quarantine.Limit(rows=2, held_bytes=1 << 20))
    sealed = sender.seal(finding())
    altered = [sealed.message[:-1] + bytes([sealed.message[-1] ^ bit]) for bit in (1, 2, 4, 8)]
    sender.send(*(b"noise %d" % number for number in range(40)), *altered, sealed)
    assert sender.await_receipts(sealed, *altered[:2]) == ["stored", "quarantined", "quarantined"]
    assert len(reader.rows(schema.quarantine)) == 7
    # Without room it is not held, so its device is not told that it is.
    assert sender.receipt(altered[3]) is None
    alarms = {(row["kind"], row["device"]): row["count"] for row in reader.rows(schema.alarms)}
    assert alarms["malformed", ""] == 40
    assert alarms["quarantine_full", "cam-1"] == 2


def test_one_event_that_the_database_refuses_does_not_hold_up_the_others(
    sender: Sender,
    reader: Reader,
    hub: Path,
    ingest: Ingest,
    mosquitto: Mosquitto,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault is injected: a body that cannot be bound, as no event of the schema can be today."""
    from hub import store

    real = store._event_row
    poison = sender.seal(finding(score=0.123))

    def row(opened: Opened) -> dict[str, object]:
        made = real(opened)
        return made | {"seq": 2**70} if opened.message_sha256 == poison.sha256 else made

    monkeypatch.setattr(store, "_event_row", row)
    others = [sender.seal(finding()) for _ in range(3)]
    sender.send(others[0], poison, *others[1:])
    assert sender.await_receipts(*others, poison) == ["stored"] * 3 + ["quarantined"]
    assert [held["reason"] for held in reader.rows(schema.quarantine)] == ["not_storable"]
    # Nor does it when it is tried again: a hub that starts with it in its quarantine takes events.
    ingest.stop()
    wait_for(lambda: sender.presences[-1] == b"", "the hub to have gone")
    again = Ingest(hub, publisher(mosquitto), SystemClock())
    again.start()
    try:
        wait_for(lambda: sender.presences[-1], "the hub's presence after the restart")
        after = sender.seal(finding())
        sender.send(after)
        assert sender.await_receipts(after) == ["stored"]
    finally:
        again.stop()
    assert [held["reason"] for held in reader.rows(schema.quarantine)] == ["not_storable"]


# ---- after a withdrawal


def unreadable(sender: Sender, body: bytes, recipients: object = None) -> bytes:
    header = Header(
        kind="event",
        device="cam-1",
        epoch=EPOCH,
        seq=900,
        event_id=uuid7(now()),
        priority="live",
        prev_hash=FIRST_PREVIOUS,
    )
    keys = sender.identity.hub.recipients if recipients is None else recipients
    return encode_sealed(seal(header, body, keys, sender.identity.signing_key))  # type: ignore[arg-type]


def withdraw(hub: Path, participant: str) -> None:
    engine = database.open_database(hub)
    withdrawal.withdraw(hub, engine, participant, now())
    engine.dispose()


def poem_about(participant: str) -> bytes:
    return b'{"type":"poem","lines":[{"who":"%s"}]}' % participant.encode()


def test_a_withdrawal_takes_the_bytes_of_what_is_held_about_that_person(
    sender: Sender, reader: Reader, hub: Path
) -> None:
    leaving, staying = encounter(), encounter()
    assert leaving.participant is not None
    assert staying.participant is not None
    first = sender.seal(finding(leaving))
    about_leaving = [
        sender.seal(finding(leaving), event_id=first.header.event_id).message,
        unreadable(sender, poem_about(leaving.participant)),
        unreadable(sender, b"no JSON"),
        unreadable(sender, encode(finding()), sender.identity.hub.recipients[1:]),
    ]
    about_staying = unreadable(sender, poem_about(staying.participant))
    sender.send(first, *about_leaving, about_staying)
    assert sender.await_receipts(*about_leaving, about_staying) == ["quarantined"] * 5
    withdraw(hub, leaving.participant)
    wait_for(lambda: sum(row["message"] is None for row in reader.rows(schema.quarantine)) == 4, "four without bytes")
    held = {row["message_sha256"]: row for row in reader.rows(schema.quarantine)}
    assert held[sha256(about_staying)]["message"] == about_staying
    assert {row["message_bytes"] for row in held.values() if row["message"] is None} == {0}
    for path in hub.glob("hub.db*"):
        assert about_leaving[1][-200:] not in path.read_bytes(), "not even in what SQLite has freed"
    # Its place stays, and its device is told the same as before.
    times = sender.times_acknowledged(first)
    sender.send(first, *about_leaving)
    wait_for(lambda: sender.times_acknowledged(first) == times + 1, "a receipt again")
    assert {sender.receipt(each).outcome for each in about_leaving} == {"quarantined"}  # type: ignore[union-attr]
    assert len(reader.rows(schema.quarantine)) == 5


def test_what_comes_after_the_withdrawal_is_held_without_bytes_or_stays_with_its_device(
    sender: Sender, reader: Reader, hub: Path
) -> None:
    leaving = encounter()
    assert leaving.participant is not None
    first = sender.seal(finding(leaving))
    sender.send(first)
    sender.await_receipts(first)
    withdraw(hub, leaving.participant)
    about = [
        sender.seal(finding(leaving), event_id=first.header.event_id).message,
        unreadable(sender, poem_about(leaving.participant)),
    ]
    unknown = unreadable(sender, encode(finding()), sender.identity.hub.recipients[1:])
    last = sender.seal(finding())
    sender.send(*about, unknown, last)
    assert sender.await_receipts(*about, last) == ["quarantined", "quarantined", "stored"]
    assert [row["message"] for row in reader.rows(schema.quarantine)] == [None, None]
    assert sender.receipt(unknown) is None, "this device may have sealed it before it heard of the withdrawal"
    engine = database.open_database(hub)
    with engine.begin() as connection:
        heard = {"answered_at": now(), "outcome": "applied"}
        connection.execute(schema.commands.update().where(schema.commands.c.type == "tombstone").values(heard))
    engine.dispose()
    sender.send(unknown)
    assert sender.await_receipts(unknown) == ["quarantined"]
    assert [row["message"] for row in reader.rows(schema.quarantine) if row["message"]] == [unknown]
