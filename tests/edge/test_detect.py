"""Decode and suppression against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle import Decode, Label
from edge.config import Detect
from edge.detect import Decoder, voted
from edge.errors import BundleError
from edge.frame import Box
from edge.preprocess import Letterbox
from tests.edge.cards import SCALE, anchor_bundle, bundle

WHOLE = Letterbox(1.0, 0, 0)


def outputs(cells: dict[tuple[int, int], tuple[float, float, float]]) -> dict[str, np.ndarray]:
    """{(row, column): (logit 0, logit 1, distance px to every side)}; all else is silent."""
    scores = np.full((1, 4, 4, 2), -128, np.int8)
    distances = np.zeros((1, 4, 4, 4), np.int8)
    for (row, column), (first, second, distance) in cells.items():
        scores[0, row, column] = np.round(np.array([first, second]) / SCALE)
        distances[0, row, column] = round(float(np.log(distance / 16)) / SCALE)
    return {"scores": scores, "distances": distances}


def test_a_cell_becomes_a_box_around_its_centre() -> None:
    found = Decoder(bundle(), Detect()).decode(outputs({(1, 2): (2.0, -3.0, 16.0)}), WHOLE, (64, 64))
    assert [each.label for each in found] == ["cutaneous_tumour"]
    assert found[0].box_px == pytest.approx((24, 8, 56, 40))
    assert found[0].score == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_overlapping_boxes_of_two_classes_are_one_lesion_with_the_better_label() -> None:
    found = Decoder(bundle(), Detect()).decode(
        outputs({(1, 1): (1.0, -3.0, 28.0), (1, 2): (-3.0, 2.0, 28.0)}), WHOLE, (64, 64)
    )
    assert [(each.label, each.class_id) for each in found] == [("acne_rosacea", 1)]


def test_separate_lesions_stay_separate_and_come_best_first() -> None:
    found = Decoder(bundle(), Detect()).decode(
        outputs({(0, 0): (1.0, -3.0, 6.0), (3, 3): (3.0, -3.0, 6.0)}), WHOLE, (64, 64)
    )
    assert [each.score > 0.9 for each in found] == [True, False]


@pytest.mark.parametrize("logit", [-0.05, 0.0, 0.05])
def test_the_integer_threshold_keeps_what_the_real_one_would(logit: float) -> None:
    found = Decoder(bundle(), Detect(score_threshold=0.5)).decode(
        outputs({(1, 1): (logit, -5.0, 16.0)}), WHOLE, (64, 64)
    )
    assert bool(found) == (logit >= 0)


def test_each_label_answers_for_its_own_threshold() -> None:
    strict = bundle(labels=(Label("cutaneous_tumour", 0.9), Label("acne_rosacea", 0.3)))
    both_pass_by_acne = outputs({(1, 1): (1.0, 0.0, 16.0)})  # tumour 0.73 is best, but under its 0.9
    assert Decoder(strict, Detect()).decode(both_pass_by_acne, WHOLE, (64, 64)) == []
    found = Decoder(strict, Detect()).decode(outputs({(1, 1): (-1.0, 0.0, 16.0)}), WHOLE, (64, 64))
    assert [each.label for each in found] == ["acne_rosacea"]


def test_threshold_zero_keeps_all_and_one_keeps_none() -> None:
    raw = outputs({(1, 1): (6.0, -5.0, 16.0)})
    assert len(Decoder(bundle(), Detect(score_threshold=0.0)).decode(raw, WHOLE, (64, 64))) > 1
    assert Decoder(bundle(), Detect(score_threshold=1.0)).decode(raw, WHOLE, (64, 64)) == []


VOTING = bundle(decode=Decode("distances", nms_iou=0.5, vote_iou=0.5))


@pytest.mark.parametrize(("logit", "has_a_vote"), [(-2.0, True), (-4.0, True), (-5.0, False)])
def test_what_scores_too_little_to_be_reported_moves_the_box_that_is(logit: float, has_a_vote: bool) -> None:
    """Boxes of 52 px that the frame cuts, 12 px apart."""
    raw = outputs({(1, 1): (2.0, -6.0, 28.0), (1, 2): (logit, -6.0, 28.0)})
    [alone] = Decoder(bundle(), Detect()).decode(raw, WHOLE, (64, 64))
    [found] = Decoder(VOTING, Detect()).decode(raw, WHOLE, (64, 64))
    first, second = np.sqrt(1 / (1 + np.exp(-2.0))), np.sqrt(1 / (1 + np.exp(-logit)))
    moved_px = 12 * second / (first + second) if has_a_vote else 0
    assert found.box_px == pytest.approx(np.add(alone.box_px, (moved_px, 0, moved_px, 0)), abs=0.1)
    assert (found.score, found.label) == (alone.score, alone.label)


corners = st.tuples(*[st.floats(0, 40)] * 2, *[st.floats(41, 80)] * 2)


@given(boxes=st.lists(st.tuples(corners, st.floats(2e-3, 1)), min_size=1, max_size=12), vote_iou=st.floats(0.1, 1))
def test_a_vote_stays_among_the_boxes_that_agree(boxes: list[tuple[tuple[float, ...], float]], vote_iou: float) -> None:
    edges = np.asarray([each for each, _ in boxes], np.float32)
    scores = np.asarray([score for _, score in boxes], np.float32)
    kept = np.asarray([int(scores.argmax())])
    [placed] = voted(scores, edges, kept, vote_iou)
    winner = Box(*map(float, edges[kept[0]]))
    agree = np.asarray([each for each in edges if winner.iou(Box(*map(float, each))) >= vote_iou - 1e-5])
    assert (placed >= agree.min(axis=0) - 1e-3).all()
    assert (placed <= agree.max(axis=0) + 1e-3).all()


def test_boxes_come_back_through_the_letterbox_and_stay_in_the_frame() -> None:
    found = Decoder(bundle(), Detect()).decode(outputs({(1, 0): (2.0, -3.0, 16.0)}), Letterbox(0.5, 0, 8), (128, 96))
    assert found[0].box_px == pytest.approx((0, 0, 48, 64))


def test_anchor_offsets_follow_the_ssd_convention() -> None:
    scores = np.full((1, 16, 2), -9.0, np.float32)
    offsets = np.zeros((1, 16, 4), np.float32)
    scores[0, 5, 0] = 3.0
    offsets[0, 5] = [10.0, 0.0, 0.0, 5 * np.log(2)]  # y, x, h, w: one anchor down, twice as wide
    found = Decoder(anchor_bundle(), Detect()).decode({"scores": scores, "offsets": offsets}, WHOLE, (64, 64))
    assert found[0].box_px == pytest.approx((8, 32, 40, 48))


def test_a_card_whose_outputs_do_not_pair_is_refused() -> None:
    broken = bundle(outputs=bundle().card.outputs[:1])
    with pytest.raises(BundleError, match="as many log_distances"):
        Decoder(broken, Detect())
