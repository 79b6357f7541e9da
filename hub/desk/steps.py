"""A referral's steps, as a table: who is asked for, taken, seen, and sent back.

    requested → accepted → seen → returned → down_referral
        └→ declined, expired ─┘ (somebody who comes all the same is seen all the same)

Words of a device may come late, twice and in any order. So a referral stands where the furthest of its steps is, by
RANK: the join of a chain is commutative, associative and idempotent, and every order of arrival ends alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.events import ReferralStep

TABLE: Mapping[ReferralStep, tuple[ReferralStep, ...]] = {
    "requested": ("accepted", "declined", "expired", "seen"),
    "accepted": ("declined", "expired", "seen"),
    "declined": ("seen",),
    "expired": ("seen",),
    "seen": ("returned", "down_referral"),
    "returned": ("down_referral",),
    "down_referral": (),
}
"""What a person at the hub may say next."""
RANK: Mapping[ReferralStep, int] = {
    "requested": 0,
    "accepted": 1,
    "expired": 2,
    "declined": 3,
    "seen": 4,
    "returned": 5,
    "down_referral": 6,
}
"""Every step of TABLE leads upwards."""
CLOSED: tuple[ReferralStep, ...] = ("declined", "expired", "returned", "down_referral")


def furthest(steps: Iterable[ReferralStep]) -> ReferralStep:
    """Where a referral stands that has these steps, in whatever order they came; `requested` for none."""
    return max(steps, key=RANK.__getitem__, default="requested")
