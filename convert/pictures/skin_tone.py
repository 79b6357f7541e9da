"""Skin tone from a picture: the individual typology angle, ITA = arctan((L* - 50) / b*) in degrees, L* and b* the
medians over skin pixels in CIELAB, D65 (A. Chardon, I. Cretois, C. Hourseau, Int. J. Cosmet. Sci. 13, 1991).

Skin pixels: Cr 133 to 173 and Cb 77 to 127 (D. Chai, K. N. Ngan, IEEE Trans. Circuits Syst. Video Technol. 9, 1999),
neither black nor blown out, outside the lesions' boxes widened by a tenth; where no boxes are known, outside the middle
half of the picture, where a lesion is presumed. As in N. Kinyanjui et al., MICCAI 2020, but for their masks.

The camera's white balance and the light go into the angle: it bins pictures for comparing a model with itself, and
says nothing certain about a person.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.frame import Pixels

BINS = ("very light", "light", "intermediate", "tan", "brown", "dark")
"""From ITA over 55, 41, 28, 10 and -30 degrees down to the rest."""
UNKNOWN = "no skin seen"
_LOWER_EDGES_DEG = (55.0, 41.0, 28.0, 10.0, -30.0)
_SIDE_MAX_PX = 128
_CR, _CB = (133, 173), (77, 127)
_DARKEST, _BRIGHTEST = 40, 250
_BOX_MARGIN_FRACTION = 0.1
_SKIN_MIN_FRACTION = 0.02
"""Of the whole picture; less is not enough to name a tone."""


def ita_deg(rgb: Pixels, boxes_px: NDArray[np.floating] | None = None) -> float | None:
    """The angle of an (height, width, 3) RGB picture; None where too little skin is seen.

    boxes_px: (n, 4) lesions as x_min, y_min, x_max, y_max in the picture's pixels; empty: none there; None: not known.
    """
    rows, columns = rgb.shape[:2]
    scale = min(1.0, _SIDE_MAX_PX / max(rows, columns))
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    skin = _looks_like_skin(small)
    if boxes_px is None:
        boxes = np.array([[0.25 * size[0], 0.25 * size[1], 0.75 * size[0], 0.75 * size[1]]])
    else:
        boxes = _widened(np.asarray(boxes_px, dtype=np.float64).reshape(-1, 4) * scale)
    for x_min, y_min, x_max, y_max in np.clip(boxes, 0, (*size, *size)):
        skin[math.floor(y_min) : math.ceil(y_max), math.floor(x_min) : math.ceil(x_max)] = False
    if skin.mean() < _SKIN_MIN_FRACTION:
        return None
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[skin]
    lightness, _, yellow = np.median(lab, axis=0)
    # Skin is always yellower than grey: anything else is no skin, and would turn the angle's sign.
    return math.degrees(math.atan((lightness - 50) / yellow)) if yellow > 0 else None


def ita_bin(ita_deg: float) -> str:
    """The name of the angle's bin, one of BINS."""
    for name, edge in zip(BINS, _LOWER_EDGES_DEG, strict=False):
        if ita_deg > edge:
            return name
    return BINS[-1]


def _looks_like_skin(rgb: Pixels) -> NDArray[np.bool_]:
    _, cr, cb = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
    chroma = (cr >= _CR[0]) & (cr <= _CR[1]) & (cb >= _CB[0]) & (cb <= _CB[1])
    lit = (rgb.max(axis=2) >= _DARKEST) & (rgb.max(axis=2) < _BRIGHTEST)
    return np.asarray(chroma & lit)


def _widened(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    margin = (boxes[:, 2:] - boxes[:, :2]) * _BOX_MARGIN_FRACTION
    return np.hstack([boxes[:, :2] - margin, boxes[:, 2:] + margin])
