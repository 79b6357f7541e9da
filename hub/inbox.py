"""Between the network thread, which must never wait, and the ingest thread, which waits for the disk.

Bounded: what finds no room is dropped here, is therefore never acknowledged, and comes again from its device.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from hub.opening import Arrival

MESSAGES_MAX = 4_000
HELD_BYTES_MAX = 64 * 1024 * 1024
TOPICS_MAX = 20_000
"""More devices than this are not expected to speak between two transactions."""


@dataclass(frozen=True)
class Report:
    """The newest message of a `status` or `state` topic, not yet understood."""

    topic: str
    payload: bytes
    received_at: datetime
    retained: bool


class Inbox:
    """Thread-safe. Events in their order; of each status and state topic only the newest."""

    def __init__(self) -> None:
        self._events: deque[Arrival] = deque()
        self._held_bytes = 0
        self._reports: dict[str, Report] = {}
        self._changed = threading.Condition()
        self._dropped = 0

    @property
    def waiting(self) -> int:
        """Events that wait for the database."""
        return len(self._events)

    @property
    def dropped(self) -> int:
        """Messages that found no room since the start."""
        return self._dropped

    def put_event(self, arrival: Arrival) -> bool:
        with self._changed:
            full = len(self._events) >= MESSAGES_MAX or self._held_bytes + len(arrival.payload) > HELD_BYTES_MAX
            if full:
                self._dropped += 1
                return False
            self._events.append(arrival)
            self._held_bytes += len(arrival.payload)
            self._changed.notify()
            return True

    def put_report(self, report: Report) -> bool:
        with self._changed:
            if report.topic not in self._reports and len(self._reports) >= TOPICS_MAX:
                self._dropped += 1
                return False
            self._reports[report.topic] = report
            return True

    def wake(self) -> None:
        """Let `take_events` return at once."""
        with self._changed:
            self._changed.notify_all()

    def take_events(self, limit: int, timeout_s: float) -> list[Arrival]:
        """What is queued, at most `limit`; waits only while there is nothing."""
        with self._changed:
            if not self._events:
                self._changed.wait(timeout_s)
            taken = [self._events.popleft() for _ in range(min(limit, len(self._events)))]
            self._held_bytes -= sum(len(each.payload) for each in taken)
            return taken

    def take_reports(self) -> list[Report]:
        with self._changed:
            taken = list(self._reports.values())
            self._reports.clear()
            return taken
