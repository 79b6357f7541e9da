"""The gate without labels: the converted model against the float one, on pictures that calibration never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convert.gate.agreement import Agreement, of_detections, of_probabilities, of_tensors, ratio
from convert.gate.bootstrap import GROUPS_MIN, Method, Reals, interval, none_limit, resample
from convert.gate.result import Figure, GateResult, known
from convert.gate.running import CONVERTED, FLOAT, Runner, detections, probabilities
from convert.pictures.evaluation import Evaluation
from edge.bundle import Bundle


class AgreementGate:
    """The float model's answers, kept."""

    def __init__(self, float_bundle: Bundle, evaluation: Evaluation, *, threads: int, seed: int) -> None:
        self._evaluation = evaluation
        self._seed = seed
        self._task = float_bundle.card.task
        self._agree = _agreement(float_bundle, evaluation, threads)

    def judge(self, converted: Bundle) -> GateResult:
        found = self._agree(converted)
        told = ", ".join(f"{name} {value:.3f}" for name, value in found.figures.items())
        verdict = "passed" if found.passed else f"failed ({'; '.join(found.faults)})"
        pictures = len(self._evaluation.examples)
        spread = intervals(found, self._evaluation.groups, self._seed)
        sentence = (
            f"gate: agreement only, {verdict}: converted against float model on {pictures} examples "
            f"({self._evaluation.told}): {told}. Whether either is right was not measured"
        )
        return GateResult(
            passed=found.passed,
            kind="agreement",
            task=self._task,
            metric=next(iter(found.figures)),
            sentence=sentence,
            points_lost=100 * (1 - found.value),
            pictures=pictures,
            groups=len(set(self._evaluation.groups)),
            pictures_from=self._evaluation.told,
            causes=found.causes,
            figures=tuple(
                Figure(
                    name,
                    converted=known(value),
                    limit=found.limits.get(name),
                    **({} if name not in spread else spread[name]._asdict()),
                )
                for name, value in found.figures.items()
            ),
        )


class Interval(NamedTuple):
    """None where no resample had a value."""

    low: float | None
    high: float | None
    method: Method


def intervals(found: Agreement, groups: Sequence[str], seed: int) -> dict[str, Interval]:
    """Of each figure that is a sum over the pictures, by a bootstrap over groups; empty where these are too few.

    Where all pictures have a figure whole, or none has anything of it, the exact limit: it holds of any figure from 0
    to 1, since what a group adds is at most 1 and in so many groups was never less (or more).
    """
    if len(set(groups)) < GROUPS_MIN or not found.ratios:
        return {}
    sums = np.array(list(found.ratios.values()))

    def measure(weights: Reals) -> Reals:
        return np.array([ratio(*each) for each in sums * weights])

    resampled = resample(measure, groups, seed).T
    made = {}
    for (name, (above, below)), values in zip(found.ratios.items(), resampled, strict=True):
        counted = len({group for group, has_any in zip(groups, below > 0, strict=True) if has_any})
        if counted and (above == below).all():
            made[name] = Interval(1 - none_limit(counted), 1.0, "exact")
        elif counted and not above.any():
            made[name] = Interval(0.0, none_limit(counted), "exact")
        else:
            low, high = interval(values)
            made[name] = Interval(known(low), known(high), "bootstrap")
    return made


def _agreement(float_bundle: Bundle, evaluation: Evaluation, threads: int) -> Callable[[Bundle], Agreement]:
    """What compares a conversion with the float model, which has answered already."""
    examples = evaluation.examples
    if float_bundle.card.task == "detection":
        found = detections(float_bundle, examples, threads)
        thresholds = [label.score_threshold for label in float_bundle.card.labels]
        return lambda converted: of_detections(found, detections(converted, examples, threads), thresholds)
    if float_bundle.card.task == "classification":
        likely = probabilities(float_bundle, examples, threads, FLOAT)
        return lambda converted: of_probabilities(likely, probabilities(converted, examples, threads, CONVERTED))
    answers = _tensors(float_bundle, evaluation, threads)
    return lambda converted: of_tensors(answers, _tensors(converted, evaluation, threads))


def _tensors(bundle: Bundle, evaluation: Evaluation, threads: int) -> list[list[NDArray[np.float32]]]:
    runner = Runner(bundle, threads)
    return [runner.outputs(example) for example in evaluation.examples]
