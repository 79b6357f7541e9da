"""Between the network thread, which must never wait, and the ingest thread, which waits for the disk.

Bounded: what finds no room is dropped here, is therefore never acknowledged, and comes again from its device.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime

from edge.wire import MESSAGE_BYTES_MAX
from hub.opening import Arrival

MESSAGES_MAX = 4_000
HELD_BYTES_MAX = 64 * 1024 * 1024
TOPICS_MAX = 20_000
"""More devices than this are not expected to speak between two transactions."""
REPORT_BYTES_MAX = 8 * 1024
"""Of a status or a state with its topic. A state is under 1 KiB."""
REPORTS_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True)
class Report:
    """The newest message of a `status` or `state` topic, not yet understood."""

    topic: str
    payload: bytes
    received_at: datetime
    retained: bool

    @property
    def held_bytes(self) -> int:
        return len(self.topic.encode()) + len(self.payload)


class Inbox:
    """Thread-safe. Events in their order; of each status and state topic only the newest."""

    def __init__(self) -> None:
        self._events: deque[Arrival] = deque()
        self._held_bytes = 0
        self._reports: dict[str, Report] = {}
        self._reports_bytes = 0
        self._changed = threading.Condition()
        self._counts: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Events that wait for the database."""
        return len(self._events)

    def count(self, kind: str) -> None:
        """What the network thread noticed, for `take_counts`. Kinds are few and the program's own."""
        with self._changed:
            self._counts[kind] += 1

    def put_event(self, arrival: Arrival) -> bool:
        """False where it was dropped: too large ("too_large" in the counts), or no room ("no_room")."""
        with self._changed:
            if len(arrival.payload) > MESSAGE_BYTES_MAX:
                self._counts["too_large"] += 1
                return False
            full = len(self._events) >= MESSAGES_MAX or self._held_bytes + len(arrival.payload) > HELD_BYTES_MAX
            if full:
                self._counts["no_room"] += 1
                return False
            self._events.append(arrival)
            self._held_bytes += len(arrival.payload)
            self._changed.notify()
            return True

    def put_report(self, report: Report) -> bool:
        """As `put_event`."""
        with self._changed:
            if report.held_bytes > REPORT_BYTES_MAX:
                self._counts["too_large"] += 1
                return False
            before = self._reports.get(report.topic)
            held = self._reports_bytes + report.held_bytes - (before.held_bytes if before else 0)
            if held > REPORTS_BYTES_MAX or (before is None and len(self._reports) >= TOPICS_MAX):
                self._counts["no_room"] += 1
                return False
            self._reports[report.topic] = report
            self._reports_bytes = held
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
            self._reports_bytes = 0
            return taken

    def take_counts(self) -> dict[str, int]:
        """How many of each kind since the last call."""
        with self._changed:
            taken = dict(self._counts)
            self._counts.clear()
            return taken
