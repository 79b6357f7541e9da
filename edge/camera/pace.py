"""The beat of a camera that is drawn or read from a file: so many frames a second, never a burst to catch up."""

from __future__ import annotations

import threading

from edge.clock import Clock


class Pace:
    """Waits for the next beat; `stop` from another thread wakes it."""

    def __init__(self, rate_hz: float, clock: Clock) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._clock = clock
        self._next_ns: int | None = None
        self._stopped = threading.Event()

    def wait(self) -> bool:
        """Block until the next beat. False once stopped. The first beat is at once."""
        now_ns = self._clock.monotonic_ns()
        if self._next_ns is not None:
            # Never more than one period, so that a clock which stands still cannot stretch the wait.
            delay_ns = min(self._next_ns - now_ns, self._period_ns)
            if delay_ns > 0 and self._stopped.wait(delay_ns / 1e9):
                return False
        # A late frame moves the beat: the frames after it keep their distance.
        self._next_ns = max(self._next_ns or now_ns, now_ns) + self._period_ns
        return not self._stopped.is_set()

    def stop(self) -> None:
        """End the waiting for good."""
        self._stopped.set()
