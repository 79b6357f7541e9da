"""Which tier comes first in the worklist, and what a tier is worth that a device suggested.

self_care counts only from a model that this hub has registered (hub/desk/models.py) and that covers all six groups of
disease: a device's own word is not enough to send somebody home.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge import terms
from edge.wire import Tier

URGENCY: Mapping[Tier, int] = {"urgent": 0, "routine": 1, "person": 2, "self_care": 3}
"""The smaller, the earlier."""
BLIND_URGENCY = URGENCY["routine"]
"""Of an item whose model's output is hidden: its place must not tell it. Urgent ones are never hidden."""


def counted_tier(told: Tier, labels: Iterable[str] | None) -> Tier:
    """The tier that counts. labels: of the model as registered here; None for one that is not."""
    covers_all = labels is not None and set(terms.groups()) <= set(labels)
    return "person" if told == "self_care" and not covers_all else told
