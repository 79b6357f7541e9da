"""A picture into the model's input: letterbox, colour, quantise, written straight into the tensor.

The converter calibrates through this file, so calibration and run time cannot diverge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import Input
from edge.frame import Box, Pixels


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture lies in the input: scaled by `scale`, then moved by the left and the top bar."""

    scale: float
    pad_x_px: int
    pad_y_px: int

    @staticmethod
    def fit(size_px: tuple[int, int], input_px: tuple[int, int]) -> tuple[Letterbox, tuple[int, int]]:
        """The letterbox of a (width, height) picture in a (width, height) input, and the scaled picture's size."""
        (width, height), (input_width, input_height) = size_px, input_px
        scale = min(input_width / width, input_height / height)
        scaled = max(1, round(width * scale)), max(1, round(height * scale))
        return Letterbox(scale, (input_width - scaled[0]) // 2, (input_height - scaled[1]) // 2), scaled

    def to_frame(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) corners from input pixels to picture pixels."""
        offset = np.array([self.pad_x_px, self.pad_y_px] * 2, dtype=np.float32)
        return (boxes - offset) / np.float32(self.scale)

    def to_input(self, box: Box) -> Box:
        """Corners from picture pixels to input pixels."""
        pad = (self.pad_x_px, self.pad_y_px) * 2
        return Box(*(edge * self.scale + bar for edge, bar in zip(box, pad, strict=True)))


class Preprocessor:
    """Holds what one input needs: its lookup table and, frame size by frame size, its buffers."""

    def __init__(self, spec: Input) -> None:
        self._spec = spec
        _, self._height, self._width, _ = spec.shape
        self._table = quantisation_table(spec)
        self._is_sign_flip = spec.dtype == "int8" and bool(
            np.array_equal(self._table.view(np.uint8), np.arange(256, dtype=np.uint8) ^ 0x80)
        )
        self._canvas = np.full((self._height, self._width, 3), spec.pad_value, dtype=np.uint8)
        self._fitted: tuple[int, int] | None = None
        self._letterbox, self._scaled = Letterbox(1.0, 0, 0), (self._width, self._height)

    def write(self, rgb: Pixels, tensor: NDArray[np.generic]) -> Letterbox:
        """Letterbox an (height, width, 3) RGB picture into the (1, height, width, 3) input tensor, in place."""
        size_px = rgb.shape[1], rgb.shape[0]
        if size_px != self._fitted:
            self._letterbox, self._scaled = Letterbox.fit(size_px, (self._width, self._height))
            self._canvas[:] = self._spec.pad_value
            self._fitted = size_px
        left, top = self._letterbox.pad_x_px, self._letterbox.pad_y_px
        inside = self._canvas[top : top + self._scaled[1], left : left + self._scaled[0]]
        if self._scaled == size_px:
            inside[:] = rgb
        else:
            interpolation = cv2.INTER_LINEAR if self._letterbox.scale >= _BILINEAR_DOWN_TO else cv2.INTER_AREA
            cv2.resize(rgb, self._scaled, dst=inside, interpolation=interpolation)
        if self._is_sign_flip:
            np.bitwise_xor(self._canvas, _SIGN, out=tensor[0].view(np.uint8))
        else:
            np.take(self._table, self._canvas, out=tensor[0], mode="clip")
        return self._letterbox


_SIGN = np.uint8(0x80)
_BILINEAR_DOWN_TO = 0.25
"""720p to 320 px is 0.25, where bilinear takes a seventh of the time of area averaging; below that it would alias."""


def quantisation_table(spec: Input) -> NDArray[np.generic]:
    """(256,) in the input's own dtype: what each pixel value becomes."""
    real = (np.arange(256, dtype=np.float64) - spec.mean) / spec.std
    if spec.dtype == "float32":
        return real.astype(np.float32)
    limits = np.iinfo(spec.dtype)
    return np.clip(np.round(real / spec.scale) + spec.zero_point, limits.min, limits.max).astype(spec.dtype)
