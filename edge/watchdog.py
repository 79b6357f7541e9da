"""Keeps a camera giving frames: opens it, feeds the mailbox, and opens another when it vanishes or stalls.

A stalled camera says nothing (picamera2 does it after hours), so the age of the newest frame decides. Its reader may
never come back from the driver: it is left behind with a number of its own, and nothing that it still brings is taken.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from edge.camera.base import Camera
from edge.clock import Clock
from edge.errors import DermedgeError
from edge.frame import Frame
from edge.mailbox import Mailbox

BACKOFF_MIN_S = 0.5
BACKOFF_MAX_S = 30.0
OPENING_S = 20.0
"""What a camera may take to open; a driver that starts a sensor needs seconds of it."""

_log = logging.getLogger(__name__)


class CameraState(NamedTuple):
    """frame_age_s: since the newest frame, or since the start. problem: "" while frames come."""

    frame_age_s: float
    reopened: int
    problem: str


class Watchdog:
    """`open_camera` is called again for every new try; the mailbox is closed when the source has no more frames."""

    def __init__(
        self, open_camera: Callable[[], Camera], mailbox: Mailbox[Frame], stale_after_ms: int, clock: Clock
    ) -> None:
        self._open_camera = open_camera
        self._mailbox = mailbox
        self._stale_after_s = stale_after_ms / 1000
        self._clock = clock
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._generation = 0
        self._camera: Camera | None = None
        self._newest_ns = clock.monotonic_ns()
        self._began_ns = self._newest_ns
        self._backoff_s = BACKOFF_MIN_S
        self._reopened = 0
        self._problem = ""
        self._ended = False
        self._opening = True
        self.failure: DermedgeError | None = None
        """What no other try can mend (a wrong setting, a file that is no picture); the mailbox is then closed."""
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        self._start_reader()
        self._thread.start()

    def stop(self) -> None:
        """Close the camera and end. A reader that hangs in its driver is left behind: its thread is a daemon."""
        with self._lock:
            self._stopped = True
            self._generation += 1
            camera, self._camera = self._camera, None
        self._wake.set()
        self._close(camera)
        self._mailbox.close()
        if self._thread.is_alive():
            self._thread.join(2.0)

    @property
    def state(self) -> CameraState:
        with self._lock:
            age_s = (self._clock.monotonic_ns() - self._newest_ns) / 1e9
            return CameraState(max(0.0, age_s), self._reopened, self._problem)

    def _watch(self) -> None:
        while not self._wake.wait(min(0.25, self._stale_after_s / 4)):
            with self._lock:
                if self._stopped or self._ended:
                    return
                quiet_s = (self._clock.monotonic_ns() - max(self._newest_ns, self._began_ns)) / 1e9
                if quiet_s < self._patience_s():
                    continue
                self._problem = f"the camera has given no picture for {quiet_s:.1f} s; opening it again"
                self._reopened += 1
                self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)
                # From here on the old reader counts no more: when close wakes it, its end is not the source's end.
                self._generation += 1
                camera, self._camera = self._camera, None
            _log.warning("%s", self._problem)
            # Its close may hang as well: the new reader does not wait for it.
            threading.Thread(target=self._close, args=(camera,), name="camera-close", daemon=True).start()
            self._start_reader()

    def _patience_s(self) -> float:
        """A camera that opens has its own time; one that was opened again in vain gets more with every try."""
        if self._opening:
            return max(OPENING_S, self._stale_after_s)
        is_in_vain = self._reopened > 0 and self._newest_ns <= self._began_ns
        return self._stale_after_s + (self._backoff_s if is_in_vain else 0.0)

    def _start_reader(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self._generation += 1
            self._began_ns, self._opening = self._clock.monotonic_ns(), True
            number = self._generation
        threading.Thread(target=self._read, args=(number,), name=f"camera-{number}", daemon=True).start()

    def _read(self, number: int) -> None:
        while self._is_current(number):
            camera = None
            try:
                camera = self._open_camera()
                if not self._adopt(number, camera):
                    self._close(camera)
                    return
                for frame in camera.frames():
                    if not self._take(number, frame):
                        return
            except DermedgeError as error:
                if not error.retryable:
                    self._end(number, error)
                    return
                self._note(number, str(error))
            except OSError as error:
                self._note(number, f"expected a camera that gives pictures, got: {error}")
            else:
                self._end(number, None)
                return
            self._close(camera)
            if not self._is_current(number) or self._wake.wait(self._next_backoff_s()):
                return

    def _is_current(self, number: int) -> bool:
        with self._lock:
            return number == self._generation and not self._stopped

    def _adopt(self, number: int, camera: Camera) -> bool:
        with self._lock:
            if number != self._generation or self._stopped:
                return False
            self._camera = camera
            self._began_ns, self._opening = self._clock.monotonic_ns(), False
            return True

    def _take(self, number: int, frame: Frame) -> bool:
        with self._lock:
            if number != self._generation or self._stopped:
                return False
            self._newest_ns = self._clock.monotonic_ns()
            if self._problem:
                _log.warning("the camera gives pictures again")
            self._problem, self._backoff_s = "", BACKOFF_MIN_S
        self._mailbox.put(frame)
        return True

    def _note(self, number: int, problem: str) -> None:
        with self._lock:
            if number != self._generation or self._stopped:
                return
            self._reopened += 1
            is_news = problem != self._problem
            self._problem = problem
            self._began_ns, self._opening = self._clock.monotonic_ns(), True
        if is_news:
            _log.warning("%s", problem)

    def _next_backoff_s(self) -> float:
        with self._lock:
            wait_s, self._backoff_s = self._backoff_s, min(self._backoff_s * 2, BACKOFF_MAX_S)
            # The watchdog must not take this waiting for a stall.
            self._began_ns = self._clock.monotonic_ns() + int(wait_s * 1e9)
            return wait_s

    def _end(self, number: int, failure: DermedgeError | None) -> None:
        with self._lock:
            if number != self._generation or self._stopped:
                return
            self._ended, self.failure = True, failure
            self._problem = "" if failure is None else str(failure)
        self._mailbox.close()

    @staticmethod
    def _close(camera: Camera | None) -> None:
        if camera is None:
            return
        try:
            camera.close()
        except (DermedgeError, OSError) as error:
            _log.warning("the camera did not close: %s", error)
