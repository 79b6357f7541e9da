"""The variant in MediaPipe itself, which stands in for Android: its ObjectDetector finds what edge.detect finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

mediapipe = pytest.importorskip("mediapipe", reason="MediaPipe has an environment of its own")

from mediapipe.tasks.python import BaseOptions, vision  # noqa: E402

from convert.mediapipe import export  # noqa: E402
from edge import bundle  # noqa: E402
from edge.config import Detect, Inference  # noqa: E402
from edge.detect import Detector  # noqa: E402
from edge.frame import Box, Pixels  # noqa: E402
from tests.convert.mediapipe.drawn import pictures  # noqa: E402
from tests.convert.mediapipe.unvoted import unvoted  # noqa: E402
from tests.tree import ROOT  # noqa: E402

pytestmark = pytest.mark.heavy_mediapipe
YARDSTICK = ROOT / "benchmarks" / "yardstick"
LOW = Detect(score_threshold=0.03)
Detections = list[Any]


@pytest.fixture
def object_detector() -> Iterator[Callable[..., Callable[[Pixels], Detections]]]:
    """Makes MediaPipe's detector of a model's bytes and options; closed after the test."""
    opened = []

    def open_detector(content: bytes, **options: Any) -> Callable[[Pixels], Detections]:
        base = BaseOptions(model_asset_buffer=content)
        made = vision.ObjectDetector.create_from_options(vision.ObjectDetectorOptions(base_options=base, **options))
        opened.append(made)

        def detect(rgb: Pixels) -> Detections:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
            return list(made.detect(image).detections)

        return detect

    yield open_detector
    for each in opened:
        each.close()


@pytest.mark.parametrize(("name", "settings"), [("shipped", Detect()), ("shipped", LOW), ("yardstick", LOW)])
def test_the_same_boxes_within_one_pixel_and_the_same_scores(
    object_detector: Callable[..., Callable[[Pixels], Detections]], name: str, settings: Detect
) -> None:
    """MediaPipe has whole pixels, cut downwards: each of origin and size may be 1 px less than ours, never more."""
    loaded = bundle.load(YARDSTICK if name == "yardstick" else None)
    ours = Detector(unvoted(loaded), Inference(threads=1), settings)
    theirs = object_detector(export(loaded, settings))
    compared = 0
    for picture in pictures(3):
        wanted, got = ours.detect(picture), theirs(picture)
        assert [each.label for each in wanted] == [each.categories[0].category_name for each in got]
        for want, have in zip(wanted, got, strict=True):
            # Well within one quantisation step, which is 0.008 of a score at most.
            assert have.categories[0].score == pytest.approx(want.score, abs=1e-6)
            x_min, y_min, x_max, y_max = want.box_px
            box = have.bounding_box
            whole = np.asarray([box.origin_x, box.origin_y, box.width, box.height])
            lost = np.asarray([x_min, y_min, x_max - x_min, y_max - y_min]) - whole
            assert ((lost > -0.01) & (lost < 1.01)).all(), (want, box)
            compared += 1
    assert compared >= 3


def test_a_larger_picture_is_stretched_and_its_boxes_come_in_its_own_pixels(
    object_detector: Callable[..., Callable[[Pixels], Detections]],
) -> None:
    theirs = object_detector(export(bundle.load()))
    (picture,) = pictures(1)
    small, large = theirs(picture), theirs(cv2.resize(picture, (1280, 960), interpolation=cv2.INTER_LINEAR))
    wanted = [scaled(each.bounding_box, 4, 3) for each in small]
    found = [scaled(each.bounding_box, 1, 1) for each in large]
    assert max(box.iou(other) for box in wanted for other in found) > 0.8


def scaled(box: Any, horizontally: int, vertically: int) -> Box:
    x_min, y_min = box.origin_x * horizontally, box.origin_y * vertically
    return Box(x_min, y_min, x_min + box.width * horizontally, y_min + box.height * vertically)


def test_an_application_may_ask_for_higher_scores_and_for_labels(
    object_detector: Callable[..., Callable[[Pixels], Detections]],
) -> None:
    loaded = bundle.load()
    content, (picture,) = export(loaded, LOW), pictures(1)
    every = object_detector(content)(picture)
    limit = sorted(each.categories[0].score for each in every)[len(every) // 2]
    above = object_detector(content, score_threshold=limit)(picture)
    assert 0 < len(above) < len(every)
    assert min(each.categories[0].score for each in above) >= limit
    name = loaded.card.labels[0].name
    named = object_detector(content, category_allowlist=[name])(picture)
    assert named
    assert {each.categories[0].category_name for each in named} == {name}
