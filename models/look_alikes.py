"""Drawn things that a lesion detector takes for lesions: coins, buttons, chains, fingers with nails.

Each lays one thing on a picture (RGB float32 [height, width, 3], 0..255) with a rim, a relief, a shadow and light from
one side, so that what tells it from a lesion is there to be learnt. Brown ones are allowed where structure gives them
away (holes, text, links).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.drawn_skin import Image, Rng, noise, tone

Plane = NDArray[Any]
"""float32 [height, width]; numpy's stubs take float32 * float for float64."""

METALS = ((196, 192, 186), (212, 178, 96), (184, 115, 72), (150, 150, 152), (120, 104, 70))
"""Silver, gold, copper, steel, old brass: sRGB."""


def lay(picture: Image, patch: Image, alpha: Plane, x0: int, y0: int) -> None:
    """Blend a patch [h, w, 3] with alpha [h, w] into picture at (x0, y0), in place; what lies outside is cut."""
    height, width = picture.shape[:2]
    left, top = max(0, -x0), max(0, -y0)
    right, bottom = min(patch.shape[1], width - x0), min(patch.shape[0], height - y0)
    if right <= left or bottom <= top:
        return
    part = picture[y0 + top : y0 + bottom, x0 + left : x0 + right]
    part += (patch[top:bottom, left:right] - part) * alpha[top:bottom, left:right, None]


def polar(radius_px: float, margin: float = 1.25) -> tuple[Plane, Plane]:
    """Distance from the middle (px) and angle (radians) on a square patch that holds a disc and some of its shadow."""
    half = int(np.ceil(radius_px * margin))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    return np.sqrt(x * x + y * y), np.arctan2(y, x)


def relief(height_map: Plane, angle: float, strength: float) -> Plane:
    """Light over a height map from one side: a factor about 1."""
    across = cv2.Sobel(height_map, cv2.CV_32F, 1, 0, ksize=3)
    down = cv2.Sobel(height_map, cv2.CV_32F, 0, 1, ksize=3)
    shade = 1 + strength * (np.cos(angle) * across + np.sin(angle) * down)
    return np.asarray(shade.clip(0.35, 1.9), np.float32)


def shadow(picture: Image, x: int, y: int, radius_px: float, angle: float, rng: Rng) -> None:
    """A soft disc of shade, away from the light."""
    distance, _ = polar(radius_px, 1.4)
    soft = radius_px * rng.uniform(0.08, 0.3)
    alpha = ((radius_px * 1.03 - distance) / soft + 0.5).clip(0, 1) * np.float32(rng.uniform(0.25, 0.6))
    away = radius_px * rng.uniform(0.04, 0.14)
    half = distance.shape[0] // 2
    x0, y0 = int(x - half - away * np.cos(angle)), int(y - half - away * np.sin(angle))
    lay(picture, np.zeros((*distance.shape, 3), np.float32), alpha.astype(np.float32), x0, y0)


def place(rng: Rng, picture: Image, low: float, high: float) -> tuple[int, int, float]:
    """A centre (x, y, px), mostly inside, and a radius of low..high of the short side, log-uniform."""
    height, width = picture.shape[:2]
    radius = min(height, width) * float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return int(rng.uniform(0.05, 0.95) * width), int(rng.uniform(0.05, 0.95) * height), max(4.0, radius)


def coin(picture: Image, rng: Rng) -> Image:
    """Metal with a raised rim, a struck head or numeral, letters around it and a sheen that turns with the angle."""
    out = picture.copy()
    x, y, radius = place(rng, picture, 0.05, 0.32)
    distance, angle = polar(radius)
    size, half = distance.shape[0], distance.shape[0] // 2
    light = float(rng.uniform(-np.pi, np.pi))
    struck = np.zeros((size, size), np.uint8)  # 8 bits: OpenCV writes text into nothing else
    rim = max(1, int(radius * rng.uniform(0.05, 0.12)))
    cv2.circle(struck, (half, half), int(radius * 0.95), 255, rim, cv2.LINE_AA)
    pen = max(1, int(radius / 12))
    if rng.random() < 0.5:
        axes = (int(radius * rng.uniform(0.25, 0.4)), int(radius * rng.uniform(0.35, 0.5)))
        cv2.ellipse(struck, (half, half), axes, float(rng.uniform(-20, 20)), 0, 360, 200, -1, cv2.LINE_AA)
        cv2.ellipse(struck, (half, int(half + radius * 0.5)), (int(radius * 0.5), int(radius * 0.25)), 0, 180, 360, 200,
                    -1, cv2.LINE_AA)  # fmt: skip
    else:
        numeral = str(rng.choice(["1", "2", "5", "10", "20", "50", "C"]))
        font, large = cv2.FONT_HERSHEY_DUPLEX, radius / 22 / len(numeral) ** 0.6
        (wide, high), _ = cv2.getTextSize(numeral, font, large, pen)
        cv2.putText(struck, numeral, (half - wide // 2, half + high // 2), font, large, 230, pen, cv2.LINE_AA)
    for step in np.linspace(0, 2 * np.pi, int(rng.integers(10, 24)), endpoint=False):
        at = (int(half + radius * 0.76 * np.cos(step)), int(half + radius * 0.76 * np.sin(step)))
        end = (at[0] + int(rng.integers(-pen, pen + 1)), at[1] + pen)
        cv2.line(struck, at, end, 180, max(1, pen // 2), cv2.LINE_AA)
    bumps = struck.astype(np.float32) / 255
    bumps *= 1 + 0.3 * noise(rng, size, size, max(2.0, radius / 9))
    bumps = cv2.GaussianBlur(bumps, (0, 0), max(0.5, radius / 60)).astype(np.float32, copy=False)
    sheen = 1 + rng.uniform(0.1, 0.4) * np.cos(rng.choice([1, 2, 2]) * (angle - light)) * (distance / radius).clip(0, 1)
    wear = 1 + rng.uniform(0.02, 0.12) * noise(rng, size, size, max(2.0, radius / rng.uniform(2, 8)))
    metal = np.array(METALS[int(rng.integers(len(METALS)))], np.float32) * np.float32(rng.uniform(0.55, 1.15))
    patch = metal * (relief(bumps, light, rng.uniform(0.2, 0.7)) * sheen * wear)[..., None]
    shadow(out, x, y, radius, light, rng)
    lay(out, patch.clip(0, 255).astype(np.float32), (radius - distance + 0.5).clip(0, 1), x - half, y - half)
    return out


def button(picture: Image, rng: Rng) -> Image:
    """Plastic, horn or pearl with a rim, a dish, two or four holes, often thread, and a highlight."""
    out = picture.copy()
    x, y, radius = place(rng, picture, 0.04, 0.26)
    distance, angle = polar(radius)
    size, half = distance.shape[0], distance.shape[0] // 2
    light = float(rng.uniform(-np.pi, np.pi))
    kind = rng.random()
    if kind < 0.4:
        colour = rng.uniform(15, 250, 3)
    elif kind < 0.7:
        colour = np.array([rng.uniform(15, 245)] * 3) * rng.normal(1, 0.03, 3)
    else:
        colour = np.array([120, 78, 50]) * rng.uniform(0.4, 1.5)
    rim = rng.uniform(0.68, 0.9) * radius
    dome = np.exp(-(((distance - (rim + radius) / 2) / (0.12 * radius)) ** 2)).astype(np.float32)
    shade = relief(dome * radius / 12, light, 0.5)
    grain = 1 + rng.uniform(0, 0.12) * noise(rng, size, size, max(2.0, radius / 5))
    patch = np.float32(1) * colour.astype(np.float32) * (shade * grain)[..., None]
    if rng.random() < 0.6:
        gloss = np.exp(-(((angle - light + np.pi) % (2 * np.pi) - np.pi) ** 2) / 0.15) * dome
        patch += (255 - patch) * (gloss * rng.uniform(0.3, 0.9))[..., None]
    patch = np.ascontiguousarray(patch.clip(0, 255), np.float32)
    turn, gap = rng.uniform(0, np.pi), radius * rng.uniform(0.17, 0.3)
    count = 2 if rng.random() < 0.35 else 4
    spread = turn + np.arange(count) * 2 * np.pi / count
    holes = [(half + round(gap * np.cos(a)), half + round(gap * np.sin(a))) for a in spread]
    deep = [float(v) for v in colour * rng.uniform(0.1, 0.4)]
    for hole in holes:
        cv2.circle(patch, hole, max(1, int(radius * rng.uniform(0.07, 0.12))), deep, -1, cv2.LINE_AA)
    if rng.random() < 0.5:
        thread = [float(v) for v in rng.uniform(20, 240, 3)]
        pairs = ((0, 1),) if count == 2 else ((0, 2), (1, 3)) if rng.random() < 0.5 else ((0, 1), (2, 3))
        for a, b in pairs:
            cv2.line(patch, holes[a], holes[b], thread, max(1, int(radius * 0.07)), cv2.LINE_AA)
    shadow(out, x, y, radius, light, rng)
    lay(out, patch, (radius - distance + 0.5).clip(0, 1), x - half, y - half)
    return out


def chain(picture: Image, rng: Rng) -> Image:
    """A necklace across the picture: metal links, pearls or beads, with a highlight and a shadow each."""
    height, width = picture.shape[:2]
    out = picture.copy()
    radius = min(height, width) * rng.uniform(0.012, 0.05)
    beads = rng.random() < 0.45
    colour = np.array(METALS[int(rng.integers(len(METALS)))], np.float64)
    if beads and rng.random() < 0.6:
        colour = rng.uniform(30, 250, 3)
    metal = [float(v) for v in colour * rng.uniform(0.6, 1.1)]
    dark, bright = [v * 0.35 for v in metal], [min(255.0, v * 0.5 + 140) for v in metal]
    start = rng.uniform(-0.1, 1.1, 2) * (width, height)
    goal = np.array([width, height]) - start + rng.uniform(-0.3, 0.3, 2) * (width, height)
    sag = rng.uniform(-0.35, 0.35) * max(height, width)
    gap = radius * (2.05 if beads else 1.5)
    count = max(2, int(np.hypot(*(goal - start)) / gap))
    steps = np.linspace(0, 1, count)
    points = start + (goal - start) * steps[:, None] + np.outer(4 * sag * steps * (1 - steps), (0.4, 1))
    turns = np.degrees(np.arctan2(*np.gradient(points, axis=0).T[::-1]))
    shade = cv2.polylines(np.zeros((height, width), np.float32), [points.astype(np.int32) + int(radius / 2) + 1], False,
                          0.5, max(1, int(radius * 1.4)))  # fmt: skip
    out *= 1 - cv2.GaussianBlur(shade, (0, 0), max(1.0, radius / 2))[..., None]
    for number, ((px, py), turn) in enumerate(zip(points, turns, strict=True)):
        at = (int(px), int(py))
        if beads:
            cv2.circle(out, at, max(1, int(radius)), metal, -1, cv2.LINE_AA)
            cv2.circle(out, at, max(1, int(radius)), dark, 1, cv2.LINE_AA)
            glint = (int(px - radius / 3), int(py - radius / 3))
            cv2.circle(out, glint, max(1, int(radius / 4)), bright, -1, cv2.LINE_AA)
        else:
            axes = (max(1, int(radius)), max(1, int(radius * (0.65 if number % 2 else 0.25))))
            cv2.ellipse(out, at, axes, float(turn), 0, 360, dark, max(2, int(radius / 2)), cv2.LINE_AA)
            cv2.ellipse(out, at, axes, float(turn), 0, 360, metal, max(1, int(radius / 3)), cv2.LINE_AA)
            cv2.ellipse(out, at, axes, float(turn), 190, 260, bright, 1, cv2.LINE_AA)
    return out


def fingers(picture: Image, rng: Rng) -> Image:
    """One to three fingertips that come in from an edge, with nails, creases and a shadow on what they touch."""
    turn = int(rng.integers(4))
    out = np.array(np.rot90(picture, turn))
    rows, cols = out.shape[:2]
    near = picture.reshape(-1, 3)[::53].mean(0) * np.float32(rng.uniform(0.9, 1.1))
    colour = tone(rng) if rng.random() < 0.4 else near
    radius = min(rows, cols) * rng.uniform(0.08, 0.2)
    first, lean = rng.uniform(-0.1, 0.9) * cols, np.float32(rng.uniform(-0.35, 0.35))
    lacquer = rng.uniform(0, 255, 3).astype(np.float32) if rng.random() < 0.3 else None
    with_nails = rng.random() < 0.75
    for number in range(int(rng.integers(1, 4))):
        tip = rows * rng.uniform(0.35, 0.75)
        root = first + number * radius * 2.1
        top = max(0, int(tip - 1.3 * radius))
        reach = abs(float(lean)) * (rows - top) + 1.3 * radius
        left, right = max(0, int(root - reach)), min(cols, int(root + reach))
        if right <= left:
            continue
        part = out[top:, left:right]
        y = np.arange(top, rows, dtype=np.float32)[:, None]
        u = np.arange(left, right, dtype=np.float32) - np.float32(root) - lean * (rows - y)
        v = y - np.float32(tip)
        distance = np.sqrt(u * u + v.clip(None, 0) ** 2)
        inside = (radius - distance + 0.5).clip(0, 1)
        part *= 1 - (0.45 * ((radius * 1.15 - distance) / (radius * 0.3)).clip(0, 1) * (1 - inside))[..., None]
        volume = 1.05 - 0.45 * (distance / radius).clip(0, 1) ** 3 + 0.02 * noise(rng, u.shape[0], u.shape[1], 3)
        for crease in (1.9, 2.05):
            volume -= 0.12 * np.exp(-(((v - crease * radius) / (0.04 * radius + 1)) ** 2))
        body = colour.astype(np.float32) * volume[..., None]
        if with_nails:
            _nail(body[: int(2.4 * radius)], u[: int(2.4 * radius)], v[: int(2.4 * radius)], radius, lacquer, rng)
        part += (body.clip(0, 255) - part) * inside[..., None]
    return np.ascontiguousarray(np.rot90(out, -turn))


def _nail(body: Plane, u: Plane, v: Plane, radius: float, lacquer: Plane | None, rng: Rng) -> None:
    """A plate with a moon, a free edge and a streak of gloss, or lacquered; u, v: px from the fingertip's centre."""
    a, b = u / np.float32(0.62 * radius), (v + 0.05 * radius) / np.float32(0.8 * radius)
    over = ((1 - (np.abs(a) ** 3 + np.abs(b) ** 3)) * (radius * 0.3)).clip(0, 1)
    plate: Plane = body * np.array([1.06, 0.95, 0.95], np.float32) + 12 if lacquer is None else lacquer
    plate = plate * (1.05 - 0.2 * a * a)[..., None]
    if lacquer is None:
        pale = ((-0.62 - b) * 20).clip(0, 0.6) + ((1 - np.sqrt((a / 0.5) ** 2 + ((b - 1) / 0.4) ** 2)) * 4).clip(0, 0.4)
        plate += (np.array([240, 228, 218], np.float32) - plate) * pale[..., None]
    gloss = np.exp(-(((a + 0.3) / 0.12) ** 2)) * np.float32(rng.uniform(0.1, 0.6))
    plate += (255 - plate) * gloss[..., None]
    body += (plate - body) * over[..., None]
