"""Nobody learns a small count from what is told, by whatever subtraction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.suppression import suppressed, suppressed_parts

UNDER = 5


@pytest.mark.parametrize(("count", "told"), [(0, None), (4, None), (5, 5), (214, 214)])
def test_a_small_count_is_not_told_and_nought_is_one(count: int, told: int | None) -> None:
    assert suppressed(count, UNDER) == told


def test_the_smallest_of_the_others_is_hidden_beside_a_small_part() -> None:
    parts = {"urgent": 3, "routine": 20, "person": 9, "self_care": 40}
    assert suppressed_parts(parts, UNDER) == {"urgent": None, "routine": 20, "person": None, "self_care": 40}


def test_where_nothing_is_small_all_is_told() -> None:
    parts = {"urgent": 5, "routine": 20}
    assert suppressed_parts(parts, UNDER) == parts


@given(st.lists(st.integers(0, 30), min_size=2, max_size=5))
def test_what_is_hidden_is_never_alone_and_never_small_together(counts: list[int]) -> None:
    """Else whoever has the total subtracts what is told, and has it."""
    parts = {str(index): count for index, count in enumerate(counts)}
    told = suppressed_parts(parts, UNDER)
    hidden = [parts[name] for name, count in told.items() if count is None]
    assert all(count == parts[name] >= UNDER for name, count in told.items() if count is not None)
    assert not hidden or len(hidden) == len(parts) or (len(hidden) > 1 and sum(hidden) >= UNDER)
