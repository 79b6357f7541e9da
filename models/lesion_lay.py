"""Laying a cut lesion on a scene: where, how large, how faint, how soft its rim, flat or raised, and its true box."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lesion_matte import Cut, to_lab

Rng = np.random.Generator
Floats = NDArray[np.float32]
Plane = NDArray[Any]

SIDES = (0.12, 0.6)
"""The lesion's longer side over the frame's shorter one, log-uniform."""
STRENGTHS = (0.4, 1.0)
"""What is left of a lesion's difference to its skin, log-uniform: a phone has no gel and no crossed polarisers."""
VISIBLE = 7.0
"""Least mean colour distance (CIE76) to the skin round it: three times what an observer just notices (2.3)."""


def place(rng: Rng, cut: Cut, free: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Affine [2, 3] from cut px to frame px: turned, leaning, scaled, in the middle of free skin [height, width]."""
    height, width = free.shape
    x0, y0, x1, y1 = cut.box
    side = min(height, width) * float(np.exp(rng.uniform(*np.log(SIDES))))
    scale = side / max(x1 - x0, y1 - y0)
    turn, flip = rng.uniform(0, 2 * np.pi), 1 if rng.random() < 0.5 else -1
    cos, sin = np.cos(turn), np.sin(turn)
    lean = np.array([[1.0, rng.uniform(-0.15, 0.15)], [0.0, rng.uniform(0.75, 1.0)]])  # the phone is held at an angle
    linear = scale * np.array([[cos, -sin], [sin, cos]]) @ lean @ np.diag([flip, 1.0])
    reach = np.abs(linear) @ np.array([(x1 - x0) / 2, (y1 - y0) / 2]) + 2
    padded = np.pad(free.astype(np.uint8), 1)
    room = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    rows, cols = np.nonzero(room >= 0.9 * max(reach))
    if not len(rows):
        return None
    # Close-ups are aimed: most lesions lie near the middle, some anywhere.
    off = np.hypot(cols / width - 0.5, rows / height - 0.5)
    chance = np.exp(-((off / 0.22) ** 2)) + 0.15
    at = int(rng.choice(len(rows), p=chance / chance.sum()))
    goal = np.array([cols[at], rows[at]])
    return np.column_stack((linear, goal - linear @ np.array([(x0 + x1) / 2, (y0 + y1) / 2])))


def lay(rng: Rng, scene: Floats, cut: Cut, move: NDArray[np.float64]) -> tuple[Floats, Floats | None]:
    """The scene (CIELAB) with the lesion in it, and the box of what is visible; None: it vanished in the skin."""
    alpha, lesion = _warped(rng, scene.shape[:2], cut, move)
    inside = alpha > 0.5
    if int(inside.sum()) < 60:
        return scene, None
    x, y, wide, high = cv2.boundingRect(inside.astype(np.uint8))
    ground = cv2.GaussianBlur(scene, (0, 0), 0.02 * max(wide, high) + 1)
    moved = ground + _difference(rng, lesion - cut.skin, ground, inside, float(cut.skin[0]))
    moved[..., 0] = (moved[..., 0] + _relief(rng, alpha, max(wide, high))).clip(3, 99)
    if rng.random() < 0.4:
        out = _clone(scene, moved, alpha)
    else:
        fine = scene - cv2.GaussianBlur(scene, (0, 0), 1.5)
        out = scene + (moved + 0.5 * fine - scene) * alpha[..., None]
    if float(np.linalg.norm(out[inside].mean(0) - ground[inside].mean(0))) < VISIBLE:
        return scene, None
    return np.asarray(out, np.float32), np.array([x, y, x + wide, y + high], np.float32)


def _warped(rng: Rng, size: tuple[int, ...], cut: Cut, move: NDArray[np.float64]) -> tuple[Plane, Plane]:
    """Matte and colours in the frame; in half of them with a softer rim."""
    height, width = size
    shrink = float(np.sqrt(abs(np.linalg.det(move[:, :2]))))
    lab: Plane = cut.lab
    alpha: Plane = cut.alpha
    if shrink < 0.6:  # averaged first, so that the warp does not alias
        lab, alpha = (np.asarray(cv2.GaussianBlur(each, (0, 0), 0.35 / shrink)) for each in (lab, alpha))
    if rng.random() < 0.5:
        side = max(cut.box[2] - cut.box[0], cut.box[3] - cut.box[1])
        alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), side * rng.uniform(0.01, 0.06)))
    alpha = cv2.warpAffine(alpha, move, (width, height), flags=cv2.INTER_LINEAR)
    lesion = cv2.warpAffine(lab, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(alpha, np.float32), np.asarray(lesion, np.float32)


def _difference(rng: Rng, own: Plane, ground: Plane, inside: NDArray[np.bool_], skin_l: float) -> Plane:
    """What the lesion adds to the skin: fainter than under the dermatoscope, at times red instead of brown.

    On dark skin there is less room below: lightness differences shrink with the skin's own lightness.
    """
    room = float((np.median(ground[..., 0][inside]) / skin_l) ** 0.8)
    strength = float(np.exp(rng.uniform(*np.log(STRENGTHS))))
    added = own * (strength * np.array([room, 0.5 + 0.5 * room, 0.5 + 0.5 * room], np.float32))
    if rng.random() < 0.35:
        depth = np.abs(own).sum(2) / max(float(np.abs(own[inside]).sum(1).mean()), 1e-3)
        red = float(rng.uniform(5, 16)) * depth.clip(0, 1.5)
        added = np.stack((added[..., 0] * float(rng.uniform(0.25, 0.7)), red, 0.3 * red), 2)
    return np.asarray(added, np.float32)


def _relief(rng: Rng, alpha: Plane, side: int) -> Plane:
    """Lightness of a raised lesion lit from one side, often with a wet highlight; a flat one gets none."""
    if rng.random() < 0.5:
        return np.zeros_like(alpha)
    dome = cv2.GaussianBlur(alpha, (0, 0), side * rng.uniform(0.04, 0.15))
    turn = rng.uniform(0, 2 * np.pi)
    slope = np.cos(turn) * cv2.Sobel(dome, cv2.CV_32F, 1, 0) + np.sin(turn) * cv2.Sobel(dome, cv2.CV_32F, 0, 1)
    out = slope / max(float(np.abs(slope).max()), 1e-6) * rng.uniform(3, 14)
    if rng.random() < 0.5:
        shine = dome - np.roll(dome, (int(-np.sin(turn) * side * 0.1), int(-np.cos(turn) * side * 0.1)), (0, 1))
        wet = (shine / max(float(shine.max()), 1e-6) - rng.uniform(0.6, 0.9)).clip(0) * alpha
        speck = rng.standard_normal((alpha.shape[0] // 3 + 1, alpha.shape[1] // 3 + 1), dtype=np.float32)
        out = out + wet * (cv2.resize(speck, alpha.shape[::-1]) > 0) * rng.uniform(80, 250)
    return np.asarray(out, np.float32)


def _clone(scene: Floats, lesion: Plane, alpha: Plane) -> Floats:
    """Poisson blending (Perez et al. 2003) of the lesion with a rim of the skin round it."""
    mask = cv2.dilate((alpha > 0.02).astype(np.uint8), np.ones((5, 5), np.uint8))
    mask[:2], mask[-2:], mask[:, :2], mask[:, -2:] = 0, 0, 0, 0
    x, y, width, height = cv2.boundingRect(mask)
    if min(width, height) < 8:
        return scene
    source = scene + (lesion - scene) * alpha[..., None].clip(0, 1)
    rgb = [
        (cv2.cvtColor(np.asarray(each, np.float32), cv2.COLOR_Lab2RGB).clip(0, 1) * 255).astype(np.uint8)
        for each in (source, scene)
    ]
    done = cv2.seamlessClone(rgb[0], rgb[1], mask * 255, (x + width // 2, y + height // 2), cv2.NORMAL_CLONE)
    return to_lab(done)
