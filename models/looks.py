"""Ways to look at a picture: whole, resized or padded otherwise, mirrored, by tiles; what the detector sees in each.

Candidates are kept under build/, so that ways to merge them can be tried without running the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.bundle import Bundle
from edge.config import Detect, Inference
from edge.decode import Candidates
from edge.detect import Detector
from edge.frame import Box, Pixels
from edge.preprocess import Letterbox
from edge.tiles import answers_for, tiles
from models.architecture import INPUT_PX, PAD_VALUE
from models.detections import key_of
from models.picture_sets import PictureSet

CACHE = Path("build") / "looks"
MOST = 1000
"""Best candidates kept of a look, as edge.detect does."""
INPUT = INPUT_PX, INPUT_PX


@dataclass(frozen=True)
class View:
    """Pixels that the detector is shown, and where they lie: picture px = view px / scale + origin_px."""

    rgb: Pixels
    scale: float = 1.0
    origin_px: tuple[float, float] = (0.0, 0.0)
    mirrored: bool = False


def _whole(rgb: Pixels) -> list[View]:
    return [View(rgb)]


def _mirrored(rgb: Pixels) -> list[View]:
    return [View(np.ascontiguousarray(rgb[:, ::-1]), mirrored=True)]


def _resized(interpolation: int, pad_value: int = PAD_VALUE) -> Callable[[Pixels], list[View]]:
    def views(rgb: Pixels) -> list[View]:
        box, scaled = Letterbox.fit((rgb.shape[1], rgb.shape[0]), INPUT)
        canvas = np.full((INPUT_PX, INPUT_PX, 3), pad_value, np.uint8)
        inside = canvas[box.pad_y_px : box.pad_y_px + scaled[1], box.pad_x_px : box.pad_x_px + scaled[0]]
        inside[:] = cv2.resize(rgb, scaled, interpolation=interpolation)
        return [View(canvas, box.scale, (-box.pad_x_px / box.scale, -box.pad_y_px / box.scale))]

    return views


def _tiled(coarsest_fraction: float) -> Callable[[Pixels], list[View]]:
    def views(rgb: Pixels) -> list[View]:
        made = tiles((rgb.shape[1], rgb.shape[0]), INPUT, coarsest_fraction)
        edges = [[int(edge) for edge in tile] for tile in made]
        return [View(rgb[top:bottom, left:right], 1.0, (left, top)) for left, top, right, bottom in edges]

    return views


WAYS: dict[str, Callable[[Pixels], list[View]]] = {
    "whole": _whole,
    "mirrored": _mirrored,
    "area": _resized(cv2.INTER_AREA),
    "cubic": _resized(cv2.INTER_CUBIC),
    "black bars": _resized(cv2.INTER_LINEAR, 0),
    **{f"tiles of {fraction:g}": _tiled(fraction) for fraction in (0.5, 0.625, 0.75, 0.875)},
}


class Looker:
    """The detector of a bundle, every way."""

    def __init__(self, bundle: Bundle) -> None:
        self._detector = Detector(bundle, Inference(threads=1), Detect(score_threshold=0.0))
        self._key = key_of(bundle.model, bundle.card, tiled=True)

    def looks(self, pictures: PictureSet, way: str) -> list[tuple[Candidates, int]]:
        """Candidates of each picture, and how many looks they are from."""
        path = CACHE / f"{self._key}-{pictures.name}-{pictures.key}-{way.replace(' ', '_')}.npz"
        if not path.exists():
            made = [self._look(item.rgb(), way) for item in pictures.items]
            path.parent.mkdir(parents=True, exist_ok=True)
            arrays = {name: np.concatenate([getattr(each, name) for each, _ in made]) for name in Candidates._fields}
            counts = np.array([(len(each.scores), looks) for each, looks in made])
            np.savez(path, counts=counts, **arrays)  # type: ignore[arg-type]
        with np.load(path, allow_pickle=False) as stored:
            counts = stored["counts"]
            parts = zip(
                *(np.split(stored[name], np.cumsum(counts[:-1, 0])) for name in Candidates._fields), strict=True
            )
            return [(Candidates(*each), int(looks)) for each, looks in zip(parts, counts[:, 1], strict=True)]

    def _look(self, rgb: Pixels, way: str) -> tuple[Candidates, int]:
        size_px = rgb.shape[1], rgb.shape[0]
        found = [self._seen(view, size_px) for view in WAYS[way](rgb)]
        if not found:
            return Candidates(np.zeros(0, np.float32), np.zeros(0, np.intp), np.zeros((0, 4), np.float32)), 0
        return Candidates(*map(np.concatenate, zip(*found, strict=True))), len(found)

    def _seen(self, view: View, size_px: tuple[int, int]) -> Candidates:
        scores, classes, boxes = self._detector.look(view.rgb)
        best = np.argsort(-scores, kind="stable")[:MOST]
        scores, classes, boxes = scores[best], classes[best], boxes[best]
        if view.mirrored:
            boxes = np.stack(
                [view.rgb.shape[1] - boxes[:, 2], boxes[:, 1], view.rgb.shape[1] - boxes[:, 0], boxes[:, 3]], 1
            )
        boxes = (boxes / view.scale + np.array(view.origin_px * 2)).astype(np.float32)
        boxes = np.clip(boxes, 0, np.array(size_px * 2, np.float32))
        if view.scale == 1.0:  # all of the picture, or a tile of it
            left, top = view.origin_px
            tile = Box(left, top, left + view.rgb.shape[1], top + view.rgb.shape[0])
            kept = answers_for(tile, boxes, size_px) | (tile.area == size_px[0] * size_px[1])
            scores, classes, boxes = scores[kept], classes[kept], boxes[kept]
        return Candidates(scores, classes, boxes)
