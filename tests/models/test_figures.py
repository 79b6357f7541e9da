"""How figures are counted, on cases that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.detect import Detection
from edge.frame import Box
from models import thresholds
from models.data import Picture
from models.evaluate import average_precision, recall_and_false

LABEL = "cutaneous_tumour"


def picture(*boxes: tuple[float, float, float, float]) -> Picture:
    truth = np.array(boxes, np.float32).reshape(-1, 4)
    classes = np.zeros(len(boxes), np.int64)
    return Picture("x", Path("x"), "trc_dermoscopy", "val", "g", 100, 100, truth, classes)


def found(*scored: tuple[float, tuple[float, float, float, float]]) -> list[Detection]:
    return [Detection(Box(*box), 0, LABEL, score) for score, box in scored]


def test_a_perfect_detector_has_average_precision_one() -> None:
    pictures = [picture((10, 10, 50, 50)), picture((0, 0, 30, 30), (40, 40, 90, 90)), picture()]
    answers = [found((0.9, (10, 10, 50, 50))), found((0.8, (0, 0, 30, 30)), (0.7, (40, 40, 90, 90))), []]
    assert average_precision(pictures, answers, LABEL, [0.5]) == pytest.approx(1)


def test_a_false_positive_before_the_hit_halves_it() -> None:
    pictures = [picture((10, 10, 50, 50))]
    answers = [found((0.9, (60, 60, 90, 90)), (0.5, (10, 10, 50, 50)))]
    assert average_precision(pictures, answers, LABEL, [0.5]) == pytest.approx(0.5)


def test_nothing_found_is_zero() -> None:
    assert average_precision([picture((10, 10, 50, 50))], [[]], LABEL, [0.5]) == 0.0


def test_recall_counts_a_lesion_once() -> None:
    pictures = [picture((10, 10, 50, 50), (60, 60, 90, 90))]
    answers = [found((0.9, (10, 10, 50, 50)), (0.8, (12, 10, 50, 50)), (0.2, (60, 60, 90, 90)))]
    assert recall_and_false(pictures, answers, LABEL, 0.5, 0.5) == (0.5, 1.0)


def test_the_threshold_is_the_smallest_that_keeps_the_rate() -> None:
    scores = np.concatenate([np.full(99, 0.05), [0.42]])
    assert thresholds.smallest(scores, 0.01) == thresholds.LOWEST
    scores = np.concatenate([np.full(90, 0.05), np.full(10, 0.425)])
    assert thresholds.smallest(scores, 0.01) == 0.43
