"""Score thresholds, one a label, by a false-positive rate on val: never by a look at test, phones or the phantom."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edge.detect import Detector
from models import lesion_free
from models.data import LABELS

MAX_FALSE_POSITIVE_FRACTION = {"real": 0.05, "drawn": 0.01}
"""Real tiles get the looser limit: they touch no box, but the boxes leave naevi out (looked at on val)."""
STEP = 0.01
LOWEST = 0.1
RULE = (
    f"per label the smallest multiple of {STEP} (not under {LOWEST}) at which a detection of that label stands in at "
    f"most {MAX_FALSE_POSITIVE_FRACTION['real']:.0%} of the real lesion-free val pictures (healthy crops, tiles that "
    f"touch no box) and in at most {MAX_FALSE_POSITIVE_FRACTION['drawn']:.0%} of the drawn ones (models/negatives.py); "
    "int8, chosen on val only"
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


def smallest(scores: NDArray[np.float64], limit: float) -> float:
    """The rule for one label and one sort of pictures; scores [pictures], limit: the rate that is allowed."""
    steps = np.arange(round(LOWEST / STEP), round(1 / STEP) + 1) * STEP
    for threshold in steps:
        if (scores >= threshold).mean() <= limit:
            return round(float(threshold), 2)
    return 1.0


def choose(detector: Detector) -> tuple[float, ...]:
    """Thresholds in the order of LABELS."""
    sets = {"real": lesion_free.real("val"), "drawn": lesion_free.drawn("val")}
    scores = {name: best_scores(detector, pictures) for name, pictures in sets.items()}
    return tuple(
        max(smallest(part[:, label], MAX_FALSE_POSITIVE_FRACTION[name]) for name, part in scores.items())
        for label in range(len(LABELS))
    )
