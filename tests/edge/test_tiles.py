"""Tiles: where they lie, what each answers for, and that a lesion on their borders is one lesion."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge import bundle as bundles
from edge.bundle import Decode, Input, Output
from edge.camera.phantom import plan
from edge.camera.phantom_skin import draw_skin
from edge.config import Detect, Inference, Phantom
from edge.detect import Detector
from edge.frame import Box, Pixels
from edge.inference.scripted import ScriptedBackend
from edge.tiles import OVERLAP_FRACTION, TiledDetector, answers_for, tiles
from tests.edge.cards import bundle
from tests.engines import ENGINE

STRIDE, CELLS, SIDE_PX = 4, 16, 64
sides = st.integers(32, 900)


def test_a_picture_hardly_larger_than_the_model_has_no_tiles() -> None:
    assert tiles((320, 320), (320, 320)) == tiles((200, 420), (320, 320)) == []


def test_a_picture_of_twice_the_size_has_two_by_two() -> None:
    found = tiles((640, 640), (320, 320))
    assert found == [Box(x, y, x + 480, y + 480) for y in (0, 160) for x in (0, 160)]


def test_a_much_larger_picture_has_finer_tiles_too() -> None:
    widths = [box.x_max - box.x_min for box in tiles((4000, 3000), (320, 320))]
    assert sorted(set(widths), reverse=True) == [3000, 1500, 750, 375]
    assert widths == sorted(widths, reverse=True)


@settings(deadline=None, derandomize=True)
@given(width=sides, height=sides, side=st.integers(32, 320))
def test_tiles_cover_the_picture_and_no_more(width: int, height: int, side: int) -> None:
    found = tiles((width, height), (side, side))
    covered = np.zeros((height, width), bool)
    for box in found:
        assert 0 <= box.x_min < box.x_max <= width
        assert 0 <= box.y_min < box.y_max <= height
        covered[int(box.y_min) : int(box.y_max), int(box.x_min) : int(box.x_max)] = True
    assert covered.all() == bool(found)
    assert bool(found) == (0.75 * max(width, height) >= side)


@settings(deadline=None, derandomize=True)
@given(
    width=st.integers(86, 900),
    height=st.integers(86, 900),
    where=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    part=st.floats(0.02, 0.9),
)
def test_what_is_smaller_than_the_overlap_is_whole_in_some_tile_of_the_finest_level(
    width: int, height: int, where: tuple[float, float], part: float
) -> None:
    """Up to a tenth less than the overlap: the margin at a border takes a little."""
    made = tiles((width, height), (SIDE_PX, SIDE_PX))
    tile_px = made[-1].x_max - made[-1].x_min, made[-1].y_max - made[-1].y_min
    side_px = part * OVERLAP_FRACTION * min(max(tile_px), width, height)
    x, y = where[0] * (width - side_px), where[1] * (height - side_px)
    lesion = Box(x, y, x + side_px, y + side_px)
    finest = [tile for tile in made if (tile.x_max - tile.x_min, tile.y_max - tile.y_min) == tile_px]
    assert any(
        tile.x_min <= lesion.x_min
        and tile.y_min <= lesion.y_min
        and lesion.x_max <= tile.x_max
        and lesion.y_max <= tile.y_max
        and answers_for(tile, np.asarray([lesion], np.float32), (width, height)).all()
        for tile in finest
    )


@pytest.mark.parametrize(
    ("box", "answers"),
    [
        (Box(330, 330, 370, 370), True),
        (Box(321, 330, 360, 370), False),
        (Box(600, 330, 638, 370), False),
        (Box(330, 600, 370, 639), False),
        (Box(330, 330, 420, 370), False),
    ],
    ids=["inside", "cut at the left", "cut at the right", "cut below", "larger than the overlap"],
)
def test_a_tile_answers_for_what_is_surely_whole(box: Box, answers: bool) -> None:
    others = [Box(400, 400, 440, 440), Box(0, 0, 960, 960)]
    found = answers_for(Box(320, 320, 640, 640), np.asarray([box, *others], np.float32), (960, 960))
    assert found.tolist() == [answers, True, False]


def test_the_pictures_own_border_cuts_nothing() -> None:
    at_the_corner = np.asarray([(920, 920, 960, 960)], np.float32)
    assert answers_for(Box(640, 640, 960, 960), at_the_corner, (960, 960)).all()


class DarkSpots:
    """A double for the model: every dark spot of its input gets one box, cut off where the input ends."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, tensor: NDArray[np.generic]) -> Mapping[str, NDArray[np.generic]]:
        self.looks += 1
        scores = np.full((1, CELLS, CELLS, 2), -20, np.float32)
        distances = np.zeros((1, CELLS, CELLS, 4), np.float32)
        dark = (tensor[0].max(axis=2) < 60).astype(np.uint8)
        for left, top, width, height, area in cv2.connectedComponentsWithStats(dark)[2][1:]:
            if area < 12:
                continue  # too small for this model, as lesions in a whole picture are for a real one
            x, y = left + width / 2, top + height / 2
            column, row = int(x / STRIDE), int(y / STRIDE)
            centre = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
            reach = centre[0] - left, centre[1] - top, left + width - centre[0], top + height - centre[1]
            scores[0, row, column, 0] = 2.0
            distances[0, row, column] = np.log(np.maximum(reach, 0.5) / STRIDE)
        return {"scores": scores, "distances": distances}


def spotted() -> tuple[TiledDetector, Detector, DarkSpots]:
    made = bundle(
        input=Input("image", (1, SIDE_PX, SIDE_PX, 3), "uint8", mean=0.0, std=1.0, scale=1.0, pad_value=200),
        outputs=(
            Output("scores", "class_logits", (1, CELLS, CELLS, 2), "float32", stride=STRIDE),
            Output("distances", "log_distances", (1, CELLS, CELLS, 4), "float32", stride=STRIDE),
        ),
        decode=Decode("distances", nms_iou=0.4, vote_iou=0.5),
    )
    detector = Detector(made, Inference(backend="scripted"), Detect(max_detections=500))
    assert isinstance(detector.backend, ScriptedBackend)
    detector.backend.script = spots = DarkSpots()
    return TiledDetector(detector), detector, spots


def picture(size_px: tuple[int, int], lesions: list[Box]) -> Pixels:
    rgb = np.full((size_px[1], size_px[0], 3), 200, np.uint8)
    for box in lesions:
        rgb[int(box.y_min) : int(box.y_max), int(box.x_min) : int(box.x_max)] = 20
    return rgb


def test_small_lesions_are_found_once_wherever_the_tiles_end() -> None:
    tiled, whole, spots = spotted()
    lesions = [Box(x, y, x + 10, y + 8) for y in range(4, 300, 29) for x in range(3, 380, 31)]
    rgb = picture((400, 310), lesions)
    assert whole.detect(rgb) == [], "in the whole picture they are under two pixels"
    found = tiled.detect(rgb)
    assert len(found) == len(lesions)
    for lesion in lesions:
        assert max(lesion.iou(each.box_px) for each in found) > 0.7
    assert spots.looks == 2 + len(tiles((400, 310), (SIDE_PX, SIDE_PX)))


def test_large_lesions_come_whole_from_the_whole_picture() -> None:
    tiled, whole, _ = spotted()
    lesion = Box(60, 50, 250, 220)
    rgb = picture((300, 300), [lesion])
    [found], [seen_whole] = tiled.detect(rgb), whole.detect(rgb)
    assert found.box_px.iou(lesion) > 0.9
    assert found.label == seen_whole.label
    assert found.box_px == pytest.approx(seen_whole.box_px, abs=1e-3)


def test_every_level_is_one_more_chance_of_a_false_alarm() -> None:
    """300 px are looked at whole, in tiles of 225 px and of 112 px."""
    tiled, whole, _ = spotted()
    rgb = picture((300, 300), [Box(60, 50, 250, 220)])
    [found], [seen_whole] = tiled.detect(rgb), whole.detect(rgb)
    assert found.score / (1 - found.score) == pytest.approx(seen_whole.score / (1 - seen_whole.score) / 3, rel=1e-4)


def test_a_small_picture_is_one_look() -> None:
    tiled, whole, spots = spotted()
    rgb = picture((60, 64), [Box(20, 20, 30, 30)])
    assert tiled.detect(rgb) == whole.detect(rgb)
    assert spots.looks == 2


def test_the_latency_is_of_all_looks() -> None:
    tiled, whole, _ = spotted()
    tiled.detect(picture((400, 400), []))
    assert tiled.latency.preprocess_ms > whole.latency.preprocess_ms > 0
    assert tiled.latency.invoke_ms > whole.latency.invoke_ms > 0


def test_the_shipped_model_sees_small_drawn_lesions_by_tiles_only() -> None:
    """Five spots of 40 px on 1280 × 960 drawn skin, four of them on borders of tiles."""
    places = [(320, 160), (240, 700), (640, 480), (1000, 240), (1040, 800)]
    skin = draw_skin(plan(Phantom(lesions_per_person=0, seed=3), (640, 480)), 2)[:480, :640]
    ground = cv2.resize(skin, (1280, 960), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    spots = np.zeros((960, 1280), np.float32)
    for turn, place in enumerate(places):
        cv2.ellipse(spots, place, (20, 17), 30 * turn, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(spots, (0, 0), 2)[:, :, np.newaxis]
    rgb = np.clip(ground * (1 - soft * np.array([0.52, 0.66, 0.68])), 0, 255).astype(np.uint8)
    detector = Detector(bundles.load(), Inference(backend=ENGINE, threads=1), Detect())
    assert len(detector.detect(rgb)) < 3
    found = TiledDetector(detector).detect(rgb)
    centres = [
        ((each.box_px.x_min + each.box_px.x_max) / 2, (each.box_px.y_min + each.box_px.y_max) / 2) for each in found
    ]
    assert len(found) == len(places)
    for place in places:
        assert min(np.hypot(x - place[0], y - place[1]) for x, y in centres) < 6
