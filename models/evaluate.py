"""`python -m models.evaluate`: figures of the float and the int8 model on val and test, into the card and docs.

Everything goes through `edge.detect`, the code of the device. AP is pycocotools' (COCO 101-point, 100 detections).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edge import bundle
from edge.config import Detect, Inference
from edge.detect import Detection, Detector
from edge.frame import Box
from edge.pictures import read_picture
from models import lesion_free
from models.data import LABELS, Picture, load
from models.thresholds import best_scores

SOURCE_OF = {"cutaneous_tumour": "trc_dermoscopy", "acne_rosacea": "acne04_faces"}
COCO_IOUS = [round(0.5 + 0.05 * step, 2) for step in range(10)]
Found = list[list[Detection]]


def find(detector: Detector, pictures: Sequence[Picture]) -> Found:
    """Detections of each picture, all scores."""
    return [detector.detect(read_picture(picture.path).rgb) for picture in pictures]


def average_precision(pictures: Sequence[Picture], found: Found, label: str, ious: Sequence[float]) -> float:
    """COCO average precision of one label, mean over IoU thresholds, 100 detections a picture."""
    class_id = LABELS.index(label)
    truth = [
        {"image_id": index, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
        for index, picture in enumerate(pictures)
        for (x0, y0, x1, y1), kind in zip(picture.boxes_px.tolist(), picture.classes, strict=True)
        if kind == class_id
    ]
    results = [
        {
            "image_id": index,
            "category_id": 1,
            "bbox": [box.x_min, box.y_min, box.x_max - box.x_min, box.y_max - box.y_min],
            "score": each.score,
        }
        for index, detections in enumerate(found)
        for each in detections
        if each.label == label
        for box in (each.box_px,)
    ]
    if not results:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": index} for index in range(len(pictures))],
            "categories": [{"id": 1}],
            "annotations": [{"id": n + 1, "iscrowd": 0, **each} for n, each in enumerate(truth)],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), "bbox")
        judge.params.iouThrs = np.array(ious)
        judge.evaluate()
        judge.accumulate()
    precision: NDArray[np.float64] = judge.eval["precision"][:, :, 0, 0, -1]
    return float(precision.mean())


def recall_and_false(
    pictures: Sequence[Picture], found: Found, label: str, threshold: float, iou: float
) -> tuple[float, float]:
    """Recall at a score threshold, and false positives a picture; greedy matching, best score first."""
    class_id, hits, total, false = LABELS.index(label), 0, 0, 0
    for picture, detections in zip(pictures, found, strict=True):
        free = [
            Box(*box) for box, kind in zip(picture.boxes_px.tolist(), picture.classes, strict=True) if kind == class_id
        ]
        total += len(free)
        for each in detections:
            if each.label != label or each.score < threshold:
                continue
            best = max(free, key=each.box_px.iou, default=None)
            if best is not None and each.box_px.iou(best) >= iou:
                free.remove(best)
                hits += 1
            else:
                false += 1
    return hits / max(total, 1), false / max(len(pictures), 1)


def centre_box_recall(pictures: Sequence[Picture], iou: float) -> float:
    """Recall of one constant centred square, its side chosen on train: what knowing nothing scores."""

    def score(chosen: Sequence[Picture], side: float) -> float:
        hits = total = 0
        for picture in chosen:
            w, h = picture.width_px, picture.height_px
            box = Box(w * (1 - side) / 2, h * (1 - side) / 2, w * (1 + side) / 2, h * (1 + side) / 2)
            overlaps = [box.iou(Box(*truth)) for truth in picture.boxes_px.tolist()]
            hits += bool(overlaps) and max(overlaps) >= iou
            total += len(overlaps)
        return hits / max(total, 1)

    train = load("train", "trc_dermoscopy")
    best = max(np.arange(0.3, 1.0, 0.05), key=lambda side: score(train, float(side)))
    return score(pictures, float(best))


def figures(detector: Detector, split: str) -> dict[str, Any]:
    """All figures of one model on one split; thresholds are the card's."""
    limits = {label.name: label.score_threshold for label in detector.bundle.card.labels}
    out: dict[str, Any] = {}
    for label, source in SOURCE_OF.items():
        pictures = load(split, source)
        found = find(detector, pictures)
        out[label] = {
            "pictures": len(pictures),
            "boxes": int(sum(len(p.boxes_px) for p in pictures)),
            "ap30": average_precision(pictures, found, label, [0.3]),
            "ap50": average_precision(pictures, found, label, [0.5]),
            "ap50_95": average_precision(pictures, found, label, COCO_IOUS),
        }
        for iou in (0.3, 0.5):
            recall, false = recall_and_false(pictures, found, label, limits[label], iou)
            out[label] |= {f"recall{int(iou * 100)}": recall, f"false_positives_a_picture{int(iou * 100)}": false}
        if label == "cutaneous_tumour":
            for iou in (0.3, 0.5):
                out[label][f"centre_box_recall{int(iou * 100)}"] = centre_box_recall(pictures, iou)
    sets = {"real": lesion_free.real(split), "drawn": lesion_free.drawn(split)}
    if split == "test":
        sets["nonskin"] = lesion_free.nonskin()
    for name, pictures_free in sets.items():
        scores = best_scores(detector, pictures_free)
        rates = {label: float((scores[:, LABELS.index(label)] >= limit).mean()) for label, limit in limits.items()}
        out[f"false_positive_fraction_{name}"] = {"pictures": len(scores), **rates}
    rounded: dict[str, Any] = json.loads(json.dumps(out), parse_float=lambda text: round(float(text), 4))
    return rounded


def main() -> int:
    """Measure, write the card's measured part and docs/detector.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=bundle.default_path())
    parser.add_argument("--int8-only", action="store_true", help="leave the float twin (and TensorFlow) out; no docs")
    parser.add_argument("--splits", default="val,test")
    args = parser.parse_args()
    shipped = bundle.load(args.bundle)
    models = {"int8": Detector(shipped, Inference(threads=2), Detect(score_threshold=0.0))}
    measured: dict[str, Any] = {
        "date": datetime.now(tz=UTC).date().isoformat(),
        "engine": models["int8"].backend.engine,
    }
    if not args.int8_only:
        from models.export import WEIGHTS, float_model
        from models.graph import load_weights

        limits = tuple(label.score_threshold for label in shipped.card.labels)
        models["float"] = float_model(load_weights(WEIGHTS), limits)
    for name, detector in models.items():
        measured[name] = {split: figures(detector, split) for split in args.splits.split(",")}
    if args.int8_only:
        print(json.dumps(measured, indent=2))
        return 0
    bundle.save(args.bundle, msgspec.structs.replace(shipped.card, measured=measured), shipped.model)
    from models.page import DOCS, write

    write(bundle.load(args.bundle).card)
    print(f"wrote {args.bundle / bundle.CARD_FILE} and {DOCS}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
