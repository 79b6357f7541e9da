"""What a run counts: frames, findings, rejections by hint, and times over the last thousand frames."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

_ROLLING = 1000


@dataclass(slots=True)
class Statistics:
    """frames: consumed. rejected: by hint, NO_VERDICT or NO_ENCOUNTER. step_ms: frame in hand → findings kept."""

    frames: int = 0
    accepted: int = 0
    findings: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    step_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_ROLLING))
    times_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_ROLLING))

    def percentile_ms(self, fraction: float) -> float | None:
        """Nearest rank over the last thousand frames looked at."""
        ranked = sorted(self.step_ms)
        return ranked[min(len(ranked) - 1, int(fraction * len(ranked)))] if ranked else None

    @property
    def fps(self) -> float | None:
        """Frames consumed a second, over the last thousand."""
        if len(self.times_ns) < 2 or self.times_ns[-1] == self.times_ns[0]:
            return None
        return (len(self.times_ns) - 1) * 1e9 / (self.times_ns[-1] - self.times_ns[0])

    @property
    def rejected_fraction(self) -> float:
        return sum(self.rejected.values()) / self.frames if self.frames else 0.0
