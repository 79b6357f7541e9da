"""Drawn skin at a model's own size: pictures on which the shipped detector finds something."""

from __future__ import annotations

from functools import cache

from edge.camera.phantom import PhantomCamera, draw_scene
from edge.clock import SystemClock
from edge.config import Camera, Config, Phantom
from edge.frame import Pixels

FRAMES_PER_PERSON = 50


@cache
def pictures(count: int, side_px: int = 320) -> list[Pixels]:
    """(side, side, 3) RGB, two drawn lesions on one person each."""
    camera = PhantomCamera(
        "", Config(camera=Camera(width_px=side_px, height_px=side_px), phantom=Phantom()), SystemClock()
    )
    scenes = [draw_scene(camera.plan, FRAMES_PER_PERSON * person) for person in range(count)]
    made = [camera.draw(scene, FRAMES_PER_PERSON * person + 5) for person, scene in enumerate(scenes)]
    camera.close()
    return made
