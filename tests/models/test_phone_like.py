"""The stand-in for phone close-ups: lesions cut along their edge, boxes that touch them, a camera, seeded."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest

from models import lesion_lay, lesion_matte, phone_camera, phone_like, skin_sheet
from models.data import Picture


class Drawn(Picture):
    """A picture that is not on disk."""

    def rgb(self) -> np.ndarray:
        return dermoscopy()


def dermoscopy() -> np.ndarray:
    """Skin with an ellipse of pigment in the middle: 240 px, axes 50 and 30, and a loose box round it."""
    rng = np.random.default_rng(2)
    rgb = np.full((240, 240, 3), (225, 170, 160), np.float32) + rng.normal(0, 3, (240, 240, 1)).astype(np.float32)
    mask = cv2.ellipse(np.zeros((240, 240), np.float32), (120, 120), (50, 30), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    rgb += mask[..., None] * (np.array([110, 70, 60], np.float32) - rgb)
    return rgb.clip(0, 255).astype(np.uint8)


def picture(*box: float) -> Drawn:
    boxes = np.array([box], np.float32)
    return Drawn("x", Path("x"), "trc_dermoscopy", "val", "g", 240, 240, boxes, np.zeros(1, np.int64))


@pytest.fixture(scope="module")
def cut() -> lesion_matte.Cut:
    found = lesion_matte.cut(picture(58, 78, 182, 162))
    assert found is not None
    return found


def test_the_box_of_a_cut_touches_the_lesion_and_not_the_label(cut: lesion_matte.Cut) -> None:
    x0, y0, x1, y1 = cut.box
    assert (x1 - x0, y1 - y0) == (pytest.approx(101, abs=5), pytest.approx(61, abs=5))
    middle_y, middle_x = (y0 + y1) // 2, (x0 + x1) // 2
    assert cut.alpha[middle_y, middle_x] > 0.98
    assert cut.alpha[2, 2] < 0.02


def test_a_lesion_without_an_edge_is_left_out() -> None:
    inside = picture(95, 105, 145, 135)  # the lesion goes on beyond its box
    assert lesion_matte.cut(inside) is None


@pytest.mark.parametrize("seed", range(6))
def test_what_is_laid_stands_in_its_box(cut: lesion_matte.Cut, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = np.zeros((480, 640, 3), np.float32) + np.array([62, 12, 18], np.float32)
    move = lesion_lay.place(rng, cut, np.ones((480, 640), bool))
    assert move is not None
    laid, box = lesion_lay.lay(rng, scene, cut, move)
    assert box is not None
    x0, y0, x1, y1 = box.astype(int)
    assert 0 <= x0 < x1 <= 640
    assert 0 <= y0 < y1 <= 480
    assert 0.09 <= max(x1 - x0, y1 - y0) / 480 <= 0.65
    change = np.linalg.norm(laid - scene, axis=2)
    outside = change.copy()
    margin = max(4, int(0.12 * max(x1 - x0, y1 - y0)))
    outside[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin] = 0
    assert change[y0:y1, x0:x1].mean() > 4
    assert outside.max() < 2


def test_no_free_skin_no_lesion(cut: lesion_matte.Cut) -> None:
    assert lesion_lay.place(np.random.default_rng(0), cut, np.zeros((480, 640), bool)) is None


def test_six_skin_types_have_the_angles_of_their_bins() -> None:
    angles = [np.degrees(np.arctan((light - 50) / yellow)) for light, _, yellow in skin_sheet.TONES_LAB]
    assert all(low < angle <= high for angle, low, high in zip(
        angles, (55, 41, 28, 10, -30, -90), (90, 55, 41, 28, 10, -30), strict=True))  # fmt: skip


def test_a_sheet_keeps_the_exemplars_texture() -> None:
    rng = np.random.default_rng(4)
    exemplar = (np.array([65, 12, 18]) + rng.normal(0, 2.0, (120, 120, 1))).astype(np.float32)
    made = skin_sheet.sheet(rng, exemplar, (300, 400), 1.0)
    assert made.shape == (300, 400, 3)
    assert made[..., 0].std() == pytest.approx(exemplar[..., 0].std(), rel=0.25)
    assert made.mean((0, 1)) == pytest.approx(exemplar.mean((0, 1)), abs=0.5)


def test_the_camera_repeats_by_seed_and_is_a_camera() -> None:
    scene = dermoscopy().astype(np.float32) / 255
    one, same, other = (phone_camera.expose(np.random.default_rng(s), scene) for s in (1, 1, 2))
    assert one.data == same.data
    assert one.data != other.data
    assert one.rgb().shape == scene.shape
    assert np.abs(one.rgb().astype(float) / 255 - scene).mean() > 0.005


def test_quick_figures_of_truth_itself_are_perfect() -> None:
    truth = [np.array([[10, 10, 60, 50]], np.float32), np.array([[5, 5, 30, 30], [100, 100, 200, 180]], np.float32)]
    told = phone_like.quick([(boxes, np.full((len(boxes), 2), 0.9)) for boxes in truth], truth)
    assert told == {"phone_recall30": 1, "phone_ap30": 1, "phone_recall50": 1, "phone_ap50": 1, "phone_side_ratio": 1}
    nothing = [(np.zeros((0, 4), np.float32), np.zeros((0, 2)))] * 2
    assert phone_like.quick(nothing, truth)["phone_recall30"] == 0


def test_the_set_is_never_made_of_test() -> None:
    with pytest.raises(ValueError, match="expected"):
        next(phone_like.make("test", [0]))


@pytest.mark.slow
def test_pictures_of_the_set_repeat_by_number(data_folder: Path) -> None:
    both = [next(phone_like.make("val", [number])) for number in (3, 3)]
    assert both[0].jpeg.data == both[1].jpeg.data
    for shot in both:
        height, width = shot.jpeg.rgb().shape[:2]
        assert len(shot.boxes_px)
        assert (shot.boxes_px >= 0).all()
        assert (shot.boxes_px[:, [0, 2]] <= width).all()
        assert (shot.boxes_px[:, [1, 3]] <= height).all()
    assert {field.name for field in fields(both[0])} == {"jpeg", "boxes_px", "tone", "group"}
