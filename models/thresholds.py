"""Score thresholds, one a label, by stated false-positive rates on val: never by a look at test, phones or the phantom.

Thresholds act on calibrated scores. The two labels share the budget: a picture counts once, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.data import LABELS
from models.detections import Seen
from models.matching import Found, Matches
from models.picture_sets import ACNE

MAX_REAL, MAX_DRAWN, MAX_PHONE = 0.06, 0.01, 1.0
"""Share of real lesion-free tiles and of drawn negatives with a detection of any label; false positives a phone-like
picture. 6 % on val leaves room to 10 % for the exact interval's upper bound on test."""
STEP = 0.01
LOWEST = 0.05
"""No score under this is reported, whatever the rates: not one in twenty such detections is a hit."""
RULE = (
    f"on calibrated scores, int8, val only: both labels start at the score that leaves at most {MAX_PHONE:g} false "
    "positive in a phone-like picture, acne_rosacea no lower than where the number of lesions on a face is told best "
    f"(severity is a count); then the label that stands in more of them is raised by {STEP}, again and "
    f"again, until a detection of any label stands in at most {MAX_REAL:.0%} of the real lesion-free tiles and in at "
    f"most {MAX_DRAWN:.0%} of the drawn negatives"
)


def best_scores(found: Sequence[Found], labels: int = len(LABELS)) -> NDArray[np.float64]:
    """Highest score of each label in each picture (0 for none): [pictures, labels]."""
    rows = np.zeros((len(found), labels))
    for row, each in zip(rows, found, strict=True):
        np.maximum.at(row, each.classes, each.scores)
    return rows


def raised(scores: NDArray[np.float64], limits: list[float], most: float) -> list[float]:
    """Thresholds raised until at most this share of pictures [pictures, labels] has a detection of any label."""
    limits = list(limits)
    while True:
        standing = scores >= np.array(limits)
        if standing.any(1).mean() <= most:
            return limits
        label = int(standing.sum(0).argmax())
        limits[label] = round(limits[label] + STEP, 2)


def choose(real: Seen, drawn: Seen, phone: Seen, faces: Seen) -> tuple[float, ...]:
    """Thresholds in the order of LABELS; all four sets of val."""
    floors = [phone_floor(phone)] * len(LABELS)
    counted = count_threshold(
        [each.of(ACNE).scores for each in faces.found], [len(item.boxes_px) for item in faces.pictures.items]
    )
    floors[ACNE] = max(floors[ACNE], counted)
    limits = raised(best_scores(real.found), floors, MAX_REAL)
    return tuple(raised(best_scores(drawn.found), limits, MAX_DRAWN))


def count_threshold(scores: Sequence[NDArray[np.floating]], boxes: Sequence[int]) -> float:
    """The multiple of STEP with the least mean absolute error of the count; chosen on val only."""
    steps = np.arange(1, round(1 / STEP)) * STEP
    errors = [np.mean([abs(int((s >= step).sum()) - n) for s, n in zip(scores, boxes, strict=True)]) for step in steps]
    return round(float(steps[int(np.argmin(errors))]), 2)


def phone_floor(phone: Seen) -> float:
    """The lowest threshold for all labels that keeps to MAX_PHONE false positives a phone-like picture."""
    score = Matches.of(phone.found, phone.pictures.truth, 0.3).score_at(MAX_PHONE)
    return round(float(np.ceil(max(score, LOWEST) / STEP - 1e-9) * STEP), 2)


def reported(found: Found, limits: Sequence[float]) -> Found:
    """What a device reports: each label above its own threshold."""
    keep = found.scores >= np.asarray(limits)[found.classes]
    return Found(found.boxes_px[keep], found.scores[keep], found.classes[keep])
