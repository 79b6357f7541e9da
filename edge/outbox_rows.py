"""The outbox's events as rows: what the SQL says. Each function works within its caller's transaction.

Freed is only what the hub has: acknowledged rows, oldest first, and of those what its backup has before what it has
not; what it has set aside goes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import apsw

from edge import wire
from edge.chain import Link
from edge.outbox_database import fact, last_seq

FREED_AT_ONCE = 64
LACKING_MAX = 100
PENDING = """SELECT seq, event_id, priority, message, appended_at, message_sha256 FROM events
    WHERE acknowledged_at IS NULL AND seq > :after"""
_FREE = """DELETE FROM events WHERE seq IN (SELECT seq FROM events
    WHERE acknowledged_outcome = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?)"""
_MARK = """UPDATE events SET acknowledged_at = :now, acknowledged_outcome = :outcome
    WHERE seq = :seq AND event_id = :event_id AND message_sha256 = :sha AND acknowledged_at IS NULL"""
_DROP = """DELETE FROM events
    WHERE seq = :seq AND event_id = :event_id AND message_sha256 = :sha AND acknowledged_at IS NULL"""


class Row(NamedTuple):
    """One unacknowledged event; message is the sealed bytes for the wire."""

    seq: int
    event_id: str
    priority: wire.Priority
    message: bytes
    appended_at: datetime
    message_sha256: str


def insert(
    connection: apsw.Connection,
    link: Link,
    priority: wire.Priority,
    now: datetime,
    participant_mac: bytes | None,
    rendition: int | None,
) -> None:
    """One sealed event."""
    connection.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?, ?)",
        (
            link.seq,
            link.event_id,
            priority,
            link.message,
            link.message_sha256,
            link.ciphertext_sha256,
            now.isoformat(),
            participant_mac,
            rendition,
        ),
    )


def pending(
    connection: apsw.Connection, after_seq: int, limit: int, priority: wire.Priority | None, up_to_seq: int | None
) -> list[Row]:
    """Unacknowledged rows by seq, after `after_seq` and up to `up_to_seq`; of one priority, or of all."""
    query, bindings = PENDING, {"after": after_seq, "limit": limit, "priority": priority, "up_to": up_to_seq}
    if priority is not None:
        query += " AND priority = :priority"
    if up_to_seq is not None:
        query += " AND seq <= :up_to"
    rows: list[Any] = connection.execute(f"{query} ORDER BY seq LIMIT :limit", bindings).fetchall()
    return [
        Row(seq, event_id, priority_, message, datetime.fromisoformat(appended_at), digest)
        for seq, event_id, priority_, message, appended_at, digest in rows
    ]


def first_unacknowledged(connection: apsw.Connection) -> int | None:
    """The lowest seq of them; None where everything is acknowledged."""
    seq: int | None = connection.execute("SELECT min(seq) FROM events WHERE acknowledged_at IS NULL").get
    return seq


def aged_to(connection: apsw.Connection, now: datetime, age_s: float) -> int:
    """The last of the unacknowledged live events that are older than this; 0 for none.

    One that is from further in the future is of a clock that was set back since, and as old.
    """
    age = timedelta(seconds=age_s)
    query = """SELECT max(seq) FROM events WHERE acknowledged_at IS NULL AND priority = 'live'
        AND (appended_at <= ? OR appended_at > ?)"""
    return connection.execute(query, ((now - age).isoformat(), (now + age).isoformat())).get or 0


def mark(connection: apsw.Connection, receipts: Sequence[wire.Receipt], now: datetime) -> list[wire.Receipt]:
    """Mark what these name, where the bytes are the same; those that did."""
    marked = []
    for receipt in receipts:
        named = {"seq": receipt.seq, "event_id": receipt.event_id, "sha": receipt.message_sha256}
        connection.execute(_MARK, {**named, "now": now.isoformat(), "outcome": receipt.outcome})
        if connection.changes():
            marked.append(receipt)
    return marked


def drop(connection: apsw.Connection, receipts: Sequence[wire.Receipt]) -> list[wire.Receipt]:
    """As `mark`, but they go at once: marking makes a row longer, and there may be no room for that."""
    freed = []
    for receipt in receipts:
        named = {"seq": receipt.seq, "event_id": receipt.event_id, "sha": receipt.message_sha256}
        connection.execute(_DROP, named)
        if connection.changes():
            freed.append(receipt)
    return freed


def free_oldest(connection: apsw.Connection) -> int:
    """Free some of what the hub has; how many rows."""
    backed_up_to, end = int(fact(connection, "backed_up_to")), last_seq(connection)
    ranges = (("stored", 0, backed_up_to), ("stored", backed_up_to, end), ("quarantined", 0, end))
    for outcome, after_seq, up_to_seq in ranges:
        connection.execute(_FREE, (outcome, after_seq, up_to_seq, FREED_AT_ONCE))
        if freed := connection.changes():
            connection.execute(
                "DELETE FROM renditions WHERE NOT EXISTS "
                "(SELECT 1 FROM events WHERE events.rendition = renditions.rendition)"
            )
            return freed
    return 0


def unmark_from(connection: apsw.Connection, seq: int) -> int:
    """What is still here from `seq` on counts as unacknowledged; how many rows that changes."""
    connection.execute(
        "UPDATE events SET acknowledged_at = NULL, acknowledged_outcome = NULL "
        "WHERE seq >= ? AND acknowledged_at IS NOT NULL",
        (seq,),
    )
    return connection.changes()


def lacking(connection: apsw.Connection, from_seq: int) -> tuple[tuple[int, int], ...]:
    """The ranges (first, last) from `from_seq` on of events that were freed; of too many the last one is the rest."""
    ranges: list[tuple[int, int]] = []
    expected = from_seq
    held = connection.execute("SELECT seq FROM events WHERE seq >= ? ORDER BY seq", (from_seq,))
    for seq in (*(row[0] for row in held), last_seq(connection) + 1):
        if seq > expected:
            ranges.append((expected, seq - 1))
        expected = seq + 1
    if len(ranges) > LACKING_MAX:
        ranges[LACKING_MAX - 1 :] = [(ranges[LACKING_MAX - 1][0], ranges[-1][1])]
    return tuple(ranges)
