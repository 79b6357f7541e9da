"""AP on val during training, float, plain numpy: to choose a checkpoint. Reported figures come from models.evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.architecture import INPUT_PX, MEAN, NMS_IOU, STD, STRIDES
from models.assign import cells
from models.data import load
from models.loss import decode, flatten
from models.network import Detector
from models.options import CLEAN_SOURCES

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
def predict(
    net: Detector, images: Sequence[NDArray[Any]], sizes: Sequence[tuple[int, int]]
) -> list[tuple[Floats, Floats]]:
    """Images [320, 320, 3] and their pictures' (width, height) px: boxes [n, 4] in the picture's px and scores.

    Scores [n, classes] are those before the choice of one label.
    """
    device = next(net.parameters()).device
    centres, steps = (each.to(device) for each in cells(INPUT_PX, STRIDES))
    out = []
    for start in range(0, len(images), 16):
        part = np.stack(images[start : start + 16])
        x = torch.from_numpy((part.transpose(0, 3, 1, 2).astype(np.float32) - MEAN) / STD).to(device)
        logits, distances = flatten(net(x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)))
        boxes = decode(distances, centres, steps).clamp(0, INPUT_PX).cpu().numpy()
        scores = logits.sigmoid().cpu().numpy()
        for (width, height), b, s in zip(sizes[start : start + 16], boxes, scores, strict=True):
            keep = nms(b, s.max(1))
            out.append((b[keep] * np.array([width, height] * 2, np.float32) / INPUT_PX, s[keep]))
    return out


class ValSets:
    """The val pictures, decoded once, and what a network scores on them: called with the network."""

    def __init__(self, licence: str = "all") -> None:
        names = ("trc_dermoscopy", "acne04_faces", "neg_healthy_crops")
        self.pictures = [p for name in names for p in load("val", name) if licence == "all" or name in CLEAN_SOURCES]
        self.images = [cv2.resize(p.rgb(), (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA) for p in self.pictures]

    def __call__(self, net: Detector) -> dict[str, float]:
        """AP by source, the best score on healthy skin, and `score`, by which a checkpoint is chosen."""
        figures: dict[str, float] = {}
        sizes = [(p.width_px, p.height_px) for p in self.pictures]
        found = predict(net, self.images, sizes)
        for name, source, label in (("dermoscopy", "trc_dermoscopy", 0), ("acne", "acne04_faces", 1)):
            chosen = [i for i, p in enumerate(self.pictures) if p.source == source]
            best = [(found[i][0][found[i][1].argmax(1) == label], found[i][1][found[i][1].argmax(1) == label, label])
                    for i in chosen]  # fmt: skip
            truth = [self.pictures[i].boxes_px for i in chosen]
            for threshold in (0.3, 0.5, 0.75):
                figures[f"{name}_ap{int(threshold * 100)}"] = round(average_precision(best, truth, threshold), 4)
        healthy = [i for i, p in enumerate(self.pictures) if p.source == "neg_healthy_crops"]
        figures["healthy_best_score"] = round(max(float(found[i][1].max(initial=0)) for i in healthy), 4)
        figures["score"] = figures["dermoscopy_ap50"] + 0.5 * figures["acne_ap30"]
        return figures
