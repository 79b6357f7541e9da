"""Which events are on their way, which go next, and which go again. Used by the delivery thread alone.

A window of events is on its way at once, shared out by edge/shares.py. One without an acknowledgement goes again after
`resend_after_s`, or after twice what acknowledgements take on this link if that is more; and each time it waits twice
as long. On a slow link the first copy is still travelling, and a second one would only stand in the way.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from edge import config, failpoints, wire
from edge.clock import Clock
from edge.outbox import Outbox, Row
from edge.publish.base import Publisher
from edge.repeats import Repeats
from edge.shares import LANES, LIVE_S, Lane, Shares

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
        return self._resend_late() and self._send_new()

    def _learn(self, took_s: float) -> None:
        """Up at once, and down slowly."""
        patience_s = max(self._settings.resend_after_s, 2 * took_s, PATIENCE_KEPT * self._patience_s)
        self._patience_s = min(patience_s, max(PATIENCE_MAX_S, self._settings.resend_after_s))

    def _resend_late(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        for seq, flight in [each for each in self._flights.items() if each[1].due_ns <= now_ns]:
            rows = self._outbox.pending(seq - 1, 1)
            if not rows or rows[0].seq != seq or not self._fits(rows[0]):
                self._land(seq)
            elif not self._publish(flight.lane, rows[0], flight.tries + 1):
                return False
        return True

    def _send_new(self) -> bool:
        """Fill the window; False where the publisher takes no more."""
        self._age()
        waiting: dict[Lane, list[Row]] = {lane: [] for lane in LANES}
        is_empty: set[Lane] = set()
        while len(self._flights) < self._settings.window:
            for lane, rows in waiting.items():
                if not rows and lane not in is_empty:
                    waiting[lane] = self._fetch(lane)
                    if not waiting[lane]:
                        is_empty.add(lane)
            ready = {
                lane: len(rows[0].message) for lane, rows in waiting.items() if rows and self._may_start(lane, rows)
            }
            if not ready:
                return True
            lane = self._shares.choose(ready)
            row = waiting[lane].pop(0)
            if not self._publish(lane, row, tries=0):
                return False
            self._shares.took(lane, len(row.message))
            self._sent_to[lane] = row.seq
        return True

    def _fetch(self, lane: Lane) -> list[Row]:
        """The lane's next events, without those that are on their way or too large for this broker."""
        while True:
            after_seq = self._sent_to[lane]
            up_to_seq = self._aged_to if lane.is_aged else None
            if lane.priority == "live" and not lane.is_aged:
                after_seq = max(after_seq, self._aged_to)
            room = self._settings.window - len(self._flights)
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
        self._on_way_bytes[lane] += len(row.message)
        failpoints.hit("delivery.after_publish")
        return True

    def _land(self, seq: int) -> None:
        flight = self._flights.pop(seq)
        self._on_way_bytes[flight.lane] -= flight.size_bytes
