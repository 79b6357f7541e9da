"""Drawn parts of a face that stand dark and round on skin and are no lesion: eyes open or shut, nostrils, lips."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.drawn_skin import Image, Rng

Plane = NDArray[Any]
"""float32 [height, width]; numpy's stubs take float32 * float for float64."""

IRISES = ((62, 38, 22), (92, 58, 30), (108, 92, 48), (88, 110, 84), (90, 122, 152), (120, 132, 138))
"""Dark brown to grey: sRGB."""


def local(rng: Rng, picture: Image, low: float, high: float) -> tuple[Image, Plane, Plane, float]:
    """A place for a part: the view of picture that it may change, coordinates (u, v) there, and their unit in px.

    The frame is turned a little, at times by quarters. One unit is half the part's width; the view reaches 1.7 of them.
    """
    height, width = picture.shape[:2]
    unit = min(height, width) * float(np.exp(rng.uniform(np.log(low), np.log(high))))
    x0, y0 = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height
    turn = rng.normal(0, 0.25) + (np.pi / 2 * int(rng.integers(4)) if rng.random() < 0.3 else 0)
    left, right = max(0, int(x0 - 1.7 * unit)), min(width, int(x0 + 1.7 * unit) + 2)
    top, bottom = max(0, int(y0 - 1.7 * unit)), min(height, int(y0 + 1.7 * unit) + 2)
    x = (np.arange(left, right, dtype=np.float32) - np.float32(x0)) / np.float32(unit)
    y = ((np.arange(top, bottom, dtype=np.float32) - np.float32(y0)) / np.float32(unit))[:, None]
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    return picture[top:bottom, left:right], cos * x + sin * y, cos * y - sin * x, unit


def bump(value: Plane, width: float) -> Plane:
    """Gaussian bell of a signed distance."""
    return np.asarray(np.exp(-((value / np.float32(width)) ** 2)), np.float32)


def strokes(picture: Image, u: Plane, v: Plane, points: NDArray[np.float64], colour: list[float], thick: int) -> None:
    """Curves given in local units [n, k, 2], drawn into picture in place."""
    # The frame is affine in pixels: its inverse follows from three corners.
    step = np.array([[u[0, 1] - u[0, 0], u[1, 0] - u[0, 0]], [v[0, 1] - v[0, 0], v[1, 0] - v[0, 0]]], np.float64)
    pixels = (points - (u[0, 0], v[0, 0])) @ np.linalg.inv(step).T
    lines = [np.round(each * 8).astype(np.int32) for each in pixels]
    drawn = np.ascontiguousarray(picture)
    cv2.polylines(drawn, lines, False, colour, thick, cv2.LINE_AA, 3)
    picture[:] = drawn


def _lashes(rng: Rng, upper: float, count: int, length: float) -> NDArray[np.float64]:
    roots = np.sort(rng.uniform(-0.95, 0.95, count))
    steps = np.linspace(0, 1, 5)
    lean = roots * 0.5 + rng.normal(0, 0.08, count)
    long = length * rng.uniform(0.6, 1.2, count)
    across = roots[:, None] + lean[:, None] * long[:, None] * steps + 0.0
    rise = -upper * (1 - roots[:, None] ** 2) - long[:, None] * (steps * 1.2 - 0.35 * steps**2) * np.sign(upper or 1)
    return np.stack((across, rise), 2)


def _brow(rng: Rng) -> NDArray[np.float64]:
    count = int(rng.integers(40, 110))
    along = rng.uniform(-1.3, 1.3, count)
    rise = -0.95 - 0.25 * (1 - (along / 1.3) ** 2) + rng.normal(0, 0.07, count)
    steps = np.linspace(0, 1, 4)
    return np.stack((along[:, None] + 0.28 * steps, rise[:, None] - 0.1 * steps * (1 - 0.8 * along[:, None])), 2)


def eye(picture: Image, rng: Rng) -> Image:
    """An eye, open or shut, with iris, pupil, reflections, lids, lashes and often a brow."""
    picture = picture.copy()
    out, u, v, unit = local(rng, picture, 0.1, 0.55)
    upper, lower, lid = rng.uniform(0.28, 0.55), rng.uniform(0.15, 0.3), (1 - u * u).clip(0)
    within = np.abs(u) < 1
    socket = rng.uniform(0.08, 0.25) * bump(u, 1.1) * (bump(v + 0.55, 0.25) + 0.6 * bump(v - 0.5, 0.25))
    crease = rng.uniform(0.2, 0.45) * bump(v + (upper + 0.16) * lid + 0.02, 0.035) * within
    out *= 1 - (socket + crease)[..., None]
    ink = [float(each) for each in rng.uniform(8, 45) * np.array([1.15, 1, 0.9])]
    thick = max(1, round(unit / 60))
    if rng.random() < 0.2:
        out *= 1 - (0.7 * bump(v - lower * lid, 0.03) * within)[..., None]
        strokes(out, u, v, _lashes(rng, -lower, int(rng.integers(14, 40)), 0.3), ink, thick)
    else:
        opening = within * ((v + upper * lid) * unit + 0.5).clip(0, 1) * ((lower * lid - v) * unit + 0.5).clip(0, 1)
        out += (_ball(rng, u, v, unit, upper, lower).clip(0, 255) - out) * opening[..., None]
        out *= 1 - (0.6 * bump(v + upper * lid, 0.045) * within)[..., None]
        strokes(out, u, v, _lashes(rng, upper, int(rng.integers(14, 45)), rng.uniform(0.15, 0.4)), ink, thick)
    if rng.random() < 0.6:
        strokes(out, u, v, _brow(rng), ink, thick)
    return picture


def _ball(rng: Rng, u: Plane, v: Plane, unit: float, upper: float, lower: float) -> Image:
    """White, iris with spokes and a dark rim, pupil, and the lamp or window that it mirrors."""
    lid = (1 - u * u).clip(0)
    white = np.array([232, 222, 216], np.float32) * (1 - 0.35 * u * u - 0.5 * bump(v + upper * lid, 0.14))[..., None]
    white[..., 1:] -= (42 * (u * u).clip(0, 1) ** 2)[..., None]
    radius = rng.uniform(0.34, 0.44)
    x, y = u - rng.uniform(-0.25, 0.25), v + 0.3 * (upper - lower)
    distance = np.sqrt(x * x + y * y) / np.float32(radius)
    edge = unit * radius
    rays = cv2.resize(rng.standard_normal((1, 72), dtype=np.float32), (256, 1)).ravel()
    spokes = rays[((np.arctan2(y, x) + np.float32(np.pi)) * np.float32(40.5)).astype(np.int32)]
    colour = np.array(IRISES[int(rng.integers(len(IRISES)))], np.float32) * np.float32(rng.uniform(0.7, 1.3))
    shade = 1 + 0.18 * spokes - 0.6 * bump(distance - 1, 0.15) + 0.25 * bump(distance - 0.5, 0.2)
    pupil = ((rng.uniform(0.3, 0.5) - distance) * edge + 0.5).clip(0, 1)
    iris = colour * (shade * (1 - 0.9 * pupil))[..., None]
    ball = white + (iris - white) * ((1 - distance) * edge + 0.5).clip(0, 1)[..., None]
    right, down, size = rng.uniform(-0.5, 0.5), rng.uniform(-0.6, 0.1), rng.uniform(0.1, 0.3)
    dx, dy = np.abs(x / radius - right), np.abs(y / radius - down)
    reach = np.maximum(dx, dy) if rng.random() < 0.4 else np.sqrt(dx * dx + dy * dy)
    return ball + (255 - ball) * ((size - reach) * edge + 0.5).clip(0, 1)[..., None]


def nostrils(picture: Image, rng: Rng) -> Image:
    """The underside or the front of a nose: two dark openings, rounded wings, a tip that shines, folds beside it."""
    picture = picture.copy()
    out, u, v, _ = local(rng, picture, 0.12, 0.5)
    gap, flat, slant = rng.uniform(0.35, 0.5), rng.uniform(0.45, 0.8), rng.uniform(-0.5, 0.5)
    folds, holes = np.zeros_like(u), np.zeros_like(u)
    for side in (-1, 1):
        a, b = (u - side * gap) * side, v + slant * (u - side * gap) * side
        holes = np.maximum(holes, ((1 - np.sqrt((a / 0.2) ** 2 + (b / (0.2 * flat)) ** 2)) * 3).clip(0, 1))
        ring = np.sqrt(((a - 0.1) / 0.48) ** 2 + ((b + 0.08) / 0.42) ** 2)
        folds += (0.24 * bump(ring - 1.05, 0.12) - 0.1 * bump(ring - 0.75, 0.2)) * ((a + 0.3) * 3).clip(0, 1)
    tip = bump(np.sqrt((u / 0.5) ** 2 + ((v + 0.35) / 0.45) ** 2), 0.8)
    under = bump(np.sqrt((u / 0.7) ** 2 + ((v - 0.25) / 0.2) ** 2), 1.0)
    out *= (1 + 0.16 * tip - folds - 0.25 * under)[..., None]
    dark = np.array([46, 20, 16], np.float32) * np.float32(rng.uniform(0.3, 1.2))
    if rng.random() < 0.15:
        holes = holes * (u > 0)
    out += (dark - out) * (holes * np.float32(rng.uniform(0.75, 0.97)))[..., None]
    if rng.random() < 0.5:
        shine = bump(np.sqrt((u - 0.08) ** 2 + ((v + 0.45) / 0.8) ** 2), rng.uniform(0.06, 0.2))
        out += (255 - out) * (shine * np.float32(rng.uniform(0.2, 0.8)))[..., None]
    return picture


def lips(picture: Image, rng: Rng) -> Image:
    """A mouth, shut or a little open, with its furrows."""
    picture = picture.copy()
    out, u, v, unit = local(rng, picture, 0.12, 0.5)
    lid = (1 - u * u).clip(0)
    top, bottom = rng.uniform(0.2, 0.32), rng.uniform(0.28, 0.42)
    bow = top * lid * (1 - 0.35 * bump(u, 0.14))
    within = np.abs(u) < 1
    inside = within * ((v + bow) * (unit / 3) + 0.5).clip(0, 1) * ((bottom * lid - v) * (unit / 3) + 0.5).clip(0, 1)
    middle = picture.reshape(-1, 3)[::53].mean(0)
    colour = middle * np.array([0.92, 0.62, 0.62]) if rng.random() < 0.7 else rng.uniform(60, 200, 3) * (1.1, 0.5, 0.6)
    furrow = np.sin(u * np.float32(rng.uniform(35, 70)) + 2 * v) * np.float32(0.05)
    body = colour.astype(np.float32) * (1 + furrow + 0.25 * bump(v - bottom * 0.5, 0.1) - 0.2 * (v < 0))[..., None]
    out += (body.clip(0, 255) - out) * inside[..., None]
    out *= 1 - (0.8 * bump(v + 0.03 * np.cos(4 * u), rng.uniform(0.025, 0.07)) * within)[..., None]
    return picture
