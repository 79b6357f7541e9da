"""What this device has to say, durable, bounded and sealed, until its hub has it.

An append seals the body inside the transaction that stores it, so that seq and prev_hash are exact; nothing unsealed is
ever in the file. Acknowledged rows stay, marked, and are freed oldest first when an append needs their space. Then
pictures make way, the largest rendition first, each for a void and a `picture_degraded`. Nothing else that the hub has
not acknowledged is ever given up for room: a full outbox refuses the append instead.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec

from edge import ballast, config, events, failpoints, outbox_rows, recalls, referrals, wire
from edge.appending import NO_FACTS, Appender, Rendition
from edge.chain import Chain, Link
from edge.clock import Clock
from edge.device_secret import DeviceSecret
from edge.errors import OutboxFullError, StoreError
from edge.identity import Identity
from edge.ledger import Ledger
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
    raise_generation,
    status_of,
    transaction,
)
from edge.outbox_rows import Row
from edge.repeats import Repeats

__all__ = ["MAX_BYTES_MIN", "Outbox", "OutboxStatus", "Row", "open_database"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


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
        self._lock = threading.RLock()
        self._appended: list[Callable[[], None]] = []
        self._rewound: list[Callable[[], None]] = []
        self._full = False
        self._repeats = Repeats(_log, clock)
        self._secret = DeviceSecret(identity.sealing_key)
        check_quota(settings.max_bytes)
        prepare(connection)
        with self.opened() as database:
            self.epoch = claim(database, self._device)
        self._ballast = ballast.Ballast(Path(self._path + ballast.SUFFIX), settings.ballast_bytes)
        chain = Chain("event", self._device, self.epoch, identity.hub.recipients, identity.signing_key)
        self._appender = Appender(connection, chain, self._secret, clock, settings.max_bytes, self._ballast, ledger)

    def append(self, body: events.EventBody, priority: wire.Priority = "live") -> str:
        """Seal and store one event; its event_id, once it is on the disk. Raises as `append_many`."""
        return self.append_many([body], priority)[0]

    def append_many(self, bodies: Sequence[events.EventBody], priority: wire.Priority = "live") -> list[str]:
        """Seal and store these in order, all or none; their event_ids, once they are on the disk.

        What is about somebody whose consent was withdrawn is stored as its void.
        Raises WireError for a body too large to travel, OutboxFullError, StoreError. Nothing is stored then.
        """
        if not bodies:
            return []
        return [link.event_id for link in self._append(bodies, priority)]

    def append_rendition(self, parts: Sequence[events.PicturePart]) -> bool:
        """Seal and store all parts of one rendition of a picture, to go after everything else.

        It makes larger ones give way, but no smaller one and none of its size. False where there is no room for it:
        then a `picture_degraded` is stored in its place. Raises as `append_many`.
        """
        first, size = parts[0], sum(len(part.content) for part in parts)
        degraded = events.PictureDegraded(
            at=first.at,
            encounter=first.encounter,
            finding_id=first.finding_id,
            rendition=first.rendition,
            picture_sha256=first.picture_sha256,
            reason="quota",
        )
        try:
            self._append(parts, "backlog", Rendition(size, degraded))
        except OutboxFullError:
            self.append(msgspec.structs.replace(degraded, reason=self._appender.why_full()))
            return False
        return True

    def pending(
        self, after_seq: int, limit: int, priority: wire.Priority | None = None, up_to_seq: int | None = None
    ) -> list[Row]:
        """Unacknowledged rows beyond `after_seq`, by seq; of one priority, or of all. Raises StoreError."""
        with self.opened() as database:
            return outbox_rows.pending(database, after_seq, limit, priority, up_to_seq)

    def aged_to(self, age_s: float) -> int:
        """The last seq of the unacknowledged live events that are older than this; 0 for none. Raises StoreError."""
        with self.opened() as database:
            return outbox_rows.aged_to(database, self._clock.now(), age_s)

    def takes(self, acknowledgement: wire.Acknowledgement) -> bool:
        """Whether it is for this device and epoch, and not from before the hub's last `resend_from`."""
        if acknowledgement.device != self._device or acknowledgement.epoch != self.epoch:
            text = "an acknowledgement for another device or epoch marks nothing: %s"
            self._repeats.tell(logging.WARNING, "foreign", text, acknowledgement.device)
            return False
        with self.opened() as database:
            generation = int(fact(database, "generation"))
        if acknowledgement.generation < generation:
            text = "an acknowledgement from before the hub asked for its events again marks nothing: generation %d"
            self._repeats.tell(logging.WARNING, "generation", text, acknowledgement.generation)
            return False
        return True

    def acknowledge(self, acknowledgement: wire.Acknowledgement) -> int:
        """Mark what the hub names, where the bytes are the same; how many rows that were. Raises StoreError.

        The caller has verified the signature. What this outbox does not take, or has marked already, counts 0.
        """
        with self._lock:
            if not self.takes(acknowledgement):
                return 0
            try:
                marked = self.change(lambda database: self._mark(database, acknowledgement, must_drop=False))
            except StoreError as error:
                if not isinstance(error, OutboxFullError) and not self._ballast.disk_is_full():
                    raise
                # Even the reserve is used up, or the disk: these are the rows to free.
                marked = self.change(lambda database: self._mark(database, acknowledgement, must_drop=True))
            if marked:
                self._full = False
        for receipt in marked:
            if receipt.outcome == "quarantined":
                text = "the hub has put event %s (seq %d) into quarantine: the hub's page says why"
                self._repeats.tell(logging.ERROR, "quarantined", text, receipt.event_id, receipt.seq)
        return len(marked)

    def unacknowledge_from(self, seq: int, generation: int) -> tuple[int, tuple[tuple[int, int], ...]]:
        """The hub lacks events: send again what is still here from `seq` on. Raises StoreError.

        How many rows that are, and the ranges of those that are not here any more. No acknowledgement of a lower
        generation marks anything from now on.
        """

        def unmark(database: apsw.Connection) -> tuple[int, tuple[tuple[int, int], ...]]:
            changed = outbox_rows.unmark_from(database, seq)
            raise_generation(database, generation)
            return changed, outbox_rows.lacking(database, seq)

        done = self.change(unmark)
        self._call(self._rewound)
        return done

    def withdraw(self, participant: str) -> int:
        """A consent was withdrawn: nothing about this participant is kept or sent any more; how many rows it was.

        Raises StoreError.
        """
        mac = self._secret.mac(participant)

        def erase(database: apsw.Connection) -> int:
            database.execute("INSERT OR IGNORE INTO tombstones VALUES (?, ?)", (mac, self._clock.now().isoformat()))
            referrals.erase(database, mac)
            recalls.erase(database, mac)
            return self._appender.voids.of_participant(database, mac)

        changed = self.change(erase)
        self._call(self._rewound)
        return changed

    def change(self, act: Callable[[apsw.Connection], T]) -> T:
        """One transaction, again with room where there was none: `act` may run twice. Raises StoreError.

        Within another change it is a part of that one.
        """
        with self._lock:
            if self._connection.in_transaction:
                return act(self._connection)
            return self._appender.with_room(lambda: self._change_once(act))

    def reconcile(self) -> bool:
        """Once a UTC day tell the hub what was committed since it was last told; whether that was now.

        Raises OutboxFullError, StoreError.
        """
        today = self._clock.now().date().isoformat()
        with self._lock:
            with self.opened() as database:
                reconciled_on = fact(database, "reconciled_on")
                first, last = int(fact(database, "reconciled_to")) + 1, last_seq(database)
                last_hash = fact(database, "last_hash")
            if reconciled_on == today:
                return False
            # The first day has just begun; or nothing came but the last reconciliation itself.
            if not reconciled_on or last <= first:
                self.change(lambda database: put_fact(database, "reconciled_on", today))
                return False
            body = events.Reconcile(at=self._clock.now(), first_seq=first, last_seq=last, last_hash=last_hash)
            self._append([body], "live", facts={"reconciled_to": str(last), "reconciled_on": today})
        return True

    def status(self) -> OutboxStatus:
        """Counts and sizes. Raises StoreError."""
        with self.opened() as database:
            return status_of(database, self._clock.now(), full=self._full)

    def on_append(self, listener: Callable[[], None]) -> None:
        """Call this after every append, on the thread that appended."""
        self._appended.append(listener)

    def on_rewind(self, listener: Callable[[], None]) -> None:
        """Call this when rows must go again: unmarked, or another message in their place; on the thread that did it."""
        self._rewound.append(listener)

    @contextmanager
    def opened(self) -> Iterator[apsw.Connection]:
        """The connection, for this thread alone; SQLite's errors become ours."""
        with self._lock, errors_told(self._path):
            yield self._connection

    def close(self) -> None:
        """Close the file. The ledger stays the caller's."""
        with self._lock:
            self._connection.close()

    def _append(
        self,
        bodies: Sequence[events.EventBody],
        priority: wire.Priority,
        rendition: Rendition | None = None,
        facts: Mapping[str, str] = NO_FACTS,
    ) -> list[Link]:
        try:
            with self._lock:
                links, has_given_up = self._appender.append(bodies, priority, rendition, facts)
                self._full = False
        except OutboxFullError:
            self._full = True
            raise
        failpoints.hit("outbox.after_commit")
        self._appender.note_committed(links)
        self._call(self._appended)
        if has_given_up:
            self._call(self._rewound)
        return links

    def _change_once(self, act: Callable[[apsw.Connection], T]) -> T:
        with self.opened() as database, transaction(database):
            return act(database)

    def _mark(
        self, database: apsw.Connection, acknowledgement: wire.Acknowledgement, *, must_drop: bool
    ) -> list[wire.Receipt]:
        receipts = acknowledgement.receipts
        if must_drop:
            marked = outbox_rows.drop(database, receipts)
        else:
            marked = outbox_rows.mark(database, receipts, self._clock.now())
        raise_generation(database, acknowledgement.generation)
        if acknowledgement.backed_up_to is not None:
            put_fact(database, "backed_up_to", str(acknowledgement.backed_up_to))
        return marked

    @staticmethod
    def _call(listeners: Sequence[Callable[[], None]]) -> None:
        for listener in listeners:
            listener()
