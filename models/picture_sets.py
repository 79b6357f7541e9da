"""The sets of pictures that figures are taken from, by name and split; pictures are read when they are looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from edge.pictures import read_picture
from models import data, drawn_skin, fabric, face_parts, lesion_free, look_alikes, negatives, phone_like, reflections
from models.fingerprint import fingerprint

TUMOUR, ACNE = 0, 1
SOURCE_OF = {"cutaneous_tumour": "trc_dermoscopy", "acne_rosacea": "acne04_faces"}


@dataclass(frozen=True)
class Item:
    """One picture: how to get it (RGB uint8), its boxes [n, 4] (px) and classes [n], group, and skin type if known."""

    rgb: Callable[[], NDArray[np.uint8]]
    boxes_px: NDArray[np.float32]
    classes: NDArray[np.int64]
    group: str
    source: str
    size_px: tuple[int, int]
    tone: int = -1


@dataclass(frozen=True)
class PictureSet:
    """A named set. key: changes when what it is made of changes."""

    name: str
    items: list[Item]
    key: str

    @property
    def truth(self) -> list[NDArray[np.float32]]:
        """Boxes of each picture."""
        return [item.boxes_px for item in self.items]

    @property
    def groups(self) -> list[str]:
        """Group of each picture."""
        return [item.group for item in self.items]


NO_BOX, NO_CLASS = np.zeros((0, 4), np.float32), np.zeros(0, np.int64)


def of_source(split: str, source: str) -> PictureSet:
    """All pictures of one source."""
    items = [
        Item(lambda path=p.path: read_picture(path).rgb, p.boxes_px, p.classes, p.group, source,  # type: ignore[misc]
             (p.width_px, p.height_px))
        for p in data.load(split, source)
    ]  # fmt: skip
    return PictureSet(f"{source}-{split}", items, fingerprint(data))


def phone_like_set(split: str) -> PictureSet:
    """The stand-in for phone close-ups."""
    items = []
    for shot in phone_like.shots(split):
        height, width = shot.jpeg.rgb().shape[:2]
        classes = np.full(len(shot.boxes_px), TUMOUR, np.int64)
        items.append(Item(shot.jpeg.rgb, shot.boxes_px, classes, shot.group, "phone_like", (width, height), shot.tone))
    return PictureSet(f"phone_like-{split}", items, phone_like.key(split, len(items)))


def free_real(split: str) -> PictureSet:
    """Lesion-free tiles and healthy crops."""
    items = [
        Item(tile.rgb, NO_BOX, NO_CLASS, tile.group, tile.source, (tile.width_px, tile.height_px))
        for tile in lesion_free.real(split)
    ]
    return PictureSet(f"free_real-{split}", items, fingerprint(data, lesion_free))


def free_drawn(split: str) -> PictureSet:
    """Drawn negatives, of other seeds than training's."""
    items = [
        Item(lambda n=n: lesion_free.drawn_one(split, n), NO_BOX, NO_CLASS, f"drawn_{n}", "drawn",  # type: ignore[misc]
             lesion_free.SIZES[n % 2][::-1])
        for n in range(lesion_free.DRAWN)
    ]  # fmt: skip
    made_by: tuple[ModuleType, ...] = (drawn_skin, fabric, face_parts, look_alikes, negatives, reflections, lesion_free)
    return PictureSet(f"free_drawn-{split}", items, fingerprint(*made_by))


SETS: dict[str, Callable[[str], PictureSet]] = {
    "dermoscopy": lambda split: of_source(split, "trc_dermoscopy"),
    "faces": lambda split: of_source(split, "acne04_faces"),
    "phone_like": phone_like_set,
    "free_real": free_real,
    "free_drawn": free_drawn,
    "nonskin": lambda split: of_source(split, "neg_nonskin"),
}
