"""Which detection belongs to which track: one matrix of affinities, matched greedily from the best pair on.

The affinity is DIoU (Zheng et al. 2020: IoU less the squared centre distance over the squared diagonal of the common
hull), which still ranks boxes that do not overlap. Greedy matching as in CenterTrack (Zhou et al. 2020): with the few,
distinct lesions of a close-up it agrees with the optimal assignment, and it needs no solver.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.frame import Box

Floats = NDArray[np.float64]
_REACH_SIDES = 0.6
"""How far, in mean sides, a centre may lie from its prediction when the boxes do not overlap enough."""
_REACH_PER_MISS_SIDES = 0.08
_REACH_MAX_SIDES = 1.5
_SIDE_RATIO_MAX = 1.6


class Matching(NamedTuple):
    """pairs: (track, detection). rest: the detections left over. merit: how well all pairs fit together, 0 for none."""

    pairs: list[tuple[int, int]]
    rest: list[int]
    merit: float


def match(predicted: list[Box], missed: list[int], boxes: list[Box], iou_min: float) -> Matching:
    """The pairs that fit best.

    predicted: where each track should be now; missed: for how many frames it has not been seen, which widens its reach.
    """
    if not predicted or not boxes:
        return Matching([], list(range(len(boxes))), 0.0)
    tracks, found = np.asarray(predicted, dtype=np.float64), np.asarray(boxes, dtype=np.float64)
    affinity = _affinity(tracks, found, np.asarray(missed), iou_min)
    pairs: list[tuple[int, int]] = []
    merit = 0.0
    taken_tracks: set[int] = set()
    taken_boxes: set[int] = set()
    for flat in np.argsort(-affinity, axis=None, kind="stable"):
        track, box = divmod(int(flat), len(boxes))
        if affinity[track, box] == -np.inf:
            break
        if track not in taken_tracks and box not in taken_boxes:
            taken_tracks.add(track)
            taken_boxes.add(box)
            pairs.append((track, box))
            merit += 1.0 + float(affinity[track, box])  # DIoU is never below -1
    return Matching(pairs, [index for index in range(len(boxes)) if index not in taken_boxes], merit)


def covers(one: Box, other: Box) -> bool:
    """Whether one of two boxes of like size lies mostly inside the other: a second box on the same lesion."""
    overlap = Box(
        max(one.x_min, other.x_min),
        max(one.y_min, other.y_min),
        min(one.x_max, other.x_max),
        min(one.y_max, other.y_max),
    ).area
    small, large = sorted((one.area, other.area))
    return small > 0 and overlap >= 0.7 * small and small >= 0.2 * large


def _affinity(tracks: Floats, found: Floats, missed: NDArray[np.int_], iou_min: float) -> Floats:
    """(tracks, detections); minus infinity where the pair is out of the question."""
    a, b = tracks[:, None], found[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    overlap = np.clip(high - low, 0, None).prod(axis=-1)
    sides_a, sides_b = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    area_a, area_b = sides_a.prod(axis=-1), sides_b.prod(axis=-1)
    iou = overlap / np.maximum(area_a + area_b - overlap, 1e-9)
    hull = np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])
    apart = np.linalg.norm((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2, axis=-1)
    mean_side = np.sqrt((np.sqrt(np.maximum(area_a, 1e-9)) + np.sqrt(np.maximum(area_b, 1e-9))) ** 2 / 4)
    ratio = np.sqrt(np.maximum(area_a, area_b) / np.maximum(np.minimum(area_a, area_b), 1e-9))
    reach = np.minimum(_REACH_SIDES + _REACH_PER_MISS_SIDES * missed, _REACH_MAX_SIDES)[:, None]
    near = (apart <= reach * mean_side) & (ratio <= _SIDE_RATIO_MAX)
    diou = iou - apart**2 / np.maximum((hull**2).sum(axis=-1), 1e-9)
    return np.where((iou >= iou_min) | near, diou, -np.inf)
