"""Whether a frame may count as evidence: the newest quality report, if it is fresh enough for this frame.

Quality is judged on its own thread, so the newest report may be about an older frame. A report that is too old says
nothing about this one, and a frame without a verdict is no evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.frame import Frame
from edge.quality import QualityReport

NO_VERDICT = "no_verdict"
"""Stands where a hint would, for a frame that nobody has judged in time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """accepted: the frame counts. hint: what to do, NO_VERDICT, or None. exact: the report is about this very frame."""

    accepted: bool
    hint: str | None
    report: QualityReport | None
    exact: bool


def verdict_on(frame: Frame, newest: tuple[QualityReport, int] | None, max_age_ms: int) -> Verdict:
    """`newest`: the report and its frame's monotonic_ns, as edge.quality gives them; None when there is none yet."""
    if newest is None or abs(frame.monotonic_ns - newest[1]) > max_age_ms * 1_000_000:
        return Verdict(False, NO_VERDICT, None, False)
    report, judged_ns = newest
    return Verdict(report.accepted, report.hint, report, judged_ns == frame.monotonic_ns)
