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
from edge.bundle import Input, Output
from edge.camera.phantom import plan
from edge.camera.phantom_skin import draw_skin
from edge.config import Detect, Inference, Phantom
from edge.detect import Detection, Detector
from edge.frame import Box, Pixels
from edge.inference.scripted import ScriptedBackend
from edge.tiles import OVERLAP_FRACTION, TiledDetector, answers_for, merged, tiles
from tests.edge.cards import bundle
from tests.engines import ENGINE

STRIDE, CELLS, SIDE_PX = 4, 16, 64
sides = st.integers(32, 900)


def test_a_picture_of_the_models_size_or_less_has_no_tiles() -> None:
    assert tiles((320, 320), (320, 320)) == tiles((200, 320), (320, 320)) == []


def test_a_picture_of_twice_the_size_has_three_by_three() -> None:
    found = tiles((640, 640), (320, 320))
    assert [(box.x_min, box.y_min) for box in found] == [(x, y) for y in (0, 160, 320) for x in (0, 160, 320)]
    assert {(box.x_max - box.x_min, box.y_max - box.y_min) for box in found} == {(320, 320)}


def test_a_much_larger_picture_has_coarser_tiles_too() -> None:
    widths = [box.x_max - box.x_min for box in tiles((4000, 3000), (320, 320))]
    assert sorted(set(widths)) == [320, 640, 1280]
    assert widths == sorted(widths)


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
    assert bool(found) == (width > side or height > side)


@settings(deadline=None, derandomize=True)
@given(
    width=st.integers(65, 900),
    height=st.integers(65, 900),
    where=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    part=st.floats(0.02, 0.9),
)
def test_what_is_smaller_than_the_overlap_is_whole_in_some_tile_of_the_finest_level(
    width: int, height: int, where: tuple[float, float], part: float
) -> None:
    """Up to a tenth less than the overlap: the margin at a border takes a little."""
    side_px = part * OVERLAP_FRACTION * SIDE_PX
    x, y = where[0] * (width - side_px), where[1] * (height - side_px)
    lesion = Box(x, y, x + side_px, y + side_px)
    finest = [
        tile
        for tile in tiles((width, height), (SIDE_PX, SIDE_PX))
        if max(tile.x_max - tile.x_min, tile.y_max - tile.y_min) <= SIDE_PX
    ]
    assert any(
        tile.x_min <= lesion.x_min
        and tile.y_min <= lesion.y_min
        and lesion.x_max <= tile.x_max
        and lesion.y_max <= tile.y_max
        and answers_for(tile, lesion, (width, height))
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
    assert answers_for(Box(320, 320, 640, 640), box, (960, 960)) == answers


def test_the_pictures_own_border_cuts_nothing() -> None:
    assert answers_for(Box(640, 640, 960, 960), Box(920, 920, 960, 960), (960, 960))


def found_at(*edges: float, score: float, label: str = "a") -> Detection:
    return Detection(Box(*edges), 0, label, score)


def test_looks_that_agree_are_averaged_by_their_scores_and_keep_the_best_label() -> None:
    [one] = merged([found_at(0, 0, 40, 40, score=0.3, label="b"), found_at(8, 0, 48, 40, score=0.9)], 0.5, 100)
    assert (one.label, one.score) == ("a", 0.9)
    assert one.box_px == pytest.approx((6, 0, 46, 40))


def test_a_part_of_a_better_box_goes_and_moves_nothing() -> None:
    whole = found_at(0, 0, 100, 100, score=0.9)
    assert merged([found_at(10, 10, 40, 40, score=0.8), whole], 0.5, 100) == [whole]


def test_neighbours_stay_two_best_first_and_at_most_so_many() -> None:
    near = [found_at(0, 0, 40, 40, score=0.5), found_at(30, 0, 70, 40, score=0.7)]
    assert merged(near, 0.5, 100) == near[::-1]
    assert merged(near, 0.5, 1) == near[1:]
    assert merged([], 0.5, 100) == []


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
    )
    settings = Detect(max_detections=500)
    detector = Detector(made, Inference(backend="scripted"), settings)
    assert isinstance(detector.backend, ScriptedBackend)
    detector.backend.script = spots = DarkSpots()
    return TiledDetector(detector, settings), detector, spots


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
    [found] = tiled.detect(rgb)
    assert found == whole.detect(rgb)[0]
    assert found.box_px.iou(lesion) > 0.9


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
    """Five spots of 36 px on 1280 × 960 drawn skin, four of them on borders of tiles."""
    places = [(320, 160), (240, 700), (640, 480), (1000, 240), (1040, 800)]
    skin = draw_skin(plan(Phantom(lesions_per_person=0, seed=3), (640, 480)), 2)[:480, :640]
    ground = cv2.resize(skin, (1280, 960), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    spots = np.zeros((960, 1280), np.float32)
    for turn, place in enumerate(places):
        cv2.ellipse(spots, place, (18, 15), 30 * turn, 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(spots, (0, 0), 2)[:, :, np.newaxis]
    rgb = np.clip(ground * (1 - soft * np.array([0.52, 0.66, 0.68])), 0, 255).astype(np.uint8)
    detector = Detector(bundles.load(), Inference(backend=ENGINE, threads=1), Detect())
    assert len(detector.detect(rgb)) < 3
    found = TiledDetector(detector, Detect()).detect(rgb)
    centres = [
        ((each.box_px.x_min + each.box_px.x_max) / 2, (each.box_px.y_min + each.box_px.y_max) / 2) for each in found
    ]
    assert len(found) == len(places)
    for place in places:
        assert min(np.hypot(x - place[0], y - place[1]) for x, y in centres) < 6
