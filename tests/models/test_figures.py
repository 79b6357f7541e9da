"""How figures are counted: on cases that can be counted by hand, and against pycocotools on cases that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge import bundle
from models import coco, failures, figures, intervals, readings, thresholds
from models.detections import Seen
from models.figures import Judged
from models.matching import Found, Matches, side_ratio
from models.picture_sets import Item, PictureSet

Corners = tuple[float, float, float, float]
FREE: list[list[Corners]] = []


def item(boxes: Sequence[Corners], group: str = "g", label: int = 0) -> Item:
    truth = np.array(boxes, np.float32).reshape(-1, 4)
    blank = np.zeros((100, 100, 3), np.uint8)
    return Item(lambda: blank, truth, np.full(len(truth), label, np.int64), group, "drawn", (100, 100))


def found(*scored: tuple[float, Corners], label: int = 0) -> Found:
    boxes = np.array([box for _, box in scored], np.float32).reshape(-1, 4)
    scores = np.array([score for score, _ in scored], np.float32)
    return Found(boxes, scores, np.full(len(scores), label, np.int64))


def seen(truth: Sequence[Sequence[Corners]], answers: Sequence[Found]) -> Seen:
    items = [item(boxes, f"g{index}") for index, boxes in enumerate(truth)]
    return Seen(PictureSet("drawn", items, "0"), list(answers), ["light"] * len(items))


def at(truth: Sequence[Sequence[Corners]], answers: Sequence[Found], level: float = 0.5) -> Matches:
    return Judged(seen(truth, answers), None).at(level)


BIG, LOW, FAR = (10.0, 10.0, 50.0, 50.0), (12.0, 10.0, 50.0, 50.0), (60.0, 60.0, 90.0, 90.0)


def random_set(rng: np.random.Generator) -> Seen:
    """Thirty pictures with boxes, jittered copies of them as detections, and false ones."""
    truth, answers = [], []
    for _ in range(30):
        corners = rng.uniform(0, 60, (int(rng.integers(0, 5)), 2))
        boxes = np.hstack([corners, corners + rng.uniform(8, 40, corners.shape)])
        near = boxes[rng.random(len(boxes)) < 0.8] + rng.normal(0, 3, 4)
        wrong = rng.uniform(0, 60, (int(rng.integers(0, 4)), 2))
        all_boxes = np.vstack([near, np.hstack([wrong, wrong + 20])]).astype(np.float32)
        scores = np.sort(rng.random(len(all_boxes)).astype(np.float32))[::-1]
        truth.append([tuple(box) for box in boxes.tolist()])
        answers.append(Found(all_boxes, scores, np.zeros(len(scores), np.int64)))
    return seen(truth, answers)


def test_a_perfect_detector_has_average_precision_one() -> None:
    truth = [[BIG], [BIG, FAR], []]
    answers = [found((0.9, BIG)), found((0.8, BIG), (0.7, FAR)), found()]
    assert coco.average_precision(seen(truth, answers), 0, [0.5]) == [pytest.approx(1)]
    assert at(truth, answers).average_precision() == pytest.approx(1)


def test_a_false_positive_before_the_hit_halves_it() -> None:
    truth, answers = [[BIG]], [found((0.9, FAR), (0.5, BIG))]
    assert coco.average_precision(seen(truth, answers), 0, [0.5]) == [pytest.approx(0.5)]
    assert at(truth, answers).average_precision() == pytest.approx(0.5)


def test_nothing_found_is_zero_and_nothing_to_find_is_no_number() -> None:
    assert coco.average_precision(seen([[BIG]], [found()]), 0, [0.5]) == [0.0]
    assert at([[BIG]], [found()]).average_precision() == 0.0
    assert np.isnan(at([[]], [found((0.9, BIG))]).average_precision())


@pytest.mark.parametrize("seed", range(5))
def test_our_matching_is_pycocotools(seed: int) -> None:
    judged = Judged(random_set(np.random.default_rng(seed)), 0)
    expected = coco.average_precision(judged.seen, 0, coco.IOUS)
    ours = [judged.at(level).average_precision() for level in coco.IOUS]
    assert ours == pytest.approx(expected, abs=1e-6)


def test_a_weight_of_two_is_the_picture_twice() -> None:
    part = random_set(np.random.default_rng(7))
    twice = Seen(
        PictureSet("twice", part.pictures.items + part.pictures.items[:10], "0"), part.found + part.found[:10],
        part.tones + part.tones[:10],
    )  # fmt: skip
    weights = np.ones(30)
    weights[:10] = 2
    expected = Judged(twice, 0).at(0.5)
    ours = Judged(part, 0).at(0.5)
    assert ours.recall_at(0.5, weights) == pytest.approx(expected.recall_at(0.5), abs=0.02)
    assert ours.average_precision(weights) == pytest.approx(expected.average_precision(), abs=0.02)


def test_a_lesion_is_counted_once() -> None:
    matches = at([[BIG, FAR]], [found((0.9, BIG), (0.8, LOW), (0.2, FAR))])
    assert matches.hit.tolist() == [True, False, True]
    assert matches.at_threshold(0.5) == (0.5, 1.0)
    assert matches.recall_at(0.5) == 0.5
    assert matches.recall_at(1.0) == 1.0
    assert matches.score_at(0.5) == pytest.approx(0.9)


def test_side_ratio_is_that_of_the_sides() -> None:
    wide = (5.0, 5.0, 55.0, 55.0)
    assert side_ratio([found((0.9, wide))], [np.array([BIG])], 0.3) == pytest.approx(1.25)


def test_sizes_and_counts_by_hand() -> None:
    part = seen([[BIG, (0, 0, 10, 10)]], [found((0.9, BIG), (0.3, FAR))])
    rows = figures.by_size(Judged(part, None), "dermoscopy", [0.5])
    assert [(row["boxes"], row["recall50"]) for row in rows] == [(1, 0), (1, 1), (0, 0)]
    assert figures.counts(part.found, [2], 0.2) == {"threshold": 0.2, "mae": 0, "bias": 0}
    assert figures.counts(part.found, [2], 0.5) == {"threshold": 0.5, "mae": 1, "bias": -1}


def test_the_centre_box_is_judged_as_a_detection() -> None:
    middle = item([(25, 25, 75, 75)])
    assert figures.centre_box_recall([middle], 0.5, 0.5) == 1
    assert figures.centre_box_recall([middle], 0.3, 0.5) == 0
    assert figures.centre_box_side([middle], 0.9) == pytest.approx(0.5)


def test_failures_have_their_reasons() -> None:
    far_off = (35.0, 10.0, 75.0, 50.0)
    limits = (0.5, 0.5)
    placed = failures.classes(seen([[BIG]], [found((0.9, far_off))]), 0, limits)
    assert (placed["missed"]["badly placed"], placed["false"]["badly placed"]) == (1, 1)
    other = failures.classes(seen([[BIG]], [found((0.9, BIG), label=1)]), 0, limits)
    assert other["missed"]["other label"] == 1
    again = failures.classes(seen([[BIG]], [found((0.9, BIG), (0.8, LOW), (0.7, FAR))]), 0, limits)
    assert (again["false"]["duplicate"], again["false"]["elsewhere"]) == (1, 1)


def test_a_lesion_free_picture_counts_once_whatever_it_is_called() -> None:
    both = Found(np.array([BIG, FAR], np.float32), np.array([0.9, 0.8], np.float32), np.array([0, 1]))
    told = figures.free(seen([[], []], [both, found()]), (0.5, 0.5), ("a", "b"))
    assert (told["with_detection"], told["fraction"]) == (1, 0.5)
    assert told["by_label"]["a"]["with_detection"] == told["by_label"]["b"]["with_detection"] == 1


@pytest.mark.parametrize(
    ("hits", "count", "expected"),
    [(0, 10, (0, 0.3085)), (5, 10, (0.1871, 0.8129)), (10, 10, (0.6915, 1)), (46, 878, (0.0386, 0.0692))],
)
def test_exact_intervals_are_those_of_the_tables(hits: int, count: int, expected: tuple[float, float]) -> None:
    assert intervals.exact(hits, count) == pytest.approx(expected, abs=1e-4)


def test_groups_are_drawn_as_wholes() -> None:
    weights = intervals.group_weights(["a", "a", "b", "c"], draws=200)
    assert weights.shape == (200, 4)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 3]].sum(1) == 3).all()
    assert len(np.unique(weights, axis=0)) > 5


def test_the_label_that_stands_in_more_pictures_is_raised_and_no_further_than_needed() -> None:
    scores = np.zeros((100, 2))
    scores[:10, 0], scores[10:12, 1] = 0.425, 0.9
    assert thresholds.raised(scores, [0.05, 0.05], 0.12) == [0.05, 0.05]
    assert thresholds.raised(scores, [0.05, 0.05], 0.02) == [0.43, 0.05]
    assert thresholds.raised(scores, [0.05, 0.05], 0.0) == [0.43, 0.91]


def test_acne_is_reported_from_where_its_number_is_told_best() -> None:
    scores = [np.array([0.9, 0.8, 0.3]), np.array([0.7]), np.array([0.355, 0.205])]
    assert thresholds.count_threshold(scores, [2, 1, 0]) == 0.36
    assert thresholds.count_threshold(scores, [3, 1, 1]) == 0.21


def test_chosen_thresholds_keep_every_stated_rate() -> None:
    rng = np.random.default_rng(3)
    free = [
        Found(np.array([BIG], np.float32), rng.random(1).astype(np.float32), np.array([int(n % 2)])) for n in range(400)
    ]
    empty = seen([[]] * 400, free)
    lesions = seen([[BIG]] * 50, [found((0.9, BIG), (0.6, FAR), (0.5, (0, 0, 9, 9)), (0.4, (90, 0, 99, 9)))] * 50)
    limits = thresholds.choose(empty, seen([[]] * 400, [each.above(0.7) for each in free]), lesions, empty)
    for part, most in ((empty, thresholds.MAX_REAL), (seen([[]] * 400, free), thresholds.MAX_REAL)):
        assert figures.free(part, limits, ("a", "b"))["fraction"] <= most
    false = figures.at_threshold(Judged(lesions, None), limits)["false_positives_a_picture30"]
    assert false <= thresholds.MAX_PHONE


def test_a_bundle_is_numbered_at_its_first_reading_only(tmp_path: Path) -> None:
    import msgspec

    card, told = bundle.load().card, {"cutaneous_tumour": {"ap50": 0.9}}
    other = msgspec.structs.replace(card, version="9.9.9")
    file = tmp_path / "readings.json"
    assert [each["reading"] for each in readings.number(card, told, "2026-01-01", file)] == [1]
    assert [each["reading"] for each in readings.number(other, told, "2026-01-02", file)] == [1, 2]
    again = readings.number(card, {"cutaneous_tumour": {"ap50": 0.1}}, "2026-01-03", file)
    assert again == [{**again[0], "cutaneous_tumour_ap50": 0.9, "reading": 1}]
