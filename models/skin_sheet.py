"""Skin of other people to lay a lesion on: cheeks as they are, or a sheet made of real skin's own texture.

A sheet is sampled from a small exemplar: random patches, feathered over each other with the variance kept (the
blending of Heitz and Neyret 2018, "High-performance by-example noise"), so that pores and furrows are real and nothing
repeats. Tone is set by CIELAB and the individual typology angle of six skin types.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.data import Picture
from models.lesion_matte import to_lab

Rng = np.random.Generator
Lab = NDArray[np.float32]

TONES_LAB = ((73.0, 9.0, 14.0), (68.5, 11.0, 16.5), (62.5, 12.5, 18.0), (55.5, 13.5, 18.5), (44.5, 13.0, 17.5),
             (33.0, 10.0, 13.0))  # fmt: skip
"""CIELAB of six skin types: ITA about 59, 48, 35, 17, -17, -53 degrees."""
GROWN = 0.16
"""A box is grown by this fraction of its sides before skin beside it is taken."""


def free_area(picture: Picture) -> tuple[int, int, int, int] | None:
    """The largest rectangle (x0, y0, x1, y1) beside all grown boxes, out of the frame's four sides and middle bars."""
    width, height = picture.width_px, picture.height_px
    boxes = picture.boxes_px
    inset = 0 if picture.source == "neg_healthy_crops" else int(0.12 * width)  # the corners may be the tube's shadow
    if not len(boxes):
        return inset, inset, width - inset, height - inset
    margin = np.tile(GROWN * (boxes[:, 2:] - boxes[:, :2]), 2) * np.array([-1, -1, 1, 1], np.float32)
    x0, y0 = (boxes + margin)[:, :2].min(0)
    x1, y1 = (boxes + margin)[:, 2:].max(0)
    bars = ((inset, 0, width - inset, y0), (inset, y1, width - inset, height), (0, inset, x0, height - inset),
            (x1, inset, width, height - inset))  # fmt: skip
    best = max(bars, key=lambda b: min(b[2] - b[0], b[3] - b[1]))
    if min(best[2] - best[0], best[3] - best[1]) < 72:
        return None
    return int(best[0]), int(best[1]), int(best[2]), int(best[3])


def exemplar(picture: Picture) -> Lab | None:
    """A lesion-free piece of skin in CIELAB, or None where there is none large and clean enough."""
    area = free_area(picture)
    if area is None:
        return None
    x0, y0, x1, y1 = area
    lab = to_lab(picture.rgb()[y0:y1, x0:x1])
    lightness = cv2.GaussianBlur(lab[..., 0], (0, 0), 4)
    if float(np.percentile(lightness, 2)) < 30 or float(np.percentile(lightness, 50)) > 95:
        return None
    # Naevi, blotches and ticks that the boxes leave out stand far from the light around them; thin hairs do not.
    soft = cv2.GaussianBlur(lab, (0, 0), 5)
    local = soft - cv2.resize(cv2.GaussianBlur(cv2.resize(soft, (32, 32)), (0, 0), 10), soft.shape[1::-1])
    strange = (local[..., 0] < -9) | (np.abs(local[..., 1:]).max(2) > 9)
    return lab if strange.mean() < 0.01 else None


def sheet(rng: Rng, lab: Lab, size: tuple[int, int], enlarge: float) -> Lab:
    """Skin [height, width, 3] in CIELAB sampled from an exemplar enlarged by a factor; mean lightness as there."""
    source = cv2.resize(lab, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_CUBIC).astype(np.float32, copy=False)
    small = cv2.resize(source, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    slow = cv2.GaussianBlur(small, (0, 0), 0.12 * min(small.shape[:2]))
    slow = cv2.resize(slow, source.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    fine = source - slow  # the exemplar's own light is taken off
    height, width = size
    side = int(min(0.7 * min(source.shape[:2]), 220))
    step = side // 2
    ramp = np.sin(np.pi * (np.arange(side, dtype=np.float32) + 0.5) / side)
    feather = (ramp[:, None] * ramp[None])[..., None]
    total = np.zeros((height + 2 * side, width + 2 * side, 3), np.float32)
    power = np.zeros((height + 2 * side, width + 2 * side, 1), np.float32)
    for y in range(0, height + side, step):
        for x in range(0, width + side, step):
            sy, sx = (int(rng.integers(0, n - side + 1)) for n in source.shape[:2])
            patch = fine[sy : sy + side, sx : sx + side]
            total[y : y + side, x : x + side] += patch[:, :: 1 if rng.random() < 0.5 else -1] * feather
            power[y : y + side, x : x + side] += feather**2
    area = (slice(side, side + height), slice(side, side + width))
    return np.asarray(total[area] / np.sqrt(power[area].clip(1e-4)) + source.mean((0, 1)), np.float32)


def face_window(rng: Rng, picture: Picture, size: tuple[int, int], plain_only: bool) -> Lab | None:
    """A window of a face that touches no box, made large: CIELAB [height, width, 3]; plain_only: skin and no more.

    Other windows may show eyes, nose, mouth, hair and backdrop, but mostly skin.
    """
    height, width = size
    rgb, boxes = picture.rgb(), picture.boxes_px
    reach = 6.0
    for _ in range(60):
        tall = float(rng.uniform(90, 220) if plain_only else rng.uniform(150, 400))
        wide = tall * width / height
        if wide > picture.width_px or tall > picture.height_px:
            continue
        x0, y0 = rng.uniform(0, picture.width_px - wide), rng.uniform(0, picture.height_px - tall)
        near = (boxes[:, 0] < x0 + wide + reach) & (boxes[:, 2] > x0 - reach)
        near &= (boxes[:, 1] < y0 + tall + reach) & (boxes[:, 3] > y0 - reach)
        if near.any():
            continue
        lab = to_lab(rgb[int(y0) : int(y0 + tall), int(x0) : int(x0 + wide)])
        if plain(lab) if plain_only else float(skin_hue(lab).mean()) > 0.5:
            return cv2.resize(lab, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32, copy=False)
    return None


def skin_hue(lab: NDArray[Any]) -> NDArray[np.bool_]:
    """Where light and hue are those of skin."""
    lightness, red, yellow = lab[..., 0], lab[..., 1], lab[..., 2]
    return np.asarray(
        (red > 4) & (red < 32) & (yellow > 6) & (yellow < 42) & (lightness > 28) & (lightness < 93), np.bool_
    )


def plain(lab: NDArray[Any]) -> bool:
    """Whether a window is skin without features: light enough, skin's hue, no steep edge, no red or dark spot."""
    soft = cv2.GaussianBlur(lab, (0, 0), 2)
    if float(skin_hue(soft).mean()) < 0.995:
        return False
    across, down = cv2.Sobel(soft[..., 0], cv2.CV_32F, 1, 0), cv2.Sobel(soft[..., 0], cv2.CV_32F, 0, 1)
    local = soft - cv2.GaussianBlur(soft, (0, 0), 14)
    return (
        float(np.percentile(np.sqrt(across**2 + down**2), 99.5)) < 12
        and float(np.percentile(local[..., 1], 99.8)) < 4
        and float(np.percentile(local[..., 0], 0.2)) > -5
    )


def retone(rng: Rng, lab: Lab, tone: int, skin: NDArray[np.bool_]) -> Lab:
    """Move skin to one of six types: its median goes there (with some spread), its contrast shrinks with lightness.

    skin: [height, width], where the median is taken; what is no skin moves along.
    """
    pixels = lab[skin] if skin.mean() > 0.02 else lab.reshape(-1, 3)
    middle = np.median(pixels[::17], 0)
    wanted = np.array(TONES_LAB[tone]) + rng.normal(0, (1.5, 1.2, 1.5))
    contrast = (wanted[0] / max(float(middle[0]), 20.0)) ** 0.7
    return np.asarray(wanted + (lab - middle) * min(contrast, 1.3), np.float32)
