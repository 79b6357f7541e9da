"""The ways to merge candidates that were tried, beside the one that ships."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.bundle import Decode
from edge.config import Detect
from edge.decode import Candidates
from edge.detect import Decoder
from models.merging import Merging, detections
from tests.edge.cards import bundle

ONE_LOOK = np.zeros(60, np.int64)


def crowd(seed: int) -> Candidates:
    """60 boxes of some 30 px in clusters, none with the score of another."""
    random = np.random.default_rng(seed)
    middle = random.integers(0, 4, (60, 2)) * 50 + 40 + random.normal(0, 5, (60, 2))
    half = random.uniform(10, 22, (60, 2))
    boxes = np.concatenate([middle - half, middle + half], 1).astype(np.float32)
    return Candidates(random.permutation(60).astype(np.float32) / 61 + 0.005, random.integers(0, 2, 60), boxes)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("nms_iou", "vote_iou"), [(0.4, 0.5), (0.5, 0.0)])
def test_the_defaults_are_what_the_device_does(seed: int, nms_iou: float, vote_iou: float) -> None:
    candidates = crowd(seed)
    decode = Decode("distances", nms_iou=nms_iou, vote_iou=vote_iou)
    wanted = Decoder(bundle(decode=decode), Detect(score_threshold=0.0)).detections(candidates)
    found = detections(candidates, ONE_LOOK, Merging(nms_iou=nms_iou, vote_iou=vote_iou))
    assert found.scores.tolist() == [each.score for each in wanted]
    assert found.classes.tolist() == [each.class_id for each in wanted]
    assert found.boxes_px == pytest.approx(np.asarray([each.box_px for each in wanted]), abs=1e-3)


def pair(score: float, overlap_px: float) -> Candidates:
    """A box of 40 px with a score of 0.8, and one of the other label that shares so much of its side."""
    boxes = np.asarray([(0, 0, 40, 40), (40 - overlap_px, 0, 80 - overlap_px, 40)], np.float32)
    return Candidates(np.asarray([0.8, score], np.float32), np.asarray([0, 1]), boxes)


def test_what_was_tried_does_what_it_says() -> None:
    near, inside = pair(0.6, 30), pair(0.6, 40)
    inside.boxes[1] = 10, 10, 30, 30
    looks = np.asarray([0, 1])
    plain = Merging(nms_iou=0.5, vote_iou=0.0)
    assert detections(near, looks, plain).scores.tolist() == pytest.approx([0.8])
    assert len(detections(near, looks, replace(plain, by_label=True)).scores) == 2
    assert len(detections(inside, looks, plain).scores) == 2
    assert len(detections(inside, looks, replace(plain, part=0.8)).scores) == 1
    assert detections(near, looks, replace(plain, soft=0.5)).scores == pytest.approx([0.8, 0.6 * np.exp(-0.36 / 0.5)])
    supported = detections(near, looks, replace(plain, vote_iou=0.5, support=1.0))
    assert supported.scores == pytest.approx([4 * 1.75 / (1 + 4 * 1.75)])
    assert detections(near, looks, replace(plain, agreement=1.0)).scores == pytest.approx([0.7])
    [scaled] = detections(near, looks, replace(plain, side_factors=(0.5, 1.0))).boxes_px
    assert scaled == pytest.approx((10, 10, 30, 30))
