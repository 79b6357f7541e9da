"""How well a classifier sees: figures of probabilities against labels, each with a weight for every picture.

Weights are how often a resample holds a picture, or 1 and 0 for a part of the set; so the figures of a whole set, of
one source, and of a thousand bootstrap resamples come out of the same lines. NaN where a figure is not defined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Integers = NDArray[np.intp]
FIGURES = ("balanced accuracy", "AUC", "sensitivity at specificity 0.9", "expected calibration error")
SPECIFICITY = 0.9
_CALIBRATION_BINS = 15


def classification_figures(truth: Integers, probabilities: Reals, weights: Reals) -> Reals:
    """(4,) as FIGURES. truth: (n,) label indices, probabilities: (n, labels), weights: (n,)."""
    curves = [_curve(truth == label, probabilities[:, label], weights) for label in range(probabilities.shape[1])]
    known = [curve for curve in curves if curve is not None]
    return np.array(
        [
            _mean(recalls(truth, probabilities, weights)),
            _mean([float((np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum()) for fpr, tpr in known]),
            _mean([tpr[fpr <= 1 - SPECIFICITY + 1e-9].max() for fpr, tpr in known]),
            expected_calibration_error(truth, probabilities, weights),
        ]
    )


def recalls(truth: Integers, probabilities: Reals, weights: Reals) -> Reals:
    """(labels,) the share of each label's pictures that has it as most probable; NaN for a label without pictures.

    Their mean is the balanced accuracy (K. H. Brodersen et al., ICPR 2010).
    """
    labels = probabilities.shape[1]
    right = probabilities.argmax(axis=1) == truth
    total = np.bincount(truth, weights, labels)
    hits = np.bincount(truth, weights * right, labels)
    return np.divide(hits, total, out=np.full(labels, np.nan), where=total > 0)


def expected_calibration_error(truth: Integers, probabilities: Reals, weights: Reals) -> float:
    """Mean distance of the largest probability from how often it is right, over 15 bins (C. Guo et al., ICML 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    # A bin is open below and closed above, as in the paper; probabilities of quantised outputs may leave 0 to 1.
    bins = np.clip(np.ceil(confidence * _CALIBRATION_BINS) - 1, 0, _CALIBRATION_BINS - 1).astype(np.intp)
    gaps = np.bincount(bins, weights * (right - confidence), _CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / weights.sum()) if weights.sum() > 0 else float("nan")


def _curve(positive: NDArray[np.bool_], score: Reals, weights: Reals) -> tuple[Reals, Reals] | None:
    """The ROC curve, false and true positive rates, one against the rest (T. Fawcett, Pattern Recogn. Lett. 27, 2006).

    Equal scores are one step: int8 has many of them. None where one side has no pictures.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    true = np.cumsum((weights * positive)[order])[ends]
    false = np.cumsum((weights * ~positive)[order])[ends]
    if not (true[-1] > 0 and false[-1] > 0):
        return None
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def _mean(values: Reals | list[float]) -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")
