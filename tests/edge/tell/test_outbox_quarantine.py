"""What the hub has set aside is not lost: it is counted, and kept as long as there is room."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from edge import wire
from edge.errors import OutboxFullError
from edge.outbox import MAX_BYTES_MIN, Outbox, Row
from tests.edge.tell.conftest import MakeOutbox
from tests.edge.tell.test_outbox import LINE, acknowledge, rows_of


def set_aside(outbox: Outbox, rows: list[Row]) -> int:
    receipts = tuple(
        wire.Receipt(event_id=row.event_id, seq=row.seq, message_sha256=row.message_sha256, outcome="quarantined")
        for row in rows
    )
    return acknowledge(outbox, [], receipts=receipts)


def test_what_the_hub_set_aside_is_counted_and_freed_last(
    make_outbox: MakeOutbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = make_outbox(max_bytes=MAX_BYTES_MIN)
    outbox.append_many([LINE] * 60)
    rows = outbox.pending(0, 60)
    assert set_aside(outbox, rows[:3]) == 3
    assert acknowledge(outbox, rows[3:]) == 57
    assert set_aside(outbox, rows[:3]) == 0, "told once"
    assert caplog.text.count("into quarantine") == 1, "one line for the three of them"
    assert (outbox.status().backlog, outbox.status().quarantined) == (0, 3)
    while rows_of(tmp_path / "outbox.db")[3][0] == 4:  # until the first have been freed
        outbox.append(LINE)
    assert [seq for seq, _ in rows_of(tmp_path / "outbox.db")][:3] == [1, 2, 3]
    assert outbox.status().quarantined == 3
    with suppress(OutboxFullError):
        while True:
            outbox.append(LINE)
    assert outbox.status().quarantined == 0, "before an event is refused, these go too"


def test_what_was_set_aside_can_go_again(make_outbox: MakeOutbox) -> None:
    outbox = make_outbox()
    outbox.append_many([LINE] * 3)
    set_aside(outbox, outbox.pending(0, 3))
    assert outbox.unacknowledge_from(2, 1) == (2, ())
    assert (outbox.status().backlog, outbox.status().quarantined) == (2, 1)
