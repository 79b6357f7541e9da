"""A stand-in for close-ups by phone: lesions of `val`, cut along their edge, laid on the skin of other `val` pictures.

It is not a set of phone pictures and says so wherever it is reported. It shares no code with the augmentation of
training (models/augment.py): there the lesion's colour ratio is multiplied in behind its labelled box; here a matte
follows the lesion's own edge, colours move in CIELAB or gradients are cloned (Perez et al. 2003, "Poisson image
editing"), and a camera with light, lens, sensor and JPEG looks at the scene. Its boxes touch the visible lesion; those
of the data set are about 1.2 times as wide, which the side ratio of a detector shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import Input
from edge.preprocess import Preprocessor
from models import data, lesion_lay, lesion_matte, phone_camera, phone_scene, skin_sheet
from models.architecture import INPUT_PX, PAD_VALUE
from models.fingerprint import fingerprint
from models.lesion_matte import Cut
from models.matching import Found, Matches, side_ratio
from models.phone_camera import Jpeg
from models.phone_scene import Skins

COUNT = 200
SEED = 20261125
FRAMES = ((480, 640), (640, 480), (405, 720))
FRAME_CHANCES = (0.5, 0.3, 0.2)
"""Height and width in px: 4:3, 3:4 and 16:9 at about twice the model's input."""
SECOND_LESION = 0.15
LIMB = 0.3
"""Chance that the skin ends at a limb's edge before an unsharp backdrop, where the lesions leave room for it."""
CACHE = Path("build") / "phone_like"
Rng = np.random.Generator


@dataclass(frozen=True)
class Shot:
    """One picture. boxes_px: [n, 4], touching the visible lesions. tone: skin type 0..5. group: of its first lesion."""

    jpeg: Jpeg
    boxes_px: NDArray[np.float32]
    tone: int
    group: str


def shot(rng: Rng, cuts: Sequence[Cut], skins: Skins, tone: int) -> Shot:
    """One picture with one lesion, seldom more; tries again until one is visible."""
    while True:
        size = FRAMES[int(rng.choice(len(FRAMES), p=FRAME_CHANCES))]
        chosen = [cuts[int(rng.integers(len(cuts)))] for _ in range(1 + int(rng.random() < SECOND_LESION))]
        scene, free = skins.scene(rng, size, tone, chosen[0].group)
        boxes = np.zeros((0, 4), np.float32)
        for cut in chosen:
            move = lesion_lay.place(rng, cut, free)
            if move is None:
                continue
            laid, box = lesion_lay.lay(rng, scene, cut, move)
            if box is not None and not _near(box, boxes):
                scene, boxes = laid, np.concatenate([boxes, box[None]])
        if len(boxes):
            if rng.random() < LIMB:
                scene = phone_scene.limb(rng, scene, boxes)
            scene = phone_scene.clutter(rng, scene, boxes)
            srgb = cv2.cvtColor(scene, cv2.COLOR_Lab2RGB).astype(np.float32, copy=False)
            return Shot(phone_camera.expose(rng, srgb), boxes, tone, chosen[0].group)


def _near(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> bool:
    gap = 0.1 * (box[2:] - box[:2]).max()
    low, high = box[:2] - gap, box[2:] + gap
    return bool(((boxes[:, :2] < high) & (boxes[:, 2:] > low)).all(1).any())


def make(split: str = "val", numbers: Sequence[int] = range(COUNT)) -> Iterator[Shot]:
    """The pictures of these numbers: each is seeded by its own; skin types take turns, lesions come by chance."""
    if split == "test":
        raise ValueError("expected split 'val' or 'train', got 'test': nothing may be chosen by test pictures")
    cuts = [each for each in map(lesion_matte.cut, data.load(split, "trc_dermoscopy")) if each is not None]
    skins = Skins(split)
    for index in numbers:
        yield shot(np.random.default_rng([SEED, index]), cuts, skins, index % len(skin_sheet.TONES_LAB))


def key(split: str, count: int) -> str:
    """What the set depends on: the code that makes it, and the table of boxes."""
    return fingerprint(
        lesion_lay, lesion_matte, phone_camera, phone_scene, skin_sheet, f"{split} {count} {_settings()}"
    )


def _settings() -> str:
    return f"{SEED} {FRAMES} {FRAME_CHANCES} {SECOND_LESION} {LIMB}"


def shots(split: str = "val", count: int = COUNT) -> list[Shot]:
    """The set, from the cache under build/ as far as it is there (about a minute to make; what was begun is used)."""
    folder = CACHE / f"{split}-{key(split, count)}"
    folder.mkdir(parents=True, exist_ok=True)
    tables = [folder / f"{index:03d}.json" for index in range(count)]
    missing = [index for index, table in enumerate(tables) if not table.exists()]
    for index, each in zip(missing, make(split, missing) if missing else (), strict=True):
        tables[index].with_suffix(".jpg").write_bytes(each.jpeg.data)
        told = {"boxes_px": each.boxes_px.tolist(), "tone": each.tone, "group": each.group}
        tables[index].write_text(json.dumps(told), encoding="utf-8")
    return [_stored(table) for table in tables]


def _stored(table: Path) -> Shot:
    row: dict[str, Any] = json.loads(table.read_text(encoding="utf-8"))
    boxes = np.array(row["boxes_px"], np.float32)
    return Shot(Jpeg(table.with_suffix(".jpg").read_bytes()), boxes, row["tone"], row["group"])


def phone_like(split: str = "val") -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """RGB uint8 [height, width, 3] and boxes [n, 4] (x0, y0, x1, y1, px) that touch the visible lesions."""
    for each in shots(split):
        yield each.jpeg.rgb(), each.boxes_px


def inputs(split: str = "val") -> tuple[NDArray[np.uint8], list[NDArray[np.float32]]]:
    """The set as the model sees it: RGB uint8 [n, 320, 320, 3], letterboxed by the runtime, and boxes in input px."""
    identity = Input(name="image", shape=(1, INPUT_PX, INPUT_PX, 3), dtype="uint8", mean=0.0, std=1.0, scale=1.0,
                     pad_value=PAD_VALUE)  # fmt: skip
    preprocessor = Preprocessor(identity)
    images, boxes = [], []
    for rgb, boxes_px in phone_like(split):
        tensor = np.empty((1, INPUT_PX, INPUT_PX, 3), np.uint8)
        box = preprocessor.write(rgb, tensor)
        images.append(tensor[0])
        boxes.append((boxes_px * box.scale + np.array([box.pad_x_px, box.pad_y_px] * 2)).astype(np.float32))
    return np.stack(images), boxes


def quick(found: Sequence[tuple[NDArray[Any], NDArray[Any]]], truth: Sequence[NDArray[Any]]) -> dict[str, float]:
    """Class-blind figures for a training loop. found: boxes [n, 4] and scores [n] or [n, classes] of each picture.

    phone_recall30 and phone_recall50 stand at the score that keeps to one false positive a picture (at that IoU);
    phone_side_ratio tells how much wider than the lesion the boxes are.
    """
    best: list[Found] = []
    for boxes, scores in found:
        top = scores.max(1) if scores.ndim == 2 and len(scores) else scores.reshape(-1)
        order = np.argsort(-top, kind="stable")
        best.append(Found(boxes[order], top[order], np.zeros(len(order), np.int64)))
    figures: dict[str, float] = {}
    for level in (0.3, 0.5):
        matches = Matches.of(best, truth, level)
        figures[f"phone_recall{int(level * 100)}"] = round(matches.recall_at(1.0), 4)
        figures[f"phone_ap{int(level * 100)}"] = round(matches.average_precision(), 4)
    reported = [each.above(Matches.of(best, truth, 0.3).score_at(1.0)) for each in best]
    return figures | {"phone_side_ratio": round(side_ratio(reported, truth, 0.3), 3)}
