"""How well a detector sees: average precision and recall at fixed false positives, weighted as in convert/measures.py.

Boxes are matched by pycocotools (T.-Y. Lin et al., ECCV 2014: best score first, 100 detections a picture, IoU 0.50 to
0.95); with all weights 1 the average precision is pycocotools' own.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import MissingLibraryError
from convert.gate.running import Found
from convert.pictures.examples import Example

Reals = NDArray[np.float64]
FALSE_POSITIVES_A_PICTURE = (0.1, 0.5, 1.0)
FIGURES = ("AP50", "AP50:95", *(f"recall at {rate:g} false positives a picture" for rate in FALSE_POSITIVES_A_PICTURE))
_RECALLS = np.linspace(0.0, 1.0, 101)
_DETECTIONS_MAX = 100


@dataclass(frozen=True, slots=True)
class LabelMatches:
    """One label's detections over all pictures, best score first.

    picture: (d,) which picture. hits: ten arrays, for IoU 0.50 to 0.95 the places of the detections that match a box.
    ends: places of the last detection of each score. positives: (pictures,) boxes of the label.
    """

    picture: NDArray[np.intp]
    hits: tuple[NDArray[np.intp], ...]
    ends: NDArray[np.intp]
    positives: Reals


def match(examples: Sequence[Example], found: Found, labels: Sequence[str]) -> list[LabelMatches]:
    """Detections against the examples' boxes, label by label."""
    with contextlib.redirect_stdout(io.StringIO()):  # it tells what it does, and stdout is data
        judge = _judge(examples, found, labels)
        judge.evaluate()
    by_label: list[list[dict[str, Any]]] = [[] for _ in labels]
    for each in judge.evalImgs:
        if each is not None:
            by_label[each["category_id"]].append(each)
    return [_label_matches(parts, len(examples)) for parts in by_label]


def detection_figures(matches: Sequence[LabelMatches], weights: Reals) -> Reals:
    """(5,) as FIGURES, each the mean over the labels that have boxes in the weighted pictures; NaN where none has."""
    rows = [_label_figures(each, weights) for each in matches if (each.positives @ weights) > 0]
    return np.mean(rows, axis=0) if rows else np.full(len(FIGURES), np.nan)


def average_precision_50(matches: LabelMatches, weights: Reals) -> float:
    """AP50 of one label; NaN where it has no boxes in the weighted pictures."""
    if not (matches.positives @ weights) > 0:
        return float("nan")
    return _average_precision(matches.hits[0], weights[matches.picture], float(matches.positives @ weights))


def _label_figures(matches: LabelMatches, weights: Reals) -> Reals:
    weight = weights[matches.picture]
    positives = float(matches.positives @ weights)
    total = np.cumsum(weight)
    precisions = [_average_precision(hits, weight, positives, total) for hits in matches.hits]
    hit = np.zeros_like(weight)
    hit[matches.hits[0]] = weight[matches.hits[0]]
    # Equal scores pass a threshold together: int8 has many of them.
    true = np.append(0.0, np.cumsum(hit)[matches.ends])
    false = np.append(0.0, total[matches.ends]) - true
    pictures = float(weights.sum())
    found = [true[false <= rate * pictures + 1e-9].max() / positives for rate in FALSE_POSITIVES_A_PICTURE]
    return np.array([precisions[0], np.mean(precisions), *found])


def _average_precision(hits: NDArray[np.intp], weight: Reals, positives: float, total: Reals | None = None) -> float:
    """COCO's: the mean over 101 recalls of the best precision from there on. Only hits can be such a best."""
    if not len(hits):
        return 0.0
    seen = np.cumsum(weight)[hits] if total is None else total[hits]
    true = np.cumsum(weight[hits])
    precision = np.divide(true, seen, out=np.zeros_like(true), where=seen > 0)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(true / positives, _RECALLS, side="left")
    return float(np.append(best, 0.0)[places].mean())


def _label_matches(parts: list[dict[str, Any]], pictures: int) -> LabelMatches:
    parts = sorted(parts, key=lambda each: int(each["image_id"]))
    positives = np.zeros(pictures)
    for each in parts:
        positives[each["image_id"]] = len(each["gtIds"])
    scores = np.concatenate([np.asarray(each["dtScores"], dtype=np.float64) for each in parts] or [np.empty(0)])
    order = np.argsort(-scores, kind="mergesort")
    owners = np.concatenate(
        [np.full(len(each["dtScores"]), each["image_id"], dtype=np.intp) for each in parts] or [np.empty(0, np.intp)]
    )
    matched = np.concatenate([np.asarray(each["dtMatches"]) for each in parts] or [np.empty((10, 0))], axis=1) > 0
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)[: len(scores)]
    return LabelMatches(
        owners[order],
        tuple(np.flatnonzero(row[order]) for row in matched),
        ends.astype(np.intp),
        positives,
    )


def _judge(examples: Sequence[Example], found: Found, labels: Sequence[str]) -> Any:
    """The evaluation, by pycocotools, of these detections, before it has matched anything."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise MissingLibraryError("judging a detector", "pycocotools", "pip install 'dermedge[convert]'") from error
    truth = [
        {"image_id": place, "category_id": labels.index(label), "box": box}
        for place, example in enumerate(examples)
        for label, box in example.boxes
    ]
    results = [
        {"image_id": place, "category_id": each.class_id, "box": each.box_px, "score": each.score}
        for place, detections in enumerate(found)
        for each in detections
    ]
    truths, answers = COCO(), COCO()
    for coco, entries in ((truths, truth), (answers, results)):
        coco.dataset = {
            "info": {},
            "images": [{"id": place} for place in range(len(examples))],
            "categories": [{"id": place} for place in range(len(labels))],
            "annotations": [_annotation(number, **entry) for number, entry in enumerate(entries, start=1)],
        }
        coco.createIndex()
    judge = COCOeval(truths, answers, "bbox")
    judge.params.maxDets = [_DETECTIONS_MAX]
    judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
    return judge


def _annotation(number: int, *, box: Any, **entry: Any) -> dict[str, Any]:
    width, height = box.x_max - box.x_min, box.y_max - box.y_min
    return {"id": number, "iscrowd": 0, "bbox": [box.x_min, box.y_min, width, height], "area": width * height, **entry}
