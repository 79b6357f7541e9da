"""Detections against boxes, once; then any figure of any resampling of the pictures is a few sums.

The matching is COCO's: best score first, each detection takes the free box that it overlaps most, if by the IoU asked
for. Everything is sorted by score, and each picture carries a weight, so a bootstrap draw is a change of weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RECALLS = np.linspace(0, 1, 101)
"""COCO's points of recall."""


@dataclass(frozen=True)
class Found:
    """What a detector said of one picture: boxes [n, 4] (px), scores [n], classes [n]; best first."""

    boxes_px: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]

    def of(self, label: int | None) -> Found:
        """The detections of one label; None: all, whatever their label."""
        if label is None:
            return self
        chosen = self.classes == label
        return Found(self.boxes_px[chosen], self.scores[chosen], self.classes[chosen])

    def above(self, threshold: float) -> Found:
        """The detections that score at least this."""
        chosen = self.scores >= threshold
        return Found(self.boxes_px[chosen], self.scores[chosen], self.classes[chosen])


def iou(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """IoU of boxes a [n, 4] and b [m, 4] -> [n, m]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clip(0).prod(2)
    union = (a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - inter
    return np.asarray(inter / np.maximum(union, 1e-9), np.float64)


def assign(found: Found, boxes: NDArray[Any], threshold: float) -> NDArray[np.int64]:
    """The box that each detection takes, -1 for none: [n]. Detections must come best first."""
    taken = np.full(len(found.scores), -1, np.int64)
    overlap = iou(found.boxes_px, boxes)
    for index in range(len(taken) if len(boxes) else 0):
        best = int(overlap[index].argmax())
        if overlap[index, best] >= threshold:
            taken[index] = best
            overlap[:, best] = -1
    return taken


@dataclass(frozen=True)
class Matches:
    """All detections of a set at one IoU, best first: score [d], hit [d], picture [d]; boxes [p] in each picture."""

    score: Floats
    hit: NDArray[np.bool_]
    picture: NDArray[np.int64]
    boxes: NDArray[np.int64]

    @classmethod
    def of(cls, found: Sequence[Found], truth: Sequence[NDArray[Any]], threshold: float) -> Matches:
        """Match every picture's detections with its boxes [n, 4]."""
        scores = np.concatenate([each.scores for each in found]) if found else np.zeros(0)
        hits = [assign(each, boxes, threshold) >= 0 for each, boxes in zip(found, truth, strict=True)]
        hit = np.concatenate(hits) if hits else np.zeros(0, bool)
        picture = np.repeat(np.arange(len(found)), [len(each.scores) for each in found])
        order = np.argsort(-scores, kind="stable")
        counts = np.array([len(boxes) for boxes in truth], np.int64)
        return cls(scores[order].astype(np.float64), hit[order], picture[order], counts)

    def curve(self, weights: Floats | None = None) -> tuple[Floats, Floats, Floats]:
        """Recall, precision and false positives a picture after each detection: [d] each; weights: [p]."""
        weights = np.ones(len(self.boxes)) if weights is None else weights
        each = weights[self.picture]
        true = np.cumsum(each * self.hit)
        false = np.cumsum(each * ~self.hit)
        recall = true / max(float(weights @ self.boxes), 1e-9)
        return recall, true / np.maximum(true + false, 1e-9), false / max(float(weights.sum()), 1e-9)

    def average_precision(self, weights: Floats | None = None) -> float:
        """COCO's: precision made to fall with recall, read at 101 recalls, mean; nan where there is no box."""
        recall, precision, _ = self.curve(weights)
        total = self.boxes.sum() if weights is None else weights @ self.boxes
        if not total:
            return float("nan")
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(recall, RECALLS - 1e-9, side="left")
        return float(np.append(envelope, 0.0)[np.minimum(at, len(envelope))].mean())

    def recall_at(self, false_a_picture: float, weights: Floats | None = None) -> float:
        """The best recall with at most this many false positives a picture."""
        recall, _, false = self.curve(weights)
        within = np.flatnonzero(false <= false_a_picture + 1e-12)
        return float(recall[within[-1]]) if len(within) else 0.0

    def score_at(self, false_a_picture: float) -> float:
        """The lowest score that keeps to this many false positives a picture; 1 where none does."""
        _, _, false = self.curve()
        within = np.flatnonzero(false <= false_a_picture + 1e-12)
        return float(self.score[within[-1]]) if len(within) else 1.0

    def at_threshold(self, threshold: float, weights: Floats | None = None) -> tuple[float, float]:
        """Recall, and false positives a picture, of what scores at least this."""
        recall, _, false = self.curve(weights)
        last = int(np.searchsorted(-self.score, -threshold, side="right")) - 1
        return (float(recall[last]), float(false[last])) if last >= 0 else (0.0, 0.0)


def mean_average_precision(levels: Sequence[Matches], weights: Floats | None = None) -> float:
    """Mean over IoUs, as AP50:95 is."""
    return float(np.mean([each.average_precision(weights) for each in levels]))


def side_ratio(found: Sequence[Found], truth: Sequence[NDArray[Any]], threshold: float) -> float:
    """Median over matched pairs of sqrt(predicted area / true area): how much wider than the lesion boxes are."""
    ratios: list[float] = []
    for each, boxes in zip(found, truth, strict=True):
        for index, box in enumerate(assign(each, boxes, threshold)):
            if box >= 0:
                predicted, true = ((b[2:] - b[:2]).prod() for b in (each.boxes_px[index], boxes[box]))
                ratios.append(float(np.sqrt(predicted / true)))
    return float(np.median(ratios)) if ratios else float("nan")
