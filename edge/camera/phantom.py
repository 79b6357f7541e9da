"""A camera without hardware: a view that moves over drawn skin, with the faults of a handheld on a timetable.

A stimulus with known truth for demonstrations and tests. It never enters training, calibration or thresholds of the
detector, and what is found on it says nothing about recall on people.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edge.camera.pace import Pace
from edge.camera.phantom_plan import PhantomView, Plan, PlantedLesion, plan
from edge.camera.phantom_skin import canvas_origin, draw_skin
from edge.clock import Clock
from edge.config import Config
from edge.frame import Frame, Pixels

__all__ = ["PhantomCamera", "PhantomView", "Plan", "PlantedLesion", "plan"]

_NOISE_MEAN, _NOISE_SIGMA = 16, 1.8
_NOISE_SHIFTS_PX = 64
_SMEAR = 0.06, 0.008
"""Motion blur along and across the move, by the short side."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One person, ready to be looked at: skin, and per frame pixel the lens and the lamp's reflections.

    skin: (rows, columns, 3). shade: (height, width, 3), a factor of 255 for fall-off and colour cast.
    glare: (height, width, 3), added where the lamp is reflected.
    """

    skin: Pixels
    shade: Pixels
    glare: Pixels


class PhantomCamera:
    """The drawn skin of config.phantom at the size and rate of config.camera; it has no end and no argument."""

    def __init__(self, argument: str, config: Config, clock: Clock) -> None:
        del argument
        self.plan = plan(config.phantom, (config.camera.width_px, config.camera.height_px))
        self._clock = clock
        self._pace = Pace(config.camera.rate_hz, clock)
        self._noise = _noise(self.plan)
        self._first = self.plan.settings.first_person
        self._ahead: dict[int, Scene] = {self._first: draw_scene(self.plan, self._first)}
        self._painter: threading.Thread | None = None
        self._closed = False

    def frames(self) -> Iterator[Frame]:
        """Frames until `close`, one sequence after the other from the first person's first: 0 but for first_person."""
        sequence, person, scene = self._first * self.plan.settings.frames_per_person, -1, None
        while self._pace.wait():
            if self.plan.person(sequence) != person or scene is None:
                person = self.plan.person(sequence)
                scene = self._scene(person)
            captured_at, monotonic_ns = self._clock.now(), self._clock.monotonic_ns()
            yield Frame(self.draw(scene, sequence), "RGB888", sequence, captured_at, monotonic_ns)
            sequence += 1

    def close(self) -> None:
        self._closed = True
        self._pace.stop()
        if self._painter is not None:
            self._painter.join()

    def draw(self, scene: Scene, sequence: int) -> Pixels:
        """(height, width, 3) RGB: what the plan says of this sequence, on its person's scene."""
        view, matrix = self.plan.at(sequence), self.plan.matrix(sequence)
        linear, offset = matrix[:, :2], matrix[:, 2]
        # OpenCV counts from the middle of the first pixel, the plan from its corner.
        offset = offset - linear @ (np.array(canvas_origin(self.plan)) - 0.5) - 0.5
        to_frame = np.hstack([linear, offset[:, np.newaxis]])
        width, height = self.plan.size_px
        picture = cv2.warpAffine(scene.skin, to_frame, (width, height), borderMode=cv2.BORDER_REFLECT_101)
        if view.blurred:
            along, across = (max(1, round(part * self.plan.short_px)) for part in _SMEAR)
            picture = cv2.blur(picture, (along, across))
        picture = cv2.multiply(picture, scene.shade, dst=picture, scale=1 / 255)
        if view.glare:
            picture = cv2.add(picture, scene.glare, dst=picture)
        top, left = sequence * 37 % _NOISE_SHIFTS_PX, sequence * 23 % _NOISE_SHIFTS_PX
        noise = self._noise[top : top + height, left : left + width]
        return np.asarray(cv2.addWeighted(picture, 1, noise, 1, -_NOISE_MEAN, dst=picture), dtype=np.uint8)

    def _scene(self, person: int) -> Scene:
        """A person's scene, drawn ahead where there was time; the next person's is begun in a thread."""
        if self._painter is not None:
            self._painter.join()
        scene = self._ahead.pop(person, None) or draw_scene(self.plan, person)
        if not self._closed:
            self._painter = threading.Thread(target=self._paint, args=(person + 1,), name="phantom", daemon=True)
            self._painter.start()
        return scene

    def _paint(self, person: int) -> None:
        self._ahead[person] = draw_scene(self.plan, person)


def draw_scene(plan: Plan, person: int) -> Scene:
    """Everything about a person that does not change from frame to frame; takes a few hundred milliseconds."""
    rng = np.random.default_rng([plan.settings.seed, person, 4])
    width, height = plan.size_px
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / (plan.short_px / 2)
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / (plan.short_px / 2)
    middle = rng.uniform(-0.25, 0.25, 2)
    distance = np.square(x - middle[0])[np.newaxis, :] + np.square(y - middle[1])[:, np.newaxis]
    fall_off = 255 / (1 + np.float32(0.07) * distance)
    cast = rng.uniform(0.95, 1.0, 3)
    shade = np.stack([fall_off * np.float32(gain) for gain in cast], axis=2).astype(np.uint8)
    return Scene(draw_skin(plan, person), shade, _glare(plan, rng))


def _glare(plan: Plan, rng: np.random.Generator) -> Pixels:
    """(height, width, 3): a lamp mirrored on moist skin, a few white spots with a soft edge and crumbs around them."""
    width, height = plan.size_px
    short = plan.short_px
    light = np.zeros((height, width), dtype=np.float32)
    for _ in range(int(rng.integers(2, 4))):
        centre = rng.uniform((0.25 * width, 0.25 * height), (0.75 * width, 0.75 * height))
        axes = rng.uniform(0.05, 0.11, 2) * short
        turn = math.degrees(rng.uniform(0, math.pi))
        _spot(light, centre, axes, turn, 1.0)
        for _ in range(int(rng.integers(5, 10))):
            _spot(light, centre + rng.normal(0, 0.12, 2) * short, rng.uniform(0.004, 0.018, 2) * short, turn, 1.0)
    soft = cv2.GaussianBlur(light, (0, 0), 0.009 * short) * 240
    # A wide halo on a small copy: a blur of this width takes long on a whole frame.
    small = cv2.resize(light, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    halo = cv2.resize(cv2.GaussianBlur(small, (0, 0), 0.006 * short), (width, height)) * 70
    return np.asarray(cv2.merge([cv2.convertScaleAbs(soft + halo)] * 3), dtype=np.uint8)


def _spot(light: np.ndarray, centre: np.ndarray, axes: np.ndarray, turn_degrees: float, brightness: float) -> None:
    cv2.ellipse(
        light,
        (round(float(centre[0])), round(float(centre[1]))),
        (max(1, round(float(axes[0]))), max(1, round(float(axes[1])))),
        turn_degrees,
        0,
        360,
        brightness,
        -1,
    )


def _noise(plan: Plan) -> Pixels:
    """Sensor noise, larger than a frame; each frame takes another piece of it."""
    width, height = plan.size_px
    shape = height + _NOISE_SHIFTS_PX, width + _NOISE_SHIFTS_PX, 3
    normal = np.random.default_rng([plan.settings.seed, 5]).standard_normal(shape, dtype=np.float32)
    return np.clip(np.round(normal * np.float32(_NOISE_SIGMA) + _NOISE_MEAN), 0, 255).astype(np.uint8)
