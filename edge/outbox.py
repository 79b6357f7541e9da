"""What this device has to say, durable, bounded and sealed, until its hub has it.

An append seals the body inside the transaction that stores it, so that seq and prev_hash are exact; nothing unsealed is
ever in the file. Acknowledged rows stay, marked, and are freed oldest first when an append needs their space. A row
that the hub has not acknowledged is never dropped: a full outbox refuses the append instead.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import apsw

from edge import config, events, failpoints, wire
from edge.chain import Chain, Link
from edge.clock import Clock
from edge.errors import OutboxFullError, StoreError
from edge.identity import Identity
from edge.ledger import Committed, Intent, Ledger
from edge.outbox_database import (
    MAX_BYTES_MIN,
    OutboxStatus,
    check_quota,
    claim,
    errors_told,
    fact,
    last_seq,
    open_database,
    prepare,
    put_fact,
    status_of,
    transaction,
)
from edge.repeats import Repeats

__all__ = ["MAX_BYTES_MIN", "Outbox", "OutboxStatus", "Row", "open_database"]

RESERVED_PAGES = 16
"""Beyond the quota, for marks and commands: an acknowledgement must be taken by a full outbox too."""
FREED_AT_ONCE = 64

_PENDING = """SELECT seq, event_id, priority, message, appended_at, message_sha256 FROM events
    WHERE acknowledged_at IS NULL AND seq > ?"""

_log = logging.getLogger(__name__)


class Row(NamedTuple):
    """One unacknowledged event; message is the sealed bytes for the wire."""

    seq: int
    event_id: str
    priority: wire.Priority
    message: bytes
    appended_at: datetime
    message_sha256: str


class Outbox:
    """The open outbox; safe to use from several threads."""

    def __init__(
        self,
        connection: apsw.Connection,
        identity: Identity,
        clock: Clock,
        settings: config.Outbox,
        ledger: Ledger | None = None,
    ) -> None:
        """Take over the connection. Raises ConfigError for a quota too small or another device's file; StoreError."""
        self._connection = connection
        self._path = connection.filename
        self._device = identity.device
        self._clock = clock
        self._ledger = ledger
        self._lock = threading.RLock()
        self._appended: list[Callable[[], None]] = []
        self._unacknowledged: list[Callable[[], None]] = []
        self._full = False
        self._repeats = Repeats(_log, clock)
        prepare(connection)
        with self.opened() as database:
            page_bytes: int = database.pragma("page_size")
            self._quota_pages = settings.max_bytes // page_bytes
            check_quota(settings.max_bytes)
            self._limit_pages(self._quota_pages + RESERVED_PAGES)
            self.epoch = claim(database, self._device)
        self._chain = Chain("event", self._device, self.epoch, identity.hub.recipients, identity.signing_key)
        self._settle_ledger()

    def append(self, body: events.EventBody, priority: wire.Priority = "live") -> str:
        """Seal and store one event; its event_id, once it is on the disk. Raises as `append_many`."""
        return self.append_many([body], priority)[0]

    def append_many(self, bodies: Sequence[events.EventBody], priority: wire.Priority = "live") -> list[str]:
        """Seal and store these in order, all or none; their event_ids, once they are on the disk.

        Raises WireError for a body too large to travel, OutboxFullError, StoreError. Nothing is stored then.
        """
        if not bodies:
            return []
        try:
            with self._lock:
                links = self._append(bodies, priority)
                self._full = False
        except OutboxFullError:
            self._full = True
            raise
        failpoints.hit("outbox.after_commit")
        self._note_committed([Committed(link.event_id, link.seq) for link in links])
        for listener in self._appended:
            listener()
        return [link.event_id for link in links]

    def pending(self, after_seq: int, limit: int, priority: wire.Priority | None = None) -> list[Row]:
        """Unacknowledged rows beyond `after_seq`, by seq; of one priority, or of all. Raises StoreError."""
        with self.opened() as database:
            if priority is None:
                rows = database.execute(f"{_PENDING} ORDER BY seq LIMIT ?", (after_seq, limit)).fetchall()
            else:
                query = f"{_PENDING} AND priority = ? ORDER BY seq LIMIT ?"
                rows = database.execute(query, (after_seq, priority, limit)).fetchall()
        return [_row(*row) for row in rows]

    def acknowledge(self, acknowledgement: wire.Acknowledgement) -> int:
        """Mark what the hub names, where the bytes are the same; how many rows that were. Raises StoreError.

        The caller has verified the signature. What is another device's, another epoch's or marked already counts 0.
        """
        if acknowledgement.device != self._device or acknowledgement.epoch != self.epoch:
            text = "an acknowledgement for another device or epoch marks nothing: %s"
            self._repeats.tell(logging.WARNING, "foreign", text, acknowledgement.device)
            return 0
        with self._lock:
            try:
                marked = self._mark(acknowledgement)
            except OutboxFullError:
                # Marking makes a row longer; where even the reserve is used up, these are the rows to free.
                marked = self._mark(acknowledgement, free=True)
            if marked:
                self._full = False
        return marked

    def unacknowledge_from(self, seq: int) -> int:
        """The hub was restored: send again what is still here from `seq` on; how many rows. Raises StoreError."""
        with self.opened() as database, transaction(database):
            database.execute(
                "UPDATE events SET acknowledged_at = NULL, acknowledged_outcome = NULL "
                "WHERE seq >= ? AND acknowledged_at IS NOT NULL",
                (seq,),
            )
            changed = database.changes()
        for listener in self._unacknowledged:
            listener()
        return changed

    def status(self) -> OutboxStatus:
        """Counts and sizes. Raises StoreError."""
        with self.opened() as database:
            return status_of(database, self._clock.now(), full=self._full)

    def on_append(self, listener: Callable[[], None]) -> None:
        """Call this after every append, on the thread that appended."""
        self._appended.append(listener)

    def on_unacknowledge(self, listener: Callable[[], None]) -> None:
        """Call this when rows that were marked must go again, on the thread that unmarked them."""
        self._unacknowledged.append(listener)

    @contextmanager
    def opened(self) -> Iterator[apsw.Connection]:
        """The connection, for this thread alone; SQLite's errors become ours."""
        with self._lock, errors_told(self._path):
            yield self._connection

    def close(self) -> None:
        """Close the file. The ledger stays the caller's."""
        with self._lock:
            self._connection.close()

    def _append(self, bodies: Sequence[events.EventBody], priority: wire.Priority) -> list[Link]:
        """With the lock held; frees acknowledged rows until the append fits."""
        while True:
            try:
                return self._append_once(bodies, priority)
            except OutboxFullError:
                if not self._free_oldest():
                    raise

    def _append_once(self, bodies: Sequence[events.EventBody], priority: wire.Priority) -> list[Link]:
        with errors_told(self._path):
            self._limit_pages(self._quota_pages)
            try:
                with transaction(self._connection):
                    links = self._insert(bodies, priority)
                    if self._ledger is not None:
                        self._ledger.intend([Intent(link.event_id, link.message_sha256, link.type) for link in links])
                    failpoints.hit("outbox.before_commit")
            except StoreError:
                raise
            except OSError as error:
                raise StoreError(f"expected the disk to take an event at {self._path}; {error}") from error
            finally:
                self._limit_pages(self._quota_pages + RESERVED_PAGES)
        return links

    def _insert(self, bodies: Sequence[events.EventBody], priority: wire.Priority) -> list[Link]:
        now = self._clock.now()
        seq, previous = last_seq(self._connection), fact(self._connection, "last_hash")
        links: list[Link] = []
        for body in bodies:
            link = self._chain.link(seq + 1, previous, body, priority, now)
            self._connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                (
                    link.seq,
                    link.event_id,
                    priority,
                    link.message,
                    link.message_sha256,
                    link.ciphertext_sha256,
                    now.isoformat(),
                ),
            )
            links.append(link)
            seq, previous = link.seq, link.ciphertext_sha256
        put_fact(self._connection, "last_hash", previous)
        return links

    def _mark(self, acknowledgement: wire.Acknowledgement, *, free: bool = False) -> int:
        now = self._clock.now().isoformat()
        mark = "UPDATE events SET acknowledged_at = :now, acknowledged_outcome = :outcome"
        change = "DELETE FROM events" if free else mark
        where = "WHERE seq = :seq AND event_id = :event_id AND message_sha256 = :sha AND acknowledged_at IS NULL"
        marked = 0
        with self.opened() as database, transaction(database):
            for receipt in acknowledgement.receipts:
                named = {"seq": receipt.seq, "event_id": receipt.event_id, "sha": receipt.message_sha256}
                database.execute(
                    f"{change} {where}", named if free else {**named, "now": now, "outcome": receipt.outcome}
                )
                marked += database.changes()
                if receipt.outcome == "quarantined" and database.changes():
                    text = "the hub has put event %s (seq %d) into quarantine: the hub's page says why"
                    self._repeats.tell(logging.ERROR, "quarantined", text, receipt.event_id, receipt.seq)
        return marked

    def _free_oldest(self) -> int:
        """Delete the oldest acknowledged rows, those that the hub has set aside last of all; how many."""
        with self.opened() as database, transaction(database):
            for is_set_aside in (False, True):
                database.execute(
                    "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE acknowledged_at IS NOT NULL "
                    "AND (acknowledged_outcome IS 'quarantined') = ? ORDER BY seq LIMIT ?)",
                    (is_set_aside, FREED_AT_ONCE),
                )
                if freed := database.changes():
                    return freed
        return 0

    def _limit_pages(self, pages: int) -> None:
        self._connection.pragma("max_page_count", pages)

    def _settle_ledger(self) -> None:
        """Write the `committed` lines that a kill between commit and line left out."""
        if self._ledger is None:
            return
        settled: list[Committed] = []
        with self.opened() as database:
            for event_id, digest in self._ledger.unsettled():
                seq = database.execute(
                    "SELECT seq FROM events WHERE event_id = ? AND message_sha256 = ?", (event_id, digest)
                ).get
                if seq is not None:
                    settled.append(Committed(event_id, seq))
        self._ledger.committed(settled)

    def _note_committed(self, committed: Sequence[Committed]) -> None:
        if self._ledger is None:
            return
        try:
            self._ledger.committed(committed)
        except StoreError:
            # The events are in the outbox: to fail now would have the caller store them twice.
            _log.exception("a ledger line is missing until the outbox is opened again")


def _row(seq: Any, event_id: Any, priority: Any, message: Any, appended_at: Any, digest: Any) -> Row:
    return Row(seq, event_id, priority, message, datetime.fromisoformat(appended_at), digest)
