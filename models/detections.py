"""What a model says of a set of pictures, kept under build/ by what it depends on: a page is drawn again for free."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from convert.pictures.skin_tone import UNKNOWN, ita_bin, ita_deg
from edge import decode, detect, preprocess, tiles
from edge.bundle import Bundle, Card
from edge.detect import Detection
from edge.frame import Pixels
from models.fingerprint import fingerprint
from models.matching import Found
from models.picture_sets import PictureSet

CACHE = Path("build") / "detections"


class Looks(Protocol):
    """A detector that keeps every score: `edge.detect.Detector` or `edge.tiles.TiledDetector`."""

    def detect(self, rgb: Pixels) -> list[Detection]: ...


@dataclass(frozen=True)
class Seen:
    """A set with its detections and, picture by picture, the bin of its skin's tone (convert.pictures.skin_tone)."""

    pictures: PictureSet
    found: list[Found]
    tones: list[str]

    def part(self, chosen: Sequence[int]) -> Seen:
        """Some of the pictures, by number."""
        kept = PictureSet(self.pictures.name, [self.pictures.items[i] for i in chosen], self.pictures.key)
        return Seen(kept, [self.found[i] for i in chosen], [self.tones[i] for i in chosen])


@dataclass(frozen=True)
class Model:
    """A named model. key: its content, calibration and suppression; open: makes the detector when it is needed."""

    key: str
    open: Callable[[], Looks]


def key_of(content: bytes, card: Card, tiled: bool = False) -> str:
    """What detections depend on, thresholds left out: they are all kept. The device's code is a part of it."""
    calibrations = [msgspec.to_builtins(label.calibration) for label in card.labels]
    code = fingerprint(preprocess, decode, detect, *([tiles] if tiled else []))
    told = f"{calibrations} {msgspec.to_builtins(card.decode)} {tiled} {code}"
    return hashlib.sha256(content + told.encode()).hexdigest()[:16]


def see(model: Model, pictures: PictureSet) -> Seen:
    """All detections of a set, from build/ if it was seen before."""
    path = CACHE / f"{model.key}-{pictures.name}-{pictures.key}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _store(path, *_look(model.open(), pictures))
    with np.load(path, allow_pickle=False) as stored:
        ends = np.cumsum(stored["counts"])[:-1]
        parts = zip(*(np.split(stored[name], ends) for name in ("boxes", "scores", "classes")), strict=True)
        return Seen(pictures, [Found(*each) for each in parts], [str(tone) for tone in stored["tones"]])


def _look(detector: Looks, pictures: PictureSet) -> tuple[list[Found], list[str]]:
    found, tones = [], []
    for number, item in enumerate(pictures.items):
        rgb = item.rgb()
        found.append(as_found(detector.detect(rgb)))
        angle = ita_deg(rgb, item.boxes_px)
        tones.append(UNKNOWN if angle is None else ita_bin(angle))
        if sys.stderr.isatty():
            print(f"\r{pictures.name}: {number + 1} of {len(pictures.items)}", end="", file=sys.stderr)
    return found, tones


def as_found(detections: Sequence[Detection]) -> Found:
    """Detections as arrays, best first."""
    boxes = np.array([each.box_px for each in detections], np.float32).reshape(-1, 4)
    scores = np.array([each.score for each in detections], np.float32)
    order = np.argsort(-scores, kind="stable")
    classes = np.array([each.class_id for each in detections], np.int64)
    return Found(boxes[order], scores[order], classes[order])


def _store(path: Path, found: list[Found], tones: list[str]) -> None:
    temporary = path.with_suffix(".tmp.npz")
    arrays: dict[str, Any] = {
        "counts": np.array([len(each.scores) for each in found], np.int64),
        "boxes": np.concatenate([each.boxes_px for each in found]),
        "scores": np.concatenate([each.scores for each in found]),
        "classes": np.concatenate([each.classes for each in found]),
        "tones": np.array(tones),
    }
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)


def of_bundle(bundle: Bundle, tiled: bool = False) -> Model:
    """The runtime's own detector of a bundle, every score kept; tiled: over tiles as well."""

    @cache
    def made() -> Looks:
        from edge.config import Detect, Inference
        from edge.detect import Detector
        from edge.tiles import TiledDetector

        settings = Detect(score_threshold=0.0)
        detector = Detector(bundle, Inference(threads=1), settings)
        return TiledDetector(detector) if tiled else detector

    return Model(key_of(bundle.model, bundle.card, tiled), made)
