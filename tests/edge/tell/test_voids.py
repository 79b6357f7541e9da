"""What is given up: pictures for room, the largest first, and all about a person whose consent is withdrawn."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from edge import events, wire
from edge.errors import OutboxFullError
from edge.ledger import Ledger
from edge.outbox import MAX_BYTES_MIN, Outbox, Row
from edge.renditions import cut
from edge.sealing import ciphertext_hash, sha256, unseal, verify
from tests.edge.tell.conftest import MakeOutbox
from tests.edge.tell.test_outbox import LINE, acknowledge, fill
from tests.golden import messages
from tests.golden.keys import Keys

FINDING = messages.EVENTS[3]
PARTICIPANT = "7K3PQV"
OTHER = msgspec.structs.replace(messages.ENCOUNTER, participant="KN0RENVH9T", consent=messages.an_id(90))


def picture(rendition: str, size_bytes: int, number: int = 4) -> list[events.PicturePart]:
    jpeg = (f"{rendition} {number} ".encode() * size_bytes)[:size_bytes]
    return list(cut(messages.ENCOUNTER, messages.an_id(number), rendition, jpeg, messages.AT))  # type: ignore[arg-type]


def kinds(outbox: Outbox, keys: Keys) -> list[str]:
    """Of all that waits, by seq: the body's tag, or what the void says."""
    found = []
    for row in outbox.pending(0, 10_000):
        message, header = wire.decode_sealed(row.message)
        verify(message, keys.device_sign.public_key())
        if isinstance(message, wire.Void):
            found.append(f"void: {message.reason}")
        else:
            body = wire.decode(unseal(message, header, keys.hub_seal), events.EventBody)
            found.append(str(type(body).__struct_config__.tag))
    return found


def chain_is_whole(rows: list[Row]) -> bool:
    previous = wire.FIRST_PREVIOUS
    for number, row in enumerate(rows, 1):
        message, header = wire.decode_sealed(row.message)
        if (header.seq, header.prev_hash) != (number, previous):
            return False
        previous = ciphertext_hash(message)
    return True


def test_a_picture_is_cut_into_parts_that_travel() -> None:
    parts = picture("full", 2 * wire.PART_BYTES_MAX + 5)
    assert [(each.part, each.parts, len(each.content)) for each in parts] == [
        (0, 3, wire.PART_BYTES_MAX),
        (1, 3, wire.PART_BYTES_MAX),
        (2, 3, 5),
    ]
    assert {each.picture_sha256 for each in parts} == {sha256(b"".join(each.content for each in parts))}


def test_under_pressure_the_largest_rendition_becomes_voids_and_a_finding_never_does(
    make_outbox: MakeOutbox, keys: Keys
) -> None:
    outbox = make_outbox(max_bytes=2**20)
    outbox.append(FINDING)
    for rendition, size_bytes in (("thumbnail", 8_000), ("crop", 60_000), ("full", 400_000)):
        assert outbox.append_rendition(picture(rendition, size_bytes))
    woken: list[bool] = []
    outbox.on_rewind(lambda: woken.append(True))
    degraded, count = [0], 1
    while degraded[-1] < 5:
        outbox.append(FINDING)
        count += 1
        if outbox.status().degraded != degraded[-1]:
            degraded.append(outbox.status().degraded)
    assert degraded == [0, 3, 4, 5], "the full one's three parts, then the crop, then the thumbnail"
    assert woken, "what is on its way has other bytes now"
    rows = outbox.pending(0, 10_000)
    assert chain_is_whole(rows)
    assert outbox.status().degraded == 5
    bodies = [
        wire.decode(unseal(message, header, keys.hub_seal), events.EventBody)
        for message, header in (wire.decode_sealed(row.message) for row in rows)
        if isinstance(message, wire.Envelope)
    ]
    told = [each for each in bodies if isinstance(each, events.PictureDegraded)]
    assert [(each.rendition, each.reason) for each in told] == [
        ("full", "quota"),
        ("crop", "quota"),
        ("thumbnail", "quota"),
    ]
    assert told[0].picture_sha256 == picture("full", 400_000)[0].picture_sha256
    assert told[0].encounter == messages.ENCOUNTER
    assert len([each for each in bodies if isinstance(each, events.Finding)]) == count
    with pytest.raises(OutboxFullError):
        outbox.append_many([FINDING] * 20)
    assert kinds(outbox, keys).count("finding") == count


def test_a_picture_makes_only_larger_ones_give_way(make_outbox: MakeOutbox, keys: Keys) -> None:
    outbox = make_outbox(max_bytes=2**20)
    assert outbox.append_rendition(picture("full", 300_000, 4))
    assert outbox.append_rendition(picture("full", 240_000, 5))
    assert not outbox.append_rendition(picture("full", 300_000, 6)), "not for one of the same size"
    assert kinds(outbox, keys) == ["picture_part"] * 4 + ["picture_degraded"]
    assert outbox.append_rendition(picture("full", 250_000, 7))
    assert kinds(outbox, keys) == (
        ["void: picture_degraded"] * 2 + ["picture_part"] * 2 + ["picture_degraded"] * 2 + ["picture_part"] * 2
    )


def test_what_the_hub_has_goes_before_any_picture(make_outbox: MakeOutbox, keys: Keys) -> None:
    outbox = make_outbox(max_bytes=2**20)
    assert outbox.append_rendition(picture("full", 400_000, 4))
    acknowledge(outbox, outbox.pending(0, 10))
    assert outbox.append_rendition(picture("full", 300_000, 5))
    assert outbox.append_rendition(picture("full", 300_000, 6))
    assert kinds(outbox, keys) == ["picture_part"] * 4
    assert outbox.status().degraded == 0


def test_of_what_the_hub_has_its_backup_goes_first(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox(max_bytes=MAX_BYTES_MIN)
    count = fill(outbox)
    acknowledge(outbox, outbox.pending(0, 10_000))
    acknowledge(outbox, [], backed_up_to=count // 2)
    assert outbox.status().beyond_backup == count - count // 2
    with outbox.opened() as database:
        database.execute("UPDATE events SET acknowledged_outcome = 'stored'")
    for _ in range(count // 2 - 20):
        outbox.append(LINE)
    assert outbox.status().beyond_backup == count - count // 2, "what no backup has is still here"


def test_a_withdrawn_consent_leaves_voids_and_is_never_taken_again(
    make_outbox: MakeOutbox, keys: Keys, tmp_path: Path
) -> None:
    outbox = make_outbox(max_bytes=2**20)
    outbox.append_many([messages.EVENTS[0], FINDING])
    assert outbox.append_rendition(picture("crop", 50_000))
    outbox.append(msgspec.structs.replace(FINDING, encounter=OTHER))
    acknowledge(outbox, outbox.pending(1, 1))
    assert outbox.withdraw(PARTICIPANT) == 2
    assert outbox.withdraw(PARTICIPANT) == 0
    assert kinds(outbox, keys) == ["encounter_opened", "void: consent_withdrawn", "finding"]
    assert outbox.status().withdrawn == 2, "what the hub has acknowledged is gone here as well"
    assert outbox.unacknowledge_from(1, 1) == (1, ())
    assert kinds(outbox, keys) == ["encounter_opened", "void: consent_withdrawn", "void: consent_withdrawn", "finding"]
    outbox.append(FINDING)
    assert not any(row.seq == 5 and len(row.message) > 2000 for row in outbox.pending(0, 10))
    assert kinds(outbox, keys)[-1] == "void: consent_withdrawn"
    assert chain_is_whole(outbox.pending(0, 10))
    with outbox.opened() as database:
        assert database.execute("SELECT count(*) FROM renditions").get == 0
        assert database.execute("SELECT count(*) FROM events WHERE participant_mac IS NOT NULL").get == 1
    outbox.close()
    again = make_outbox(max_bytes=2**20)
    again.append(FINDING)
    assert kinds(again, keys)[-1] == "void: consent_withdrawn", "after a restart too"
    assert PARTICIPANT.encode() not in (tmp_path / "outbox.db").read_bytes()


def test_an_acknowledgement_of_the_event_does_not_mark_the_void(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    outbox.append(FINDING)
    before = outbox.pending(0, 1)
    outbox.withdraw(PARTICIPANT)
    assert acknowledge(outbox, before) == 0
    assert acknowledge(outbox, outbox.pending(0, 1)) == 1


def test_a_void_is_noted_before_it_is_committed(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    outbox = make_outbox(ledger=Ledger(tmp_path / "ledger.jsonl"))
    event_id = outbox.append(FINDING)
    outbox.withdraw(PARTICIPANT)
    outbox.append(FINDING)
    rows = outbox.pending(0, 10)
    lines = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    voided = {line["event_id"]: line["sha256"] for line in lines if line["what"] == "voided"}
    assert voided == {row.event_id: row.message_sha256 for row in rows}
    assert [line["what"] for line in lines] == ["intend", "committed", "voided", "intend", "voided", "committed"]
    assert event_id in voided
