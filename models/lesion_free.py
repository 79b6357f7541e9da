"""Pictures without a lesion, to count false positives on: tiles and crops of one split, and drawn negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import negatives
from models.data import Picture, load

DRAWN = 400
SIZES = ((320, 320), (180, 320))
SEEDS = {"val": 101, "test": 202}
"""Not the seeds of training: the generator is the same, the pictures are not."""
SIDES = (0.15, 0.5)
"""A tile's height as a fraction of its picture's shorter side, log-uniform; a third each square, 4:3 and 16:9."""
ASPECTS = (1.0, 4 / 3, 16 / 9)
TILES = 5
"""At most so many a picture; they hardly overlap."""
GAP_PX = 8.0
"""Distance to every box: those of the faces are 5 to 10 px off."""
OVERLAP_MAX = 0.15


@dataclass(frozen=True)
class Tile:
    """A lesion-free piece (x0, y0, x1, y1, px) of a picture, at the picture's own scale."""

    picture: Picture
    area_px: tuple[int, int, int, int]

    def rgb(self) -> NDArray[np.uint8]:
        """RGB uint8 [height, width, 3]."""
        x0, y0, x1, y1 = self.area_px
        return np.ascontiguousarray(self.picture.rgb()[y0:y1, x0:x1])

    @property
    def width_px(self) -> int:
        return self.area_px[2] - self.area_px[0]

    @property
    def height_px(self) -> int:
        return self.area_px[3] - self.area_px[1]

    @property
    def source(self) -> str:
        return self.picture.source

    @property
    def group(self) -> str:
        return self.picture.group


def real(split: str) -> Iterator[Tile]:
    """Healthy crops, and up to TILES tiles a picture that keep away from every box."""
    for picture in load(split, "neg_healthy_crops"):
        yield Tile(picture, (0, 0, picture.width_px, picture.height_px))
    for source in ("trc_dermoscopy", "acne04_faces"):
        for number, picture in enumerate(load(split, source)):
            rng = np.random.default_rng([SEEDS[split], number, len(source)])
            for area in free_areas(rng, picture):
                yield Tile(picture, area)


def free_areas(rng: np.random.Generator, picture: Picture) -> list[tuple[int, int, int, int]]:
    """Places (x0, y0, x1, y1, px) of several sizes that touch no box, chosen by chance."""
    chosen: list[tuple[int, int, int, int]] = []
    short = min(picture.width_px, picture.height_px)
    boxes = picture.boxes_px + np.array([-GAP_PX, -GAP_PX, GAP_PX, GAP_PX], np.float32)
    for _ in range(40 * TILES):
        height = short * float(np.exp(rng.uniform(*np.log(SIDES))))
        width = height * ASPECTS[int(rng.integers(len(ASPECTS)))]
        if len(chosen) == TILES or width > picture.width_px:
            continue
        x0, y0 = rng.uniform(0, picture.width_px - width), rng.uniform(0, picture.height_px - height)
        area = (int(x0), int(y0), int(x0 + width), int(y0 + height))
        if not any(_share(area, box) > 0 for box in boxes) and all(_share(area, c) <= OVERLAP_MAX for c in chosen):
            chosen.append(area)
    return chosen


def _share(area: tuple[int, int, int, int], other: tuple[int, int, int, int] | NDArray[np.float32]) -> float:
    """Intersection over the smaller of the two."""
    wide = min(area[2], other[2]) - max(area[0], other[0])
    high = min(area[3], other[3]) - max(area[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    sizes = [(each[2] - each[0]) * (each[3] - each[1]) for each in (area, other)]
    return float(wide * high / min(sizes))


def drawn_one(split: str, number: int) -> NDArray[np.uint8]:
    """Drawn skin of six tones with glare, mottle, hair, rulers, coins, eyes, cloth and the like: RGB uint8."""
    rng = np.random.default_rng([SEEDS[split], number])
    return negatives.drawn(rng, *SIZES[number % len(SIZES)]).astype(np.uint8)
