"""Which events are on their way, which go next, and which go again. Used by the delivery thread alone.

A window of events is on its way at once, shared out by edge/shares.py, and an urgent one always has its place. One
without an acknowledgement goes again after `resend_after_s`, or after twice what acknowledgements take on this link if
that is more; and each time it waits twice as long. On a slow link the first copy is still travelling, and a second one
would only stand in the way. What goes again is of its own lane's share: it never stands before what presses.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

from edge import config, failpoints, wire
from edge.clock import Clock
from edge.outbox import Outbox, Row
from edge.publish.base import Publisher
from edge.repeats import Repeats
from edge.shares import LANES, LIVE_S, Lane, Shares, places

AGE_EVERY_S = 1.0
DOUBLINGS_MAX = 6
PATIENCE_MAX_S = 120.0
PATIENCE_KEPT = 0.95
FETCHED_ROWS = 8

_log = logging.getLogger(__name__)


class _Flight(NamedTuple):
    """An event on its way. sent_ns: when it first went, due_ns: when it goes again, on the clock's monotonic time."""

    message_sha256: str
    lane: Lane
    size_bytes: int
    sent_ns: int
    due_ns: int
    tries: int


class Sending:
    """From the outbox to the publisher; what is acknowledged is told by `acknowledged`."""

    def __init__(
        self,
        outbox: Outbox,
        publisher: Publisher,
        topic: str,
        settings: config.Delivery,
        clock: Clock,
        repeats: Repeats,
    ) -> None:
        self._outbox, self._publisher, self._topic = outbox, publisher, topic
        self._settings, self._clock, self._repeats = settings, clock, repeats
        self._patience_s = settings.resend_after_s
        self._aged_to = 0
        self._aged_at_ns: int | None = None
        self.start_over()

    def start_over(self) -> None:
        """Everything unacknowledged goes again."""
        self._flights: dict[int, _Flight] = {}
        self._on_way: Counter[Lane] = Counter()
        self._on_way_bytes: Counter[Lane] = Counter()
        self._sent_to = dict.fromkeys(LANES, 0)
        self._shares = Shares()

    def acknowledged(self, receipts: Sequence[wire.Receipt]) -> None:
        """The hub has these; the outbox has marked them."""
        for receipt in receipts:
            flight = self._flights.get(receipt.seq)
            if flight is not None and flight.message_sha256 == receipt.message_sha256:
                self._learn((self._clock.monotonic_ns() - flight.sent_ns) / 1e9)
                self._land(receipt.seq)

    def step(self) -> bool:
        """Send what can go now; False where the publisher takes no more. Raises StoreError."""
        self._age()
        late = self._late()
        waiting: dict[Lane, list[Row]] = {lane: [] for lane in LANES}
        while True:
            ready: dict[Lane, int] = {}
            held_up: dict[Lane, int] = {}
            rows: dict[Lane, Row] = {}
            for lane in LANES:
                row, may_start = self._next(lane, late[lane], waiting)
                if row is not None:
                    rows[lane] = row
                    (ready if may_start else held_up)[lane] = len(row.message)
            if not ready:
                return True
            lane = self._shares.choose(ready, held_up)
            row = rows[lane]
            before = self._flights.get(row.seq)
            if not self._publish(lane, row, tries=0 if before is None else before.tries + 1):
                return False
            self._shares.took(lane, len(row.message))
            if before is None:
                waiting[lane].pop(0)
                self._sent_to[lane] = row.seq
            else:
                late[lane].popleft()

    def _learn(self, took_s: float) -> None:
        """Up at once, and down slowly."""
        patience_s = max(self._settings.resend_after_s, 2 * took_s, PATIENCE_KEPT * self._patience_s)
        self._patience_s = min(patience_s, max(PATIENCE_MAX_S, self._settings.resend_after_s))

    def _late(self) -> dict[Lane, deque[int]]:
        """By lane what goes again, as far as its turn has come."""
        now_ns = self._clock.monotonic_ns()
        late: dict[Lane, deque[int]] = {lane: deque() for lane in LANES}
        for seq, flight in self._flights.items():
            if flight.due_ns <= now_ns:
                late[flight.lane].append(seq)
        return late

    def _next(self, lane: Lane, late: deque[int], waiting: dict[Lane, list[Row]]) -> tuple[Row | None, bool]:
        """The lane's next event, one that goes again or a new one, and whether there is a place for it."""
        while late:
            rows = self._outbox.pending(late[0] - 1, 1)
            if rows and rows[0].seq == late[0] and self._fits(rows[0]):
                return rows[0], True
            self._land(late.popleft())
        room = places(lane, self._settings.window, self._on_way)
        if lane in waiting and not waiting[lane]:
            waiting[lane] = self._fetch(lane, max(room, 1))
            if not waiting[lane]:
                del waiting[lane]  # for this step
        if lane not in waiting:
            return None, False
        return waiting[lane][0], room > 0 and self._may_start(lane, waiting[lane])

    def _fetch(self, lane: Lane, room: int) -> list[Row]:
        """The lane's next events, without those that are on their way or too large for this broker."""
        while True:
            after_seq = self._sent_to[lane]
            up_to_seq = self._aged_to if lane.is_aged else None
            if lane.priority == "live" and not lane.is_aged:
                after_seq = max(after_seq, self._aged_to)
            found = self._outbox.pending(after_seq, min(room, FETCHED_ROWS), lane.priority, up_to_seq)
            rows = [row for row in found if row.seq not in self._flights and self._fits(row)]
            if rows or not found:
                return rows
            self._sent_to[lane] = found[-1].seq

    def _may_start(self, lane: Lane, rows: Sequence[Row]) -> bool:
        on_way = self._on_way_bytes[lane]
        return on_way == 0 or on_way + len(rows[0].message) <= lane.on_way_bytes_max

    def _age(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._aged_at_ns is None or now_ns - self._aged_at_ns >= AGE_EVERY_S * 1e9:
            self._aged_at_ns = now_ns
            # Never back, whatever the clock does: the live lane may be past what would be its own again.
            self._aged_to = max(self._aged_to, self._outbox.aged_to(LIVE_S))

    def _fits(self, row: Row) -> bool:
        """Whether this broker takes so large a message; it waits for the next connection where not."""
        takes_bytes = self._publisher.payload_bytes_max(self._topic)
        if len(row.message) <= takes_bytes:
            return True
        text = "event %s of %d bytes waits: the broker takes at most %d; raise its maximum packet size to 270000"
        self._repeats.tell(logging.ERROR, "size", text, row.event_id, len(row.message), takes_bytes)
        return False

    def _publish(self, lane: Lane, row: Row, tries: int) -> bool:
        if not self._publisher.publish(self._topic, row.message):
            return False
        now_ns = self._clock.monotonic_ns()
        before = self._flights.get(row.seq)
        if before is not None:
            self._land(row.seq)
        due_ns = now_ns + int(self._patience_s * 2 ** min(tries, DOUBLINGS_MAX) * 1e9)
        sent_ns = now_ns if before is None else before.sent_ns
        self._flights[row.seq] = _Flight(row.message_sha256, lane, len(row.message), sent_ns, due_ns, tries)
        self._on_way[lane] += 1
        self._on_way_bytes[lane] += len(row.message)
        failpoints.hit("delivery.after_publish")
        return True

    def _land(self, seq: int) -> None:
        flight = self._flights.pop(seq)
        self._on_way[flight.lane] -= 1
        self._on_way_bytes[flight.lane] -= flight.size_bytes
