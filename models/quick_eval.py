"""AP on val during training, float, plain numpy: to choose a checkpoint. Reported figures come from models.evaluate."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.architecture import INPUT_PX, MEAN, NMS_IOU, STD, STRIDES
from models.assign import cells
from models.data import Picture
from models.loss import decode, flatten
from models.network import Detector

KEEP = 100
Floats = NDArray[np.float32]


def iou(a: Floats, b: Floats) -> Floats:
    """IoU of boxes a [n, 4] and b [m, 4] -> [n, m]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clip(0).prod(2)
    union = (a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - inter
    return np.asarray(inter / union.clip(1e-6), np.float32)


def nms(boxes: Floats, scores: Floats) -> NDArray[np.int64]:
    """Class-agnostic greedy NMS: kept indices, best first."""
    order = np.argsort(-scores, kind="stable")[:400]
    keep: list[int] = []
    while len(order) and len(keep) < KEEP:
        keep.append(int(order[0]))
        order = order[1:][iou(boxes[order[:1]], boxes[order[1:]])[0] <= NMS_IOU]
    return np.array(keep, np.int64)


def average_precision(found: list[tuple[Floats, Floats]], truth: list[Floats], threshold: float) -> float:
    """Area under the interpolated precision-recall curve; found: per picture boxes [n, 4] and scores [n]."""
    scores, hits = [], []
    total = sum(len(t) for t in truth)
    for (boxes, score), true in zip(found, truth, strict=True):
        overlap = iou(boxes, true) if len(true) else np.zeros((len(boxes), 0), np.float32)
        taken: set[int] = set()
        for index in np.argsort(-score, kind="stable"):
            scores.append(float(score[index]))
            free = [j for j in range(len(true)) if j not in taken and overlap[index, j] >= threshold]
            hits.append(bool(free))
            if free:
                taken.add(max(free, key=lambda j: overlap[index, j]))
    if not total or not hits:
        return 0.0
    order = np.argsort(-np.array(scores), kind="stable")
    hit = np.array(hits)[order]
    recall = np.cumsum(hit) / total
    precision = np.maximum.accumulate((np.cumsum(hit) / np.arange(1, len(hit) + 1))[::-1])[::-1]
    return float(np.mean([precision[recall >= r].max(initial=0) for r in np.linspace(0, 1, 101)]))


@torch.no_grad()
def predict(net: Detector, pictures: list[Picture]) -> list[tuple[Floats, Floats]]:
    """Per picture: boxes [n, 4] in source px and scores [n, classes] before the choice of one label; square inputs."""
    centres, steps = cells(INPUT_PX, STRIDES)
    out = []
    for start in range(0, len(pictures), 16):
        part = pictures[start : start + 16]
        images = np.stack([cv2.resize(p.rgb(), (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA) for p in part])
        x = torch.from_numpy((images.transpose(0, 3, 1, 2).astype(np.float32) - MEAN) / STD)
        logits, distances = flatten(net(x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)))
        boxes = decode(distances, centres, steps).clamp(0, INPUT_PX).numpy()
        scores = logits.sigmoid().numpy()
        for picture, b, s in zip(part, boxes, scores, strict=True):
            keep = nms(b, s.max(1))
            scale = np.array([picture.width_px, picture.height_px] * 2, np.float32) / INPUT_PX
            out.append((b[keep] * scale, s[keep]))
    return out


def quick_eval(net: Detector, pictures: list[Picture]) -> dict[str, float]:
    """dermoscopy_ap50, acne_ap50, acne_ap30 and the best score on lesion-free pictures."""
    figures: dict[str, float] = {}
    found = predict(net, pictures)
    for name, source, label in (("dermoscopy", "trc_dermoscopy", 0), ("acne", "acne04_faces", 1)):
        chosen = [i for i, p in enumerate(pictures) if p.source == source]
        best = [(found[i][0][found[i][1].argmax(1) == label], found[i][1][found[i][1].argmax(1) == label, label])
                for i in chosen]  # fmt: skip
        truth = [pictures[i].boxes_px for i in chosen]
        for threshold in (0.5, 0.3):
            figures[f"{name}_ap{int(threshold * 100)}"] = round(average_precision(best, truth, threshold), 4)
    clean = [float(found[i][1].max(initial=0)) for i, p in enumerate(pictures) if p.source == "neg_healthy_crops"]
    figures["healthy_best_score"] = round(max(clean, default=0.0), 4)
    return figures
