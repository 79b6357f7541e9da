"""A dermoscopic lesion cut out along its own edge: a soft matte from colour distance, and a box that touches it.

The boxes of the data set carry a margin of about a fifth; here the box is the extent of the segmented lesion, as a
mask-based ground truth would be. Segmentation is colour distance to the surrounding skin with Otsu's threshold, the
classic baseline for dermoscopy (Celebi et al. 2009, "Lesion border detection in dermoscopy images").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data import Picture

MARGIN = 0.14
"""How far beyond its box a lesion is cut, as a fraction of the box's sides: skin to compare with."""
CONTRAST_MIN = 14.0
"""Least colour distance (CIE76) between lesion and skin: below it the edge is a guess."""
FILL = (0.25, 0.85)
"""Share of its own tight box that a mask may fill."""
BOX_SHARE = (0.3, 1.02)
"""Share of the labelled box's sides that the tight box may take: less, and only a part of the lesion was found."""
BLOWN_L = 95.0
"""Skin lighter than this is overexposed: nothing of its colour is left."""
DARK_L = 22.0
"""Lightness below which the ring round a lesion is the tube of the dermoscope, no skin."""


@dataclass(frozen=True)
class Cut:
    """lab: float32 [h, w, 3] (CIELAB of D65: L 0..100). alpha: float32 [h, w], 0..1. skin: Lab [3] round the lesion.

    box: (x0, y0, x1, y1) of the visible lesion in px of the cut.
    """

    lab: NDArray[np.float32]
    alpha: NDArray[np.float32]
    skin: NDArray[np.float32]
    box: tuple[int, int, int, int]
    group: str


def to_lab(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """From sRGB 0..255 to CIELAB, float32."""
    return cv2.cvtColor(np.asarray(rgb, np.float32) / np.float32(255), cv2.COLOR_RGB2Lab).astype(np.float32, copy=False)


def cut(picture: Picture) -> Cut | None:
    """The largest lesion of a picture, or None where its edge cannot be trusted or its neighbours are in the way."""
    boxes = picture.boxes_px
    if not len(boxes):
        return None
    box = boxes[np.argmax((boxes[:, 2:] - boxes[:, :2]).prod(1))]
    margin = MARGIN * (box[2:] - box[:2])
    x0, y0 = np.floor((box[:2] - margin).clip(0)).astype(int)
    x1, y1 = np.ceil(np.minimum(box[2:] + margin, [picture.width_px, picture.height_px])).astype(int)
    touching = (boxes[:, 0] < x1) & (boxes[:, 2] > x0) & (boxes[:, 1] < y1) & (boxes[:, 3] > y0)
    if int(touching.sum()) > 1:
        return None
    lab = to_lab(picture.rgb()[y0:y1, x0:x1])
    inner = np.zeros(lab.shape[:2], bool)
    inner[int(box[1]) - y0 : int(box[3]) - y0 + 1, int(box[0]) - x0 : int(box[2]) - x0 + 1] = True
    ring = lab[~inner & (lab[..., 0] > DARK_L)]
    if len(ring) < 0.1 * inner.size:
        return None
    skin = np.median(ring, 0).astype(np.float32)
    if skin[0] > BLOWN_L:
        return None
    mask, distance = _segment(lab, skin, inner)
    if mask is None or not _trusted(mask, distance, inner):
        return None
    x, y, width, height = cv2.boundingRect(mask)
    alpha = _matte(mask, distance)
    return Cut(lab, alpha, skin, (x, y, x + width, y + height), picture.group)


def _segment(lab: NDArray[np.float32], skin: NDArray[np.float32], inner: NDArray[np.bool_]
             ) -> tuple[NDArray[np.uint8] | None, NDArray[np.float32]]:  # fmt: skip
    """Mask (0 or 1) of the largest part that differs from skin, and the smoothed colour distance."""
    smooth = cv2.medianBlur(cv2.GaussianBlur(lab, (0, 0), 1.2), 5)
    # Lightness counts half: shading changes it more than a lesion's edge does.
    distance = np.sqrt((((smooth - skin) * np.array([0.75, 1, 1], np.float32)) ** 2).sum(2)).astype(np.float32)
    scaled = (distance * 4).clip(0, 255).astype(np.uint8)
    level, _ = cv2.threshold(scaled[inner].reshape(1, -1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    raw = ((scaled > 0.85 * level) & (distance > 6)).astype(np.uint8)
    side = max(3, int(0.04 * min(lab.shape[:2])) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    clean = cv2.morphologyEx(cv2.morphologyEx(raw, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)
    contours, _ = cv2.findContours(clean, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None, distance
    largest = max(contours, key=cv2.contourArea)
    mask = cv2.drawContours(np.zeros_like(clean), [largest], -1, 1, -1)
    return mask.astype(np.uint8, copy=False), distance


def _trusted(mask: NDArray[np.uint8], distance: NDArray[np.float32], inner: NDArray[np.bool_]) -> bool:
    x, y, width, height = cv2.boundingRect(mask)
    rows, cols = mask.shape
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    labelled_rows, labelled_cols = inner.any(1).sum(), inner.any(0).sum()
    fill = float(mask.sum()) / (width * height)
    contrast = float(distance[mask > 0].mean() - distance[mask == 0].mean())
    shares = (width / labelled_cols, height / labelled_rows)
    return (
        not edge.any()
        and min(x, y, cols - x - width, rows - y - height) >= 2
        and FILL[0] <= fill <= FILL[1]
        and contrast >= CONTRAST_MIN
        and all(BOX_SHARE[0] <= share <= BOX_SHARE[1] for share in shares)
    )


def _matte(mask: NDArray[np.uint8], distance: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 inside; across the rim the colour distance decides, within a band of 4 % of the lesion's side."""
    band = max(3, int(0.04 * max(cv2.boundingRect(mask)[2:])))
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    rim = float(np.median(distance[(inside > 0) & (inside <= 2)]))
    by_colour = (distance / max(rim, 1e-3) - 0.35).clip(0, 1)
    by_place = (0.5 + (inside - outside) / (2 * band)).clip(0, 1)
    alpha = np.maximum(by_place, by_colour * (outside <= band) * (1 - outside / band).clip(0, 1))
    return cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), 1.0).astype(np.float32, copy=False)
