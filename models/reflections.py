"""Drawn mirror images of lamps on skin, glass or gel: sharp, bright, and of the shapes that lamps have."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.drawn_skin import Image, Rng

Mask = NDArray[np.float32]


def _somewhere(rng: Rng, mask: Mask) -> tuple[int, int]:
    return int(rng.uniform(0, mask.shape[1])), int(rng.uniform(0, mask.shape[0]))


def _window(mask: Mask, size: int, rng: Rng) -> None:
    """A lit pane, with or without its bars."""
    corners = cv2.boxPoints((_somewhere(rng, mask), (2.0 * size, size * rng.uniform(1, 3)), float(rng.uniform(0, 180))))
    cv2.fillConvexPoly(mask, corners.astype(np.int32), 1.0, cv2.LINE_AA)
    if rng.random() < 0.5:
        middles = [((corners[k] + corners[(k + 1) % 4]) / 2).astype(int).tolist() for k in range(4)]
        for start, end in ((middles[0], middles[2]), (middles[1], middles[3])):
            cv2.line(mask, start, end, 0.1, max(1, size // 10), cv2.LINE_AA)


def _ring(mask: Mask, size: int, rng: Rng) -> None:
    """A ring light: bright round a middle of plain skin."""
    cv2.circle(mask, _somewhere(rng, mask), size, 1.0, max(1, int(size * rng.uniform(0.1, 0.5))), cv2.LINE_AA)


def _leds(mask: Mask, size: int, rng: Rng) -> None:
    """Rows of points."""
    x, y = _somewhere(rng, mask)
    turn, gap = rng.uniform(0, np.pi), size * rng.uniform(0.5, 1.2)
    cos, sin = float(np.cos(turn)) * gap, float(np.sin(turn)) * gap
    for row in range(int(rng.integers(1, 4))):
        for col in range(int(rng.integers(3, 9))):
            at = (x + int(col * cos - row * sin), y + int(col * sin + row * cos))
            cv2.circle(mask, at, max(1, size // 5), 1.0, -1, cv2.LINE_AA)


def _bubbles(mask: Mask, size: int, rng: Rng) -> None:
    """Bubbles of contact gel: a faint ring and a bright arc."""
    for _ in range(int(rng.integers(1, 7))):
        at, radius = _somewhere(rng, mask), max(3, int(size * rng.uniform(0.3, 1.2)))
        cv2.circle(mask, at, radius, float(rng.uniform(0.2, 0.5)), 1, cv2.LINE_AA)
        start, inner = float(rng.uniform(0, 360)), int(radius * 0.8)
        cv2.ellipse(mask, at, (inner, inner), 0, start, start + 50, 1.0, max(1, radius // 6), cv2.LINE_AA)


def _glints(mask: Mask, size: int, rng: Rng) -> None:
    """Irregular hard-edged blobs, as on wet or oily skin."""
    for _ in range(int(rng.integers(1, 8))):
        spread = max(1.0, size * rng.uniform(0.2, 1))
        points = rng.normal(0, 1, (9, 2)) * (spread, spread * rng.uniform(0.3, 1)) + _somewhere(rng, mask)
        cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 1.0, cv2.LINE_AA)


SHAPES = (_window, _ring, _leds, _bubbles, _glints)


def reflections(picture: Image, rng: Rng) -> Image:
    """One sort of mirrored lamp, at 0.012..0.16 of the short side, white or nearly so."""
    mask = np.zeros(picture.shape[:2], np.float32)
    size = max(2, int(min(mask.shape) * np.exp(rng.uniform(np.log(0.012), np.log(0.16)))))
    SHAPES[int(rng.integers(len(SHAPES)))](mask, size, rng)
    if rng.random() < 0.4:
        mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.5, 1.5))).astype(np.float32, copy=False)
    colour = np.array([255, 254, 250], np.float32) * rng.uniform(0.93, 1, 3).astype(np.float32)
    return np.asarray(picture + (colour - picture) * (mask * np.float32(rng.uniform(0.7, 1)))[..., None], np.float32)
