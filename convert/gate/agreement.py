"""Whether the converted model still answers as the float one does, where no labels say which of both is right.

Agreement is weaker than a task's metric: it tells that nothing was lost in conversion, not that there was anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.gate.result import Cause
from convert.gate.running import CONVERTED, FLOAT, Found

Reals = NDArray[np.float64]
Tensors = Sequence[Sequence[NDArray[np.float32]]]
"""[example][output]."""
TOP1_MIN = 0.95
TIE_MAX = 0.05
PROBABILITY_DIFFERENCE_MAX = 0.2
FOUND_AGAIN_MIN = 0.9
MEAN_IOU_MIN = 0.8
COSINE_MIN = 0.97
CORRELATION_MIN = 0.9
_MATCH_IOU = 0.5
_LENIENCE = 0.5
"""What one model reports, the other need only see at half of its threshold: a score at the edge may fall either way."""


class Fault(NamedTuple):
    """Why two models do not agree: for programs, and in words."""

    cause: Cause
    told: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """value: of the figure that counts as lost or kept, 0 to 1. figures: name → value. limits: what passes.

    ratios: of figures that are a sum over a sum, both by picture, from which their interval comes; extremes have none.
    """

    value: float
    figures: Mapping[str, float]
    limits: Mapping[str, float]
    found: tuple[Fault, ...]
    ratios: Mapping[str, tuple[Reals, Reals]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.found

    @property
    def faults(self) -> tuple[str, ...]:
        return tuple(each.told for each in self.found)

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Each once, in their order."""
        return tuple(dict.fromkeys(each.cause for each in self.found))


def of_probabilities(float_model: Reals, converted: Reals) -> Agreement:
    """Of two classifiers, (n, labels) each."""
    chosen = converted.argmax(axis=1)
    # Between labels that the float model itself holds for almost equal, rounding may decide either way.
    forgone = float_model.max(axis=1) - float_model[np.arange(len(chosen)), chosen]
    difference = np.abs(float_model - converted)
    name = f"top-1 agreement but for ties within {TIE_MAX:g}"
    by_picture = {
        name: forgone <= TIE_MAX,
        "top-1 agreement": float_model.argmax(axis=1) == chosen,
        "mean probability difference": difference.mean(axis=1),
    }
    figures = {each: float(values.mean()) for each, values in by_picture.items()}
    figures["largest probability difference"] = float(difference.max())
    top1 = figures[name]
    faults: list[Fault] = []
    if float(np.ptp(float_model, axis=0).max()) == 0:
        faults.append(Fault("constant", f"{FLOAT} gives every picture the same probabilities"))
    faults += _below(name, top1, TOP1_MIN)
    if not figures["largest probability difference"] <= PROBABILITY_DIFFERENCE_MAX:
        told = f"largest probability difference {difference.max():.3f} of at most {PROBABILITY_DIFFERENCE_MAX:g}"
        faults.append(Fault("limit", told))
    limits = {name: TOP1_MIN, "largest probability difference": PROBABILITY_DIFFERENCE_MAX}
    every = np.ones(len(chosen))
    ratios = {each: (values.astype(np.float64), every) for each, values in by_picture.items()}
    return Agreement(top1, figures, limits, tuple(faults), ratios)


def of_detections(float_model: Found, converted: Found, thresholds: Sequence[float]) -> Agreement:
    """Of two detectors, every score reported; thresholds: the card's, one a label."""
    wanted, found, ious = _found_again(float_model, converted, thresholds)
    given, confirmed, _ = _found_again(converted, float_model, thresholds)
    ratios = {
        "share of the float model's detections found again": (found, wanted),
        "share of the converted model's detections that the float model has": (confirmed, given),
        "mean IoU of those found again": (ious, found),
    }
    figures = {name: ratio(*sums) for name, sums in ratios.items()}
    again = next(iter(figures.values()))
    limits = dict(zip(figures, (FOUND_AGAIN_MIN, FOUND_AGAIN_MIN, MEAN_IOU_MIN), strict=True))
    if np.isnan(again):
        told = (
            f"{FLOAT} finds nothing at its thresholds in {len(float_model)} pictures, so nothing was compared: "
            "other pictures, or a lower score_threshold in --describe TOML"
        )
        faults = [Fault("nothing found", told)]
    else:
        faults = [fault for name, value in figures.items() for fault in _below(name, value, limits[name])]
    return Agreement(0.0 if np.isnan(again) else again, figures, limits, tuple(faults), ratios)


def of_tensors(float_model: Tensors, converted: Tensors) -> Agreement:
    """Of two models of which nothing is known, output by output; the worst output counts.

    Correlation is of what changes from example to example: an output that is stuck has a fine cosine all the same.
    """
    cosines, correlations = [], []
    faults: list[Fault] = []
    by_output = zip(zip(*float_model, strict=True), zip(*converted, strict=True), strict=True)
    for number, sides in enumerate(by_output):
        first, second = (np.stack([each.ravel() for each in side]).astype(np.float64) for side in sides)
        whose = [name for name, side in ((FLOAT, first), (CONVERTED, second)) if not np.isfinite(side).all()]
        if whose:
            cause: Cause = "float not finite" if FLOAT in whose else "not finite"
            faults.append(Fault(cause, f"output {number} of {' and of '.join(whose)} has NaN or infinity"))
            continue
        cosines.append(_cosine(first, second))
        centred = first - first.mean(axis=0)
        if not np.abs(centred).max() > 0:
            faults.append(Fault("constant", f"output {number} of {FLOAT} never changes"))
            continue
        correlations.append(_cosine(centred, second - second.mean(axis=0)))
    figures = {
        "lowest cosine of an output": min(cosines, default=float("nan")),
        "lowest correlation of an output": min(correlations, default=float("nan")),
    }
    limits = dict(zip(figures, (COSINE_MIN, CORRELATION_MIN), strict=True))
    faults += [fault for name, value in figures.items() for fault in _below(name, value, limits[name])]
    return Agreement(min(cosines, default=0.0), figures, limits, tuple(faults))


def _below(name: str, value: float, floor: float) -> list[Fault]:
    """NaN is no fault of its own: it comes of nothing to compare, which has been told."""
    return [Fault("limit", f"{name} {value:.4f} of at least {floor:g}")] if value < floor else []


def _cosine(first: Reals, second: Reals) -> float:
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / norms if norms > 0 else 0.0


def ratio(above: Reals, below: Reals) -> float:
    """Sum over sum; NaN where there is nothing below."""
    total = float(below.sum())
    return float(above.sum()) / total if total else float("nan")


def _found_again(these: Found, those: Found, thresholds: Sequence[float]) -> tuple[Reals, Reals, Reals]:
    """By picture: how many of `these` are over their thresholds, how many of them `those` have too, their IoUs' sum."""
    sums = np.zeros((3, len(these)))
    for picture, (one, other) in enumerate(zip(these, those, strict=True)):
        free = [each for each in other if each.score >= thresholds[each.class_id] * _LENIENCE]
        for detection in (each for each in one if each.score >= thresholds[each.class_id]):
            sums[0, picture] += 1
            alike = [each for each in free if each.class_id == detection.class_id]
            overlaps = [detection.box_px.iou(each.box_px) for each in alike]
            if overlaps and max(overlaps) >= _MATCH_IOU:
                sums[1:, picture] += 1, max(overlaps)
                free.remove(alike[int(np.argmax(overlaps))])
    return sums[0], sums[1], sums[2]
