"""One append into the outbox's file: sealed inside its transaction, within the quota, and what makes way for it.

Used with the outbox's lock held. For room, what the hub has acknowledged is freed; then pictures that are larger than
what comes are given up, the largest first. Then it is full. On a full disk the ballast and SQLite's own log make the
room for that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import apsw
import msgspec

from edge import events, failpoints, outbox_rows, referrals, wire
from edge.ballast import Ballast
from edge.chain import Chain, Link
from edge.clock import Clock
from edge.device_secret import DeviceSecret
from edge.errors import OutboxFullError, SealError, StoreError
from edge.ledger import Committed, Intent, Ledger
from edge.outbox_database import errors_told, fact, last_seq, put_fact, transaction
from edge.voids import Voids, largest_rendition

RESERVED_PAGES = 16
"""Beyond the quota, for marks and commands: an acknowledgement must be taken by a full outbox too."""
NO_FACTS: Mapping[str, str] = {}

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Rendition(NamedTuple):
    """A picture in one size that is being appended. degraded: what to say if it has to be given up."""

    bytes: int
    degraded: events.PictureDegraded


class Appended(NamedTuple):
    """links: of what was asked for. has_given_up: whether pictures made way, so that rows changed."""

    links: list[Link]
    has_given_up: bool


class Appender:
    """Writes into one file; page_bytes, quota_pages: as SQLite counts."""

    def __init__(
        self,
        connection: apsw.Connection,
        chain: Chain,
        secret: DeviceSecret,
        clock: Clock,
        max_bytes: int,
        ballast: Ballast,
        ledger: Ledger | None,
    ) -> None:
        """Raises StoreError."""
        self._connection, self._path = connection, connection.filename
        self._chain, self._secret, self._clock = chain, secret, clock
        self._ballast, self._ledger = ballast, ledger
        self.voids = Voids(chain.signer, ledger)
        with errors_told(self._path):
            self._quota_pages: int = max_bytes // connection.pragma("page_size")
            connection.pragma("max_page_count", self._quota_pages + RESERVED_PAGES)
            self._settle_ledger()

    def append(
        self,
        bodies: Sequence[events.EventBody],
        priority: wire.Priority,
        rendition: Rendition | None = None,
        facts: Mapping[str, str] = NO_FACTS,
    ) -> Appended:
        """All or none. Raises WireError, OutboxFullError, StoreError."""
        over_bytes = rendition.bytes if rendition is not None else 0
        has_given_up = has_emptied = False
        self._ballast.renew()
        while True:
            try:
                return Appended(self._append_once(bodies, priority, rendition, facts), has_given_up)
            except StoreError as error:
                is_disk_full = self._ballast.disk_is_full()
                if not is_disk_full and not isinstance(error, OutboxFullError):
                    raise
                if is_disk_full and not has_emptied:
                    has_emptied = True
                    self.empty_log()
                    continue
                if self._free_oldest():
                    continue
                if not self._give_up(over_bytes):
                    self._put_ballast_back()
                    raise
                has_given_up = True

    def with_room(self, change: Callable[[], T]) -> T:
        """A transaction that is no append, such as a mark, again with room where it found none. Raises StoreError.

        Room is the ballast on a full disk, which is put back, and what the hub has acknowledged.
        """
        try:
            return change()
        except StoreError as error:
            is_disk_full = self._ballast.disk_is_full()
            if not is_disk_full and not isinstance(error, OutboxFullError):
                raise
        try:
            if is_disk_full:
                self.empty_log()
            while True:
                try:
                    return change()
                except OutboxFullError:
                    if not self._free_oldest():
                        raise
        finally:
            if is_disk_full:
                self._put_ballast_back()

    def empty_log(self) -> None:
        """The disk is full: give it the ballast, and bring SQLite's log, which grows with every commit, to nothing."""
        self._ballast.release()
        self._truncate_log()

    def _put_ballast_back(self) -> None:
        """What was written stands in the log, which goes to nothing first."""
        if self._ballast.is_missing:
            self._truncate_log()
            self._ballast.put_back()

    def _truncate_log(self) -> None:
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.Error as error:
            _log.info("the log of %s stays as it is: %s", self._path, error)

    def why_full(self) -> wire.FullReason:
        """What has just refused an append: the quota, or the disk below it."""
        return "disk_full" if self._ballast.disk_is_full() else "quota"

    def note_committed(self, links: Sequence[Link]) -> None:
        """In the ledger. To fail now would have the caller store them twice: it is told, and mended when opened."""
        if self._ledger is None:
            return
        try:
            self._ledger.committed([Committed(link.event_id, link.seq) for link in links])
        except StoreError:
            _log.exception("a ledger line is missing until the outbox is opened again")

    def _give_up(self, over_bytes: int) -> bool:
        """The largest rendition makes way, and an event says so; False where none is larger than this."""
        with errors_told(self._path):
            found = largest_rendition(self._connection, over_bytes)
        if found is None:
            return False
        rendition, sealed = found
        try:
            text = self._secret.open(sealed, _about(rendition))
        except SealError as error:
            raise StoreError(
                f"expected pictures of this device's own keys in the outbox at {self._path}; {error}: a device that "
                "was provisioned again needs a new outbox; export what is in this one"
            ) from error
        body: events.PictureDegraded = wire.decode(text, events.PictureDegraded)
        body = msgspec.structs.replace(body, at=self._clock.now(), reason=self.why_full())
        self.note_committed(self._append_once([body], "live", None, NO_FACTS, giving_up=rendition))
        return True

    def _append_once(
        self,
        bodies: Sequence[events.EventBody],
        priority: wire.Priority,
        rendition: Rendition | None,
        facts: Mapping[str, str],
        giving_up: int | None = None,
    ) -> list[Link]:
        with errors_told(self._path):
            limit_pages = self._limit_pages()
            try:
                with transaction(self._connection):
                    if giving_up is not None:
                        self.voids.of_rendition(self._connection, giving_up)
                    links = self._insert(bodies, priority, rendition)
                    for name, value in facts.items():
                        put_fact(self._connection, name, value)
                    if (pages := self._connection.pragma("page_count")) > limit_pages:
                        raise apsw.FullError(f"{pages} pages for {limit_pages}")
                    failpoints.hit("outbox.before_commit")
            except StoreError:
                raise
            except OSError as error:
                raise StoreError(f"expected the disk to take an event at {self._path}; {error}") from error
        return links

    def _insert(
        self, bodies: Sequence[events.EventBody], priority: wire.Priority, rendition: Rendition | None
    ) -> list[Link]:
        now = self._clock.now()
        number = None if rendition is None else self._insert_rendition(rendition)
        seq, previous = last_seq(self._connection), fact(self._connection, "last_hash")
        links: list[Link] = []
        withdrawn: list[int] = []
        for body in bodies:
            link = self._chain.link(seq + 1, previous, body, priority, now)
            mac = self._mac(body)
            if mac is not None and self._is_withdrawn(mac):
                mac = None
                withdrawn.append(link.seq)
            elif mac is not None and isinstance(body, events.ReferralRequest):
                referrals.ask(self._connection, body, mac)
            outbox_rows.insert(self._connection, link, priority, now, mac, number)
            links.append(link)
            seq, previous = link.seq, link.ciphertext_sha256
        put_fact(self._connection, "last_seq", str(seq))
        put_fact(self._connection, "last_hash", previous)
        if self._ledger is not None:
            self._ledger.intend([Intent(link.event_id, link.message_sha256, link.type) for link in links])
        self.voids.of_seqs(self._connection, withdrawn)
        return links

    def _insert_rendition(self, rendition: Rendition) -> int:
        number: int = self._connection.execute("SELECT coalesce(max(rendition), 0) + 1 FROM renditions").get
        sealed = self._secret.seal(wire.encode(rendition.degraded), _about(number))
        self._connection.execute("INSERT INTO renditions VALUES (?, ?, ?)", (number, rendition.bytes, sealed))
        return number

    def _mac(self, body: events.EventBody) -> bytes | None:
        encounter = getattr(body, "encounter", None)
        participant = None if encounter is None else encounter.participant
        return None if participant is None else self._secret.mac(participant)

    def _is_withdrawn(self, mac: bytes) -> bool:
        return self._connection.execute("SELECT 1 FROM tombstones WHERE participant_mac = ?", (mac,)).get is not None

    def _free_oldest(self) -> bool:
        with errors_told(self._path), transaction(self._connection):
            return outbox_rows.free_oldest(self._connection) > 0

    def _limit_pages(self) -> int:
        """What this append may fill: without a ballast the pages that are there, and no new ones."""
        pages: int = self._connection.pragma("page_count") if self._ballast.is_missing else self._quota_pages
        return min(pages, self._quota_pages)

    def _settle_ledger(self) -> None:
        """Write the `committed` lines that a kill between commit and line left out."""
        if self._ledger is None:
            return
        digests = {intent.event_id: intent.sha256 for intent in self._ledger.unsettled()}
        query = "SELECT event_id, seq, message_sha256, void_reason FROM events ORDER BY seq"
        self._ledger.committed(
            [
                Committed(event_id, seq)
                for event_id, seq, digest, void_reason in (self._connection.execute(query) if digests else ())
                if digests.get(event_id) == digest or (event_id in digests and void_reason is not None)
            ]
        )


def _about(rendition: int) -> bytes:
    return f"rendition {rendition}".encode()
