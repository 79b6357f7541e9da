"""The model's outputs into lesions: integer threshold, decode what is left, class-agnostic NMS, back to the frame.

Thresholding the quantised scores first spares dequantising all of them. One lesion gets one box with its best label,
so suppression does not look at the class.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, Output
from edge.config import Detect, Inference
from edge.errors import BundleError
from edge.frame import Box, Pixels
from edge.inference.base import BACKENDS, InferenceBackend
from edge.loading import load_named
from edge.preprocess import Letterbox, Preprocessor

Floats = NDArray[np.float32]
_CANDIDATES_MAX = 1000
"""Best candidates kept before suppression, as usual for SSD and FCOS (Tian et al. 2019)."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A box in frame pixels, its class, and a score of 0..1 that is no probability unless the card says calibrated."""

    box_px: Box
    class_id: int
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one picture, stage by stage; decode includes suppression."""

    preprocess_ms: float
    invoke_ms: float
    decode_ms: float

    @property
    def total_ms(self) -> float:
        return self.preprocess_ms + self.invoke_ms + self.decode_ms


class Detector:
    """Bundle and engine as one: a picture in, lesions out."""

    def __init__(self, bundle: Bundle, inference: Inference, settings: Detect) -> None:
        factory = load_named("inference.backend", inference.backend, BACKENDS)
        self.bundle = bundle
        self.backend: InferenceBackend = factory(bundle, inference.threads)
        self.latency = Latency(0.0, 0.0, 0.0)
        self._preprocessor = Preprocessor(bundle.card.input)
        self._decoder = Decoder(bundle, settings)

    def detect(self, rgb: Pixels) -> list[Detection]:
        """Lesions of a (height, width, 3) RGB picture in its own pixels, best first; `latency` is of the last call."""
        marks = [time.perf_counter_ns()]
        letterbox = Letterbox(1.0, 0, 0)
        found: list[Detection] = []

        def fill(tensor: NDArray[np.generic]) -> None:
            nonlocal letterbox
            letterbox = self._preprocessor.write(rgb, tensor)
            marks.append(time.perf_counter_ns())

        def use(outputs: Mapping[str, NDArray[np.generic]]) -> None:
            found.extend(self._decoder.decode(outputs, letterbox, (rgb.shape[1], rgb.shape[0])))

        self.backend.invoke(fill)
        marks.append(time.perf_counter_ns())
        self.backend.read(use)
        marks.append(time.perf_counter_ns())
        self.latency = Latency(*(float(after - before) / 1e6 for before, after in pairwise(marks)))
        return found


@dataclass(frozen=True, slots=True)
class _Level:
    scores: Output
    geometry: Output
    thresholds: NDArray[Any]
    """(classes,) in the score tensor's own dtype: keep what is at least this."""
    base: Floats
    """distances: (cells, 2) centres in input pixels. anchors: (anchors, 4) centre x, centre y, width, height."""


class Decoder:
    """Output tensors → detections, by the card. Without I/O and without an engine."""

    def __init__(self, bundle: Bundle, settings: Detect) -> None:
        card = bundle.card
        self._decode = card.decode
        self._labels = [label.name for label in card.labels]
        self._max = settings.max_detections
        override = settings.score_threshold
        thresholds = [label.score_threshold if override is None else override for label in card.labels]
        self._levels = _levels(bundle, thresholds)

    def decode(
        self, outputs: Mapping[str, NDArray[np.generic]], letterbox: Letterbox, frame_px: tuple[int, int]
    ) -> list[Detection]:
        """Detections in frame pixels, clipped to the (width, height) frame, best first."""
        scores, classes, boxes = [], [], []
        for level in self._levels:
            raw = outputs[level.scores.name].reshape(-1, len(self._labels))
            kept = np.flatnonzero((raw >= level.thresholds).any(axis=1))
            if kept.size == 0:
                continue
            logits = _real(raw[kept], level.scores)
            best = logits.argmax(axis=1)
            # A cell may have passed by another label than its best: each label answers for its own threshold.
            passes = raw[kept, best] >= level.thresholds[best]
            kept, logits, best = kept[passes], logits[passes], best[passes]
            scores.append(1.0 / (1.0 + np.exp(-logits[np.arange(kept.size), best])))
            classes.append(best)
            geometry = _real(outputs[level.geometry.name].reshape(-1, 4)[kept], level.geometry)
            boxes.append(self._boxes(geometry, level.base[kept], level.geometry.stride))
        if not scores:
            return []
        return self._suppress(
            np.concatenate(scores), np.concatenate(classes), letterbox.to_frame(np.concatenate(boxes)), frame_px
        )

    def _boxes(self, geometry: Floats, base: Floats, stride: int) -> Floats:
        if self._decode.kind == "distances":
            distances = np.exp(geometry) * np.float32(stride)
            return np.hstack([base - distances[:, :2], base + distances[:, 2:]])
        assert self._decode.anchors is not None  # checked when the levels were made
        offsets = geometry / np.asarray(self._decode.anchors.variances, dtype=np.float32)
        centre = base[:, :2] + offsets[:, 1::-1] * base[:, 2:]
        half = base[:, 2:] * np.exp(offsets[:, :1:-1]) / 2
        return np.hstack([centre - half, centre + half])

    def _suppress(
        self, scores: Floats, classes: NDArray[np.intp], boxes: Floats, frame_px: tuple[int, int]
    ) -> list[Detection]:
        boxes = np.clip(boxes, 0, np.asarray(frame_px * 2, dtype=np.float32))
        sides = boxes[:, 2:] - boxes[:, :2]
        order = np.argsort(-scores, kind="stable")[:_CANDIDATES_MAX]
        order = order[(sides[order] > 0).all(axis=1)]
        as_xywh = np.hstack([boxes[order, :2], sides[order]])
        kept = cv2.dnn.NMSBoxes(as_xywh.tolist(), scores[order].tolist(), 0.0, self._decode.nms_iou)
        return [
            Detection(
                Box(*(float(edge) for edge in boxes[index])),
                int(classes[index]),
                self._labels[classes[index]],
                float(scores[index]),
            )
            for index in order[np.asarray(kept, dtype=np.intp).ravel()[: self._max]]
        ]


def _real(values: NDArray[np.generic], spec: Output) -> Floats:
    real = values.astype(np.float32)
    return real if spec.dtype == "float32" else (real - np.float32(spec.zero_point)) * np.float32(spec.scale)


def _levels(bundle: Bundle, thresholds: list[float]) -> list[_Level]:
    card = bundle.card
    scores = [each for each in card.outputs if each.role == "class_logits"]
    geometry = [each for each in card.outputs if each.role != "class_logits"]
    expected = "log_distances" if card.decode.kind == "distances" else "anchor_offsets"
    if not scores or len(scores) != len(geometry) or any(each.role != expected for each in geometry):
        raise BundleError(f"expected as many {expected} outputs as class_logits in the card of {bundle.path}")
    if card.decode.kind == "anchors" and (card.decode.anchors is None or len(scores) != 1):
        raise BundleError(f"expected anchors and one pair of outputs in the card of {bundle.path} for decode 'anchors'")
    levels = []
    for score in scores:
        box = next((each for each in geometry if each.stride == score.stride), geometry[0])
        base = _cell_centres(score) if card.decode.kind == "distances" else _anchors(bundle)
        if int(np.prod(score.shape)) != len(base) * len(card.labels) or int(np.prod(box.shape)) != len(base) * 4:
            raise BundleError(
                f"expected {len(base)} cells × {len(card.labels)} labels in {score.name!r} and × 4 in {box.name!r}, "
                f"got {list(score.shape)} and {list(box.shape)} in the card of {bundle.path}"
            )
        levels.append(_Level(score, box, _integer_thresholds(score, thresholds), base))
    return levels


def _integer_thresholds(spec: Output, thresholds: list[float]) -> NDArray[Any]:
    probability = np.clip(np.asarray(thresholds, dtype=np.float64), 1e-9, 1 - 1e-9)
    logits = np.log(probability / (1 - probability))
    if spec.dtype == "float32":
        return logits.astype(np.float32)
    limits = np.iinfo(spec.dtype)
    quantised = np.ceil(logits / spec.scale - 1e-6) + spec.zero_point
    # A threshold above the tensor's range keeps nothing: one past the dtype's maximum needs a wider dtype.
    return np.asarray(np.clip(quantised, limits.min, limits.max + 1), dtype=np.int32)


def _cell_centres(spec: Output) -> Floats:
    _, rows, columns, _ = spec.shape
    y, x = np.mgrid[0:rows, 0:columns]
    return np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1).astype(np.float32) * np.float32(spec.stride)


def _anchors(bundle: Bundle) -> Floats:
    card = bundle.card
    assert card.decode.anchors is not None  # checked by the caller
    _, height, width, _ = card.input.shape
    made = []
    for stride, scale_px in zip(card.decode.anchors.strides, card.decode.anchors.scales_px, strict=True):
        for row in range(-(-height // stride)):
            for column in range(-(-width // stride)):
                for aspect in card.decode.anchors.aspects:
                    side = scale_px * aspect**0.5, scale_px / aspect**0.5
                    made.append(((column + 0.5) * stride, (row + 0.5) * stride, *side))
    return np.asarray(made, dtype=np.float32)
