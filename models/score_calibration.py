"""Scores that mean something: one logistic function a label, fitted on held pictures (Platt 1999).

A detection counts as a hit where it takes a box of its label at an IoU that suits the labels' own precision. The fit
is on what a device would judge: val pictures of each source, the phone-like stand-in and lesion-free tiles. So a
calibrated score is the share of hits among detections like it *in that mixture*; in another it is off by prior odds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.bundle import LogisticCalibration
from models.detections import Seen
from models.matching import assign

HIT_IOU = (0.5, 0.3)
"""Per label: dermoscopy boxes fit; those of acne are 5 to 10 px off at 20 px."""
FOLDS = 5
BINS = 10
LEAST_LOGIT = -9.0
"""Scores of next to nothing carry no information; int8 ends them here anyway."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Detections of one label over all fitting sets: logit [d], hit [d], and the group and source of the picture."""

    logit: Floats
    hit: NDArray[np.bool_]
    group: NDArray[np.str_]
    source: NDArray[np.str_]

    def where(self, chosen: NDArray[np.bool_]) -> Judged:
        """Some of the detections."""
        return Judged(self.logit[chosen], self.hit[chosen], self.group[chosen], self.source[chosen])


def logit(score: NDArray[np.floating]) -> Floats:
    """The log odds of a score, cut at +-LEAST_LOGIT."""
    exact = np.asarray(score, np.float64).clip(1e-12, 1 - 1e-12)
    return np.asarray(np.log(exact / (1 - exact)).clip(LEAST_LOGIT, -LEAST_LOGIT), np.float64)


def judge(sets: Sequence[Seen], label: int) -> Judged:
    """Every detection of a label, and whether it takes a box of that label."""
    logits, hits, groups, sources = [], [], [], []
    for seen in sets:
        for item, found in zip(seen.pictures.items, seen.found, strict=True):
            own = found.of(label)
            boxes = item.boxes_px[item.classes == label]
            logits.append(logit(own.scores))
            hits.append(assign(own, boxes, HIT_IOU[label]) >= 0)
            groups += [item.group] * len(own.scores)
            sources += [item.source] * len(own.scores)
    return Judged(np.concatenate(logits), np.concatenate(hits), np.array(groups), np.array(sources))


def fit(judged: Judged) -> LogisticCalibration:
    """Slope (over 0) and intercept that minimise the log loss of Platt's smoothed targets.

    Newton's method with step halving and a loss that does not overflow, as Lin, Lin and Weng (2007) mend Platt's.
    Raises ValueError with fewer than ten hits or misses.
    """
    hits, misses = int(judged.hit.sum()), int((~judged.hit).sum())
    if hits < 10 or misses < 10:
        raise ValueError(f"expected at least 10 hits and 10 misses to calibrate on, got {hits} and {misses}")
    target = np.where(judged.hit, (hits + 1) / (hits + 2), 1 / (misses + 2))
    x = np.stack((judged.logit, np.ones_like(judged.logit)), 1)

    def loss(weights: Floats) -> float:
        return float((np.logaddexp(0, x @ weights) - target * (x @ weights)).sum())

    weights = np.array([1.0, np.log((hits + 1) / (misses + 1))])
    for _ in range(100):
        p = np.exp(-np.logaddexp(0, -(x @ weights)))
        gradient = x.T @ (p - target)
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + 1e-9 * np.eye(2), gradient)
        part = 1.0
        while part > 1e-10 and loss(weights - part * step) > loss(weights) - 1e-4 * part * float(gradient @ step):
            part /= 2
        weights = weights - part * step
        if float(np.abs(part * step).max()) < 1e-9:
            break
    return LogisticCalibration(slope=round(float(weights[0]), 6), intercept=round(float(weights[1]), 6))


def apply(calibration: LogisticCalibration | None, logits: Floats) -> Floats:
    """Calibrated scores of raw logits."""
    slope, intercept = (1.0, 0.0) if calibration is None else (calibration.slope, calibration.intercept)
    return np.asarray(np.exp(-np.logaddexp(0, -(slope * logits + intercept))), np.float64)


def reliability(score: Floats, hit: NDArray[np.bool_], least: float = 0.05) -> list[dict[str, float]]:
    """Bins of equal width from `least` on: mean score, share of hits, count. Below it nearly all are misses."""
    rows = []
    edges = np.linspace(0, 1, BINS + 1)
    for low, high in pairwise(edges.tolist()):
        inside = (score >= max(low, least)) & ((score < high) | (high == 1))
        if inside.any():
            rows.append({"score": float(score[inside].mean()), "hits": float(hit[inside].mean()),
                         "count": int(inside.sum())})  # fmt: skip
    return rows


def calibration_error(rows: Sequence[dict[str, float]]) -> float:
    """Expected calibration error (Guo et al. 2017): mean distance of score and share of hits, weighted by count."""
    total = sum(row["count"] for row in rows)
    return sum(row["count"] * abs(row["score"] - row["hits"]) for row in rows) / max(total, 1)


def cross_validated(judged: Judged) -> Floats:
    """Calibrated scores where each detection's own group took no part in its fit."""
    names = np.unique(judged.group)
    fold_of = {name: index % FOLDS for index, name in enumerate(np.random.default_rng(0).permutation(names))}
    folds = np.array([fold_of[name] for name in judged.group])
    scores = np.zeros(len(judged.logit))
    for fold in range(FOLDS):
        out = folds == fold
        scores[out] = apply(fit(judged.where(~out)), judged.logit[out])
    return scores
