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
from typing import NamedTuple

import apsw
import msgspec

from edge import config, events, failpoints, wire
from edge.clock import Clock, uuid7
from edge.errors import ConfigError, OutboxFullError, StoreError, WireError
from edge.identity import Identity
from edge.ledger import Committed, Intent, Ledger
from edge.outbox_database import errors_told, open_database, prepare, transaction
from edge.sealing import ciphertext_hash, seal, sha256

__all__ = ["MAX_BYTES_MIN", "Outbox", "OutboxStatus", "Row", "open_database"]

MAX_BYTES_MIN = 256 * 1024
RESERVED_PAGES = 16
"""Beyond the quota, for marks and commands: an acknowledgement must be taken by a full outbox too."""
FREED_AT_ONCE = 64

_log = logging.getLogger(__name__)


class Row(NamedTuple):
    """One unacknowledged event; message is the sealed bytes for the wire."""

    seq: int
    event_id: str
    priority: wire.Priority
    message: bytes
    appended_at: datetime
    message_sha256: str


class OutboxStatus(NamedTuple):
    """backlog: unacknowledged events. oldest_s: the age of the oldest of them. full: the last append did not fit."""

    backlog: int
    oldest_s: float
    used_bytes: int
    full: bool
    epoch: str
    last_seq: int


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
        self._identity = identity
        self._recipients = identity.hub.recipients
        self._clock = clock
        self._ledger = ledger
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._full = False
        prepare(connection)
        with self.opened() as database:
            page_bytes: int = database.pragma("page_size")
            self._quota_pages = settings.max_bytes // page_bytes
            if settings.max_bytes < MAX_BYTES_MIN:
                raise ConfigError(f"expected outbox.max_bytes of at least {MAX_BYTES_MIN}, got {settings.max_bytes}")
            self._limit_pages(self._quota_pages + RESERVED_PAGES)
            self.epoch = self._claim()
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
                committed = self._append(bodies, priority)
                self._full = False
        except OutboxFullError:
            self._full = True
            raise
        self._note_committed(committed)
        for listener in self._listeners:
            listener()
        return [entry.event_id for entry in committed]

    def pending(self, after_seq: int, limit: int, priority: wire.Priority | None = None) -> list[Row]:
        """Unacknowledged rows beyond `after_seq`, by seq; of one priority, or of all. Raises StoreError."""
        wanted = "" if priority is None else "AND priority = ?3"
        query = f"""SELECT seq, event_id, priority, message, appended_at, message_sha256 FROM events
            WHERE acknowledged_at IS NULL AND seq > ?1 {wanted} ORDER BY seq LIMIT ?2"""  # noqa: S608
        bindings = (after_seq, limit) if priority is None else (after_seq, limit, priority)
        with self.opened() as database:
            rows = database.execute(query, bindings).fetchall()
        return [Row(*row[:4], datetime.fromisoformat(row[4]), row[5]) for row in rows]

    def acknowledge(self, acknowledgement: wire.Acknowledgement) -> int:
        """Mark what the hub names, where the bytes are the same; how many rows that were. Raises StoreError.

        The caller has verified the signature. What is another device's, another epoch's or marked already counts 0.
        """
        if acknowledgement.device != self._identity.device or acknowledgement.epoch != self.epoch:
            _log.warning("an acknowledgement for another device or epoch marks nothing: %s", acknowledgement.device)
            return 0
        for receipt in acknowledgement.receipts:
            if receipt.outcome == "quarantined":
                _log.error("the hub put event %s (seq %d) into quarantine", receipt.event_id, receipt.seq)
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
                "UPDATE events SET acknowledged_at = NULL WHERE seq >= ? AND acknowledged_at IS NOT NULL", (seq,)
            )
            changed = database.changes()
        self.changed()
        return changed

    def status(self) -> OutboxStatus:
        """Counts and sizes. Raises StoreError."""
        with self.opened() as database:
            backlog, oldest = database.execute(
                "SELECT count(*), min(appended_at) FROM events WHERE acknowledged_at IS NULL"
            ).get
            pages = database.pragma("page_count") - database.pragma("freelist_count")
            used_bytes = pages * database.pragma("page_size")
            last_seq = self._last_seq()
        oldest_s = 0.0
        if oldest is not None:
            oldest_s = max(0.0, (self._clock.now() - datetime.fromisoformat(oldest)).total_seconds())
        return OutboxStatus(backlog, oldest_s, used_bytes, self._full, self.epoch, last_seq)

    def on_append(self, listener: Callable[[], None]) -> None:
        """Call this after every append, on the thread that appended."""
        self._listeners.append(listener)

    def changed(self) -> None:
        """Tell the listeners that there is something to send."""
        for listener in self._listeners:
            listener()

    @contextmanager
    def opened(self) -> Iterator[apsw.Connection]:
        """The connection, for this thread alone; SQLite's errors become ours."""
        with self._lock, errors_told(self._path):
            yield self._connection

    def close(self) -> None:
        """Close the file. The ledger stays the caller's."""
        with self._lock:
            self._connection.close()

    def _append(self, bodies: Sequence[events.EventBody], priority: wire.Priority) -> list[Committed]:
        """With the lock held; frees acknowledged rows until the append fits."""
        with errors_told(self._path):
            self._limit_pages(self._quota_pages)
        try:
            while True:
                try:
                    return self._append_once(bodies, priority)
                except OutboxFullError:
                    if not self._free_oldest():
                        raise
        finally:
            self._limit_pages(self._quota_pages + RESERVED_PAGES)

    def _append_once(self, bodies: Sequence[events.EventBody], priority: wire.Priority) -> list[Committed]:
        try:
            with errors_told(self._path):
                with transaction(self._connection):
                    intents, committed = self._insert(bodies, priority)
                    if self._ledger is not None:
                        self._ledger.intend(intents)
                    failpoints.hit("outbox.before_commit")
                failpoints.hit("outbox.after_commit")
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"expected the disk to take an event at {self._path}; {error}") from error
        return committed

    def _insert(
        self, bodies: Sequence[events.EventBody], priority: wire.Priority
    ) -> tuple[list[Intent], list[Committed]]:
        now = self._clock.now()
        seq, previous = self._last_seq(), self._fact("last_hash")
        intents: list[Intent] = []
        committed: list[Committed] = []
        for body in bodies:
            seq += 1
            header = wire.Header(
                kind="event",
                device=self._identity.device,
                epoch=self.epoch,
                seq=seq,
                event_id=uuid7(now),
                priority=priority,
                prev_hash=previous,
            )
            envelope = seal(header, wire.encode(body), self._recipients, self._identity.signing_key)
            message, previous = wire.encode_sealed(envelope), ciphertext_hash(envelope)
            kind = str(body.__struct_config__.tag)
            if len(message) > wire.MESSAGE_BYTES_MAX:
                raise WireError(
                    f"expected an event of at most {wire.MESSAGE_BYTES_MAX} bytes sealed, got a {kind} of "
                    f"{len(message)}: send it in smaller parts"
                )
            digest = sha256(message)
            self._connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (seq, header.event_id, priority, message, digest, previous, now.isoformat()),
            )
            intents.append(Intent(header.event_id, digest, kind))
            committed.append(Committed(header.event_id, seq))
        self._connection.execute("UPDATE facts SET value = ? WHERE name = 'last_hash'", (previous,))
        return intents, committed
