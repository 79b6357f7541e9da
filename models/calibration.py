"""The representative dataset: training pictures through `edge.preprocess`, so that it is what the device will see.

Whole pictures show large lesions and small spots; a handheld shows lesions of a middle size, which another level of
the network answers for. So training samples, with lesions pasted small on other skin, stand beside the pictures:
without them that level's scores end at 0.75, and better ones cannot be told apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.bundle import Calibration, Input
from edge.preprocess import Preprocessor
from models.architecture import INPUT_PX, MEAN, PAD_VALUE, STD
from models.data import Picture, load
from models.samples import Samples

PICTURES_PER_SOURCE = {"trc_dermoscopy": 64, "acne04_faces": 64, "neg_healthy_crops": 32}
INPUT_RANGE = (-MEAN / STD, (255 - MEAN) / STD)
SEED = 7
SAMPLES = 160


def float_input(name: str = "image", side_px: int = INPUT_PX) -> Input:
    """The input before quantisation."""
    return Input(name=name, shape=(1, side_px, side_px, 3), dtype="float32", mean=MEAN, std=STD, pad_value=PAD_VALUE)


def chosen() -> list[Picture]:
    """A seeded choice of train pictures."""
    rng = np.random.default_rng(SEED)
    pictures = []
    for source, count in PICTURES_PER_SOURCE.items():
        available = load("train", source)
        order = rng.permutation(len(available))[:count]
        pictures += [available[i] for i in sorted(order)]
    return pictures


def view(picture: Picture, number: int) -> NDArray[np.uint8]:
    """The whole picture; every third one's middle as a 16:9 camera would see it (with the letterbox's bars)."""
    rgb = picture.rgb()
    if number % 3 != 2:
        return rgb
    rows, cols = rgb.shape[:2]
    height = min(rows, cols * 9 // 16)
    top = (rows - height) // 2
    return np.ascontiguousarray(rgb[top : top + height])


def pictures() -> Iterator[NDArray[np.uint8]]:
    """Whole pictures first, then training samples: RGB uint8."""
    for number, picture in enumerate(chosen()):
        yield view(picture, number)
    samples = Samples(SEED, SAMPLES)
    for number in range(SAMPLES):
        yield samples[number][0]


def representative() -> Iterator[NDArray[np.float32]]:
    """Preprocessed pictures [1, 320, 320, 3], (u8 - 127) / 128."""
    preprocessor = Preprocessor(float_input())
    for rgb in pictures():
        tensor = np.empty((1, INPUT_PX, INPUT_PX, 3), np.float32)
        preprocessor.write(rgb, tensor)
        yield tensor


def describe() -> Calibration:
    """Number of pictures and the hash over the preprocessed tensors in the order used."""
    digest, count = hashlib.sha256(), 0
    for tensor in representative():
        digest.update(tensor.tobytes())
        count += 1
    per_source = ", ".join(f"{n} {s}" for s, n in PICTURES_PER_SOURCE.items())
    told = f"train split, every third as a 16:9 crop: {per_source}; {SAMPLES} training samples (models/samples.py)"
    return msgspec.convert({"pictures": count, "sha256": digest.hexdigest(), "source": told}, Calibration)
