"""The rule of edge/shares.py as properties: whatever comes when, who presses goes first, and nobody starves."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.shares import LANES, Lane, Shares
from edge.wire import MESSAGE_BYTES_MAX

SIZES = st.integers(600, MESSAGE_BYTES_MAX)
WAITING = st.lists(st.lists(SIZES, max_size=30), min_size=len(LANES), max_size=len(LANES))
URGENT, LIVE, AGED, BACKLOG = LANES


class Queues:
    """Messages that wait, lane by lane, and what went in which order."""

    def __init__(self, waiting: list[list[int]]) -> None:
        self.shares = Shares()
        self.waiting = {lane: deque(sizes) for lane, sizes in zip(LANES, waiting, strict=True)}
        self.gone: list[tuple[Lane, int]] = []

    def send(self) -> Lane:
        ready = {lane: sizes[0] for lane, sizes in self.waiting.items() if sizes}
        lane = self.shares.choose(ready)
        size = self.waiting[lane].popleft()
        self.shares.took(lane, size)
        self.gone.append((lane, size))
        return lane


@settings(max_examples=60, deadline=None, derandomize=True)
@given(WAITING, st.data())
def test_a_lane_that_waits_is_served_before_the_others_have_had_much_more_than_their_shares(
    waiting: list[list[int]], data: st.DataObject
) -> None:
    """While a lane waits, each other gets at most its share of what that lane gets, and a message or two."""
    queues = Queues(waiting)
    for _ in range(data.draw(st.integers(0, 20))):
        if any(queues.waiting.values()):
            queues.send()
    lane = data.draw(st.sampled_from(LANES))
    size = data.draw(SIZES)
    queues.waiting[lane].clear()
    queues.waiting[lane].append(size)
    before = len(queues.gone)
    while queues.send() is not lane:
        for other in LANES:  # whatever comes meanwhile
            if other is not lane and data.draw(st.booleans()):
                queues.waiting[other].append(data.draw(SIZES))
    for other in LANES:
        had = sum(each for name, each in queues.gone[before:] if name is other and name is not lane)
        assert had <= size * other.share / lane.share + 2 * MESSAGE_BYTES_MAX


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(SIZES, min_size=1, max_size=60), st.integers(600, 4000))
def test_an_urgent_event_passes_any_backlog_of_pictures(backlog: list[int], urgent: int) -> None:
    queues = Queues([[], [], backlog, list(backlog)])
    queues.send()
    queues.waiting[URGENT].append(urgent)
    sent = [queues.send()]
    while URGENT not in sent:
        sent.append(queues.send())
    assert len(sent) <= 3, "at most one message of each other lane goes before it"


def test_over_a_long_time_each_lane_gets_its_share() -> None:
    queues = Queues([[1000] * 20_000, [2000] * 20_000, [500] * 20_000, [4000] * 20_000])
    for _ in range(12_000):
        queues.send()
    bytes_of = {lane: sum(size for name, size in queues.gone if name is lane) for lane in LANES}
    per_share = [bytes_of[lane] / lane.share for lane in LANES]
    assert max(per_share) < 1.05 * min(per_share)


def test_who_was_idle_has_saved_nothing_up() -> None:
    queues = Queues([[], [1000] * 500, [], [1000] * 500])
    for _ in range(400):
        queues.send()
    queues.waiting[URGENT].extend([1000] * 2000)
    sent = [queues.send() for _ in range(100)]
    assert sent.count(LIVE) >= 15, "a flood of urgent events takes four of five places, not all"


def test_a_lane_that_is_held_up_keeps_its_place_and_gets_nothing_afterwards() -> None:
    shares, (urgent, live, _, backlog) = Shares(), LANES
    for _ in range(1000):
        assert shares.choose({urgent: 100}, {backlog: 100}) is urgent
        shares.took(urgent, 100)
    went = []
    for _ in range(40):
        lane = shares.choose({urgent: 100, live: 100, backlog: 100})
        shares.took(lane, 100)
        went.append(lane)
    assert went[0] is backlog, "its place"
    assert went.count(backlog) == 1, "and no more for what it could not use"
