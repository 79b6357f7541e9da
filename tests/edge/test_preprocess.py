"""The letterbox, the quantisation and that nothing is copied on the way."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bundle import Input
from edge.frame import Box
from edge.preprocess import Letterbox, Preprocessor, quantisation_table

INT8 = Input("image", (1, 320, 320, 3), "int8", mean=127.0, std=128.0, scale=1 / 128, zero_point=-1)
FLOAT = Input("image", (1, 320, 320, 3), "float32", mean=127.0, std=128.0)


def test_int8_is_the_pixel_with_its_sign_bit_flipped() -> None:
    assert quantisation_table(INT8).tolist() == [value - 128 for value in range(256)]


@pytest.mark.parametrize("size_px", [(1280, 720), (640, 640), (320, 320), (100, 300), (4032, 3024)])
def test_the_tensor_holds_the_letterboxed_picture(size_px: tuple[int, int]) -> None:
    rgb = np.full((size_px[1], size_px[0], 3), (200, 100, 50), np.uint8)
    tensor = np.zeros(INT8.shape, np.int8)
    letterbox = Preprocessor(INT8).write(rgb, tensor)
    inside = letterbox.to_input(Box(0, 0, *size_px))
    x, y = int((inside.x_min + inside.x_max) / 2), int((inside.y_min + inside.y_max) / 2)
    assert tensor[0, y, x].tolist() == [72, -28, -78]
    if letterbox.pad_y_px:
        assert tensor[0, 0, 0].tolist() == [114 - 128] * 3
    if letterbox.pad_x_px:
        assert tensor[0, 160, 0].tolist() == [114 - 128] * 3


def test_float_and_int8_inputs_see_the_same_numbers() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (240, 400, 3), dtype=np.uint8)
    quantised, real = np.zeros(INT8.shape, np.int8), np.zeros(FLOAT.shape, np.float32)
    Preprocessor(INT8).write(rgb, quantised)
    Preprocessor(FLOAT).write(rgb, real)
    assert np.abs((quantised.astype(np.float32) + 1) / 128 - real).max() < 1e-6


def test_another_picture_size_leaves_nothing_of_the_one_before() -> None:
    preprocessor, tensor = Preprocessor(INT8), np.zeros(INT8.shape, np.int8)
    preprocessor.write(np.full((320, 320, 3), 255, np.uint8), tensor)
    preprocessor.write(np.full((160, 320, 3), 255, np.uint8), tensor)
    assert (tensor[0, :80] == 114 - 128).all()
    assert (tensor[0, 240:] == 114 - 128).all()


def test_boxes_survive_the_way_there_and_back() -> None:
    letterbox, _ = Letterbox.fit((1280, 720), (320, 320))
    there = letterbox.to_input(Box(100, 200, 400, 500))
    assert letterbox.to_frame(np.array([there], np.float32))[0] == pytest.approx((100, 200, 400, 500))
