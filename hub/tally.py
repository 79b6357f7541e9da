"""What may happen a thousand times a second, told in one line a minute and kind: a flood must not fill the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from edge.clock import Clock

EVERY_NS = 60_000_000_000

_log = logging.getLogger(__name__)


@dataclass
class _Kind:
    told_at_ns: int
    untold: int = 0
    newest: str = ""


class Tally:
    """The first of a kind is told at once, what follows within the minute as a count. Used from one thread.

    Kinds must be few: they come from the program, never from a message.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def add(self, kind: str, line: str, count: int = 1) -> None:
        if kind not in self._kinds:
            self._kinds[kind] = _Kind(self._clock.monotonic_ns() - EVERY_NS)
        known = self._kinds[kind]
        known.untold += count
        known.newest = line
        self.tell()

    def tell(self) -> None:
        """Log what was counted since each kind's last line, where that is a minute ago."""
        now_ns = self._clock.monotonic_ns()
        for kind, known in self._kinds.items():
            if known.untold and now_ns - known.told_at_ns >= EVERY_NS:
                more = f" ({known.untold} of this kind, {kind})" if known.untold > 1 else ""
                _log.warning("%s%s", known.newest, more)
                known.told_at_ns, known.untold = now_ns, 0
