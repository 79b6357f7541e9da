"""What stands round a lesion in a phone's picture: skin of other people, parts of faces, a limb's edge, clutter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models import data, skin_sheet
from models.lesion_matte import to_lab
from models.skin_sheet import Lab

Rng = np.random.Generator
Mask = NDArray[np.bool_]

CHEEKS, FACES = 0.3, 0.3
"""Share of scenes that are plain windows of faces, and windows of faces with all that is there; the rest are sheets."""


class Skins:
    """The skins of one split: exemplars of healthy crops and of dermoscopy, and faces."""

    def __init__(self, split: str) -> None:
        self.crops = _exemplars(data.load(split, "neg_healthy_crops"))
        self.dermoscopy = _exemplars(data.load(split, "trc_dermoscopy"))
        self.faces = data.load(split, "acne04_faces")

    def scene(self, rng: Rng, size: tuple[int, int], tone: int, group: str) -> tuple[Lab, Mask]:
        """A scene of one skin type in CIELAB [height, width, 3], never of the lesion's group, and where it is skin."""
        kind = rng.random()
        lab = None
        if kind < CHEEKS + FACES:
            face = self.faces[int(rng.integers(len(self.faces)))]
            lab = skin_sheet.face_window(rng, face, size, plain_only=kind < CHEEKS)
        if lab is None:
            others = [lab for g, lab in (self.crops if kind > 0.85 else self.dermoscopy) if g != group]
            lab = skin_sheet.sheet(rng, others[int(rng.integers(len(others)))], size, float(rng.uniform(1.2, 2.6)))
        free = is_skin(lab)
        return skin_sheet.retone(rng, lab, tone, free), free


def _exemplars(pictures: Sequence[data.Picture]) -> list[tuple[str, Lab]]:
    found = [(picture.group, skin_sheet.exemplar(picture)) for picture in pictures]
    return [(group, lab) for group, lab in found if lab is not None]


def is_skin(lab: Lab) -> Mask:
    """Where a scene is lit skin without steep edges: [height, width]."""
    soft = cv2.GaussianBlur(lab, (0, 0), 3)
    hue = (soft[..., 1] > 3) & (soft[..., 1] < 34) & (soft[..., 2] > 3) & (soft[..., 2] < 44)
    across, down = cv2.Sobel(soft[..., 0], cv2.CV_32F, 1, 0), cv2.Sobel(soft[..., 0], cv2.CV_32F, 0, 1)
    steep = cv2.dilate((np.hypot(across, down) > 14).astype(np.uint8), np.ones((9, 9), np.uint8))
    found = (hue & (soft[..., 0] > 28) & (steep == 0)).astype(np.uint8)
    return cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)) > 0


def limb(rng: Rng, lab: Lab, boxes: NDArray[np.float32]) -> Lab:
    """Let the skin end at a curved edge beside all boxes, darker towards it, before an unsharp backdrop."""
    turns = int(rng.integers(4))
    height, width = lab.shape[:2]
    room = (boxes[:, 1].min(), boxes[:, 0].min(), height - boxes[:, 3].max(), width - boxes[:, 2].max())[turns]
    turned = np.rot90(lab, -turns)  # rows now run from the chosen side into the picture
    rows, cols = turned.shape[:2]
    if room < 0.15 * rows:
        return lab
    reach = float(rng.uniform(0.08 * rows, 0.75 * room))
    x = np.linspace(-1, 1, cols, dtype=np.float32)
    edge = reach - abs(float(rng.normal(0, 0.1))) * rows * x * x + float(rng.normal(0, 0.06)) * rows * x
    depth = np.arange(rows, dtype=np.float32)[:, None] - edge[None].clip(None, 0.9 * room)
    shade = (1 - 0.45 * np.exp(-depth.clip(0) / (0.12 * rows)))[..., None]
    colours = rng.normal((45, 2, 4), (24, 7, 9), (3, 4, 3)).astype(np.float32)  # rooms and clothes are mostly dull
    colours[..., 0] = colours[..., 0].clip(5, 95)
    behind = cv2.resize(colours, (cols, rows), interpolation=cv2.INTER_CUBIC)
    over = (depth / float(rng.uniform(1.5, 6)) + 0.5).clip(0, 1)[..., None]
    out = behind + (turned * shade - behind) * over
    return np.ascontiguousarray(np.rot90(out, turns), np.float32)


def clutter(rng: Rng, lab: Lab, boxes: NDArray[np.float32]) -> Lab:
    """Hair over everything, pen marks round a lesion, a paper scale beside it, specks that are no reportable lesion."""
    rgb = cv2.cvtColor(lab, cv2.COLOR_Lab2RGB).clip(0, 1)
    for chance, draw in ((0.35, _hairs), (0.12, _ink), (0.15, _paper), (0.3, _specks)):
        if rng.random() < chance:
            rgb = draw(rng, rgb, boxes)
    return to_lab(rgb * 255)


def _hairs(rng: Rng, rgb: NDArray[Any], boxes: NDArray[np.float32]) -> NDArray[Any]:  # noqa: ARG001
    """Quadratic curves that share a direction, thinner than a tenth of the smallest lesion."""
    height, width = rgb.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    lie, steps = rng.uniform(0, 2 * np.pi), np.linspace(0, 1, 14)[:, None]
    for _ in range(int(np.exp(rng.uniform(np.log(6), np.log(90))))):
        start = rng.uniform(-0.1, 1.1, 2) * (width, height)
        turn, length = lie + rng.normal(0, 0.45), rng.uniform(0.08, 0.5) * max(height, width)
        goal = start + length * np.array([np.cos(turn), np.sin(turn)])
        middle = (start + goal) / 2 + rng.normal(0, 0.12, 2) * length
        points = (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * middle + steps**2 * goal
        cv2.polylines(
            mask, [np.round(points * 16).astype(np.int32)], False, 255, int(rng.integers(1, 3)), cv2.LINE_AA, 4
        )
    colour = np.array([0.16, 0.11, 0.08]) * rng.uniform(0.4, 3.5)
    over = mask[..., None].astype(np.float32) / 255 * np.float32(rng.uniform(0.5, 0.95))
    return rgb + (colour.astype(np.float32) - rgb) * over


def _ink(rng: Rng, rgb: NDArray[Any], boxes: NDArray[np.float32]) -> NDArray[Any]:
    """A surgeon's pen: an open ring round the lesion, or an arrow to it."""
    mask = np.zeros(rgb.shape[:2], np.uint8)
    x0, y0, x1, y1 = boxes[0]
    middle, half = np.array([x0 + x1, y0 + y1]) / 2, np.array([x1 - x0, y1 - y0]) / 2
    thick = max(2, round(0.008 * min(rgb.shape[:2])))
    if rng.random() < 0.6:
        axes = np.maximum(half * rng.uniform(1.45, 2.2), 4).astype(int).tolist()
        start, turn = float(rng.uniform(0, 360)), float(rng.uniform(-20, 20))
        end = start + float(rng.uniform(250, 360))
        cv2.ellipse(mask, middle.astype(int).tolist(), axes, turn, start, end, 255, thick, cv2.LINE_AA)
    else:
        turn = rng.uniform(0, 2 * np.pi)
        away = np.array([np.cos(turn), np.sin(turn)])
        tip, tail = middle + away * half.max() * 1.6, middle + away * half.max() * rng.uniform(2.4, 4)
        cv2.arrowedLine(mask, tail.astype(int).tolist(), tip.astype(int).tolist(), 255, thick, cv2.LINE_AA, 0, 0.3)
    worn = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None].astype(np.float32) / 255 * np.float32(rng.uniform(0.4, 0.85))
    colour = np.array([(0.2, 0.15, 0.5), (0.1, 0.2, 0.55), (0.08, 0.08, 0.1)][int(rng.integers(3))], np.float32)
    return rgb * (1 - worn * (1 - colour))


def _paper(rng: Rng, rgb: NDArray[Any], boxes: NDArray[np.float32]) -> NDArray[Any]:
    """A strip of paper or a plastic scale with marks, laid where no lesion is, at any angle."""
    height, width = rgb.shape[:2]
    turn = rng.uniform(0, np.pi)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    u, v = x * cos + y * sin, y * cos - x * sin
    corners = np.array([[bx, by] for b in boxes for bx in b[[0, 2]] for by in b[[1, 3]]])
    across = corners[:, 1] * float(cos) - corners[:, 0] * float(sin)
    wide = float(rng.uniform(0.07, 0.16)) * min(height, width)
    low = float(across.max()) + 4 if rng.random() < 0.5 else float(across.min()) - 4 - wide
    inside = ((v - low + 0.5).clip(0, 1) * (low + wide - v + 0.5).clip(0, 1))[..., None]
    pitch = float(rng.uniform(0.012, 0.03)) * max(height, width)
    step = np.floor(u / pitch)
    long = np.where(step % 10 == 0, 0.55, np.where(step % 5 == 0, 0.42, 0.28)) * wide
    marks = ((u % pitch) < max(1.2, 0.12 * pitch)) & (v - low < long)
    paper = np.array([0.93, 0.92, 0.88], np.float32) * np.float32(rng.uniform(0.7, 1.05))
    body = paper * (1 - 0.85 * marks[..., None].astype(np.float32))
    return rgb + (body - rgb) * inside * np.float32(rng.uniform(0.8, 1))


def _specks(rng: Rng, rgb: NDArray[Any], boxes: NDArray[np.float32]) -> NDArray[Any]:  # noqa: ARG001
    """Freckles and pores of at most 2 % of the short side, soft and pale."""
    height, width = rgb.shape[:2]
    mask, short = np.zeros((height, width), np.float32), min(height, width)
    for _ in range(int(rng.integers(6, 60))):
        at = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        axes = (max(1, int(short * rng.uniform(0.002, 0.01))), max(1, int(short * rng.uniform(0.002, 0.008))))
        cv2.ellipse(mask, at, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(0.1, 0.4)), -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask, (0, 0), 1.2)[..., None]
    return rgb * (1 - soft * np.array([0.55, 0.8, 0.9], np.float32))
