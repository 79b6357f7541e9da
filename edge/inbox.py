"""What the publisher's thread noted for the delivery's, bounded in messages and in bytes."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

INBOX_MAX = 1024
INBOX_BYTES_MAX = 4 * 1024 * 1024
"""Beyond either the oldest message that came is forgotten: what it acknowledged goes again."""


class Came(NamedTuple):
    """topic "" stands for a new connection."""

    topic: str
    payload: bytes


CONNECTED = Came("", b"")


class Inbox:
    """First in, first out; thread-safe. A new connection is never forgotten."""

    def __init__(self, messages_max: int = INBOX_MAX, bytes_max: int = INBOX_BYTES_MAX) -> None:
        self._messages_max, self._bytes_max = messages_max, bytes_max
        self._lock = threading.Lock()
        self._came: deque[Came] = deque()
        self._bytes = 0
        self._has_forgotten_connection = False

    def put(self, came: Came) -> None:
        with self._lock:
            self._came.append(came)
            self._bytes += len(came.payload)
            while len(self._came) > self._messages_max or self._bytes > self._bytes_max:
                forgotten = self._came.popleft()
                self._bytes -= len(forgotten.payload)
                self._has_forgotten_connection |= forgotten.topic == ""

    def take(self) -> Came | None:
        """The oldest; None when there is none."""
        with self._lock:
            if self._has_forgotten_connection:
                self._has_forgotten_connection = False
                return CONNECTED
            if not self._came:
                return None
            came = self._came.popleft()
            self._bytes -= len(came.payload)
            return came

    def __bool__(self) -> bool:
        return bool(self._came) or self._has_forgotten_connection
