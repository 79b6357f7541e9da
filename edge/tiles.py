"""Small lesions in large pictures: the detector over overlapping tiles as well as the whole (after SAHI, Akyon 2022).

The coarsest tiles are three quarters of the picture wide, the next ones half of that, down to the model's own size. So
a lesion is seen at a scale not far from what training showed, and in the end in the pixels that it was taken with. A
tile answers for what is surely whole in it or in a neighbour: for nothing larger than the overlap, and for nothing that
an inner border cuts. Larger lesions come from the coarser tiles, and from the whole picture in the end. What all looks
found is suppressed, and voted on, as if one look had found it; only that every level is one more chance of a false
alarm, so odds are divided by their number, and a score means what it means without tiles.
"""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from edge.decode import Candidates, Floats
from edge.detect import Detection, Detector, Latency
from edge.frame import Box, Pixels

COARSEST_FRACTION = 0.75
"""Side of the coarsest tiles, of the picture's."""
OVERLAP_FRACTION = 0.25
"""Neighbours share at least this part of their side."""
CUT_FRACTION = 0.02
"""A box that comes this near to an inner border, in tile sides, is of something that goes on behind it."""


class TiledDetector:
    """A detector that looks closer as well; used like the one that it holds."""

    def __init__(self, detector: Detector) -> None:
        self.bundle, self.backend = detector.bundle, detector.backend
        self.latency = Latency(0.0, 0.0, 0.0)
        self._detector = detector
        _, height, width, _ = detector.bundle.card.picture_input.shape
        self._input_px = width, height

    def detect(self, rgb: Pixels) -> list[Detection]:
        """Lesions of a (height, width, 3) RGB picture in its own pixels, best first; `latency` is the sum of all looks.

        A picture that is hardly larger than the model's input is one look, as without tiles.
        """
        size_px = rgb.shape[1], rgb.shape[0]
        found, looks = [self._detector.look(rgb)], [self._detector.latency]
        closer = tiles(size_px, self._input_px)
        levels = 1 + len({(tile.x_max - tile.x_min, tile.y_max - tile.y_min) for tile in closer})
        for tile in closer:
            x_min, y_min, x_max, y_max = (int(edge) for edge in tile)
            scores, classes, boxes = self._detector.look(rgb[y_min:y_max, x_min:x_max])
            looks.append(self._detector.latency)
            boxes = boxes + np.asarray((x_min, y_min) * 2, dtype=np.float32)
            whole = answers_for(tile, boxes, size_px)
            found.append(Candidates(scores[whole], classes[whole], boxes[whole]))
        began = time.perf_counter_ns()
        scores, classes, boxes = map(np.concatenate, zip(*found, strict=True))
        scores = scores / (scores + levels * (1 - scores))
        detections = self._detector.decoder.detections(Candidates(scores, classes, boxes))
        self.latency = Latency(
            sum(each.preprocess_ms for each in looks),
            sum(each.invoke_ms for each in looks),
            sum(each.decode_ms for each in looks) + (time.perf_counter_ns() - began) / 1e6,
        )
        return detections


def tiles(
    size_px: tuple[int, int], input_px: tuple[int, int], coarsest_fraction: float = COARSEST_FRACTION
) -> list[Box]:
    """Where to look closer at a (width, height) picture, level by level from coarse to fine, row by row.

    None where they would be smaller than the input.
    """
    made = []
    factor = coarsest_fraction * max(size / side for size, side in zip(size_px, input_px, strict=True))
    while factor >= 1:
        width, height = (min(size, round(factor * side)) for size, side in zip(size_px, input_px, strict=True))
        columns, rows = _starts(size_px[0], width), _starts(size_px[1], height)
        made += [Box(x, y, x + width, y + height) for y in rows for x in columns]
        factor /= 2
    return made


def _starts(size_px: int, tile_px: int) -> list[int]:
    """Where tiles begin along one side: evenly from border to border, overlapping by OVERLAP_FRACTION or more."""
    if size_px <= tile_px:
        return [0]
    count = 1 + math.ceil((size_px - tile_px) / (tile_px * (1 - OVERLAP_FRACTION)))
    return [round((size_px - tile_px) * index / (count - 1)) for index in range(count)]


def answers_for(tile: Box, boxes: Floats, size_px: tuple[int, int]) -> NDArray[np.bool_]:
    """(n,) whether each of (n, 4) corners found in this tile, in picture pixels, is of what is surely whole there."""
    side_px = max(tile.x_max - tile.x_min, tile.y_max - tile.y_min)
    margin_px = CUT_FRACTION * side_px
    # An edge of the picture cuts nothing.
    low = [edge + margin_px if edge > 0 else -math.inf for edge in (tile.x_min, tile.y_min)]
    high = [
        edge - margin_px if edge < size else math.inf
        for edge, size in zip((tile.x_max, tile.y_max), size_px, strict=True)
    ]
    small = ((boxes[:, 2:] - boxes[:, :2]) <= OVERLAP_FRACTION * side_px).all(axis=1)
    return np.asarray(small & (boxes[:, :2] >= low).all(axis=1) & (boxes[:, 2:] <= high).all(axis=1))
