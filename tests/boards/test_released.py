"""What may be told of a site: no small count, and never the difference that one person makes."""

from __future__ import annotations

from hub.boards.released import Released
from hub.queries_boards import TIERS, SiteCounts


def site(screened: int, **tiers: int) -> SiteCounts:
    return SiteCounts("ward", screened, 0, dict.fromkeys(TIERS, 0) | tiers)


def test_a_site_s_figures_move_only_by_a_group() -> None:
    released = Released(5)
    (first,) = released.release([site(20, urgent=6, routine=9)])
    assert (first.screened, first.findings) == (20, 15)
    (same,) = released.release([site(24, urgent=7, routine=9)])
    assert same == first
    (moved,) = released.release([site(25, urgent=7, routine=9)])
    assert (moved.screened, moved.findings) == (25, 16)


def test_a_withdrawal_alone_moves_nothing_either() -> None:
    released = Released(5)
    (first,) = released.release([site(20, urgent=6, routine=9)])
    assert released.release([site(19, urgent=5, routine=9)]) == [first]


def test_a_new_site_is_told_with_what_is_too_small_left_out() -> None:
    (told,) = Released(5).release([site(4, urgent=3)])
    assert (told.screened, told.refused, told.findings) == (None, None, None)
    assert set(told.tiers.values()) == {None}
