"""A double for the engine: it finds what is clearly darker than the picture's median, with nothing learnt.

It stands in for the trained model where a test is about the stages around it; it works on the phantom's drawn skin and
on nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge import bundle
from edge.bundle import Bundle, Decode, Input, Label, Output
from tests.edge.cards import card

STRIDE, CELLS = 16, 20
MODEL = b"no model: tests/edge/see/blobs.py"


def write_bundle(folder: Path, labels: tuple[str, ...] = ("cutaneous_tumour", "acne_rosacea")) -> Path:
    """A bundle for BlobBackend; its model file is text."""
    made = card(
        name="blobs",
        input=Input("image", (1, 320, 320, 3), "uint8", mean=0.0, std=1.0, scale=1.0, zero_point=0),
        outputs=(
            Output("scores", "class_logits", (1, CELLS, CELLS, len(labels)), "float32", stride=STRIDE),
            Output("distances", "log_distances", (1, CELLS, CELLS, 4), "float32", stride=STRIDE),
        ),
        decode=Decode("distances", 0.5),
        labels=tuple(Label(name, 0.5) for name in labels),
        model_sha256=hashlib.sha256(MODEL).hexdigest(),
    )
    bundle.save(folder, made, MODEL)
    return folder


class BlobBackend:
    """inference.backend = "tests.edge.see.blobs:BlobBackend"."""

    engine = "blobs"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        del threads
        self._input = np.zeros(bundle.card.picture_input.shape, dtype=np.uint8)
        self._scores = np.full((1, CELLS, CELLS, len(bundle.card.labels)), -20, dtype=np.float32)
        self._distances = np.zeros((1, CELLS, CELLS, 4), dtype=np.float32)

    def invoke(self, fill: Callable[[NDArray[np.generic]], None]) -> None:
        fill(self._input)
        self._scores[:] = -20
        grey = cv2.GaussianBlur(self._input[0], (0, 0), 2).min(axis=2)
        dark = (grey < 0.75 * np.median(grey[90:230])).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(dark)
        for left, top, width, height, area in stats[1:]:
            if area < 300 or top < 72 or top + height > 248:
                continue
            x, y = left + width / 2, top + height / 2
            column, row = int(x / STRIDE), int(y / STRIDE)
            centre_x, centre_y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
            sides = centre_x - left, centre_y - top, left + width - centre_x, top + height - centre_y
            self._scores[0, row, column, 0] = 2.0
            self._distances[0, row, column] = np.log(np.maximum(sides, 1) / STRIDE)

    def read(self, use: Callable[[Mapping[str, NDArray[np.generic]]], None]) -> None:
        use({"scores": self._scores, "distances": self._distances})
