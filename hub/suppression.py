"""Small counts of people are not shown, and the total does not give them away.

A cell under the floor is suppressed. Where the cells that are not shown could be told from the total and the rest,
because there is one of them or they hold fewer than the floor together, the smallest shown one is suppressed with them
(complementary suppression: Hundepool et al. 2012, Statistical Disclosure Control, chapter 4).
"""

from __future__ import annotations

from collections.abc import Sequence

FLOOR = 5


def suppressed(counts: Sequence[int], floor: int = FLOOR) -> tuple[list[int | None], int | None]:
    """The counts of people that may be shown side by side, and their total; None for what is not shown."""
    hidden = {place for place, count in enumerate(counts) if count < floor}
    shown = sorted((place for place in range(len(counts)) if place not in hidden), key=lambda place: counts[place])
    while hidden and shown and (len(hidden) < 2 or sum(counts[place] for place in hidden) < floor):
        hidden.add(shown.pop(0))
    total = sum(counts)
    return [None if place in hidden else count for place, count in enumerate(counts)], shown_count(total, floor)


def shown_count(count: int, floor: int = FLOOR) -> int | None:
    """One count by itself; None under the floor."""
    return None if count < floor else count


def shown_part(part: int, whole: int, floor: int = FLOOR) -> int | None:
    """A part of a whole that stands beside it: neither the part nor what is left of the whole may be small.

    All of it or none of it says nothing about a few, and is shown.
    """
    left = whole - part
    return None if 0 < part < floor or 0 < left < floor or whole < floor else part
