"""How far the picture moved between two frames, from the picture itself.

Phase correlation (Kuglin and Hines 1975) of two small copies: all skin moves as one, so one shift describes it, also
where no lesion is seen and where a blurred frame lies between. Quality asks for it to see an unsteady hand; tracks are
carried along with it, as in BoT-SORT (Aharon et al. 2022). Zoom and turning are not modelled; between two frames they
are small.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.frame import Pixels

Grey = NDArray[np.float32]

SIDE_PX = 160
RESPONSE_MIN = 0.1
"""Of 1: below it the peak is no better than noise, and the motion is unknown. The phantom's true moves reach 0.3."""


def shift(before: Grey, after: Grey) -> tuple[float, float] | None:
    """Pixels (x, y) that the scene moved by between two copies (h, w) of one size; None where that is unknown."""
    height, width = after.shape
    (x, y), response = cv2.phaseCorrelate(before, after, _window(width, height))
    return (x, y) if response >= RESPONSE_MIN else None


@lru_cache(maxsize=4)
def _window(width: int, height: int) -> Grey:
    """Without it the picture's edges are what correlates."""
    return np.asarray(cv2.createHanningWindow((width, height), cv2.CV_32F), dtype=np.float32)


class CameraMotion:
    """Holds the last small copy; every frame costs a few thousand pixels and two transforms of them."""

    def __init__(self) -> None:
        self._previous: Grey | None = None
        self._current: Grey | None = None
        self._is_first = True

    def reset(self) -> None:
        """The next frame has no frame before it."""
        self._is_first = True

    def shift(self, rgb: Pixels) -> tuple[float, float] | None:
        """Pixels that the scene moved by since the frame before; None where that is unknown. rgb: (h, w, 3)."""
        stride = max(1, max(rgb.shape[:2]) // SIDE_PX)
        # Bare sampling of the green channel: noise and aliasing spread over all frequencies, the shift does not.
        sampled = rgb[stride // 2 :: stride, stride // 2 :: stride, 1]
        if self._previous is None or self._current is None or self._current.shape != sampled.shape:
            self._previous = np.empty(sampled.shape, dtype=np.float32)
            self._current = np.empty(sampled.shape, dtype=np.float32)
            self._is_first = True
        self._previous, self._current = self._current, self._previous
        self._current[:] = sampled
        if self._is_first:
            self._is_first = False
            return None
        moved = shift(self._previous, self._current)
        return None if moved is None else (moved[0] * stride, moved[1] * stride)
