"""The phantom's skin, drawn once a person: colour, mottle, relief, pores, hair, and the lesions on it.

Colour is made the way skin makes it: light passes a layer with melanin and a layer with blood, and what is absorbed
adds up as optical density (R. R. Anderson and J. A. Parrish, "The optics of human skin", J. Invest. Dermatol. 77,
1981; N. Tsumura, H. Haneishi and Y. Miyake, "Independent-component analysis of skin color image", J. Opt. Soc. Am. A
16, 1999). The densities are rounded to look like the six Fitzpatrick types; they are not measurements.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.camera.phantom_plan import CANVAS_MARGIN, OUTLINE_POINTS, LesionShape, Plan
from edge.frame import Pixels

Map = NDArray[np.float32]

_MELANIN = 0.72, 1.0, 1.22
_BLOOD = 0.05, 1.0, 0.75
_BASE = 0.085, 0.10, 0.30
"""Density of each channel R, G, B for a unit of melanin, a unit of blood, and of the skin's collagen alone."""
_BROWN = 0.66, 1.0, 1.45
_BLACK = 0.97, 1.0, 1.02
"""A lesion's pigment: thin brown melanin, and deep melanin, which looks bluish black."""
_MELANIN_BY_TYPE = 0.08, 0.22, 0.48, 0.95, 1.75, 2.6
_BLOOD_MEAN = 0.25
_GAMMA = 2.2
_HAIRY_EVERY = 3
"""Every third person has hairs in the picture."""


def canvas_origin(plan: Plan) -> tuple[float, float]:
    """Where on the canvas the middle of the first view lies, (x, y) in pixels."""
    width, height = _canvas_size(plan)
    return width / 2, height / 2


def draw_skin(plan: Plan, person: int) -> Pixels:
    """(height, width, 3) RGB: one person's skin at zoom 1 with a margin around the first view."""
    width, height = _canvas_size(plan)
    shape = height, width
    rng = np.random.default_rng([plan.settings.seed, person, 0])
    unit = plan.short_px / 720
    melanin = np.float32(_MELANIN_BY_TYPE[plan.skin_type(person) - 1]) * (
        1 + 0.035 * field(rng, shape, 190 * unit) + 0.025 * field(rng, shape, 34 * unit)
    )
    melanin += np.float32(0.012) * field(rng, shape, 60 * unit)
    blood = np.float32(_BLOOD_MEAN) * (1 + 0.09 * field(rng, shape, 130 * unit) + 0.08 * field(rng, shape, 22 * unit))
    relief = _relief(rng, shape, unit) * np.float32(1 + 0.25 * _MELANIN_BY_TYPE[plan.skin_type(person) - 1])
    if person % _HAIRY_EVERY == 1:
        _draw_hairs(rng, relief, unit)

    origin = canvas_origin(plan)
    pigments = [_pigment(lesion, origin, shape, unit) for lesion in plan.shapes(person)]
    canvas = np.empty((height, width, 3), dtype=np.uint8)
    for channel in range(3):
        density = melanin * np.float32(_MELANIN[channel])
        density += blood * np.float32(_BLOOD[channel])
        density += relief
        density += np.float32(_BASE[channel])
        for rows, columns, brown, black in pigments:
            density[rows, columns] += brown * np.float32(_BROWN[channel]) + black * np.float32(_BLACK[channel])
        # The gamma of the display is part of the exponent: exp(-density) ** (1 / gamma).
        density *= np.float32(-1 / _GAMMA)
        light = cv2.exp(density)
        canvas[:, :, channel] = cv2.convertScaleAbs(light, alpha=255.0)
    return canvas


def field(rng: np.random.Generator, shape: tuple[int, int], period_px: float) -> Map:
    """(rows, columns) smooth noise of mean about 0 and deviation about 1 that varies over `period_px`."""
    rows, columns = (max(2, math.ceil(length / max(1.0, period_px)) + 2) for length in shape)
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    # Cubic interpolation of white noise has about two thirds of its deviation.
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.float32) * 1.4


def _canvas_size(plan: Plan) -> tuple[int, int]:
    margin = 2 * round(CANVAS_MARGIN * plan.short_px)
    return plan.size_px[0] + margin, plan.size_px[1] + margin


def _relief(rng: np.random.Generator, shape: tuple[int, int], unit: float) -> Map:
    """Density of the fine furrows, which cross each other and leave small fields, of pores, and of grain."""
    furrows = np.zeros(shape, dtype=np.float32)
    for stretch in ((1.0, 1.9), (1.9, 1.0)):
        rows, columns = shape[0] / (9 * unit * stretch[0]), shape[1] / (9 * unit * stretch[1])
        noise = rng.standard_normal((max(2, int(rows)), max(2, int(columns))), dtype=np.float32)
        wide = cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_CUBIC)
        # Where smooth noise crosses zero it draws thin closed lines.
        furrows = np.maximum(furrows, np.exp(-np.square(wide * np.float32(2.6))))
    relief = np.float32(0.10) * furrows + np.float32(0.022) * field(rng, shape, 3 * unit)
    pores = int(shape[0] * shape[1] / (900 * unit * unit))
    dots = np.zeros(shape, dtype=np.float32)
    dots[rng.integers(0, shape[0], pores), rng.integers(0, shape[1], pores)] = rng.uniform(0.3, 1.0, pores)
    soft = cv2.GaussianBlur(dots, (0, 0), 1.5 * unit)
    return np.asarray(relief + np.float32(1.6 * unit * unit) * soft, dtype=np.float32)


def _draw_hairs(rng: np.random.Generator, relief: Map, unit: float) -> None:
    """Add bent hairs to a density map, in place."""
    rows, columns = relief.shape
    drawn = np.zeros((rows, columns), dtype=np.uint8)
    along = rng.uniform(0, math.pi)
    for _ in range(int(rng.integers(14, 26))):
        start = rng.uniform((0, 0), (columns, rows))
        length, angle = rng.uniform(90, 240) * unit, along + rng.normal(0, 0.35)
        bend = rng.normal(0, 0.25) * length
        way = np.linspace(0, 1, 24)[:, np.newaxis]
        ray = np.array([math.cos(angle), math.sin(angle)])
        points = start + way * length * ray + np.square(way) * bend * np.array([-ray[1], ray[0]])
        # Four fractional bits: hairs at whole pixels look like stairs.
        cv2.polylines(
            drawn,
            [np.round(points * 16).astype(np.int32)],
            isClosed=False,
            color=int(rng.integers(120, 255)),
            thickness=max(1, round(rng.uniform(1.0, 2.2) * unit)),
            lineType=cv2.LINE_AA,
            shift=4,
        )
    relief += drawn.astype(np.float32) * np.float32(1.1 / 255)


def _pigment(
    lesion: LesionShape, origin: tuple[float, float], shape: tuple[int, int], unit: float
) -> tuple[slice, slice, Map, Map]:
    """A lesion's brown and black density on its piece of the canvas: soft border, dark core, patches, globules."""
    rng = np.random.default_rng(lesion.seed)
    reach = float(lesion.radii_px.max()) * 1.3
    x, y = origin[0] + lesion.centre_px[0], origin[1] + lesion.centre_px[1]
    rows = slice(max(0, int(y - reach)), min(shape[0], int(y + reach) + 1))
    columns = slice(max(0, int(x - reach)), min(shape[1], int(x + reach) + 1))
    grid_y, grid_x = np.mgrid[rows, columns].astype(np.float32)
    # A pixel's middle lies half a pixel from its corner, which counts as its place.
    grid_x, grid_y = grid_x + np.float32(0.5 - x), grid_y + np.float32(0.5 - y)
    angle = (np.arctan2(grid_y, grid_x) * np.float32(OUTLINE_POINTS / (2 * math.pi))).astype(np.int32) % OUTLINE_POINTS
    radius = np.hypot(grid_x, grid_y) / lesion.radii_px.astype(np.float32)[angle]
    patch = radius.shape
    ragged = radius + 0.035 * field(rng, patch, 16 * unit) * np.clip(radius, 0, 1)
    inside = 1 / (1 + np.exp((ragged - 1) / np.float32(0.045)))
    core_x, core_y = rng.uniform(-0.25, 0.25, 2) * reach / 1.3
    core = np.exp(-((grid_x - core_x) ** 2 + (grid_y - core_y) ** 2) / np.float32(2 * (0.42 * reach / 1.3) ** 2))
    patches = 0.22 * field(rng, patch, 0.45 * reach) + 0.12 * field(rng, patch, 9 * unit)
    amount = inside * np.clip(1.25 + 0.8 * core + patches, 0.8, 2.8) * np.float32(rng.uniform(0.95, 1.25))
    black = np.clip(lesion.blackness + 0.4 * core + 0.15 * field(rng, patch, 0.35 * reach), 0, 1)
    return rows, columns, (amount * (1 - black)).astype(np.float32), (amount * black).astype(np.float32)
