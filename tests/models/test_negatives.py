"""Things that are no lesion: each is drawn, changes the picture, stays in range, and comes the same by its seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from models import fabric, lesion_free, negatives
from models.data import Picture
from models.drawn_skin import skin, uneven
from models.reflections import reflections

KINDS = (*negatives.LOOK_ALIKES, reflections, uneven, negatives.scale)


@pytest.mark.parametrize("draw", KINDS, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("size", [(320, 320), (180, 320)])
def test_every_kind_draws_something_within_range(draw, size: tuple[int, int]) -> None:
    changed = 0
    for seed in range(12):
        before = skin(np.random.default_rng([seed, 1]), *size, mottle=0.01)
        kept = before.copy()
        after = draw(before, np.random.default_rng(seed))
        assert np.array_equal(before, kept), "the picture that was given is left as it was"
        assert after.shape == before.shape
        assert after.dtype == np.float32
        assert np.isfinite(after).all()
        assert after.min() > -40
        assert after.max() < 420  # light adds up; `drawn` cuts to 0..255
        changed += float(np.abs(after - before).max()) > 4
        assert np.array_equal(after, draw(before, np.random.default_rng(seed)))
    assert changed >= 9


def test_cloth_fills_the_picture_and_varies() -> None:
    pictures = [fabric.cloth(np.random.default_rng(seed), 180, 320) for seed in range(8)]
    assert all(each.shape == (180, 320, 3) and each.min() >= 0 and each.max() <= 255 for each in pictures)
    assert len({round(float(each.mean()), 3) for each in pictures}) == 8


def test_the_chances_of_look_alikes_add_up() -> None:
    assert sum(negatives.LOOK_ALIKE_CHANCES) == pytest.approx(1)
    assert len(negatives.LOOK_ALIKE_CHANCES) == len(negatives.LOOK_ALIKES)


def test_free_areas_keep_away_from_boxes_and_from_each_other() -> None:
    boxes = np.array([[200, 200, 400, 400]], np.float32)
    picture = Picture("x", Path("x"), "trc_dermoscopy", "val", "g", 640, 640, boxes, np.zeros(1, np.int64))
    areas = [a for seed in range(10) for a in lesion_free.free_areas(np.random.default_rng(seed), picture)]
    assert len(areas) > 20
    for x0, y0, x1, y1 in areas:
        assert 0 <= x0 < x1 <= 640
        assert 0 <= y0 < y1 <= 640
        gap = lesion_free.GAP_PX - 1  # corners are cut to whole px
        assert x1 <= 200 - gap or x0 >= 400 + gap or y1 <= 200 - gap or y0 >= 400 + gap


def test_a_box_that_fills_the_picture_leaves_no_tile() -> None:
    boxes = np.array([[5, 5, 635, 635]], np.float32)
    picture = Picture("x", Path("x"), "trc_dermoscopy", "val", "g", 640, 640, boxes, np.zeros(1, np.int64))
    assert lesion_free.free_areas(np.random.default_rng(0), picture) == []


@pytest.mark.parametrize("split", ["val", "test"])
def test_there_are_five_hundred_real_tiles_of_their_own_split(data_folder: Path, split: str) -> None:
    tiles = list(lesion_free.real(split))
    assert len(tiles) >= 500
    assert all(tile.picture.split == split for tile in tiles)
    assert max(Counter(tile.picture.file for tile in tiles).values()) <= lesion_free.TILES
    tile = tiles[-1]
    assert tile.rgb().shape == (tile.height_px, tile.width_px, 3)
