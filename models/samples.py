"""The mix of training samples: which picture, which augmentation, how often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models import augment, negatives
from models.architecture import INPUT_PX
from models.augment import Sample
from models.data import Picture, load
from models.negatives import Rng
from models.options import CLEAN_SOURCES, LATE_FROM, Options

MIX = {"paste": 0.26, "drawn": 0.10, "healthy": 0.03, "clear": 0.05}
"""Pasted lesions and negatives of three sorts: with dermoscopy as it is, in these proportions beside the faces."""

LOOK_ALIKE_CHANCE = 0.3
"""Of a drawn button, eye or plaster on real lesion-free skin."""


class Samples:
    """Sample number i of a seed, from the train split alone. Pictures are decoded once and kept (about 1.3 GB)."""

    def __init__(
        self, seed: int, length: int, options: Options | None = None, pictures: list[Picture] | None = None
    ) -> None:
        self.seed, self.length, self.options = seed, length, options or Options()
        pictures = load("train") if pictures is None else pictures
        if self.options.licence == "clean":
            pictures = [picture for picture in pictures if picture.source in CLEAN_SOURCES]
        if any(picture.split != "train" for picture in pictures):
            raise ValueError("expected pictures of the train split only; val chooses, test reports")
        self.pictures = pictures
        self.pixels = [picture.rgb() for picture in pictures]
        by_source = {s: [i for i, p in enumerate(pictures) if p.source == s] for s in {p.source for p in pictures}}
        self.dermoscopy = by_source.get("trc_dermoscopy", [])
        self.faces = by_source.get("acne04_faces", [])
        self.healthy = by_source.get("neg_healthy_crops", [])

    def mix(self, index: int) -> dict[str, float]:
        """The chance of each kind at sample number index: they add up to 1."""
        share = self.options.late_faces if index >= LATE_FROM * self.length else self.options.faces
        faces = share if self.faces else 0.0
        others = {"dermoscopy": self.options.dermoscopy, **MIX}
        rest = (1 - faces) / sum(others.values())
        return {"face": faces, **{kind: chance * rest for kind, chance in others.items()}}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
        """RGB uint8 [320, 320, 3], boxes [n, 4] in input px, classes [n]."""
        rng = np.random.default_rng([self.seed, index])
        size = augment.CANVASES[int(rng.choice(len(augment.CANVASES), p=augment.CANVAS_CHANCES))]
        mix = self.mix(index)
        kind = str(rng.choice(list(mix), p=list(mix.values())))
        sample: Sample = getattr(self, f"_{kind}")(rng, size)
        return self._finish(rng, sample)

    def _pick(self, rng: Rng, indices: list[int]) -> tuple[NDArray[np.uint8], Picture]:
        index = indices[int(rng.integers(len(indices)))]
        return self.pixels[index], self.pictures[index]

    def _dermoscopy(self, rng: Rng, size: tuple[int, int]) -> Sample:
        rgb, picture = self._pick(rng, self.dermoscopy)
        if size[0] != size[1] and rng.random() < 0.5:
            size = (INPUT_PX, INPUT_PX)
        low = 0.85 if rng.random() < 0.6 else 0.45
        sample = augment.random_window(rng, rgb, picture, size, low, 1.0)
        if rng.random() < 0.35:
            augment.retint(sample, augment.skin_colour(rgb, picture), negatives.tone(rng))
        return sample

    def _paste(self, rng: Rng, size: tuple[int, int]) -> Sample:
        base = self._skin(rng, size)
        for _ in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))):
            rgb, picture = self._pick(rng, self.dermoscopy)
            lesion = augment.lesion_ratio(rng, rgb, picture)
            if lesion is not None:
                ratio, box = lesion
                augment.paste(rng, base, ratio, augment.tight_box(ratio, box) if self.options.tight else box)
        return base

    def _skin(self, rng: Rng, size: tuple[int, int]) -> Sample:
        """Skin to paste on: drawn, a healthy crop or a piece of cheek, often moved to another tone."""
        kind = rng.random()
        if kind < 0.45:
            image = negatives.skin(rng, *size)
            if rng.random() < 0.15:
                image = negatives.freckles(image, rng)
            return Sample(image, *augment.empty())
        if kind < 0.7 or not self.faces:
            rgb, picture = self._pick(rng, self.healthy)
            sample = augment.random_window(rng, rgb, picture, size, 0.5, 1.0)
            chance = 0.7
        else:
            rgb, picture = self._pick(rng, self.faces)
            sample = augment.random_window(rng, rgb, picture, size, 0.15, 0.4, around=True)
            chance = 0.4
        if rng.random() < chance:
            middle = np.median(sample.image.reshape(-1, 3)[::37], 0).astype(np.float32).clip(30, 255)
            augment.retint(sample, middle, negatives.tone(rng))
        return sample

    def _face(self, rng: Rng, size: tuple[int, int]) -> Sample:
        rgb, picture = self._pick(rng, self.faces)
        if rng.random() < 0.45:
            return augment.random_window(rng, rgb, picture, size, 0.85, 1.0)
        return augment.random_window(rng, rgb, picture, size, 0.2, 0.7, around=True)

    def _drawn(self, rng: Rng, size: tuple[int, int]) -> Sample:
        return Sample(negatives.drawn(rng, *size), *augment.empty())

    def _healthy(self, rng: Rng, size: tuple[int, int]) -> Sample:
        rgb, picture = self._pick(rng, self.healthy)
        sample = augment.random_window(rng, rgb, picture, size, 0.4, 1.0)
        if rng.random() < 0.4:
            middle = np.median(sample.image.reshape(-1, 3)[::37], 0).astype(np.float32).clip(30, 255)
            augment.retint(sample, middle, negatives.tone(rng))
        return self._beside(rng, sample)

    def _clear(self, rng: Rng, size: tuple[int, int]) -> Sample:
        rgb, picture = self._pick(rng, self.faces if self.faces and rng.random() < 0.75 else self.dermoscopy)
        sample = augment.clear_window(rng, rgb, picture, size)
        return self._drawn(rng, size) if sample is None else self._beside(rng, sample)

    def _beside(self, rng: Rng, sample: Sample) -> Sample:
        """Real skin, often with a drawn look-alike on it."""
        if rng.random() < LOOK_ALIKE_CHANCE:
            draw = negatives.LOOK_ALIKES[int(rng.choice(len(negatives.LOOK_ALIKES), p=negatives.LOOK_ALIKE_CHANCES))]
            sample.image = draw(sample.image, rng)
        return sample

    def _finish(self, rng: Rng, sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
        image = sample.image
        for chance, disturb in ((0.06, negatives.hair), (0.12, negatives.glare), (0.1, negatives.vignette),
                                (0.03, negatives.ruler)):  # fmt: skip
            if rng.random() < chance:
                image = disturb(image, rng)
        lit = augment.light(rng, image)
        boxes = sample.boxes
        if rng.random() < 0.5:
            lit = np.ascontiguousarray(lit[:, ::-1])
            boxes = np.stack([lit.shape[1] - boxes[:, 2], boxes[:, 1], lit.shape[1] - boxes[:, 0], boxes[:, 3]], 1)
        if lit.shape[0] == lit.shape[1] and not bool((sample.classes == 1).any()):
            lit, boxes = augment.rotate(lit, boxes, int(rng.integers(4)))
        lit, boxes = augment.letterbox(lit, boxes)
        return lit, boxes.astype(np.float32), sample.classes
