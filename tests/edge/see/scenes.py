"""Frames, verdicts and lesions on a straight way, for tests of tracking and findings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from edge.detect import Detection
from edge.frame import Box, Frame, Pixels
from edge.quality import QualityReport
from edge.verdict import Verdict

SIZE_PX = 640, 360
PERIOD_NS = 66_666_667
START = datetime(2026, 1, 1, tzinfo=UTC)
LABEL = "cutaneous_tumour"
THRESHOLDS = {LABEL: 0.5, "acne_rosacea": 0.5}
REPORT = QualityReport(accepted=True, hint=None, sharpness=0.5, motion_px=0.0, mean_luma=120.0, clipped_fraction=0.0)
GOOD = Verdict(accepted=True, hint=None, report=REPORT, exact=True)
BAD = Verdict(accepted=False, hint="too_blurry", report=REPORT, exact=True)


class FixedClock:
    """A clock that stands where the test puts it."""

    def __init__(self) -> None:
        self.ns = 0

    def now(self) -> datetime:
        return START + timedelta(microseconds=self.ns / 1000)

    def monotonic_ns(self) -> int:
        return self.ns

    def synchronised(self) -> bool:
        return True


def skin(*lesions: Box) -> Pixels:
    """(360, 640, 3): even skin with brown boxes."""
    rgb = np.full((SIZE_PX[1], SIZE_PX[0], 3), (205, 160, 140), dtype=np.uint8)
    for box in lesions:
        left, top, right, bottom = (round(edge) for edge in box)
        rgb[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = (95, 60, 45)
    return rgb


def frame(sequence: int, *lesions: Box) -> Frame:
    captured = START + timedelta(seconds=sequence / 15)
    return Frame(skin(*lesions), "RGB888", sequence, captured, 1 + sequence * PERIOD_NS)


def box(x: float, y: float, side: float = 60.0) -> Box:
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def seen(where: Box, score: float = 0.8, label: str = LABEL) -> Detection:
    return Detection(where, list(THRESHOLDS).index(label), label, score)
