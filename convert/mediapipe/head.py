"""The float ops between a detector's raw outputs and TFLite_Detection_PostProcess.

They decode as edge.decode does: scores with calibration and thresholds, boxes as corners that end with the picture.
PostProcess then decodes centre and size beside anchors, so the corners become that beside one anchor, the whole
picture: half of y_min + y_max (y_scale 2 halves it) and exp(log(y_max - y_min)). It takes each box's best label and
suppresses without a look at it (tensorflow/lite/kernels/detection_postprocess.cc, use_regular_nms false), as we do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.mediapipe.graph import GraphWriter
from edge.bundle import Anchors, Bundle, Card, Decode, Output
from edge.config import Detect
from edge.decode import LabelCalibration, anchor_grid, cell_grid

_SMALLEST_SIDE_FRACTION = 1e-4
"""Of the picture's. PostProcess fails on a box without area; such a box gets this side, and a score of 0."""
_LOWEST_SCORE = 1e-9
"""What PostProcess keeps: anything, since what is under its label's threshold comes to it as 0."""
_MARGIN = 1e-6
"""Of a logit, as in edge.decode: a score that is the threshold has reached it."""


def append_head(writer: GraphWriter, bundle: Bundle, decode: Decode, settings: Detect) -> None:
    """Make the graph's outputs boxes, classes, scores and count. Raises ConvertError for what cannot be decoded so."""
    card, rows = bundle.card, settings.max_detections
    corners = _of_distances(writer, card) if decode.anchors is None else _of_offsets(writer, card, decode.anchors)
    encodings, has_area = _encoded(writer, corners)
    scores = _scores(writer, card, settings, has_area)
    cells = writer.shape(scores)[1]
    picture = np.broadcast_to(np.asarray([0, 0, 1, 1], np.float32), (cells, 4))
    outputs = [
        writer.tensor("TFLite_Detection_PostProcess" + (f":{index}" if index else ""), shape)
        for index, shape in enumerate([(1, rows, 4), (1, rows), (1, rows), (1,)])
    ]
    options = {
        "max_detections": rows,
        "max_classes_per_detection": 1,
        "use_regular_nms": False,
        "nms_score_threshold": _LOWEST_SCORE,
        "nms_iou_threshold": decode.nms_iou,
        "num_classes": len(card.labels),
        "y_scale": 2.0,
        "x_scale": 2.0,
        "h_scale": 1.0,
        "w_scale": 1.0,
    }
    inputs = [encodings, scores, writer.constant("mediapipe/picture", picture)]
    writer.custom_op("TFLite_Detection_PostProcess", inputs, outputs, options)
    writer.graph.outputs = outputs


def _of_distances(writer: GraphWriter, card: Card) -> int:
    """(1, n, 4) corners x_min, y_min, x_max, y_max as fractions of the picture, which they may leave."""
    # In the order of the scores, which belong to the same cells.
    by_stride = {each.stride: each for each in _of_role(card, "log_distances")}
    outputs = [by_stride[each.stride] for each in _of_role(card, "class_logits")]
    grid = np.concatenate([cell_grid(each, card) for each in outputs]).astype(np.float64)
    centre, stride = grid[:, :2] / _sides_px(card), grid[:, 2:] / _sides_px(card)
    shape = (1, len(centre), 4)
    distances = writer.apply("EXP", [_joined(writer, [_rows(writer, each, 4) for each in outputs], shape)], shape)
    steps = _constant(writer, "steps", np.concatenate([-stride, stride], axis=1)[None])
    origins = _constant(writer, "origins", np.concatenate([centre, centre], axis=1)[None])
    return writer.apply("ADD", [writer.apply("MUL", [distances, steps], shape), origins], shape)


def _of_offsets(writer: GraphWriter, card: Card, anchors: Anchors) -> int:
    """The same, beside anchors."""
    (output,) = _of_role(card, "anchor_offsets")
    index, grid, sides = _rows(writer, output, 4), anchor_grid(anchors, card), _sides_px(card)
    if len(grid) != writer.shape(index)[1]:
        raise ConvertError(f"expected {len(grid)} anchors in {output.name!r}, got {writer.shape(index)[1]}")
    shape, pair = (1, len(grid), 4), (1, len(grid), 2)
    variances = _constant(writer, "variances", 1 / np.asarray(anchors.variances).reshape(1, 1, 4))
    offsets = writer.apply("MUL", [index, variances], shape)
    if anchors.order == "yxhw":
        offsets = _swapped(writer, offsets)
    moved, scaled = _halves(writer, offsets)
    if anchors.sides == "exponential":
        scaled = writer.apply("EXP", [scaled], pair)
    anchor_sides = grid[None, :, 2:] / sides
    shifts = writer.apply("MUL", [moved, _constant(writer, "anchor_sides", anchor_sides)], pair)
    centre = writer.apply("ADD", [shifts, _constant(writer, "anchor_centres", grid[None, :, :2] / sides)], pair)
    half = writer.apply("MUL", [scaled, _constant(writer, "anchor_halves", anchor_sides / 2)], pair)
    ends = [writer.apply("SUB", [centre, half], pair), writer.apply("ADD", [centre, half], pair)]
    return _joined(writer, ends, shape, axis=2)


def _encoded(writer: GraphWriter, corners: int) -> tuple[int, int]:
    """(1, n, 4) y, x, height and width for PostProcess; (1, n, 1) whether anything of the box is in the picture.

    Clipped here and not afterwards, so that suppression sees what edge.detect's sees.
    """
    shape = writer.shape(corners)
    pair = (*shape[:2], 2)
    inside = writer.apply("MAXIMUM", [corners, _constant(writer, "picture_start", np.zeros((1, 1, 1)))], shape)
    inside = writer.apply("MINIMUM", [inside, _constant(writer, "picture_end", np.ones((1, 1, 1)))], shape)
    low, high = _halves(writer, inside)
    sides = writer.apply("SUB", [high, low], pair)
    smallest = _constant(writer, "smallest", np.full((1, 1, 1), _SMALLEST_SIDE_FRACTION))
    sizes = writer.apply("LOG", [writer.apply("MAXIMUM", [sides, smallest], pair)], pair)
    joined = _joined(writer, [writer.apply("ADD", [low, high], pair), sizes], shape, axis=2)
    least = writer.apply("REDUCE_MIN", [sides, _last_axis(writer)], (*shape[:2], 1), keepDims=True)
    nothing = _constant(writer, "no_side", np.zeros((1, 1, 1)))
    return _swapped(writer, joined), writer.apply("GREATER", [least, nothing], (*shape[:2], 1), "bool")


def _scores(writer: GraphWriter, card: Card, settings: Detect, has_area: int) -> int:
    """(1, n, labels): a box's best label has its calibrated score where that reaches its threshold; all else is 0."""
    labels = len(card.labels)
    given = [each.score_threshold for each in card.labels]
    thresholds = given if settings.score_threshold is None else [settings.score_threshold] * labels
    calibration = LabelCalibration(card, thresholds)
    shape = (*writer.shape(has_area)[:2], labels)
    parts = [_rows(writer, each, labels) for each in _of_role(card, "class_logits")]
    logits = _joined(writer, parts, shape)
    if any(each.calibration is not None for each in card.labels):
        logits = writer.apply("MUL", [logits, _constant(writer, "slopes", calibration.slopes)], shape)
        logits = writer.apply("ADD", [logits, _constant(writer, "intercepts", calibration.intercepts)], shape)
    limits = calibration.logit_thresholds * calibration.slopes + calibration.intercepts - _MARGIN
    lowest = float(np.finfo(np.float32).min)
    thresholds_index = _constant(writer, "thresholds", np.maximum(limits, lowest))
    kept = writer.apply("GREATER_EQUAL", [logits, thresholds_index], shape, "bool")
    if labels > 1:
        best = writer.apply("REDUCE_MAX", [logits, _last_axis(writer)], (*shape[:2], 1), keepDims=True)
        kept = writer.apply("LOGICAL_AND", [kept, writer.apply("EQUAL", [logits, best], shape, "bool")], shape, "bool")
    kept = writer.apply("LOGICAL_AND", [kept, has_area], shape, "bool")
    scores = writer.apply("LOGISTIC", [logits], shape)
    return writer.apply("SELECT_V2", [kept, scores, _constant(writer, "no_score", np.zeros((1, 1, 1)))], shape)


def _of_role(card: Card, role: str) -> list[Output]:
    found = [each for each in card.outputs if each.role == role]
    if not found:
        raise ConvertError(
            f"expected a detector with outputs of role {role} for MediaPipe, got {card.name!r} with "
            f"{', '.join(sorted({each.role for each in card.outputs}))}: leave --export out"
        )
    return found


def _sides_px(card: Card) -> NDArray[np.float64]:
    _, height, width, _ = card.picture_input.shape
    return np.asarray([width, height], dtype=np.float64)


def _rows(writer: GraphWriter, output: Output, values: int) -> int:
    """The output, or its channels, as float (1, n, values)."""
    index = writer.index_of(output.name)
    if output.dtype != "float32":
        index = writer.apply("DEQUANTIZE", [index], output.shape)
    first, end = output.channels or (0, values)
    width = values if output.channels is None else output.shape[-1]
    shape = (1, int(np.prod(output.shape)) // width, width)
    if tuple(output.shape) != shape:
        sides = writer.constant(f"mediapipe/shape_{index}", np.asarray(shape, np.int32))
        index = writer.apply("RESHAPE", [index, sides], shape, newShape=list(shape))
    if width == values:
        return index
    channels = writer.constant(f"mediapipe/channels_{index}", np.arange(first, end, dtype=np.int32))
    return writer.apply("GATHER", [index, channels], (*shape[:2], values), axis=2)


def _swapped(writer: GraphWriter, index: int) -> int:
    """x, y, width, height from y, x, height, width, and back."""
    order = writer.constant(f"mediapipe/order_{index}", np.asarray([1, 0, 3, 2], np.int32))
    return writer.apply("GATHER", [index, order], writer.shape(index), axis=2)


def _halves(writer: GraphWriter, index: int) -> tuple[int, int]:
    """(1, n, 4) into two of (1, n, 2)."""
    shape = (*writer.shape(index)[:2], 2)
    axis = writer.constant(f"mediapipe/axis_{index}", np.asarray(2, np.int32))
    low, high = (writer.tensor(f"mediapipe/{part}_{index}", shape) for part in ("low", "high"))
    writer.op("SPLIT", [axis, index], [low, high], numSplits=2)
    return low, high


def _joined(writer: GraphWriter, parts: Sequence[int], shape: Sequence[int], *, axis: int = 1) -> int:
    return parts[0] if len(parts) == 1 else writer.apply("CONCATENATION", list(parts), shape, axis=axis)


def _last_axis(writer: GraphWriter) -> int:
    return writer.constant(f"mediapipe/last_axis_{len(writer.graph.tensors)}", np.asarray([2], np.int32))


def _constant(writer: GraphWriter, name: str, values: NDArray[Any]) -> int:
    return writer.constant(f"mediapipe/{name}", np.asarray(values, dtype=np.float32))
