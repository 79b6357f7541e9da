"""`python -m models.fragile FOLDER`: a detector made to break, with its description and drawn pictures to judge it on.

It finds green discs and leaves yellow ones alone, by two convolutions whose weights are written down, not trained. In
float it is right; plain 8-bit quantisation ruins it at two places, as happens to real detectors:

- the hidden tensor's red channel is a thousand times its green one: one step of the whole is more than all of green;
- one output tensor holds pixels (to about a thousand) beside logits (to about two), which come out as zero or eight.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from edge.frame import Pixels

INPUT_PX, STRIDE, WINDOW_PX, RADIUS_PX = 64, 8, 24, 8
LOUD = 1000.0
"""The red channel is so much louder than it needs to be."""
VARIANCE = 64.0
"""Box offsets leave the network this much larger than pixels."""
BRIGHT, GROUND_MAX = 220, 120
_FLOOR = 0.1
DESCRIPTION = f"""
name = "fragile"
task = "detection"
labels = ["green_disc"]
score_threshold = 0.5
[input]
mean = 127.0
std = 128.0
[[outputs]]
name = "OUTPUT"
role = "anchor_offsets"
channels = [0, 4]
[[outputs]]
name = "OUTPUT"
role = "class_logits"
channels = [4, 5]
[decode]
kind = "anchors"
nms_iou = 0.3
[decode.anchors]
strides = [{STRIDE}]
scales_px = [1.0]
aspects = [1.0]
variances = [{VARIANCE}, {VARIANCE}, {VARIANCE}, {VARIANCE}]
order = "xywh"
sides = "linear"
"""


def build() -> Any:
    """The Keras model: `image` [1, 64, 64, 3], (u8 - 127) / 128 → [1, 64, 5]: x, y, w, h, logit of each cell."""
    import keras

    image = keras.Input((INPUT_PX, INPUT_PX, 3), batch_size=1, name="image")
    seen = keras.layers.Conv2D(2, 1, activation="relu", name="colours")
    head = keras.layers.Conv2D(5, WINDOW_PX, STRIDE, padding="same", name="head")
    cells = (INPUT_PX // STRIDE) ** 2
    model = keras.Model(image, keras.layers.Reshape((cells, 5), name="found")(head(seen(image))), name="fragile")
    seen.set_weights([*_colour_weights()])
    head.set_weights([*_head_weights()])
    return model


def _colour_weights() -> tuple[np.ndarray, np.ndarray]:
    """Green over the floor; red over the floor, a thousandfold."""
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 1, 0], kernel[0, 0, 0, 1] = 1, LOUD
    return kernel, np.array([-_FLOOR, -_FLOOR * LOUD], np.float32)


def _head_weights() -> tuple[np.ndarray, np.ndarray]:
    """Of a disc that lies in the window: its centre of mass, the known side, and how much of it there is."""
    middle = np.arange(WINDOW_PX) - (WINDOW_PX - 1) / 2
    value = (BRIGHT - 127) / 128 - _FLOOR
    whole = value * int((np.hypot(*np.meshgrid(*[np.arange(-RADIUS_PX, RADIUS_PX) + 0.5] * 2)) <= RADIUS_PX).sum())
    kernel = np.zeros((WINDOW_PX, WINDOW_PX, 2, 5), np.float32)
    kernel[..., 0, 0], kernel[..., 0, 1] = VARIANCE * middle[None] / whole, VARIANCE * middle[:, None] / whole
    kernel[..., 0, 4], kernel[..., 1, 4] = 10 / whole, -10 / (LOUD * whole)
    side = VARIANCE * 2 * RADIUS_PX
    return kernel, np.array([0, 0, side, side, -8], np.float32)


def picture(rng: np.random.Generator) -> tuple[Pixels, tuple[int, int, int, int]]:
    """(64, 64, 3) with a green disc and a yellow one on dark blots, and the green one's box x, y, w, h."""
    import cv2

    blots = rng.uniform(0, GROUND_MAX, (8, 8, 3)).astype(np.float32)
    drawn = np.clip(cv2.resize(blots, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_CUBIC), 0, GROUND_MAX)
    low, high = WINDOW_PX // 2, INPUT_PX - WINDOW_PX // 2
    green, yellow = rng.integers(low, high + 1, 2), rng.integers(low, high + 1, 2)
    while np.hypot(*(green - yellow)) < 3 * RADIUS_PX:
        yellow = rng.integers(low, high + 1, 2)
    rows, columns = np.mgrid[:INPUT_PX, :INPUT_PX] + 0.5
    for (x, y), red in ((yellow, BRIGHT), (green, 0)):
        drawn[np.hypot(columns - x, rows - y) <= RADIUS_PX] = red, BRIGHT, 0
    x, y = (int(each) - RADIUS_PX for each in green)
    return drawn.astype(np.uint8), (x, y, 2 * RADIUS_PX, 2 * RADIUS_PX)


def write_pictures(folder: Path, count: int, seed: int) -> Path:
    """Pictures in folder/images and their boxes in folder/boxes.csv, as `dermedge convert --eval` reads them."""
    import cv2

    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    with (folder / "boxes.csv").open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle)
        rows.writerow(("file", "label", "x", "y", "w", "h"))
        for number in range(count):
            rgb, box = picture(rng)
            cv2.imwrite(str(folder / "images" / f"{number}.png"), rgb[:, :, ::-1])
            rows.writerow((f"{number}.png", "green_disc", *box))
    return folder / "boxes.csv"


def main() -> int:
    """Model (Keras, and float .tflite), description, calibration pictures and evaluation set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    from convert.sources.keras import to_float
    from convert.tensors import interface

    model = build()
    content = to_float(model)
    write_pictures(folder / "calibration", 160, seed=1)
    write_pictures(folder / "evaluation", 100, seed=2)
    model.save(folder / "fragile.keras")
    (folder / "fragile.tflite").write_bytes(content)
    (folder / "fragile.toml").write_text(DESCRIPTION.replace("OUTPUT", interface(content)[1][0].name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
