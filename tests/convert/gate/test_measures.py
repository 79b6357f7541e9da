"""Figures of classifiers and detectors against other people's code and against what can be counted by hand."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import numpy as np
import pytest

from convert.gate.average_precision import FIGURES, average_precision_50, detection_figures, match
from convert.gate.average_precision import _judge as judged
from convert.gate.bootstrap import interval, none_limit, none_limit_of_mean, resample
from convert.gate.measures import classification_figures, expected_calibration_error, recalls
from convert.gate.running import Found
from convert.pictures.examples import Example
from edge.detect import Detection
from edge.frame import Box

LABELS = ("round", "square")


def classified() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seeded answers with many equal scores, as int8 gives them, and weights of a resample."""
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 200)
    likely = rng.dirichlet([1, 1, 1], 200)
    likely[np.arange(200), truth] += 0.4
    likely = np.round(likely / likely.sum(1, keepdims=True) * 16) / 16
    return truth, likely / likely.sum(1, keepdims=True), rng.integers(0, 4, 200).astype(float)


def test_classification_as_scikit_learn_has_it() -> None:
    # balanced_accuracy_score, roc_auc_score and roc_curve of scikit-learn 1.9.1 on these answers, macro over labels.
    truth, likely, weights = classified()
    plain = classification_figures(truth, likely, np.ones(200))
    assert plain[:3] == pytest.approx([0.6846841962591489, 0.9039735767605787, 0.6084801662600524], rel=1e-12)
    weighted = classification_figures(truth, likely, weights)
    assert weighted[:3] == pytest.approx([0.6750657082727286, 0.8979668096498608, 0.6018948291584909], rel=1e-12)


def test_a_weight_of_two_is_a_picture_twice() -> None:
    truth, likely, weights = classified()
    twice = np.repeat(np.arange(200), weights.astype(int))
    again = classification_figures(truth[twice], likely[twice], np.ones(len(twice)))
    assert classification_figures(truth, likely, weights) == pytest.approx(again, rel=1e-12)


def test_calibration_error_by_hand() -> None:
    # Bin 0.8 to 0.867: three at 0.85, one right: |1/3 - 0.85|. Bin 0.533 to 0.6: one at 0.6, right: |1 - 0.6|.
    likely = np.array([[0.85, 0.15], [0.85, 0.15], [0.15, 0.85], [0.6, 0.4]])
    truth = np.array([0, 1, 0, 0])
    expected = 0.75 * (0.85 - 1 / 3) + 0.25 * 0.4
    assert expected_calibration_error(truth, likely, np.ones(4)) == pytest.approx(expected)


def test_a_label_without_pictures_does_not_count() -> None:
    truth, likely = np.array([0, 0, 1]), np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.1, 0.9, 0.0]])
    assert recalls(truth, likely, np.ones(3)) == pytest.approx([0.5, 1.0, np.nan], nan_ok=True)
    assert classification_figures(truth, likely, np.ones(3))[0] == 0.75
    assert np.isnan(classification_figures(truth, likely, np.array([1.0, 1.0, 0.0]))[1])


def scene(pictures: int = 40) -> tuple[list[Example], Found]:
    """Seeded boxes and detections that are near them, elsewhere, twice, or of the other label, with equal scores."""
    rng = np.random.default_rng(2)
    examples, found = [], []
    for number in range(pictures):
        boxes, detections = [], []
        for _ in range(rng.integers(0, 4)):
            label = int(rng.integers(0, 2))
            x, y, side = rng.uniform(0, 200), rng.uniform(0, 200), rng.uniform(20, 80)
            boxes.append((LABELS[label], Box(x, y, x + side, y + side)))
            for _ in range(rng.integers(0, 3)):
                near = np.array([x, y, x + side, y + side]) + rng.normal(0, side / 12, 4)
                kind = label if rng.uniform() < 0.8 else 1 - label
                detections.append(Detection(Box(*near.tolist()), kind, LABELS[kind], round(rng.uniform(0.2, 1), 1)))
        for _ in range(rng.integers(0, 3)):
            x, y, kind = rng.uniform(0, 200), rng.uniform(0, 200), int(rng.integers(0, 2))
            away = Box(x, y, x + 30, y + 30)
            detections.append(Detection(away, kind, LABELS[kind], round(rng.uniform(0, 0.7), 1)))
        examples.append(Example(str(number), boxes=tuple(boxes)))
        found.append(sorted(detections, key=lambda each: -each.score))
    return examples, found


def by_pycocotools(examples: Sequence[Example], found: Found) -> tuple[float, float]:
    """AP50 and AP50:95, mean over labels."""
    with contextlib.redirect_stdout(io.StringIO()):
        judge = judged(examples, found, LABELS)
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 0]  # (IoU, recall, label)
    return float(precision[0].mean()), float(precision.mean())


def test_average_precision_is_that_of_pycocotools() -> None:
    examples, found = scene()
    figures = detection_figures(match(examples, found, LABELS), np.ones(len(examples)))
    assert figures[:2] == pytest.approx(by_pycocotools(examples, found), abs=1e-12)
    assert 0.2 < figures[1] < figures[0] < 0.8, "a test at 0 or 1 would tell nothing"


def test_weights_are_pictures_drawn_so_often() -> None:
    examples, found = scene()
    # Each score is its own, since pycocotools ranks equal ones by picture, and copies would change that order.
    found = [
        [Detection(each.box_px, each.class_id, each.label, each.score + 1e-6 * (100 * picture + number))
         for number, each in enumerate(detections)]
        for picture, detections in enumerate(found)
    ]  # fmt: skip
    weights = np.random.default_rng(3).integers(0, 3, len(examples))
    drawn = np.repeat(np.arange(len(examples)), weights)
    figures = detection_figures(match(examples, found, LABELS), weights.astype(float))
    again = by_pycocotools([examples[each] for each in drawn], [found[each] for each in drawn])
    assert figures[:2] == pytest.approx(again, abs=1e-12)


def test_recall_at_false_positives_by_hand() -> None:
    here, there = Box(0, 0, 40, 40), Box(100, 100, 140, 140)

    def seen(box: Box, score: float) -> Detection:
        return Detection(box, 0, LABELS[0], score)

    examples = [
        Example("a", boxes=(("round", here),)),
        Example("b", boxes=(("round", here),)),
        Example("c"),
        Example("d"),
    ]
    found: Found = [[seen(here, 0.9)], [seen(there, 0.8), seen(here, 0.7)], [seen(there, 0.7)], [seen(there, 0.2)]]
    matches = match(examples, found, LABELS)
    names = dict(zip(FIGURES, detection_figures(matches, np.ones(4)), strict=True))
    # 0.9 hits; 0.8 misses (1 of 4 pictures: 0.25); at 0.7 a hit and a miss come together (0.5).
    assert names["recall at 0.1 false positives a picture"] == 0.5
    assert names["recall at 0.5 false positives a picture"] == 1.0
    assert names["recall at 1 false positives a picture"] == 1.0
    # Without the picture that holds the early miss, nothing stands before the first hit's equal.
    assert average_precision_50(matches[0], np.array([1.0, 0, 1, 1])) == 1.0
    assert np.isnan(average_precision_50(matches[1], np.ones(4)))


def test_nothing_found_is_nothing() -> None:
    examples = [Example("a", boxes=(("round", Box(0, 0, 40, 40)),)), Example("b")]
    assert detection_figures(match(examples, [[], []], LABELS), np.ones(2)).tolist() == [0.0] * 5
    assert np.isnan(detection_figures(match(examples, [[], []], LABELS), np.array([0.0, 1.0]))).all()


def test_the_interval_of_a_mean_is_that_of_the_textbook() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, 400)

    def mean(weights: np.ndarray) -> np.ndarray:
        return np.array([weights @ values / weights.sum()])

    low, high = interval(resample(mean, [str(number) for number in range(400)], seed=1)[:, 0])
    assert (low, high) == pytest.approx((values.mean() - 1.96 / 20, values.mean() + 1.96 / 20), abs=0.02)
    # The same values in groups of eight that are alike are 50 independent ones: an interval about 8 ** 0.5 as wide.
    alike = np.repeat(values[:50], 8)
    wide = resample(
        lambda weights: np.array([weights @ alike / weights.sum()]), np.repeat(np.arange(50), 8).tolist(), 1
    )
    lower, upper = interval(wide[:, 0])
    assert (upper - lower) / (high - low) == pytest.approx(8**0.5, rel=0.2)


def test_draws_are_the_same_for_every_model() -> None:
    drawn = [resample(lambda weights: weights, ["a", "a", "b", "c"], seed=7, count=20) for _ in range(2)]
    assert np.array_equal(*drawn)
    assert (drawn[0][:, 0] == drawn[0][:, 1]).all()
    assert (drawn[0][:, [0, 2, 3]].sum(axis=1) == 3).all()


def test_resamples_without_a_value_are_left_out() -> None:
    assert interval(np.array([np.nan, 2.0, 2.0])) == (2.0, 2.0)
    assert np.isnan(interval(np.array([np.nan, np.nan]))).all()


def test_the_limit_of_what_was_never_seen_is_the_exact_one() -> None:
    """At it, to have seen none has a chance of one in forty."""
    for groups in (1, 20, 300):
        assert (1 - none_limit(groups)) ** groups == pytest.approx(0.025)


def test_of_a_mean_over_labels_the_rarest_label_decides() -> None:
    groups = [str(number) for number in range(60)]
    even = np.eye(3, dtype=np.bool_)[np.arange(60) % 3]
    assert none_limit_of_mean(even, groups) == pytest.approx(none_limit(60))
    rare = np.eye(3, dtype=np.bool_)[np.minimum(np.arange(60) // 29, 2)]
    assert rare.sum(axis=0).tolist() == [29, 29, 2]
    # All that is lost may be of the label with two pictures: a third of 1 - 0.025 ** (1 / 2).
    assert none_limit_of_mean(rare, groups) >= (1 - 0.025**0.5) / 3
    # Groups that show all labels count once, not once a label.
    assert none_limit_of_mean(even, [str(number // 3) for number in range(60)]) == pytest.approx(none_limit(20))
    assert none_limit_of_mean(np.zeros((60, 3), np.bool_), groups) == 1.0
