"""One slot between two threads: the newest wins, so that a slow reader sees the present and never a backlog."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """`put` never blocks; `take` waits. What was put before `close` can still be taken after it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._dropped = 0
        self._closed = False

    def put(self, item: T) -> None:
        """Lay an item into the slot, in place of one that nobody took. Does nothing once closed."""
        with self._changed:
            if self._closed:
                return
            if self._item is not None:
                self._dropped += 1
            self._item = item
            self._changed.notify()

    def take(self, timeout_s: float) -> T | None:
        """The newest item, once; None when there was none within `timeout_s`, or when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            return item

    @property
    def dropped(self) -> int:
        """Items that a newer one replaced before anybody took them."""
        return self._dropped

    @property
    def closed(self) -> bool:
        """Whether nothing more will come: with an empty slot, the reader's work is done."""
        return self._closed

    def close(self) -> None:
        """Wake every waiting `take`. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
