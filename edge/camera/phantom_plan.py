"""What the phantom shows and when: persons, lesions and the camera's path, as a pure function of settings and size.

Nothing is drawn here, so a checker can recompute the truth of any frame from the settings and its sequence alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.config import Phantom
from edge.frame import Box

Floats = NDArray[np.float64]

SKIN_TYPES = 6
SIDE_FRACTION = 0.18, 0.36
"""Longer side of a lesion by the frame's short side: a mole or a small tumour at a hand's distance."""
CANVAS_MARGIN = 0.34
"""Skin around the first view, by the short side; what lies beyond it on a fast move is mirrored."""
OUTLINE_POINTS = 256
BLUR_SPANS = (0.0, 0.06), (0.5, 0.56)
"""By the time with one person: the way to a new site, and a correction of the view."""
GLARE_SPANS = (0.25, 0.29), (0.75, 0.79)

_VIEW_MARGIN = 0.17
"""By the short side: what tremor, pan, zoom and rotation may take from the edge of a steady view."""
_TREMOR = 0.0022
_PAN = 0.03
_ZOOM = 0.05
_TURN_RAD = math.radians(3)
_TREMOR_PERIODS = 7.3, 11.9, 4.3
_VISIBLE_EDGE = 1.03
"""The soft border is still visible a little outside of the outline of half darkness."""


@dataclass(frozen=True, slots=True)
class LesionShape:
    """A star-shaped outline on the skin, in frame pixels at zoom 1 from the middle of the first view.

    radii_px: (OUTLINE_POINTS,) at even angles from 0, half darkness. seed: of its colours. blackness: 0 brown, 1 black.
    """

    lesion_id: str
    centre_px: tuple[float, float]
    radii_px: Floats
    seed: tuple[int, ...]
    blackness: float

    def outline(self) -> Floats:
        """(OUTLINE_POINTS, 2) x and y of the visible edge."""
        angles = np.linspace(0, 2 * math.pi, OUTLINE_POINTS, endpoint=False)
        rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return np.asarray(self.centre_px) + rays * self.radii_px[:, np.newaxis] * _VISIBLE_EDGE


@dataclass(frozen=True, slots=True)
class PlantedLesion:
    """A lesion in one frame. box_px may reach beyond the frame; visible: it lies within it with its whole box."""

    lesion_id: str
    box_px: Box
    visible: bool


@dataclass(frozen=True, slots=True)
class PhantomView:
    """The truth of one frame. skin_type: Fitzpatrick 1 to 6."""

    person: int
    skin_type: int
    lesions: tuple[PlantedLesion, ...]
    blurred: bool
    glare: bool


class Plan:
    """The timetable for frames of `size_px` (width, height)."""

    def __init__(self, settings: Phantom, size_px: tuple[int, int]) -> None:
        self.settings = settings
        self.size_px = size_px
        self.short_px = min(size_px)

    def person(self, sequence: int) -> int:
        return sequence // self.settings.frames_per_person

    def skin_type(self, person: int) -> int:
        return 1 + person % SKIN_TYPES

    def at(self, sequence: int) -> PhantomView:
        """What the frame of this sequence shows."""
        person = self.person(sequence)
        matrix = self.matrix(sequence)
        planted = []
        for shape in self.shapes(person):
            seen = shape.outline() @ matrix[:, :2].T + matrix[:, 2]
            box = Box(*(float(edge) for edge in (*seen.min(axis=0), *seen.max(axis=0))))
            width, height = self.size_px
            visible = box.x_min >= 0 and box.y_min >= 0 and box.x_max <= width and box.y_max <= height
            planted.append(PlantedLesion(shape.lesion_id, box, visible))
        part = self._part(sequence)
        return PhantomView(
            person,
            self.skin_type(person),
            tuple(planted),
            any(start <= part < end for start, end in BLUR_SPANS),
            any(start <= part < end for start, end in GLARE_SPANS),
        )

    def shapes(self, person: int) -> tuple[LesionShape, ...]:
        """The lesions that a person carries, side by side in the first view."""
        return _shapes(self.settings, self.size_px, person)

    def matrix(self, sequence: int) -> Floats:
        """(2, 3): from skin pixels (zoom 1, 0 in the middle of the first view) to frame pixels."""
        person, part = self.person(sequence), self._part(sequence)
        phases = np.random.default_rng([self.settings.seed, person, 3]).uniform(0, 2 * math.pi, 6)
        x, y = self._way(person, part)
        for period, phase_x, phase_y in zip(_TREMOR_PERIODS, phases[:3], phases[3:], strict=True):
            x += _TREMOR * math.sin(2 * math.pi * sequence / period + phase_x)
            y += _TREMOR * math.sin(2 * math.pi * sequence / period + phase_y)
        zoom = 1 + _ZOOM * math.sin(2 * math.pi * part + phases[0])
        turn = _TURN_RAD * math.sin(2 * math.pi * part + phases[3])
        linear = zoom * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        middle = np.array(self.size_px) / 2 - linear @ (np.array([x, y]) * self.short_px)
        return np.hstack([linear, middle[:, np.newaxis]])

    def _part(self, sequence: int) -> float:
        """Where in the time with one person, 0 to below 1."""
        frames = self.settings.frames_per_person
        return sequence % frames / frames

    def _way(self, person: int, part: float) -> tuple[float, float]:
        """The middle of the view by the short side: arrive fast, look, swing out and back, look again."""
        (_, arrived), (leaving, back) = BLUR_SPANS
        direction = 1 if person % 2 else -1
        step = 1 / self.settings.frames_per_person
        pan = _PAN * (1 - 2 * part)
        if part < arrived:
            return pan + direction * 0.4 * (1 - _smooth((part + step) / arrived)), pan / 2
        if leaving <= part < back:
            swing = math.sin(math.pi * min(1.0, (part + step - leaving) / (back - leaving))) ** 2
            return pan - direction * 0.3 * swing, pan / 2
        return pan, pan / 2


def plan(settings: Phantom, size_px: tuple[int, int]) -> Plan:
    """The timetable of a phantom with these settings for frames of (width, height)."""
    return Plan(settings, size_px)


def _smooth(part: float) -> float:
    part = min(1.0, max(0.0, part))
    return part * part * (3 - 2 * part)


@lru_cache(maxsize=32)
def _shapes(settings: Phantom, size_px: tuple[int, int], person: int) -> tuple[LesionShape, ...]:
    count, short = settings.lesions_per_person, min(size_px)
    cells = np.array((2, 2) if count == 4 else (max(1, count), 1))
    if size_px[0] < size_px[1]:
        cells = cells[::-1]
    cell_px = (np.array(size_px) - 2 * _VIEW_MARGIN * short) / cells
    darkness = (person % SKIN_TYPES) / (SKIN_TYPES - 1)
    shapes = []
    for index in range(count):
        rng = np.random.default_rng([settings.seed, person, 1, index])
        side_px = min(float(rng.uniform(*SIDE_FRACTION)) * short, 0.85 * float(cell_px.min()))
        radii_px = _radii(rng, side_px)
        place = np.array([index % cells[0], index // cells[0]]) - (cells - 1) / 2
        free_px = np.maximum(0, cell_px - side_px) / 2
        x, y = place * cell_px + rng.uniform(-0.7, 0.7, 2) * free_px
        # On dark skin a brown spot would hardly be darker than what surrounds it.
        blackness = float(min(1.0, rng.uniform(0.0, 0.3) + 0.55 * darkness))
        seed = settings.seed, person, 2, index
        shapes.append(LesionShape(f"p{person}l{index}", (float(x), float(y)), radii_px, seed, blackness))
    return tuple(shapes)


def _radii(rng: np.random.Generator, side_px: float) -> Floats:
    """An irregular outline whose longer side is `side_px` at its visible edge."""
    angles = np.linspace(0, 2 * math.pi, OUTLINE_POINTS, endpoint=False)
    radii = np.ones(OUTLINE_POINTS)
    for wave, amplitude in ((2, 0.16), (3, 0.09), (4, 0.05), (5, 0.035), (7, 0.02), (11, 0.012)):
        radii += amplitude * rng.uniform(0.4, 1.0) * np.cos(wave * angles + rng.uniform(0, 2 * math.pi))
    extent = max(np.ptp(radii * np.cos(angles)), np.ptp(radii * np.sin(angles)))
    return radii * side_px / (extent * _VISIBLE_EDGE)
