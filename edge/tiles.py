"""Small lesions in large pictures: the detector over overlapping tiles as well as the whole (after SAHI, Akyon 2022).

The finest tiles are of the model's own size, so a lesion is seen in the pixels that it was taken with; where the
picture is much larger, coarser tiles of twice the side lie between these and the whole. A tile answers for what is
surely whole in it or in a neighbour: for nothing larger than the overlap, and for nothing that an inner border cuts.
Larger lesions come from the coarser tiles, and from the whole picture in the end.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge.config import Detect
from edge.detect import Detection, Detector, Latency
from edge.frame import Box, Pixels

OVERLAP_FRACTION = 0.25
"""Neighbours share at least this part of their side."""
CUT_FRACTION = 0.02
"""A box that comes this near to an inner border, in tile sides, is of something that goes on behind it."""
PART_FRACTION = 0.7
"""The overlap, in parts of the smaller box, from which two boxes are of one lesion, seen from near and from afar."""
FUSED_IOU = 0.3
"""Boxes of one lesion that agree this far are averaged; the others are dropped."""


class TiledDetector:
    """A detector that looks closer as well; used like the one that it holds."""

    def __init__(self, detector: Detector, settings: Detect) -> None:
        self.bundle, self.backend = detector.bundle, detector.backend
        self.latency = Latency(0.0, 0.0, 0.0)
        self._detector, self._settings = detector, settings
        _, height, width, _ = detector.bundle.card.picture_input.shape
        self._input_px = width, height

    def detect(self, rgb: Pixels) -> list[Detection]:
        """Lesions of a (height, width, 3) RGB picture in its own pixels, best first; `latency` is the sum of all looks.

        A picture that is not larger than the model's input is one look, as without tiles.
        """
        size_px = rgb.shape[1], rgb.shape[0]
        found = self._detector.detect(rgb)
        looks = [self._detector.latency]
        closer = tiles(size_px, self._input_px)
        for tile in closer:
            x_min, y_min, x_max, y_max = (int(edge) for edge in tile)
            for each in self._detector.detect(rgb[y_min:y_max, x_min:x_max]):
                box = Box(*(edge + by for edge, by in zip(each.box_px, (x_min, y_min) * 2, strict=True)))
                if answers_for(tile, box, size_px):
                    found.append(Detection(box, each.class_id, each.label, each.score))
            looks.append(self._detector.latency)
        self.latency = Latency(
            sum(each.preprocess_ms for each in looks),
            sum(each.invoke_ms for each in looks),
            sum(each.decode_ms for each in looks),
        )
        return merged(found, self._detector.nms_iou, self._settings.max_detections) if closer else found


def tiles(size_px: tuple[int, int], input_px: tuple[int, int]) -> list[Box]:
    """Where to look closer at a (width, height) picture, level by level from fine to coarse, row by row.

    None where the picture is not larger than the input. The coarsest tiles are at most half as wide or high as it.
    """
    made = []
    sides = list(zip(size_px, input_px, strict=True))
    factor = 1
    while any(size > side if factor == 1 else size >= 2 * factor * side for size, side in sides):
        columns, rows = (_starts(size, factor * side) for size, side in sides)
        width, height = (min(size, factor * side) for size, side in sides)
        made += [Box(x, y, x + width, y + height) for y in rows for x in columns]
        factor *= 2
    return made


def _starts(size_px: int, tile_px: int) -> list[int]:
    """Where tiles begin along one side: evenly from border to border, overlapping by OVERLAP_FRACTION or more."""
    if size_px <= tile_px:
        return [0]
    count = 1 + math.ceil((size_px - tile_px) / (tile_px * (1 - OVERLAP_FRACTION)))
    return [round((size_px - tile_px) * index / (count - 1)) for index in range(count)]


def answers_for(tile: Box, box: Box, size_px: tuple[int, int]) -> bool:
    """Whether a box found in this tile, both in picture pixels, is of a lesion that is surely whole at this level."""
    side_px = max(tile.x_max - tile.x_min, tile.y_max - tile.y_min)
    if max(box.x_max - box.x_min, box.y_max - box.y_min) > OVERLAP_FRACTION * side_px:
        return False
    margin_px = CUT_FRACTION * side_px
    return not (
        (tile.x_min > 0 and box.x_min - tile.x_min < margin_px)
        or (tile.y_min > 0 and box.y_min - tile.y_min < margin_px)
        or (tile.x_max < size_px[0] and tile.x_max - box.x_max < margin_px)
        or (tile.y_max < size_px[1] and tile.y_max - box.y_max < margin_px)
    )


def merged(found: list[Detection], nms_iou: float, at_most: int) -> list[Detection]:
    """One box a lesion, best first: class-agnostic, with the label and the score of the best look at it.

    Greedy like NMS, but a box within another is of the same lesion too, and the looks that agree are averaged, weighted
    by their scores (weighted box fusion, Solovyev 2021).
    """
    scores = np.asarray([each.score for each in found])
    boxes = np.asarray([each.box_px for each in found]).reshape(-1, 4)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    free = np.ones(len(found), dtype=bool)
    kept: list[Detection] = []
    for index in np.argsort(-scores, kind="stable"):
        if not free[index] or len(kept) == at_most:
            continue
        shared = _shared(boxes, boxes[index])
        iou = shared / (areas + areas[index] - shared)
        same = free & ((iou > nms_iou) | (shared >= PART_FRACTION * np.minimum(areas, areas[index])))
        fused = same & (iou >= FUSED_IOU)
        weights = scores[fused] / scores[fused].sum()
        kept.append(
            Detection(
                Box(*(weights @ boxes[fused]).tolist()), found[index].class_id, found[index].label, found[index].score
            )
        )
        free &= ~same
    return kept


def _shared(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) square pixels that each of (n, 4) corners shares with one box."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    return np.asarray(np.clip(sides, 0, None).prod(axis=1))
