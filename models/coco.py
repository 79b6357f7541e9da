"""Average precision by pycocotools: the figures that are reported. The bootstrap uses models.matching, tested equal."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.detections import Seen

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
EVERY_AREA = (0.0, 1e10)


def average_precision(
    seen: Seen, label: int | None, ious: Sequence[float], area_px: tuple[float, float] = EVERY_AREA
) -> list[float]:
    """COCO's average precision at each IoU: 101 points, 100 detections a picture.

    label: None for class-blind. area_px: only boxes of this area count; detections of another area that match nothing
    are left out, as COCO does for its sizes. nan where there is no such box.
    """
    truth, results = _annotations(seen, label), _results(seen, label)
    if not truth:
        return [float("nan")] * len(ious)
    if not results:
        return [0.0] * len(ious)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": index} for index in range(len(seen.found))],
            "categories": [{"id": 1}],
            "annotations": [{"id": n + 1, "iscrowd": 0, **each} for n, each in enumerate(truth)],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), "bbox")
        judge.params.iouThrs = np.array(ious)
        judge.params.areaRng, judge.params.areaRngLbl = [list(area_px)], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision: NDArray[np.float64] = judge.eval["precision"][:, :, 0, 0, -1]
    return [float(each.mean()) if each.min() > -1 else float("nan") for each in precision]


def _annotations(seen: Seen, label: int | None) -> list[dict[str, Any]]:
    return [
        {"image_id": index, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
        for index, item in enumerate(seen.pictures.items)
        for (x0, y0, x1, y1), kind in zip(item.boxes_px.tolist(), item.classes, strict=True)
        if label is None or kind == label
    ]


def _results(seen: Seen, label: int | None) -> list[dict[str, Any]]:
    return [
        {"image_id": index, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": float(score)}
        for index, found in enumerate(seen.found)
        for (x0, y0, x1, y1), score in zip(
            found.of(label).boxes_px.tolist(), found.of(label).scores.tolist(), strict=True
        )
    ]
