"""A camera that stalls, hangs or vanishes is opened again and told about. The cameras here are doubles: no hardware
can be made to stall on demand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from edge import watchdog
from edge.clock import SystemClock
from edge.errors import CameraError, ConfigError
from edge.frame import Frame
from edge.mailbox import Mailbox
from edge.watchdog import Watchdog
from tests.edge.see.scenes import frame
from tests.patience import wait_until

STALE_MS = 400


class Scripted:
    """A camera that gives `count` frames and then does what `then` says."""

    def __init__(self, count: int, then: str) -> None:
        self.count, self.then = count, then
        self.closed = threading.Event()

    def frames(self) -> Iterator[Frame]:
        for sequence in range(self.count):
            yield frame(sequence)
            time.sleep(0.01)
        if self.then == "stall":
            self.closed.wait(20)  # silent, but close() wakes it
        elif self.then == "hang":
            time.sleep(1.2)  # deaf even to close(), like a driver
            yield frame(999)
        elif self.then == "vanish":
            raise CameraError("the camera has gone")

    def close(self) -> None:
        self.closed.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "BACKOFF_MIN_S", 0.02)


def run(cameras: list[Callable[[], Scripted]], stale_ms: int = STALE_MS) -> tuple[Watchdog, Mailbox[Frame]]:
    left = iter(cameras)

    def open_next() -> Scripted:
        return next(left)()

    mailbox: Mailbox[Frame] = Mailbox()
    dog = Watchdog(open_next, mailbox, stale_ms, SystemClock())
    dog._backoff_s = 0.02
    dog.start()
    return dog, mailbox


wait_for = partial(wait_until, within_s=5.0)


@pytest.mark.parametrize("how", ["stall", "hang"])
def test_a_camera_that_gives_nothing_more_is_opened_again_and_said_so(how: str) -> None:
    second = Scripted(10_000, "end")

    def slowly() -> Scripted:
        time.sleep(0.15)
        return second

    dog, mailbox = run([lambda: Scripted(3, how), slowly])
    try:
        wait_for(lambda: dog.state.problem != "")
        assert "no picture" in dog.state.problem
        wait_for(lambda: dog.state.reopened == 1 and dog.state.problem == "")
        wait_for(lambda: dog.state.frame_age_s < 0.1)
        # What the first one still brings after it was given up is not taken.
        seen = set()
        end = time.monotonic() + 1.3
        while time.monotonic() < end:
            taken = mailbox.take(0.05)
            seen.add(taken.sequence if taken else None)
        assert 999 not in seen
        assert len(seen) > 10
    finally:
        dog.stop()
    assert second.closed.is_set()
    assert mailbox.closed


def test_the_frame_age_grows_while_nothing_comes() -> None:
    dog, _ = run([lambda: Scripted(1, "stall")], stale_ms=60_000)
    try:
        time.sleep(0.3)
        assert 0.2 < dog.state.frame_age_s < 5
    finally:
        dog.stop()


def test_a_camera_that_vanishes_or_is_not_there_is_tried_again() -> None:
    def absent() -> Scripted:
        raise CameraError("expected a camera at /dev/video9, got none")

    dog, mailbox = run([lambda: Scripted(2, "vanish"), absent, absent, lambda: Scripted(10_000, "end")])
    try:
        wait_for(lambda: "expected a camera" in dog.state.problem)
        wait_for(lambda: dog.state.problem == "" and dog.state.reopened == 3)
        assert mailbox.take(2) is not None
    finally:
        dog.stop()


def test_what_no_other_try_can_mend_ends_the_run() -> None:
    def wrong() -> Scripted:
        raise ConfigError("expected camera.source")

    dog, mailbox = run([wrong])
    wait_for(lambda: mailbox.closed)
    assert isinstance(dog.failure, ConfigError)
    dog.stop()


def test_a_source_that_ends_is_no_fault() -> None:
    dog, mailbox = run([lambda: Scripted(3, "end")])
    wait_for(lambda: mailbox.closed)
    assert dog.state.problem == ""
    assert dog.failure is None
    time.sleep(STALE_MS / 1000 * 2)
    assert dog.state.reopened == 0
    dog.stop()


def test_a_camera_that_is_slow_to_open_is_waited_for_and_one_that_never_opens_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slowly() -> Scripted:
        time.sleep(3 * STALE_MS / 1000)
        return Scripted(10_000, "end")

    dog, mailbox = run([slowly])
    assert mailbox.take(5) is not None
    assert dog.state.reopened == 0
    dog.stop()

    monkeypatch.setattr(watchdog, "OPENING_S", 0.5)
    released = threading.Event()

    def never() -> Scripted:
        released.wait(20)
        raise CameraError("too late")

    dog, mailbox = run([never, lambda: Scripted(10_000, "end")])
    assert mailbox.take(5) is not None
    assert dog.state.reopened == 1
    released.set()
    dog.stop()
