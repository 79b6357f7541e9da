"""Drawn skin of six tones, the ground that drawn negatives and pasted lesions lie on.

Drawn from a numpy Generator: no file is read. Shares no code and no parameter with the product's demonstration
phantom, which must never take part in training, calibration or thresholds.
Pictures are RGB float32 [height, width, 3] in 0..255 until the caller rounds them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Rng = np.random.Generator

# Typical sRGB of the six Fitzpatrick types (drawn loosely around these), lightest first.
SKIN_TONES = (
    (244, 208, 188), (230, 180, 150), (206, 150, 118), (168, 114, 84), (118, 76, 54), (70, 46, 36),
)  # fmt: skip


def tone(rng: Rng) -> NDArray[np.float32]:
    """A skin colour between two neighbouring types, jittered: RGB [3]."""
    place = rng.uniform(0, len(SKIN_TONES) - 1)
    low = int(place)
    a, b = np.array(SKIN_TONES[low], np.float32), np.array(SKIN_TONES[min(low + 1, len(SKIN_TONES) - 1)], np.float32)
    return np.asarray((a + (b - a) * (place - low)) * rng.normal(1, 0.05, 3), np.float32).clip(20, 250)


def noise(rng: Rng, height: int, width: int, cell_px: float) -> NDArray[np.float32]:
    """Smooth noise of about unit deviation whose blobs are cell_px wide: [height, width]."""
    rows, cols = max(2, round(height / cell_px) + 1), max(2, round(width / cell_px) + 1)
    small = rng.standard_normal((rows, cols), dtype=np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32, copy=False)


def skin(rng: Rng, height: int, width: int, mottle: float | None = None) -> Image:
    """Plain to strongly textured skin of a random tone: mottle, pores, furrows and a slow lighting gradient."""
    base = tone(rng)
    mottle = float(rng.choice([0.01, 0.03, 0.08])) if mottle is None else mottle
    light = 1 + mottle * noise(rng, height, width, rng.uniform(20, 90)) + 0.02 * noise(rng, height, width, 2.5)
    if rng.random() < 0.5:
        light += rng.uniform(0.01, 0.04) * noise(rng, height, width, rng.uniform(4, 10))
    if rng.random() < 0.4:
        light -= rng.uniform(0.02, 0.08) * furrows(rng, height, width)
    light += rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, width, dtype=np.float32)[None]
    light += rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    red = 1 + mottle * noise(rng, height, width, rng.uniform(15, 60))
    picture = base * light[..., None]
    picture[..., 1:] /= red.clip(0.7, 1.4)[..., None]
    return np.asarray(picture, np.float32).clip(0, 255)


def furrows(rng: Rng, height: int, width: int) -> NDArray[np.float32]:
    """Crossing skin lines, 0..1: [height, width]."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    out = np.zeros((height, width), np.float32)
    for _ in range(2):
        angle, period = rng.uniform(0, np.pi), rng.uniform(7, 18)
        phase = (x * float(np.cos(angle)) + y * float(np.sin(angle))) * (2 * np.pi / period)
        out = np.maximum(out, np.sin(phase + noise(rng, height, width, 30)).clip(0) ** 4)
    return out


def uneven(picture: Image, rng: Rng) -> Image:
    """Skin that is uneven without a lesion: a livid net, veins, goose flesh, or wide blotches of redness."""
    height, width = picture.shape[:2]
    kind = int(rng.integers(4))
    if kind < 2:
        field = np.abs(noise(rng, height, width, rng.uniform(18, 70)) + 0.3 * noise(rng, height, width, 9))
        lines = np.exp(-((field / rng.uniform(0.08, 0.3)) ** 2)) * np.float32(rng.uniform(0.06, 0.22))
        tint = np.array([0.8, 1.0, 0.75] if kind == 0 else [1.0, 0.75, 0.45], np.float32)
        return np.asarray(picture * (1 - lines[..., None] * tint), np.float32)
    if kind == 2:
        pores = noise(rng, height, width, rng.uniform(5, 12))
        shade = cv2.Sobel(pores, cv2.CV_32F, 1, 1, ksize=3) * np.float32(rng.uniform(0.03, 0.12))
        return np.asarray(picture * (1 + shade.clip(-0.3, 0.3))[..., None], np.float32)
    blotch = noise(rng, height, width, rng.uniform(60, 140)).clip(-1.5, 1.5) * np.float32(rng.uniform(0.04, 0.14))
    return np.asarray(picture * (1 - blotch.clip(0)[..., None] * np.array([0.4, 1, 0.9], np.float32)), np.float32)
