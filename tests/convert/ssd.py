"""A whole float SSD as a .tflite that ends with TFLite_Detection_PostProcess, its weights written down, not trained.

One convolution with the stride of a cell looks for green; each of the sixteen cells has one anchor of its own size.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.graph import pack_model
from convert.mediapipe.graph import GraphWriter
from tests.convert.tiny import _Builder as Builder

SIDE_PX, CELLS, ROWS = 64, 4, 10
CELL_PX = SIDE_PX // CELLS
TOML = """
name = "green-square"
labels = ["green_square"]
[input]
range = [0.0, 1.0]
"""
_OPTIONS = {
    "max_detections": ROWS,
    "max_classes_per_detection": 1,
    "use_regular_nms": False,
    "nms_score_threshold": 1e-8,
    "nms_iou_threshold": 0.5,
    "num_classes": 1,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def detector() -> bytes:
    """`image` [1, 64, 64, 3] of 0 to 1 → boxes [1, 10, 4], classes [1, 10], scores [1, 10], count [1]."""
    build, cells = _cells()
    writer, rows = GraphWriter(build.model), CELLS * CELLS
    shape = (1, rows, 5)
    flat = writer.apply("RESHAPE", [cells, writer.constant("rows", np.asarray(shape, np.int32))], shape)
    logits, offsets = (
        writer.apply("GATHER", [flat, writer.constant(name, np.asarray(channels, np.int32))], (1, rows, width), axis=2)
        for name, channels, width in (("which_score", [0], 1), ("which_box", [1, 2, 3, 4], 4))
    )
    scores = writer.apply("LOGISTIC", [logits], (1, rows, 1))
    y, x = (each.ravel() for each in (np.mgrid[:CELLS, :CELLS] + 0.5) / CELLS)
    sides = np.full(rows, 1 / CELLS)
    anchors = writer.constant("anchors", np.stack([y, x, sides, sides], axis=1).astype(np.float32))
    made = [
        writer.tensor(f"detections:{place}", shape) for place, shape in enumerate(((1, ROWS, 4), (1, ROWS), (1, ROWS)))
    ]
    made.append(writer.tensor("detections:3", (1,)))
    writer.custom_op("TFLite_Detection_PostProcess", [offsets, scores, anchors], made, _OPTIONS)
    writer.graph.outputs = made
    return pack_model(build.model)


def raw_heads(*, flattened: bool, channels_first: bool = False) -> bytes:
    """The same convolution without what decodes: `scores` and `distances`, as maps, or cell by cell."""
    build, cells = _cells(float(np.log(0.5)))  # half a cell to each side
    writer, rows = GraphWriter(build.model), CELLS * CELLS
    flat = writer.apply("RESHAPE", [cells, writer.constant("rows", np.asarray((1, rows, 5), np.int32))], (1, rows, 5))
    made = []
    for name, channels in (("scores", [0]), ("distances", [1, 2, 3, 4])):
        shape: tuple[int, ...] = (1, rows, len(channels))
        head = writer.apply(
            "GATHER", [flat, writer.constant(f"which_{name}", np.asarray(channels, np.int32))], shape, axis=2
        )
        if channels_first:
            shape = (1, len(channels), rows)
            head = writer.apply(
                "TRANSPOSE", [head, writer.constant(f"order_{name}", np.asarray([0, 2, 1], np.int32))], shape
            )
        elif not flattened:
            shape = (1, CELLS, CELLS, len(channels))
            head = writer.apply("RESHAPE", [head, writer.constant(f"map_{name}", np.asarray(shape, np.int32))], shape)
        writer.graph.tensors[head].name = name.encode()
        made.append(head)
    writer.graph.outputs = made
    return pack_model(build.model)


def _cells(offset: float = 0.0) -> tuple[Builder, int]:
    """A graph that is begun: image → [1, 4, 4, 5], a score and four offsets a cell."""
    build = Builder()
    image = build.tensor("image", (1, SIDE_PX, SIDE_PX, 3), "FLOAT32")
    # Mean green less mean red and blue, and four offsets of nothing.
    colour = np.array([-20.0, 40.0, -20.0], np.float32) / CELL_PX**2
    weights = np.zeros((5, CELL_PX, CELL_PX, 3), np.float32)
    weights[0] = colour
    weights[1:] = 0.01 * np.array([1.0, -1.0, 1.0], np.float32) / CELL_PX**2
    matrix = build.tensor("weights", weights.shape, "FLOAT32", weights)
    bias = build.tensor("bias", (5,), "FLOAT32", np.array([-10.0, *[offset] * 4], np.float32))
    cells = build.tensor("cells", (1, CELLS, CELLS, 5), "FLOAT32")
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = CELL_PX
    options.dilationHFactor = options.dilationWFactor = 1
    options.padding = schema.Padding.VALID
    build.op("CONV_2D", [image, matrix, bias], [cells], options)
    build.graph.inputs, build.graph.outputs = [image], [cells]
    return build, cells


def write(folder: Path, count: int, seed: int) -> Path:
    """Noise with one green square each, in a cell, and the squares' boxes in set.csv."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    with (folder / "set.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "label", "x", "y", "w", "h"))
        for number in range(count):
            rgb = rng.integers(0, 90, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
            y, x = (int(each) * CELL_PX for each in rng.integers(0, CELLS, 2))
            rgb[y : y + CELL_PX, x : x + CELL_PX] = (20, int(rng.integers(190, 255)), 20)
            cv2.imwrite(str(folder / "images" / f"{number}.png"), rgb[:, :, ::-1])
            rows.writerow((f"{number}.png", "green_square", x, y, CELL_PX, CELL_PX))
    return folder / "set.csv"
