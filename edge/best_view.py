"""The frame that shows a lesion best, and how the lesion looks there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.frame import Box, Frame, Pixels
from edge.quality import QualityReport

CROP_SIDE_MAX_PX = 512
CROP_BORDER = 0.5
"""In sides of the box, all around: a lesion is judged by the skin beside it."""


@dataclass(slots=True, eq=False)
class BestView:
    """The frame that shows the lesion best; box_px, report and all else are of that frame.

    contrast: (3,) the lesion's mean R, G, B over that of the skin around it. crop: (height, width, 3), the box and
    half of its sides around it, in its own memory, at most CROP_SIDE_MAX_PX.
    """

    box_px: Box
    frame_size_px: tuple[int, int]
    sequence: int
    captured_at: datetime
    report: QualityReport
    contrast: NDArray[np.float64]
    merit: float
    crop: Pixels

    @classmethod
    def of(cls, rgb: Pixels, frame: Frame, box: Box, report: QualityReport, merit: float) -> BestView:
        """`report` is on this very frame. Of the picture only the crop is held."""
        contrast = contrast_to_skin(rgb, box)
        return cls(box, frame.size_px, frame.sequence, frame.captured_at, report, contrast, merit, _crop(rgb, box))


def _crop(rgb: Pixels, box: Box) -> Pixels:
    window = _window(rgb, box, CROP_BORDER)
    height, width = window.shape[:2]
    scale = CROP_SIDE_MAX_PX / max(height, width)
    if scale >= 1:
        return window.copy()
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(window, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _window(rgb: Pixels, box: Box, border: float) -> Pixels:
    """The box and `border` sides around it, as far as the picture reaches; at least one pixel."""
    height, width = rgb.shape[:2]
    x, y = border * (box.x_max - box.x_min), border * (box.y_max - box.y_min)
    left, top = int(min(max(box.x_min - x, 0), width - 1)), int(min(max(box.y_min - y, 0), height - 1))
    right, bottom = int(min(max(box.x_max + x, left + 1), width)), int(min(max(box.y_max + y, top + 1), height))
    return rgb[top:bottom, left:right]


def contrast_to_skin(rgb: Pixels, box: Box) -> NDArray[np.float64]:
    """(3,) mean R, G, B of the box's middle over that of the box with its surroundings."""
    inside, around = _window(rgb, box, -0.25), _window(rgb, box, 0.5)
    middle, whole = (np.asarray(cv2.mean(each)[:3], dtype=np.float64) for each in (inside, around))
    contrast: NDArray[np.float64] = middle / np.maximum(whole, 1.0)
    return contrast
