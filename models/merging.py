"""Ways to make detections of candidates: what edge.detect does, and what was tried beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.decode import Candidates
from edge.detect import VOTER_SCORE, suppress
from models.matching import Found, iou

Floats = NDArray[np.float64]
MOST = 100
"""Detections a picture, as COCO counts."""


@dataclass(frozen=True)
class Merging:
    """The defaults are edge.detect's with the shipped card; models/tried_inference.toml tells what each was good for.

    voter_scores: the least score of a voter, by label; power: of the score, as a vote's weight. part: boxes that share
    this fraction of the smaller one are one lesion. soft: Gaussian soft-NMS (Bodla et al. 2017) of this sigma instead
    of NMS. support: odds times (sum of the voters' scores / best score) ** support. agreement: this part of a score is
    the mean over all looks of the best box there. side_factors: of each label's boxes.
    """

    nms_iou: float = 0.4
    vote_iou: float = 0.5
    voter_scores: tuple[float, float] = (VOTER_SCORE, VOTER_SCORE)
    power: float = 0.5
    by_label: bool = False
    part: float = 0.0
    soft: float = 0.0
    support: float = 0.0
    agreement: float = 0.0
    side_factors: tuple[float, float] = (1.0, 1.0)


def detections(candidates: Candidates, looks: NDArray[np.int64], merging: Merging) -> Found:
    """Detections of one picture, best first; looks: the number of the look that each candidate is from."""
    has_area = (candidates.boxes[:, 2:] > candidates.boxes[:, :2]).all(1)
    scores, classes, boxes = candidates.scores[has_area], candidates.classes[has_area], candidates.boxes[has_area]
    looks = looks[has_area]
    if merging.soft:
        kept, reported = _soft(scores, boxes, merging.soft)
    else:
        kept = _kept(scores, classes, boxes, merging)[:MOST]
        reported = scores[kept].astype(np.float64)
    overlap = iou(boxes[kept], boxes)
    placed = boxes[kept].astype(np.float64)
    if merging.vote_iou and len(kept):
        votes = (overlap >= merging.vote_iou) & (scores >= np.asarray(merging.voter_scores)[classes])
        votes[np.arange(len(kept)), kept] = True
        weights = votes * scores.astype(np.float64) ** merging.power
        placed = weights @ boxes / weights.sum(1, keepdims=True)
        if merging.support:
            odds = reported / np.maximum(1 - reported, 1e-9) * (votes @ scores / scores[kept]) ** merging.support
            reported = odds / (1 + odds)
    if merging.agreement:
        best = [((overlap >= merging.nms_iou) & (looks == look)) * scores for look in np.unique(looks)]
        mean = np.mean([each.max(1) for each in best], 0) if len(kept) else reported
        reported = (1 - merging.agreement) * reported + merging.agreement * mean
    placed = _scaled(placed, np.asarray(merging.side_factors)[classes[kept]])
    order = np.argsort(-reported, kind="stable")
    return Found(placed[order].astype(np.float32), reported[order].astype(np.float32), classes[kept][order])


def _kept(scores: NDArray[np.float32], classes: NDArray[np.intp], boxes: NDArray[np.float32], merging: Merging
          ) -> NDArray[np.intp]:  # fmt: skip
    if merging.part:
        return _without_parts(scores, boxes, merging)
    if not merging.by_label:
        return suppress(scores, boxes, merging.nms_iou)
    parts = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    each = [part[suppress(scores[part], boxes[part], merging.nms_iou)] for part in parts]
    kept = np.concatenate(each) if each else np.zeros(0, np.intp)
    return np.asarray(kept[np.argsort(-scores[kept], kind="stable")])


def _without_parts(scores: NDArray[np.float32], boxes: NDArray[np.float32], merging: Merging) -> NDArray[np.intp]:
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept: list[int] = []
    free = np.ones(len(scores), bool)
    for index in np.argsort(-scores, kind="stable"):
        if free[index] and len(kept) < MOST:
            kept.append(int(index))
            overlap = iou(boxes[[index]], boxes)[0]
            shared = overlap * (areas + areas[index]) / (1 + overlap)
            free &= (overlap <= merging.nms_iou) & (shared < merging.part * np.minimum(areas, areas[index]))
    return np.asarray(kept, np.intp)


def _soft(scores: NDArray[np.float32], boxes: NDArray[np.float32], sigma: float) -> tuple[NDArray[np.intp], Floats]:
    left = scores.astype(np.float64)
    kept: list[int] = []
    reported: list[float] = []
    while len(kept) < MOST and len(left) and left.max() > 1e-3:
        best = int(left.argmax())
        kept.append(best)
        reported.append(float(left[best]))
        left *= np.exp(-(iou(boxes[[best]], boxes)[0] ** 2) / sigma)
        left[best] = 0
    return np.asarray(kept, np.intp), np.asarray(reported)


def _scaled(boxes: Floats, factors: Floats) -> Floats:
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * factors[:, None]
    return np.concatenate([middle - half, middle + half], 1)
