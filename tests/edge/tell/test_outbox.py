from __future__ import annotations

import stat
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

from edge import events, wire
from edge.errors import OutboxFullError, WireError
from edge.outbox import MAX_BYTES_MIN, Outbox, Row
from edge.sealing import ciphertext_hash, sha256, unseal, verify
from tests.edge.tell.conftest import HandClock, MakeOutbox
from tests.golden import messages
from tests.golden.keys import Keys

LINE = messages.EVENTS[-1]


def acknowledge(outbox: Outbox, rows: list[Row], **changes: Any) -> int:
    receipts = tuple(
        wire.Receipt(event_id=row.event_id, seq=row.seq, message_sha256=row.message_sha256, outcome="stored")
        for row in rows
    )
    fields = {"device": "handheld-7", "epoch": outbox.epoch, "ts": messages.AT, "receipts": receipts}
    return outbox.acknowledge(wire.Acknowledgement(**{**fields, **changes}))


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    # By apsw too: a second SQLite library in one process would drop the first one's locks.
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute("SELECT seq, acknowledged_at FROM events ORDER BY seq").fetchall()


def test_events_are_sealed_and_chained_in_commit_order(make_outbox: MakeOutbox, keys: Keys) -> None:
    outbox = make_outbox()
    ids = [outbox.append(messages.EVENTS[3]), *outbox.append_many(list(messages.EVENTS[:3]))]
    rows = outbox.pending(0, 10)
    assert [row.event_id for row in rows] == ids
    previous = wire.FIRST_PREVIOUS
    for number, row in enumerate(rows, 1):
        envelope, header = wire.decode_sealed(row.message)
        assert isinstance(envelope, wire.Envelope)
        verify(envelope, keys.device_sign.public_key())
        assert (header.device, header.epoch, header.seq) == ("handheld-7", outbox.epoch, number)
        assert (header.event_id, header.prev_hash, header.kind) == (row.event_id, previous, "event")
        assert row.message_sha256 == sha256(row.message)
        previous = ciphertext_hash(envelope)
        for private in (keys.hub_seal, keys.escrow_seal):
            body = wire.decode(unseal(envelope, header, private), events.EventBody)
            assert body in messages.EVENTS


def test_nothing_unsealed_is_ever_in_the_files(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    outbox = make_outbox()
    outbox.append(messages.EVENTS[3])
    outbox.append(LINE)
    found = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {path.name for path in found} >= {"outbox.db", "outbox.db-wal"}
    for path in found:
        data = path.read_bytes()
        for secret in (b"7K3PQV", b"cutaneous_tumour", b"forearm-left", b"provisioned", b"primary-school-2"):
            assert secret not in data
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_epoch_and_the_chain_outlive_a_reopening(make_outbox: MakeOutbox) -> None:
    first = make_outbox()
    first.append(LINE)
    (row,) = first.pending(0, 1)
    first.close()
    second = make_outbox()
    assert second.epoch == first.epoch
    second.append(LINE)
    envelope, _ = wire.decode_sealed(row.message)
    _, header = wire.decode_sealed(second.pending(1, 1)[0].message)
    assert (header.seq, header.prev_hash) == (2, ciphertext_hash(envelope))
    assert make_outbox(name="other.db").epoch != first.epoch


def test_seq_never_repeats_though_every_row_is_freed(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    for _ in range(3):
        outbox.append(LINE)
    acknowledge(outbox, outbox.pending(0, 10))
    with outbox.opened() as database:
        database.execute("DELETE FROM events")
    outbox.append(LINE)
    assert [row.seq for row in outbox.pending(0, 10)] == [4]
    assert outbox.status().last_seq == 4


def test_pending_by_priority_and_cursor(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    priorities: list[wire.Priority] = ["backlog", "live", "urgent", "live"]
    for priority in priorities:
        outbox.append(LINE, priority)
    assert [row.priority for row in outbox.pending(0, 10)] == priorities
    assert [row.seq for row in outbox.pending(0, 10, "live")] == [2, 4]
    assert [row.seq for row in outbox.pending(2, 10, "live")] == [4]
    assert [row.seq for row in outbox.pending(1, 2)] == [2, 3]


def test_only_the_same_bytes_of_this_device_and_epoch_are_marked(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    outbox = make_outbox()
    outbox.append(LINE)
    outbox.append(LINE)
    first, second = outbox.pending(0, 10)
    assert acknowledge(outbox, [first], device="handheld-8") == 0
    assert acknowledge(outbox, [first], epoch="f" * 32) == 0
    assert acknowledge(outbox, [first._replace(message_sha256="0" * 64)]) == 0
    assert acknowledge(outbox, [first._replace(seq=second.seq)]) == 0
    assert acknowledge(outbox, [first._replace(event_id=second.event_id)]) == 0
    assert outbox.status().backlog == 2
    assert acknowledge(outbox, [first]) == 1
    assert acknowledge(outbox, [first]) == 0
    assert [row.seq for row in outbox.pending(0, 10)] == [second.seq]
    marks = rows_of(tmp_path / "outbox.db")
    assert [seq for seq, _ in marks] == [1, 2], "an acknowledged row stays until its space is needed"
    assert [mark is None for _, mark in marks] == [False, True]


def test_a_full_outbox_refuses_and_keeps_all_that_is_unacknowledged(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox(max_bytes=MAX_BYTES_MIN)
    count = fill(outbox)
    status = outbox.status()
    assert count > 50
    assert (status.backlog, status.full) == (count, True)
    assert status.used_bytes <= MAX_BYTES_MIN
    with pytest.raises(OutboxFullError, match="capturing stops"):
        outbox.append(LINE)
    assert [row.seq for row in outbox.pending(0, 10_000)] == list(range(1, count + 1))


def test_acknowledged_rows_make_room_oldest_first(make_outbox: MakeOutbox, tmp_path: Path) -> None:
    outbox = make_outbox(max_bytes=MAX_BYTES_MIN)
    count = fill(outbox)
    rows = outbox.pending(0, 10_000)
    assert acknowledge(outbox, rows[10:]) == count - 10
    assert not outbox.status().full
    for _ in range(20):
        outbox.append(LINE)
    left = [seq for seq, _ in rows_of(tmp_path / "outbox.db")]
    assert left[:10] == list(range(1, 11)), "what is not acknowledged is never freed"
    assert left[10] > 11
    assert left[-1] == count + 20


def test_a_full_outbox_takes_acknowledgements(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox(max_bytes=MAX_BYTES_MIN)
    # Of every size, so that the pages are packed in every way.
    size, count = 0, 0
    while True:
        size = (size * 7 + 13) % 190
        try:
            outbox.append(events.SecurityLog(at=messages.AT, line="x" * size, prev_hash=messages.DIGEST))
        except OutboxFullError:
            break
        count += 1
    assert sum(acknowledge(outbox, [row]) for row in outbox.pending(0, 10_000)) == count
    assert outbox.status().backlog == 0
    for _ in range(count * 9 // 10):  # of another size, and so packed otherwise
        outbox.append(LINE)


def test_where_even_the_reserve_is_used_up_what_is_acknowledged_goes_at_once(
    make_outbox: MakeOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge import outbox_rows

    outbox = make_outbox(max_bytes=MAX_BYTES_MIN)
    count = fill(outbox)

    def full(*_: object) -> list[wire.Receipt]:
        raise OutboxFullError("no page is left")

    monkeypatch.setattr(outbox_rows, "mark", full)
    assert acknowledge(outbox, outbox.pending(0, 10)) == 10
    assert outbox.status().backlog == count - 10
    assert outbox.pending(0, 1)[0].seq == 11


def test_append_many_is_all_or_nothing(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    assert outbox.append_many([]) == []
    part = messages.EVENTS[4]
    assert isinstance(part, events.PicturePart)
    too_large = events.PicturePart(
        **{name: getattr(part, name) for name in part.__struct_fields__ if name != "content"},
        content=bytes(wire.MESSAGE_BYTES_MAX),
    )
    with pytest.raises(WireError, match="content"):
        outbox.append_many([LINE, too_large])
    assert outbox.status().last_seq == 0
    outbox.append(LINE)
    _, header = wire.decode_sealed(outbox.pending(0, 1)[0].message)
    assert (header.seq, header.prev_hash) == (1, wire.FIRST_PREVIOUS)


def test_the_largest_picture_part_travels_and_a_larger_body_is_refused(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    part = messages.EVENTS[4]
    assert isinstance(part, events.PicturePart)
    fields = {name: getattr(part, name) for name in part.__struct_fields__}
    outbox.append(events.PicturePart(**{**fields, "content": bytes(wire.PART_BYTES_MAX)}))
    assert len(outbox.pending(0, 1)[0].message) <= wire.MESSAGE_BYTES_MAX
    closed = messages.EVENTS[8]
    assert isinstance(closed, events.EncounterClosed)
    fields = {name: getattr(closed, name) for name in closed.__struct_fields__}
    many = {f"hint-{number}": number for number in range(20_000)}
    with pytest.raises(WireError, match="expected at most 262144 bytes sealed, got a encounter_closed"):
        outbox.append(events.EncounterClosed(**{**fields, "retakes": many}))
    assert outbox.status().last_seq == 1


def test_a_body_that_its_reader_would_refuse_is_refused_here(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    with pytest.raises(WireError, match="prev_hash"):
        outbox.append(events.SecurityLog(at=messages.AT, line="x", prev_hash="not a digest"))
    assert outbox.status().last_seq == 0


def test_status_tells_the_oldest_even_when_the_clock_was_set_back(make_outbox: MakeOutbox, clock: HandClock) -> None:
    outbox = make_outbox()
    assert outbox.status().oldest_s == 0
    outbox.append(LINE)
    clock.forward(90)
    outbox.append(LINE)
    assert outbox.status().oldest_s == 90
    clock.time -= timedelta(days=400)
    assert outbox.status().oldest_s == 0


def test_listeners_hear_of_an_append_after_it_is_committed(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    heard: list[int] = []
    outbox.on_append(lambda: heard.append(outbox.status().backlog))
    outbox.append_many([LINE, LINE])
    assert heard == [2]


def test_many_threads_share_one_outbox(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(10):
                outbox.append(LINE)
                acknowledge(outbox, outbox.pending(0, 2))
                outbox.status()
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert outbox.status().last_seq == 40


def fill(outbox: Outbox) -> int:
    """Append until it is full; how many fitted."""
    count = 0
    while True:
        try:
            outbox.append(LINE)
        except OutboxFullError:
            return count
        count += 1
