"""One slot, newest wins."""

from __future__ import annotations

import threading
import time

from edge.mailbox import Mailbox


def test_the_newest_wins_and_the_others_are_counted() -> None:
    box: Mailbox[int] = Mailbox()
    for item in range(5):
        box.put(item)
    assert box.take(0) == 4
    assert box.dropped == 4
    assert box.take(0) is None


def test_take_waits_for_what_comes() -> None:
    box: Mailbox[str] = Mailbox()
    threading.Timer(0.05, box.put, ["here"]).start()
    assert box.take(5) == "here"
    assert box.dropped == 0


def test_take_gives_up_after_its_time() -> None:
    start = time.monotonic()
    assert Mailbox[int]().take(0.05) is None
    assert 0.04 <= time.monotonic() - start < 1


def test_close_wakes_and_what_was_put_before_can_still_be_taken() -> None:
    box: Mailbox[int] = Mailbox()
    threading.Timer(0.05, box.close).start()
    start = time.monotonic()
    assert box.take(10) is None
    assert time.monotonic() - start < 5

    full: Mailbox[int] = Mailbox()
    full.put(1)
    full.close()
    full.put(2)
    full.close()
    assert full.take(0) == 1
    assert full.take(10) is None
    assert full.closed


def test_nothing_is_lost_or_repeated_between_two_threads() -> None:
    box: Mailbox[int] = Mailbox()
    seen: list[int] = []

    def read() -> None:
        while (item := box.take(1)) is not None:
            seen.append(item)

    reader = threading.Thread(target=read)
    reader.start()
    for item in range(20_000):
        box.put(item)
    box.close()
    reader.join(10)
    assert seen == sorted(set(seen))
    assert seen[-1] == 19_999
    assert len(seen) + box.dropped == 20_000
