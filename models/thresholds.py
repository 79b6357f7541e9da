"""Score thresholds, one a label, by a false-positive rate on val: never by a look at test, phones or the phantom."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edge.detect import Detector
from models import lesion_free
from models.data import LABELS

MAX_FALSE_POSITIVE_FRACTION = 0.01
STEP = 0.01
LOWEST = 0.1
RULE = (
    f"per label the smallest multiple of {STEP} (not under {LOWEST}) at which at most "
    f"{MAX_FALSE_POSITIVE_FRACTION:.0%} of lesion-free val pictures hold a detection of that label, for real ones "
    "(healthy crops, tiles that touch no box) and for drawn ones (models/negatives.py) each; int8, chosen on val only"
)


def best_scores(detector: Detector, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Highest score of each label in each picture (0 for none): [pictures, labels]. Needs score_threshold 0."""
    rows = []
    for rgb in pictures:
        row = [0.0] * len(LABELS)
        for found in detector.detect(rgb):
            row[found.class_id] = max(row[found.class_id], found.score)
        rows.append(row)
    return np.array(rows, np.float64).reshape(-1, len(LABELS))


def smallest(scores: NDArray[np.float64]) -> float:
    """The rule for one label and one sort of pictures; scores [pictures]."""
    steps = np.arange(round(LOWEST / STEP), round(1 / STEP) + 1) * STEP
    for threshold in steps:
        if (scores >= threshold).mean() <= MAX_FALSE_POSITIVE_FRACTION:
            return round(float(threshold), 2)
    return 1.0


def choose(detector: Detector) -> tuple[float, ...]:
    """Thresholds in the order of LABELS."""
    sets = [best_scores(detector, lesion_free.real("val")), best_scores(detector, lesion_free.drawn("val"))]
    return tuple(max(smallest(scores[:, label]) for scores in sets) for label in range(len(LABELS)))
