"""What a reviewer has chosen so far: a label and a tier, by key or by mouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from hub.desk.deciding import NOTHING, OTHER, reviewer_labels

TIERS = ("urgent", "routine", "person", "self_care")
_GROUPS = [label for label in reviewer_labels() if label not in {OTHER, NOTHING}]
LABEL_KEYS: Mapping[str, str] = {
    **{str(number): label for number, label in enumerate(_GROUPS, start=1)},
    str(len(_GROUPS) + 1): OTHER,
    "0": NOTHING,
}
"""Key → label: the groups in their order, something else, nothing."""


@dataclass(frozen=True)
class Answer:
    """Of either, "" is not chosen; choosing the same again takes it back."""

    label: str = ""
    tier: str = ""

    def with_(self, part: Literal["label", "tier"], chosen: str) -> Answer:
        known = LABEL_KEYS.values() if part == "label" else TIERS
        value = chosen if chosen in known and chosen != getattr(self, part) else ""
        return replace(self, label=value) if part == "label" else replace(self, tier=value)

    def with_next_tier(self) -> Answer:
        """Round and round, with none between the last and the first."""
        order = ("", *TIERS)
        return replace(self, tier=order[(order.index(self.tier) + 1) % len(order)])
