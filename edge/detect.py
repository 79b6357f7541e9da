"""A picture into lesions: the model's candidates back to the frame, then class-agnostic NMS.

One lesion gets one box with its best label, so suppression does not look at the class.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.config import Detect, Inference
from edge.decode import Floats, candidates_of
from edge.frame import Box, Pixels
from edge.inference.base import BACKENDS, InferenceBackend
from edge.loading import open_named
from edge.preprocess import Letterbox, Preprocessor

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
        self.bundle = bundle
        self._decoder = Decoder(bundle, settings)
        self.nms_iou = self._decoder.nms_iou
        self._preprocessor = Preprocessor(bundle.card.picture_input)
        self.backend: InferenceBackend = open_named(
            "inference.backend", inference.backend, BACKENDS, InferenceBackend, bundle, inference.threads
        )
        self.latency = Latency(0.0, 0.0, 0.0)

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


class Decoder:
    """Output tensors → detections, by the card. Without I/O and without an engine."""

    def __init__(self, bundle: Bundle, settings: Detect) -> None:
        self._labels = [label.name for label in bundle.card.labels]
        self._max = settings.max_detections
        override = settings.score_threshold
        thresholds = [label.score_threshold if override is None else override for label in bundle.card.labels]
        decode, self._candidates = candidates_of(bundle, thresholds)
        self.nms_iou = decode.nms_iou

    def decode(
        self, outputs: Mapping[str, NDArray[np.generic]], letterbox: Letterbox, frame_px: tuple[int, int]
    ) -> list[Detection]:
        """Detections in frame pixels, clipped to the (width, height) frame, best first."""
        scores, classes, boxes = self._candidates(outputs)
        if not scores.size:
            return []
        boxes = np.clip(letterbox.to_frame(boxes), 0, np.asarray(frame_px * 2, dtype=np.float32))
        kept = suppress(scores, boxes, self.nms_iou)[: self._max]
        return [
            Detection(
                Box(*(float(edge) for edge in boxes[index])),
                int(classes[index]),
                self._labels[classes[index]],
                float(scores[index]),
            )
            for index in kept
        ]


def suppress(scores: Floats, boxes: Floats, nms_iou: float) -> NDArray[np.intp]:
    """Indices that class-agnostic NMS keeps of (n,) scores and (n, 4) corners, best first; empty boxes go."""
    sides = boxes[:, 2:] - boxes[:, :2]
    order = np.argsort(-scores, kind="stable")[:_CANDIDATES_MAX]
    order = order[(sides[order] > 0).all(axis=1)]
    as_xywh = np.hstack([boxes[order, :2], sides[order]])
    kept = cv2.dnn.NMSBoxes(as_xywh.tolist(), scores[order].tolist(), 0.0, nms_iou)
    return order[np.asarray(kept, dtype=np.intp).ravel()]
