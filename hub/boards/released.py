"""How many people and findings a site has, as it may be told.

Small counts are hidden, and a site's figures move only when at least as many more people were screened: who compares
two of them learns about a group, never about the one person who was there between. A new process begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.queries_boards import SiteCounts
from hub.suppression import shown_count, suppressed


@dataclass(frozen=True)
class ReleasedCounts:
    """None: too few to be told."""

    site: str
    screened: int | None
    refused: int | None
    findings: int | None
    tiers: Mapping[str, int | None]


class Released:
    """Remembers what was told last of each site."""

    def __init__(self, suppress_under: int) -> None:
        self._under = suppress_under
        self._told: dict[str, SiteCounts] = {}

    def release(self, sites: Sequence[SiteCounts]) -> list[ReleasedCounts]:
        """One a site, in their order; of a site where too few came since, the same as the last time."""
        told = {}
        for new in sites:
            before = self._told.get(new.site)
            is_due = before is None or abs(new.screened - before.screened) >= self._under
            told[new.site] = new if before is None or is_due else before
        self._told = told
        return [self._suppressed(each) for each in told.values()]

    def _suppressed(self, counts: SiteCounts) -> ReleasedCounts:
        tiers, findings = suppressed(list(counts.tiers.values()), self._under)
        return ReleasedCounts(
            site=counts.site,
            screened=shown_count(counts.screened, self._under),
            refused=shown_count(counts.refused, self._under),
            findings=findings,
            tiers=dict(zip(counts.tiers, tiers, strict=True)),
        )
