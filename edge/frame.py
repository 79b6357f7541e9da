"""One picture from a camera, with the time at which it was taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
PixelFormat = Literal["RGB888", "YUV420"]


class Box(NamedTuple):
    """Corners in pixels, x to the right, y down; the maximum edge is exclusive."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def area(self) -> float:
        """Square pixels; 0 for a box without extent."""
        return max(0.0, self.x_max - self.x_min) * max(0.0, self.y_max - self.y_min)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        overlap = Box(
            max(self.x_min, other.x_min),
            max(self.y_min, other.y_min),
            min(self.x_max, other.x_max),
            min(self.y_max, other.y_max),
        ).area
        union = self.area + other.area - overlap
        return overlap / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture as the camera gave it.

    planes: uint8. RGB888: (height, width, 3), channels R, G, B. YUV420: (height * 3 / 2, width), planar I420.
    sequence: the camera's own count from 0; gaps are frames that nobody took.
    captured_at: wall time, aware, UTC. monotonic_ns: the same moment on the process's monotonic clock.
    """

    planes: Pixels
    pixel_format: PixelFormat
    sequence: int
    captured_at: datetime
    monotonic_ns: int

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height)."""
        rows, columns = self.planes.shape[:2]
        return columns, rows if self.pixel_format == "RGB888" else rows * 2 // 3

    def rgb(self) -> Pixels:
        """(height, width, 3) uint8, R, G, B; the frame's own memory when it is RGB already."""
        if self.pixel_format == "RGB888":
            return self.planes
        return np.asarray(cv2.cvtColor(self.planes, cv2.COLOR_YUV2RGB_I420), dtype=np.uint8)
