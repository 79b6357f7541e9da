"""What both models answer, picture by picture, as bins to draw: how their scores are spread, or what these are worth.

For detection and for classification without labels the best score of each picture, in equal bins from 0 to 1. For
classification with labels a reliability curve (A. Niculescu-Mizil, R. Caruana, ICML 2005): of the pictures to which
about such a probability was given, how many are right.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.description import Description
from convert.gate.running import detections, probabilities
from convert.pictures.evaluation import Evaluation
from convert.pictures.examples import Example
from edge.bundle import Bundle

Reals = NDArray[np.float64]
PICTURES_MAX = 200
_BINS = 20
_CURVE_BINS = 10
_FILLED_MIN = 5
"""A point of the curve stands for at least so many pictures."""


class Scores(msgspec.Struct, frozen=True):
    """kind "spread": counts in equal bins from 0 to 1; "reliability": (mean probability, share right) of bins.

    Of the float model first, then of the converted one.
    """

    kind: Literal["spread", "reliability"]
    pictures: int
    counts: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    curves: tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]] = ((), ())


def compare(
    described: Description, float_bundle: Bundle, converted: Bundle, evaluation: Evaluation, *, threads: int = 2
) -> Scores | None:
    """Of at most 200 of the pictures, evenly taken. None for a model without scores."""
    if described.task not in ("detection", "classification"):
        return None
    every = evaluation.examples
    chosen = [every[index] for index in np.unique(np.linspace(0, len(every) - 1, PICTURES_MAX).astype(int))]
    if described.task == "classification" and evaluation.labelled:
        before, after = (_curve(described, bundle, chosen, threads) for bundle in (float_bundle, converted))
        return Scores("reliability", len(chosen), curves=(before, after))
    spreads = [_spread(_best(described, bundle, chosen, threads)) for bundle in (float_bundle, converted)]
    return Scores("spread", len(chosen), counts=(spreads[0], spreads[1]))


def _best(described: Description, bundle: Bundle, examples: list[Example], threads: int) -> Reals:
    if described.task == "classification":
        return probabilities(bundle, examples, threads).max(axis=1)
    found = detections(bundle, examples, threads)
    return np.array([max((each.score for each in picture), default=0.0) for picture in found])


def _spread(best: Reals) -> tuple[int, ...]:
    counts, _ = np.histogram(best, bins=_BINS, range=(0.0, 1.0))
    return tuple(int(count) for count in counts)


def _curve(
    described: Description, bundle: Bundle, examples: list[Example], threads: int
) -> tuple[tuple[float, float], ...]:
    likely = probabilities(bundle, examples, threads)
    labels = described.labels if len(described.labels) > 1 else ("", *described.labels)
    # With a single label, every other is "not it": place 0, as in the gate.
    truth = np.array([labels.index(each.label) if each.label in labels else 0 for each in examples])
    confidence, right = likely.max(axis=1), likely.argmax(axis=1) == truth
    bins = np.clip((confidence * _CURVE_BINS).astype(int), 0, _CURVE_BINS - 1)
    members = [bins == place for place in range(_CURVE_BINS)]
    return tuple(
        (float(confidence[member].mean()), float(right[member].mean()))
        for member in members
        if member.sum() >= _FILLED_MIN
    )
