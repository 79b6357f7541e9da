"""Which event goes next: a rule as data, and the arithmetic that applies it.

Each lane gets its share of the bytes while it has something to send, by self-clocked fair queueing (Golestani, INFOCOM
1994): the message whose virtual finish comes first goes first. So no lane starves, however much the others have; and a
backlog never stands before what is happening now, since a share is small against theirs. Ageing: a live event that has
waited LIVE_S is news no more and moves into a lane behind the live ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from edge.wire import MESSAGE_BYTES_MAX, Priority

LIVE_S = 60.0


class Lane(NamedTuple):
    """share: of the bytes, against the other lanes' shares.

    on_way_bytes_max: of this lane's messages without an acknowledgement, but for the first; on a slow link what is on
    its way stands before everything else.
    """

    priority: Priority
    is_aged: bool
    share: int
    on_way_bytes_max: int


LANES = (
    Lane("urgent", False, 64, 32 * MESSAGE_BYTES_MAX),
    Lane("live", False, 16, 32 * MESSAGE_BYTES_MAX),
    Lane("live", True, 4, MESSAGE_BYTES_MAX),
    Lane("backlog", False, 1, MESSAGE_BYTES_MAX),
)


NOBODY: Mapping[Lane, int] = {}
OTHERS_KEEP = 4
"""One in so many places of the window is left to the other lanes where urgent events fill it: their share, nearly."""


def places(lane: Lane, window: int, on_way: Mapping[Lane, int]) -> int:
    """How many more of a lane's messages may be on their way at once, of so many in all.

    To what presses only its own kind counts: it starts at once, whatever else has no acknowledgement yet.
    """
    urgent = sum(count for each, count in on_way.items() if each.priority == "urgent")
    others = sum(on_way.values()) - urgent
    if lane.priority == "urgent":
        return window - urgent
    return max(window - urgent, -(-window // OTHERS_KEEP)) - others


class Shares:
    """Who has had how much. Virtual time is bytes over share; it moves with what is sent, and with nothing else."""

    def __init__(self) -> None:
        self._now = 0.0
        self._finish = dict.fromkeys(LANES, 0.0)
        self._start: dict[Lane, float] = {}

    def choose(self, ready: Mapping[Lane, int], held_up: Mapping[Lane, int] = NOBODY) -> Lane:
        """Of the lanes that have something, with the bytes of each one's next message: the one that goes.

        held_up: those that have something as well and may not start it. They keep their place, and are next but once:
        what they could not use they do not get afterwards.
        """
        # A lane keeps its place for as long as it waits; one that comes back begins where the others are.
        self._start = {
            lane: max(self._start.get(lane, max(self._finish[lane], self._now)), self._now - size_bytes / lane.share)
            for lane, size_bytes in (*held_up.items(), *ready.items())
        }
        return min(ready, key=lambda lane: (self._start[lane] + ready[lane] / lane.share, LANES.index(lane)))

    def took(self, lane: Lane, size_bytes: int) -> None:
        """This much of the lane that was chosen has gone."""
        self._finish[lane] = self._start[lane] = self._start[lane] + size_bytes / lane.share
        self._now = max(self._now, self._finish[lane])
