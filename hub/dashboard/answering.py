"""What a reviewer has chosen so far: a label and a tier, by key or by mouse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

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
    """ "" is not chosen. Choosing the same again takes it back."""

    label: str = ""
    tier: str = ""

    def with_label(self, label: str) -> Answer:
        chosen = label if label in LABEL_KEYS.values() and label != self.label else ""
        return replace(self, label=chosen)

    def with_tier(self, tier: str) -> Answer:
        return replace(self, tier=tier if tier in TIERS and tier != self.tier else "")

    def with_next_tier(self) -> Answer:
        """Round and round, with none between the last and the first."""
        order = ("", *TIERS)
        return replace(self, tier=order[(order.index(self.tier) + 1) % len(order)])
