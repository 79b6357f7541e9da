"""The pictures that go with what was seen, where the consent covers them: a finding's crop, and the whole view.

The whole view is sent of people who were drawn for the sample alone, findings or none, once they have left: it is the
sharpest accepted frame of the visit. Nothing of either is written anywhere but into the sealed events.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import cv2
import numpy as np

from edge.best_view import BestView
from edge.encounter import Encounter
from edge.events import Finding, PicturePart
from edge.frame import Pixels
from edge.pictures import encode_jpeg
from edge.renditions import cut
from edge.verdict import Verdict

VIEW_SIDE_MAX_PX = 1280
CROP_QUALITY = 90
VIEW_QUALITY = 85
_BETTER = 1.02
"""So much sharper a frame must be to take the best one's place; it is encoded then."""


def crop_of(best: BestView, finding: Finding) -> Sequence[PicturePart]:
    """The parts of the lesion with the skin around it, from the very frame that the finding speaks of."""
    jpeg = encode_jpeg(best.crop, CROP_QUALITY)
    return cut(finding.encounter, finding.finding_id, "crop", jpeg, finding.at)


class WholeView:
    """The best frame of one visit; `reset` with every person."""

    def __init__(self) -> None:
        self._jpeg: bytes | None = None
        self._sharpness = 0.0

    def reset(self) -> None:
        self._jpeg, self._sharpness = None, 0.0

    def offer(self, rgb: Pixels, verdict: Verdict) -> None:
        """Looked at where the frame was accepted on its own report; rgb is not held."""
        report = verdict.report
        if not verdict.accepted or report is None or not verdict.exact:
            return
        if self._jpeg is None or report.sharpness > self._sharpness * _BETTER:
            self._jpeg, self._sharpness = encode_jpeg(_fitted(rgb), VIEW_QUALITY), report.sharpness

    def parts(self, encounter: Encounter, at: datetime) -> Sequence[PicturePart]:
        """Of the best frame; empty where no frame was good enough."""
        return [] if self._jpeg is None else cut(encounter, None, "full", self._jpeg, at)


def _fitted(rgb: Pixels) -> Pixels:
    """(height, width, 3), its longer side at most VIEW_SIDE_MAX_PX."""
    height, width = rgb.shape[:2]
    scale = VIEW_SIDE_MAX_PX / max(height, width)
    if scale >= 1:
        return rgb
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
