"""Classes of failure at IoU 0.5, after TIDE (Bolya et al. 2020): what was missed and why, and what false alarms are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.detections import Seen
from models.matching import assign, iou
from models.thresholds import reported

HIT, NEAR = 0.5, 0.1


def classes(seen: Seen, label: int | None, limits: Sequence[float]) -> dict[str, dict[str, int]]:
    """How many boxes were missed and how many detections were false, by reason, at the card's thresholds.

    missed: badly placed (a detection of the label overlaps it by 0.1 to 0.5), other label, not seen. false: duplicate
    (of a box that has its detection), badly placed, other label (a lesion of another label is there), elsewhere.
    """
    missed: Counter[str] = Counter({"badly placed": 0, "other label": 0, "not seen": 0})
    false: Counter[str] = Counter({"duplicate": 0, "badly placed": 0, "other label": 0, "elsewhere": 0})
    for item, found in zip(seen.pictures.items, seen.found, strict=True):
        shown = reported(found, limits)
        own = shown.of(label)
        boxes = item.boxes_px if label is None else item.boxes_px[item.classes == label]
        others = item.boxes_px[:0] if label is None else item.boxes_px[item.classes != label]
        taken = assign(own, boxes, HIT)
        any_label, same = iou(boxes, shown.boxes_px), iou(boxes, own.boxes_px)
        for index in range(len(boxes)):
            if index not in taken:
                missed[_why_missed(same[index], any_label[index])] += 1
        overlap, foreign = iou(own.boxes_px, boxes), iou(own.boxes_px, others)
        for index in np.flatnonzero(taken < 0).tolist():
            false[_why_false(overlap[index], foreign[index])] += 1
    return {"missed": dict(missed), "false": dict(false)}


def _why_missed(same: Any, any_label: Any) -> str:
    if any_label.max(initial=0) >= HIT and same.max(initial=0) < HIT:
        return "other label"
    return "badly placed" if same.max(initial=0) >= NEAR else "not seen"


def _why_false(overlap: Any, foreign: Any) -> str:
    if overlap.max(initial=0) >= HIT:
        return "duplicate"
    if overlap.max(initial=0) >= NEAR:
        return "badly placed"
    return "other label" if foreign.max(initial=0) >= NEAR else "elsewhere"
