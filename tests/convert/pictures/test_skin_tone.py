"""ITA: the formula on known colours, the bins, what is no skin, and the drawn phantom's six types in their order."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from convert.pictures.skin_tone import BINS, ita_bin, ita_deg
from edge.camera.phantom import PhantomCamera, draw_scene
from edge.clock import SystemClock
from edge.config import Camera, Config, Phantom
from edge.frame import Pixels


def of_lab(lightness: float, red: float, yellow: float) -> Pixels:
    """(96, 128, 3) of one CIELAB colour."""
    lab = np.full((96, 128, 3), (lightness, red, yellow), dtype=np.float32)
    return np.asarray(np.round(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255), dtype=np.uint8)


@pytest.mark.parametrize(("lightness", "yellow"), [(74.0, 14.0), (65.0, 19.0), (55.0, 20.0), (42.0, 18.0)])
def test_the_formula(lightness: float, yellow: float) -> None:
    expected = math.degrees(math.atan((lightness - 50) / yellow))
    assert ita_deg(of_lab(lightness, 12.0, yellow), np.empty((0, 4))) == pytest.approx(expected, abs=2)


def test_the_bins_and_their_edges() -> None:
    assert [ita_bin(angle) for angle in (60, 50, 35, 20, 0, -40)] == list(BINS)
    assert [ita_bin(edge) for edge in (55, 41, 28, 10, -30)] == list(BINS[1:])


def test_a_lesion_does_not_count() -> None:
    rgb = of_lab(70.0, 12.0, 16.0)
    rgb[20:90, 30:120] = of_lab(25.0, 14.0, 12.0)[0, 0]
    skin = ita_deg(of_lab(70.0, 12.0, 16.0), np.empty((0, 4)))
    assert ita_deg(rgb, np.array([[30, 20, 120, 90]])) == pytest.approx(skin, abs=1)
    assert ita_deg(rgb, np.empty((0, 4))) != pytest.approx(skin, abs=20)


def test_where_no_boxes_are_known_the_middle_does_not_count() -> None:
    rgb = of_lab(70.0, 12.0, 16.0)
    rgb[24:72, 32:96] = of_lab(25.0, 14.0, 12.0)[0, 0]
    assert ita_deg(rgb) == pytest.approx(ita_deg(of_lab(70.0, 12.0, 16.0)), abs=1)


@pytest.mark.parametrize("rgb", [(128, 128, 128), (20, 60, 200), (30, 160, 40), (255, 255, 255), (0, 0, 0)], ids=str)
def test_what_is_no_skin_has_no_tone(rgb: tuple[int, int, int]) -> None:
    assert ita_deg(np.full((64, 64, 3), rgb, dtype=np.uint8)) is None


def test_a_box_over_all_leaves_no_skin() -> None:
    assert ita_deg(of_lab(70.0, 12.0, 16.0), np.array([[0, 0, 128, 96]])) is None


def test_the_phantoms_six_types_grow_darker() -> None:
    config = Config(camera=Camera(width_px=320, height_px=240), phantom=Phantom(frames_per_person=10))
    camera = PhantomCamera("", config, SystemClock())
    angles = []
    for person in range(6):
        sequence = person * 10 + 4
        assert camera.plan.at(sequence).skin_type == person + 1
        boxes = np.array([lesion.box_px for lesion in camera.plan.at(sequence).lesions])
        angle = ita_deg(camera.draw(draw_scene(camera.plan, person), sequence), boxes)
        assert angle is not None
        angles.append(angle)
    assert angles == sorted(angles, reverse=True)
    assert ita_bin(angles[0]) in BINS[:2]
    assert ita_bin(angles[-1]) in BINS[-2:]
