"""The demonstration's three sites, and what the device of each is set to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

RATE_HZ = 15.0
VERDICT_INTERVALS = 2.5
"""A verdict on a frame is still young after this many intervals, however far frames are apart."""
VERDICT_MAX_AGE_MS_MIN = 200

SETTINGS = """\
[camera]
source = "phantom"
rate_hz = {rate_hz}
[quality]
verdict_max_age_ms = {verdict_max_age_ms}
[inference]
threads = {threads}
[phantom]
seed = {seed}
first_person = {first_person}
lesions_per_person = {lesions}
[outbox]
ledger = {ledger}
[operator]
script = "phantom"
"""


class Post(NamedTuple):
    """A device at its site. persons: of every six that the demonstration sees; first_person: who comes first.

    All begin and end together, so who sees fewer persons takes fewer frames a second.
    """

    site: str
    device: str
    persons: int
    first_person: int

    @property
    def has_view(self) -> bool:
        """Only the first one's picture is shown."""
        return self == POSTS[0]

    def frames(self, total: int) -> int:
        """Its part of all frames; the first one has what is left over."""
        parts = {post: total * post.persons // PERSONS for post in POSTS[1:]}
        return parts.get(self, total - sum(parts.values()))

    def settings(self, *, seed: int, lesions: int, ledger: Path) -> str:
        """Its configuration file."""
        rate_hz = RATE_HZ * self.persons / POSTS[0].persons
        return SETTINGS.format(
            rate_hz=rate_hz,
            verdict_max_age_ms=max(VERDICT_MAX_AGE_MS_MIN, round(VERDICT_INTERVALS * 1000 / rate_hz)),
            threads=2 if self.has_view else 1,
            seed=seed,
            first_person=self.first_person,
            lesions=lesions,
            ledger=json.dumps(str(ledger)),
        )


POSTS = (Post("hospital", "phantom-1", 4, 0), Post("community", "phantom-2", 1, 4), Post("village", "phantom-3", 1, 5))
PERSONS = sum(post.persons for post in POSTS)
