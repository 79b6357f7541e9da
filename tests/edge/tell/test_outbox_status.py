"""What an outbox says of itself: cheap where it is open, and without a write where it is read from outside."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from edge.errors import ConfigError, StoreError
from edge.outbox import open_database
from edge.outbox_database import errors_told, read_status
from tests.edge.tell.conftest import HandClock, MakeOutbox
from tests.edge.tell.test_outbox import LINE, acknowledge
from tests.golden.keys import DEVICE


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_status_reads_no_row_of_the_events(make_outbox: MakeOutbox) -> None:
    """Rows drag their sealed messages along, and a status is asked for many times a second."""
    outbox = make_outbox()
    outbox.append(LINE)
    acknowledge(outbox, outbox.pending(0, 1), backed_up_to=1)
    outbox.append_many([LINE] * 3)
    statements: list[str] = []
    with outbox.opened() as database:

        def note(_cursor: apsw.Cursor, statement: str, _bindings: apsw.Bindings | None) -> bool:
            statements.append(statement)
            return True

        database.exec_trace = note
        assert outbox.status().backlog == 3
        database.exec_trace = None
        plans = [
            row[3]
            for statement in statements
            if "FROM events" in statement
            for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", (1,) if "?" in statement else None)
        ]
    assert plans == [
        "SCAN events USING COVERING INDEX events_pending",
        "SEARCH events USING COVERING INDEX events_acknowledged (acknowledged_outcome=?)",
        "SEARCH events USING COVERING INDEX events_void (void_reason>?)",
        "SEARCH events USING COVERING INDEX events_acknowledged (acknowledged_outcome=? AND seq>?)",
    ]


def test_what_is_pending_of_a_priority_is_found_by_the_index(make_outbox: MakeOutbox) -> None:
    from edge.outbox_rows import PENDING

    with make_outbox().opened() as database:
        query = f"EXPLAIN QUERY PLAN {PENDING} AND priority = 'live' ORDER BY seq LIMIT 10"
        plan = [row[3] for row in database.execute(query, {"after": 0})]
    assert plan == ["SEARCH events USING INDEX events_pending (priority=? AND seq>?)"]


def test_from_outside_the_same_is_read_and_nothing_is_written(
    make_outbox: MakeOutbox, clock: HandClock, tmp_path: Path
) -> None:
    path = tmp_path / "outbox.db"
    outbox = make_outbox()
    outbox.append_many([LINE] * 4)
    acknowledge(outbox, outbox.pending(0, 1))
    clock.forward(30)
    before = digest(path), digest(tmp_path / "outbox.db-wal")
    status = read_status(path, DEVICE, clock.now())
    assert status == outbox.status()
    assert (status.backlog, status.oldest_s, status.last_seq) == (3, 30.0, 4)
    assert (digest(path), digest(tmp_path / "outbox.db-wal")) == before
    outbox.close()
    closed = digest(path)
    assert read_status(path, DEVICE, clock.now()).backlog == 3
    assert digest(path) == closed
    assert make_outbox().status().backlog == 3


def test_what_a_killed_device_left_in_the_log_is_read_too(
    make_outbox: MakeOutbox, clock: HandClock, tmp_path: Path
) -> None:
    make_outbox().append_many([LINE] * 4)
    left = tmp_path / "left"
    left.mkdir()
    for name in ("outbox.db", "outbox.db-wal"):
        (left / name).write_bytes((tmp_path / name).read_bytes())
    before = digest(left / "outbox.db")
    assert read_status(left / "outbox.db", DEVICE, clock.now()).backlog == 4
    assert digest(left / "outbox.db") == before


def test_another_devices_file_and_one_that_is_no_outbox_are_told(
    make_outbox: MakeOutbox, clock: HandClock, tmp_path: Path
) -> None:
    make_outbox().close()
    with pytest.raises(ConfigError, match=f"got that of '{DEVICE}'"):
        read_status(tmp_path / "outbox.db", "handheld-8", clock.now())
    with closing(apsw.Connection(str(tmp_path / "other.db"))) as other:
        other.execute("CREATE TABLE letters(text)")
    with pytest.raises(StoreError, match="expected an outbox of version 2"):
        read_status(tmp_path / "other.db", DEVICE, clock.now())
    open_database(tmp_path / "empty.db").close()
    with pytest.raises(StoreError, match="the first `dermedge run` fills it"):
        read_status(tmp_path / "empty.db", DEVICE, clock.now())
    with pytest.raises(StoreError, match="readable"):
        read_status(tmp_path / "nowhere.db", DEVICE, clock.now())
    assert not (tmp_path / "nowhere.db").exists()


def test_an_error_of_the_disk_says_that_it_may_be_full() -> None:
    """SQLite says "disk I/O error" where a file system is full, too."""
    with pytest.raises(StoreError, match="The disk may be full"), errors_told("outbox.db"):
        raise apsw.IOError("disk I/O error")
