"""Drawn negatives: skin of six tones, and the things a lesion detector fires on by mistake.

All pictures are drawn from a numpy Generator: no file is read. They share no code and no parameter with the product's
demonstration phantom, which must never take part in training, calibration or thresholds.
Pictures are RGB float32 [height, width, 3] in 0..255 until the caller rounds them.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.drawn_skin import SKIN_TONES, Image, Rng, furrows, noise, skin, tone, uneven
from models.fabric import cloth, garment, plaster
from models.face_parts import eye, lips, nostrils
from models.look_alikes import button, chain, coin, fingers
from models.reflections import reflections

__all__ = ["SKIN_TONES", "Image", "Rng", "drawn", "freckles", "furrows", "glare", "hair", "noise", "ruler", "skin",
           "tone", "vignette"]  # fmt: skip

LOOK_ALIKES = (coin, button, chain, fingers, eye, nostrils, lips, garment, plaster)
LOOK_ALIKE_CHANCES = (0.16, 0.16, 0.1, 0.08, 0.2, 0.12, 0.04, 0.08, 0.06)


def glare(picture: Image, rng: Rng) -> Image:
    """Specular highlights: sharp or soft, round or drawn out, white or nearly so."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    short = min(height, width)
    for _ in range(int(rng.integers(1, 6))):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        size = short * float(np.exp(rng.uniform(np.log(0.01), np.log(0.22))))
        axes = (max(1, int(size)), max(1, int(size * rng.uniform(0.25, 1))))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.5, 1)), -1)
    if rng.random() < 0.4:
        mask *= (noise(rng, height, width, rng.uniform(3, 14)) > rng.uniform(-0.5, 0.5)).astype(np.float32)
    blur = float(rng.choice([0.6, 1.5, 4, 12]))
    mask = cv2.GaussianBlur(mask, (0, 0), blur).astype(np.float32, copy=False)
    colour = np.array([255, 253, 248], np.float32) * np.float32(rng.uniform(0.9, 1))
    return np.asarray(picture + (colour - picture) * mask[..., None], np.float32)


def hair(picture: Image, rng: Rng) -> Image:
    """Curved hairs, dark or fair."""
    height, width = picture.shape[:2]
    colour = [float(v) for v in (rng.uniform(10, 60, 3) if rng.random() < 0.8 else rng.uniform(150, 220, 3))]
    out = picture.copy()
    for _ in range(int(rng.integers(2, 18))):
        start = rng.uniform(-0.1, 1.1, 2) * (width, height)
        turn = rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(-1.2, 1.2), 12)
        step = rng.uniform(0.01, 0.06) * max(height, width)
        points = start + np.cumsum(np.stack((np.cos(turn), np.sin(turn)), 1) * step, 0)
        cv2.polylines(
            out, [np.round(points * 8).astype(np.int32)], False, colour, int(rng.integers(1, 3)), cv2.LINE_AA, 3
        )
    return out


def ruler(picture: Image, rng: Rng) -> Image:
    """Ruler ticks along a line, with or without a pale strip."""
    height, width = picture.shape[:2]
    over = rng.random() < 0.5
    out = np.ascontiguousarray(picture[::-1]) if over else picture.copy()
    gap = rng.uniform(5, 18)
    y = float(rng.uniform(0.05, 0.95)) * height
    if rng.random() < 0.5:
        strip = [float(rng.uniform(200, 255))] * 3
        cv2.rectangle(out, (0, int(y - 4)), (width, int(y + rng.uniform(14, 40))), strip, -1)
    ink = [float(rng.uniform(0, 70))] * 3
    for index in range(int(width / gap) + 1):
        length = (16 if index % 10 == 0 else 11 if index % 5 == 0 else 7) * 1.2
        cv2.line(out, (int(index * gap), int(y)), (int(index * gap), int(y + length)), ink, 1, cv2.LINE_AA)
    return np.ascontiguousarray(out[::-1]) if over else out


def round_thing(picture: Image, rng: Rng) -> Image:
    """A coin, a button, a sticker or a lamp: round, sharp-edged, evenly coloured, often with a rim or holes."""
    height, width = picture.shape[:2]
    out = picture.copy()
    radius = int(min(height, width) * rng.uniform(0.06, 0.3))
    centre = (int(rng.uniform(0.1, 0.9) * width), int(rng.uniform(0.1, 0.9) * height))
    if rng.random() < 0.5:
        grey = rng.uniform(90, 230)
        colour = [grey * float(v) for v in rng.uniform(0.85, 1.05, 3)]
    else:
        colour = [float(v) for v in rng.uniform(0, 255, 3)]
        if colour[0] > colour[1] > colour[2]:
            colour = colour[::-1]
    cv2.circle(out, centre, radius, colour, -1, cv2.LINE_AA)
    rim = [v * 0.6 for v in colour]
    cv2.circle(out, centre, int(radius * 0.9), rim, max(1, radius // 12), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 5))):
        offset = rng.uniform(-0.4, 0.4, 2) * radius
        hole = (int(centre[0] + offset[0]), int(centre[1] + offset[1]))
        cv2.circle(out, hole, max(1, radius // 8), rim, -1, cv2.LINE_AA)
    return out


def scale(picture: Image, rng: Rng) -> Image:
    """A printed centimetre scale across the picture at any angle, with numerals, on a strip or bare."""
    height, width = picture.shape[:2]
    long, gap, depth = int(1.5 * max(height, width)), rng.uniform(4, 14), int(rng.uniform(22, 48))
    paper = rng.uniform(200, 255) * rng.uniform(0.9, 1, 3).astype(np.float32)
    strip: Image = np.broadcast_to(paper, (depth, long, 3)).astype(np.float32)
    printed = np.zeros((depth, long), np.uint8)  # 8 bits: OpenCV writes text into nothing else
    for index in range(int(long / gap)):
        at, length = int(index * gap), depth * (0.5 if index % 10 == 0 else 0.38 if index % 5 == 0 else 0.25)
        cv2.line(printed, (at, 0), (at, int(length)), 255, 1, cv2.LINE_AA)
        if index % 10 == 0:
            cv2.putText(printed, str(index // 10), (at - 4, depth - 4), cv2.FONT_HERSHEY_PLAIN, depth / 40, 255, 1,
                        cv2.LINE_AA)  # fmt: skip
    ink = printed.astype(np.float32) / 255
    bare, black = rng.random() < 0.35, float(rng.uniform(0, 60))
    if bare:
        strip[:] = black
    strip = (strip + (black - strip) * ink[..., None]).astype(np.float32)
    turn = cv2.getRotationMatrix2D((long / 2, depth / 2), float(rng.uniform(0, 360)), 1.0)
    middle = rng.uniform(0.1, 0.9, 2) * (width, height)
    turn[:, 2] += np.asarray(middle - (long / 2, depth / 2), turn.dtype)
    over = cv2.warpAffine(ink if bare else np.full_like(ink, rng.uniform(0.75, 1)), turn, (width, height))
    laid = cv2.warpAffine(strip, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(picture + (laid - picture) * over[..., None], np.float32)


def vignette(picture: Image, rng: Rng) -> Image:
    """Dark corners, soft (lens) or sharp (dermoscope tube)."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    distance = np.sqrt(x * x + y * y)
    edge = 0.04 if rng.random() < 0.4 else rng.uniform(0.3, 0.8)
    fall = ((rng.uniform(0.95, 1.3) - distance) / edge).clip(0, 1)
    floor = rng.uniform(0, 0.6)
    return np.asarray(picture * (floor + (1 - floor) * fall)[..., None], np.float32)


def freckles(picture: Image, rng: Rng) -> Image:
    """Pores and specks far under the size of a reportable lesion (at most 2 % of the short side)."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(5, 60))):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        cv2.circle(mask, centre, int(rng.integers(1, 3)), float(rng.uniform(0.1, 0.4)), -1, cv2.LINE_AA)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.8).astype(np.float32, copy=False)
    return np.asarray(picture * (1 - mask[..., None] * np.array([0.6, 0.9, 1], np.float32)), np.float32)


def scene(rng: Rng, height: int, width: int) -> Image:
    """Something that is no skin: blocks, stripes or cloth in random colours."""
    a, b = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    mix = noise(rng, height, width, rng.uniform(4, 120))[..., None]
    if rng.random() < 0.4:
        mix = np.sign(mix)
    out = np.asarray((a + b) / 2 + (a - b) / 2 * mix.clip(-1, 1), np.float32)
    for _ in range(int(rng.integers(0, 6))):
        x0, x1 = sorted(int(v) for v in rng.uniform(0, width, 2))
        y0, y1 = sorted(int(v) for v in rng.uniform(0, height, 2))
        cv2.rectangle(out, (x0, y0), (x1, y1), [float(v) for v in rng.uniform(0, 255, 3)], -1)
    return out.clip(0, 255)


def drawn(rng: Rng, height: int, width: int) -> Image:
    """One negative: skin with several disturbances (or, seldom, no skin at all), in half of them a look-alike."""
    kind = rng.random()
    ground = scene if kind < 0.08 else cloth if kind < 0.16 else skin
    picture = ground(rng, height, width)
    if kind > 0.16 and rng.random() < 0.55:
        for draw in rng.choice(len(LOOK_ALIKES), int(rng.integers(1, 3)), p=LOOK_ALIKE_CHANCES):
            picture = LOOK_ALIKES[draw](picture, rng)
    for chance, disturb in ((0.12, uneven), (0.2, freckles), (0.25, hair), (0.1, ruler), (0.06, scale),
                            (0.08, round_thing), (0.3, glare), (0.3, reflections), (0.25, vignette)):  # fmt: skip
        if rng.random() < chance:
            picture = disturb(picture, rng)
    return picture.clip(0, 255)
