"""Nobody learns a small count from what is told, by whatever subtraction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.suppression import shown_count, suppressed

UNDER = 5


@pytest.mark.parametrize(("count", "told"), [(0, None), (4, None), (5, 5), (214, 214)])
def test_a_small_count_is_not_told_and_nought_is_one(count: int, told: int | None) -> None:
    assert shown_count(count, UNDER) == told


def test_the_smallest_of_the_others_is_hidden_beside_a_small_part() -> None:
    assert suppressed([3, 20, 9, 40], UNDER) == ([None, 20, None, 40], 72)


def test_where_nothing_is_small_all_is_told() -> None:
    assert suppressed([5, 20], UNDER) == ([5, 20], 25)


@given(st.lists(st.integers(0, 30), max_size=8))
def test_what_is_hidden_is_never_alone_and_never_small_together(counts: list[int]) -> None:
    """Else whoever has the total subtracts what is told, and has it."""
    told, total = suppressed(counts, UNDER)
    hidden = [count for count, shown in zip(counts, told, strict=True) if shown is None]
    assert all(shown == count >= UNDER for count, shown in zip(counts, told, strict=True) if shown is not None)
    assert total == (sum(counts) if sum(counts) >= UNDER else None)
    assert not hidden or len(hidden) == len(counts) or (len(hidden) > 1 and sum(hidden) >= UNDER)
