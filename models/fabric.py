"""Drawn cloth: woven, knitted, printed; whole pictures, or laid over part of the skin with a hem and a shadow."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.drawn_skin import Image, Rng, noise

Plane = NDArray[Any]
"""float32 [height, width]; numpy's stubs take float32 * float for float64."""


def _grid(rng: Rng, height: int, width: int) -> tuple[Plane, Plane, Plane]:
    """Coordinates along both threads (px, turned and a little warped by folds) and the folds' shade."""
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    turn = rng.uniform(0, np.pi)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    folds = noise(rng, height, width, rng.uniform(40, 140))
    bend = folds * np.float32(rng.uniform(0, 5))
    return x * cos + y * sin + bend, y * cos - x * sin + bend, 1 + folds * np.float32(rng.uniform(0.02, 0.12))


def _colours(rng: Rng) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two dyes: near each other or not; one in five a pair of browns and pinks, as skin and lesions have."""
    if rng.random() < 0.2:
        one = np.array([224, 178, 152]) * rng.uniform(0.4, 1.1)
        return one.astype(np.float32), (one * rng.uniform(0.3, 0.8) * np.array([1, 0.9, 0.9])).astype(np.float32)
    one = rng.uniform(5, 250, 3)
    other = one * rng.uniform(0.5, 1.5) if rng.random() < 0.5 else rng.uniform(5, 250, 3)
    return one.astype(np.float32), other.astype(np.float32).clip(0, 255)


def weave(rng: Rng, u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """Plain weave, twill or denim: which dye (0..1) and light (about 1)."""
    pitch = rng.uniform(2.5, 9)
    row, col = np.floor(u / pitch), np.floor(v / pitch)
    reach = int(rng.integers(2, 4))
    over = ((row + col) % reach == 0).astype(np.float32)
    a, b = np.sin(u * (np.pi / pitch)) ** 2, np.sin(v * (np.pi / pitch)) ** 2
    light = np.where(over > 0, 0.55 + 0.5 * np.sqrt(a) * (0.6 + 0.4 * b), 0.5 + 0.45 * np.sqrt(b) * (0.6 + 0.4 * a))
    return over, light.astype(np.float32)


def knit(rng: Rng, u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """Stocking stitch: columns of V-shaped loops; rows may change the dye."""
    pitch = rng.uniform(5, 20)
    along = (u / pitch) % 1
    slant = np.abs(along - 0.5) * np.float32(1.3)
    row = v / (pitch * 0.8) + slant
    loop = np.sqrt(np.abs(np.sin(row * np.pi)))
    light = 0.45 + 0.55 * loop * np.abs(np.sin(along * 2 * np.pi)).clip(0.15) ** 0.4
    stripes = (np.floor(row / rng.integers(2, 12)) % 2).astype(np.float32) if rng.random() < 0.5 else np.zeros_like(u)
    return stripes, light.astype(np.float32)


def pattern(rng: Rng, u: Plane, v: Plane) -> tuple[Plane, Plane]:
    """A print: dots, stripes, checks, rings or blotches, on plain cloth."""
    pitch = rng.uniform(14, 90)
    kind = int(rng.integers(5))
    if kind in (0, 1):
        shift = (np.floor(v / pitch) % 2) * np.float32(0.5 * rng.integers(2))
        x, y = (u / pitch + shift) % 1 - 0.5, (v / pitch) % 1 - 0.5
        distance = np.sqrt(x * x + y * y) * np.float32(pitch)
        radius = pitch * rng.uniform(0.15, 0.42)
        dye = (radius - distance + 0.5).clip(0, 1)
        if kind == 1:
            dye = dye - (radius * 0.55 - distance + 0.5).clip(0, 1)
    elif kind == 2:
        dye = ((u / pitch) % 1 < rng.uniform(0.2, 0.7)).astype(np.float32)
    elif kind == 3:
        dye = (((u / pitch) % 1 < 0.5).astype(np.float32) + ((v / pitch) % 1 < 0.5)) / 2
    else:
        dye = ((noise(rng, u.shape[0], u.shape[1], pitch / 2) - rng.uniform(0, 1)) * 6).clip(0, 1)
    _, light = weave(rng, u, v)
    return np.asarray(dye, np.float32), 1 + (light - light.mean()) * np.float32(rng.uniform(0, 0.6))


def cloth(rng: Rng, height: int, width: int) -> Image:
    """Cloth over the whole picture."""
    u, v, folds = _grid(rng, height, width)
    draw = (weave, knit, pattern, pattern)[int(rng.integers(4))]
    dye, light = draw(rng, u, v)
    one, other = _colours(rng)
    out = (one + (other - one) * dye[..., None]) * (light * folds)[..., None]
    return np.asarray(out, np.float32).clip(0, 255)


def garment(picture: Image, rng: Rng) -> Image:
    """Cloth over one side of the skin, with a hem, a seam's stitches and a shadow."""
    height, width = picture.shape[:2]
    turn = rng.uniform(0, 2 * np.pi)
    x = (np.arange(width, dtype=np.float32) - width * rng.uniform(0.2, 0.8)) * np.float32(np.cos(turn))
    y = (np.arange(height, dtype=np.float32) - height * rng.uniform(0.2, 0.8)) * np.float32(np.sin(turn))
    side = x + y[:, None] + noise(rng, height, width, rng.uniform(60, 200)) * np.float32(rng.uniform(0, 9))
    over = (side + 0.5).clip(0, 1)
    worn = cloth(rng, height, width)
    hem = rng.uniform(4, 16)
    worn *= (1 - 0.25 * np.exp(-((side - hem) ** 2) / 3))[..., None]
    shade = 0.5 * np.exp(side.clip(None, 0) / rng.uniform(3, 14))
    out = picture * (1 - shade[..., None])
    out += (worn - out) * over[..., None]
    return np.asarray(out, np.float32).clip(0, 255)


def plaster(picture: Image, rng: Rng) -> Image:
    """An adhesive dressing: a strip with round ends, a pad, small holes and a lifted rim."""
    picture = picture.copy()
    height, width = picture.shape[:2]
    half = min(height, width) * rng.uniform(0.05, 0.16)
    long = half * rng.uniform(1.0, 4.0)
    x0, y0, turn = width * rng.uniform(0.1, 0.9), height * rng.uniform(0.1, 0.9), rng.uniform(0, np.pi)
    left, right = max(0, int(x0 - long - 5)), min(width, int(x0 + long + 6))
    top, bottom = max(0, int(y0 - long - 5)), min(height, int(y0 + long + 6))
    out = picture[top:bottom, left:right]
    x = np.arange(left, right, dtype=np.float32) - np.float32(x0)
    y = (np.arange(top, bottom, dtype=np.float32) - np.float32(y0))[:, None]
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u, v = x * cos + y * sin, y * cos - x * sin
    distance = np.sqrt((np.abs(u) - (long - half)).clip(0) ** 2 + v * v)
    over = (half - distance + 0.5).clip(0, 1)
    colour = np.array([222, 178, 140]) * rng.uniform(0.5, 1.12) if rng.random() < 0.7 else rng.uniform(40, 250, 3)
    pitch = np.pi / rng.uniform(3, 6)
    holes = (np.sin(u * pitch) * np.sin(v * pitch)).clip(0.8) - 0.8
    pad = (np.maximum(np.abs(u), np.abs(v)) < half * 0.7) * np.float32(rng.uniform(0, 0.12))
    rim = np.exp(-((half - distance) ** 2) / 4)
    body = colour.astype(np.float32) * (1 + pad - 1.2 * holes - 0.15 * rim)[..., None]
    out *= 1 - 0.35 * cv2.GaussianBlur(over, (0, 0), max(1.0, half / 10))[..., None]
    out += (body.clip(0, 255) - out) * over[..., None]
    return picture
