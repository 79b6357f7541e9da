"""Pictures without a lesion, to count false positives on: tiles and crops of one split, and drawn negatives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models import augment, negatives
from models.data import load

DRAWN = 400
SIZES = ((320, 320), (180, 320))
SEEDS = {"val": 101, "test": 202}
"""Not the seeds of training: the generator is the same, the pictures are not."""


def real(split: str) -> Iterator[NDArray[np.uint8]]:
    """Healthy crops, and up to two tiles a picture that touch no box: RGB uint8."""
    rng = np.random.default_rng(SEEDS[split])
    for picture in load(split, "neg_healthy_crops"):
        yield picture.rgb()
    for source in ("trc_dermoscopy", "acne04_faces"):
        for picture in load(split, source):
            rgb = picture.rgb()
            for size in SIZES:
                tile = augment.clear_window(rng, rgb, picture, size)
                if tile is not None:
                    yield tile.image.clip(0, 255).astype(np.uint8)


def drawn(split: str, count: int = DRAWN) -> Iterator[NDArray[np.uint8]]:
    """Drawn skin of six tones with glare, mottle, hair, ticks, round things and vignettes: RGB uint8."""
    for index in range(count):
        rng = np.random.default_rng([SEEDS[split], index])
        yield negatives.drawn(rng, *SIZES[index % 2]).astype(np.uint8)


def nonskin() -> Iterator[NDArray[np.uint8]]:
    """Sixteen pictures of other things; there are some in the test split only."""
    for picture in load("test", "neg_nonskin"):
        yield picture.rgb()
