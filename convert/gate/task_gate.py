"""The gate with labels: the task's metric of both models, how sure their difference is, and for whom it is lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convert.description import Description
from convert.gate import average_precision, measures
from convert.gate.bootstrap import CONFIDENCE, GROUPS_MIN, RESAMPLES, interval, none_limit_of_mean, resample
from convert.gate.result import LABEL_PICTURES_MIN, WEAK_POINTS, Cause, Figure, GateResult, Row, figure, row
from convert.gate.running import CONVERTED, FLOAT, detections, probabilities
from convert.pictures.evaluation import Evaluation
from convert.pictures.skin_tone import BINS, UNKNOWN
from edge.bundle import Bundle

Reals = NDArray[np.float64]
Measure = Callable[[Reals], Reals]
"""(pictures,) weights → figures."""
SEES_AP50 = 0.05
"""A float detector under this does not see, whatever the reason."""
NO_SOURCE = "source not stated"


@dataclass(frozen=True, slots=True)
class _Measured:
    """figures: as `names`, the gate's metric first. by_label: label by label, (labels,)."""

    names: Sequence[str]
    label_metric: str
    figures: Measure
    by_label: Measure


class TaskGate:
    """The float model's figures, kept, with those of every resample."""

    def __init__(
        self,
        described: Description,
        float_bundle: Bundle,
        evaluation: Evaluation,
        *,
        max_drop: float,
        threads: int,
        seed: int,
    ) -> None:
        self._evaluation, self._task = evaluation, float_bundle.card.task
        self._max_drop, self._threads, self._seed = max_drop, threads, seed
        labels = described.labels
        if self._task == "classification" and len(labels) == 1:
            labels = f"not_{labels[0]}", labels[0]
        self._labels = labels
        # With a single label, every other in the set is "not it": place 0.
        self._truth = np.array(
            [labels.index(each.label) if each.label in labels else 0 for each in evaluation.examples], dtype=np.intp
        )
        self._shows = self._truth[:, np.newaxis] == np.arange(len(labels))
        if self._task == "detection":
            shown = [{label for label, _ in each.boxes} for each in evaluation.examples]
            self._shows = np.array([[label in each for label in labels] for each in shown])
        self._float, self._float_file = self._measure(float_bundle, FLOAT), float_bundle.model
        self._groups = len(set(evaluation.groups))
        self._resampled = self._resample(self._float)

    def judge(self, converted: Bundle) -> GateResult:
        theirs = self._measure(converted, CONVERTED)
        figures = self._figures(theirs, same_file=converted.model == self._float_file)
        metric = figures[0]
        lost = 100 * ((metric.float_model or 0.0) - (metric.converted or 0.0))
        blind = self._blindness(metric)
        too_much = lost > self._max_drop + 1e-9
        passed = not (too_much or blind)
        possible = None if metric.low is None else 0.0 - 100 * metric.low  # 0.0 - 0.0 is no -0.0
        weak = passed and (possible is None or possible > max(WEAK_POINTS, self._max_drop))
        causes: list[tuple[Cause, bool]] = [("loss", too_much), ("blind", bool(blind))]
        sources = tuple(each.source or NO_SOURCE for each in self._evaluation.examples)
        return GateResult(
            passed=passed,
            kind="task",
            task=self._task,
            metric=metric.name,
            sentence=self._sentence(metric, lost, blind, passed=passed, weak=weak),
            points_lost=lost,
            pictures=len(self._evaluation.examples),
            groups=self._groups,
            pictures_from=self._evaluation.told,
            max_drop=self._max_drop,
            causes=tuple(cause for cause, holds in causes if holds),
            weak=weak,
            loss_possible=possible if passed else None,
            figures=tuple(figures),
            per_label=self._per_label(theirs),
            per_source=self._per_part(theirs, sources, sorted(set(sources))),
            per_tone=self._per_part(theirs, self._evaluation.tones, (*BINS, UNKNOWN)),
        )

    def _measure(self, bundle: Bundle, whose: str) -> _Measured:
        examples = self._evaluation.examples
        if self._task == "detection":
            found = average_precision.match(examples, detections(bundle, examples, self._threads), self._labels)
            return _Measured(
                average_precision.FIGURES,
                "AP50",
                lambda weights: average_precision.detection_figures(found, weights),
                lambda weights: np.array([average_precision.average_precision_50(each, weights) for each in found]),
            )
        likely = probabilities(bundle, examples, self._threads, whose)
        return _Measured(
            measures.FIGURES,
            "sensitivity",
            lambda weights: measures.classification_figures(self._truth, likely, weights),
            lambda weights: measures.recalls(self._truth, likely, weights),
        )

    def _resample(self, measured: _Measured) -> Reals | None:
        """(resamples, figures) with the same draws for every model; None where groups are too few to draw from."""
        if self._groups < GROUPS_MIN:
            return None
        return resample(measured.figures, self._evaluation.groups, self._seed)

    def _figures(self, theirs: _Measured, *, same_file: bool) -> list[Figure]:
        every = np.ones(len(self._evaluation.examples))
        values = zip(theirs.names, self._float.figures(every), theirs.figures(every), strict=True)
        resampled = self._resample(theirs)
        if resampled is None or self._resampled is None:
            return [figure(*each, math.nan, math.nan, "bootstrap") for each in values]
        made = []
        for each, differences in zip(values, (resampled - self._resampled).T, strict=True):
            if same_file or np.nan_to_num(differences).any():
                made.append(figure(*each, *interval(differences), "same file" if same_file else "bootstrap"))
            else:
                limit = none_limit_of_mean(self._shows, self._evaluation.groups)
                made.append(figure(*each, -limit, limit, "exact"))
        return made

    def _blindness(self, metric: Figure) -> str:
        """Why the float model itself does not see; empty where it does."""
        value = metric.float_model or 0.0
        if self._task == "detection":
            return "" if value >= SEES_AP50 else f"under {SEES_AP50:g} the float model itself finds nothing"
        chance = 1 / len(np.unique(self._truth))
        surely = value if self._resampled is None else interval(self._resampled[:, 0])[0]
        return "" if surely > chance else f"the float model itself is not surely better than chance ({chance:.3f})"

    def _sentence(self, metric: Figure, lost: float, blind: str, *, passed: bool, weak: bool) -> str:
        verdict = "passed on too few pictures to tell" if weak else "passed" if passed else "failed"
        told = (
            f"gate: {verdict}: {metric.name} {_number(metric.float_model)} float, "
            f"{_number(metric.converted)} converted, on the same {len(self._evaluation.examples)} pictures "
            f"({self._evaluation.told}): {_loss(lost)} ({self._max_drop:g} allowed)"
        )
        if blind:
            return f"{told}; {blind}: check --input-range, the labels' order and the evaluation set"
        if metric.low is None or metric.high is None:
            return (
                f"{told}; from {self._groups} of at least {GROUPS_MIN} groups of pictures nothing can be said of how "
                "sure that is"
            )
        least, most = 0.0 - 100 * metric.high, 0.0 - 100 * metric.low  # 0.0 - 0.0 is no -0.0
        if metric.method == "same file":
            return f"{told}; both are the same file"
        source = {
            "bootstrap": f"{RESAMPLES} resamples of {self._groups} groups",
            "exact": f"nothing differs in any of {self._groups} groups; exact limit of Clopper and Pearson",
        }[metric.method or "bootstrap"]
        told += f"; {CONFIDENCE:.0%} interval of the loss {least:.1f} to {most:.1f} points ({source})"
        if passed and most > self._max_drop:
            return f"{told}, so a loss of up to {most:.1f} points is not ruled out"
        if not passed and least <= self._max_drop:
            return f"{told}, so that may be chance: more pictures would tell"
        return told

    def _per_label(self, theirs: _Measured) -> tuple[Row, ...]:
        every = np.ones(len(self._evaluation.examples))
        before, after = self._float.by_label(every), theirs.by_label(every)
        return tuple(
            row(label, int(self._shows[:, place].sum()), theirs.label_metric, before[place], after[place])
            for place, label in enumerate(self._labels)
        )

    def _per_part(self, theirs: _Measured, parts: Sequence[str], names: Sequence[str]) -> tuple[Row, ...]:
        """The metric over each part (a source, a bin of skin tone), mean over the labels with enough pictures in it.

        Without that floor, two pictures of a rare label would be half of a part's figure.
        """
        made = []
        for name in names if parts else ():
            weights = np.array([part == name for part in parts], dtype=np.float64)
            shown = weights @ self._shows
            enough = np.flatnonzero(shown >= LABEL_PICTURES_MIN)
            before, after = (each.by_label(weights)[enough] for each in (self._float, theirs))
            note = ""
            if len(enough) < np.count_nonzero(shown):
                of = ", ".join(self._labels[place] for place in enough)
                note = f"of {of}" if of else f"too few: no label on {LABEL_PICTURES_MIN} pictures or more"
            first, second = (float(each.mean()) if len(enough) else math.nan for each in (before, after))
            made.append(row(name, int(weights.sum()), theirs.names[0], first, second, note))
        return tuple(made)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _loss(points: float) -> str:
    return f"{points:.2f} points lost" if points >= 0 else f"{-points:.2f} points gained"
