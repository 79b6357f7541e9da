"""A picture into lesions: the model's candidates back to the frame, then class-agnostic NMS and a vote on each box.

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
from edge.decode import Candidates, Floats, candidates_of
from edge.frame import Box, Pixels
from edge.inference.base import BACKENDS, InferenceBackend
from edge.loading import open_named
from edge.preprocess import Letterbox, Preprocessor

_CANDIDATES_MAX = 1000
"""Best candidates kept before suppression, as usual for SSD and FCOS (Tian et al. 2019)."""
VOTER_SCORE = 0.01
"""A candidate that scores less has no vote. Most that vote score too little to be reported themselves."""
_ROUNDING = 1e-6
"""A score that is the threshold has reached it."""


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
        self.decoder = Decoder(bundle, settings)
        self._preprocessor = Preprocessor(bundle.card.picture_input)
        self.backend: InferenceBackend = open_named(
            "inference.backend", inference.backend, BACKENDS, InferenceBackend, bundle, inference.threads
        )
        self.latency = Latency(0.0, 0.0, 0.0)

    def detect(self, rgb: Pixels) -> list[Detection]:
        """Lesions of a (height, width, 3) RGB picture in its own pixels, best first; `latency` is of the last call."""
        found = self.look(rgb)
        began = time.perf_counter_ns()
        detections = self.decoder.detections(found)
        suppress_ms = (time.perf_counter_ns() - began) / 1e6
        seen = self.latency
        self.latency = Latency(seen.preprocess_ms, seen.invoke_ms, seen.decode_ms + suppress_ms)
        return detections

    def look(self, rgb: Pixels) -> Candidates:
        """Candidates of a (height, width, 3) RGB picture, not yet suppressed; `latency` is of this look."""
        marks = [time.perf_counter_ns()]
        letterbox = Letterbox(1.0, 0, 0)
        found: list[Candidates] = []

        def fill(tensor: NDArray[np.generic]) -> None:
            nonlocal letterbox
            letterbox = self._preprocessor.write(rgb, tensor)
            marks.append(time.perf_counter_ns())

        def use(outputs: Mapping[str, NDArray[np.generic]]) -> None:
            found.append(self.decoder.candidates(outputs, letterbox, (rgb.shape[1], rgb.shape[0])))

        self.backend.invoke(fill)
        marks.append(time.perf_counter_ns())
        self.backend.read(use)
        marks.append(time.perf_counter_ns())
        self.latency = Latency(*(float(after - before) / 1e6 for before, after in pairwise(marks)))
        return found[0]


class Decoder:
    """Output tensors → detections, by the card. Without I/O and without an engine."""

    def __init__(self, bundle: Bundle, settings: Detect) -> None:
        self._labels = [label.name for label in bundle.card.labels]
        self._max = settings.max_detections
        override = settings.score_threshold
        thresholds = [label.score_threshold if override is None else override for label in bundle.card.labels]
        self._thresholds = np.asarray(thresholds) - _ROUNDING
        votes = bundle.card.decode is not None and bundle.card.decode.vote_iou > 0
        least = [min(threshold, VOTER_SCORE) for threshold in thresholds] if votes else thresholds
        self._decode, self._candidates = candidates_of(bundle, least)

    def decode(
        self, outputs: Mapping[str, NDArray[np.generic]], letterbox: Letterbox, frame_px: tuple[int, int]
    ) -> list[Detection]:
        """Detections in frame pixels, clipped to the (width, height) frame, best first."""
        return self.detections(self.candidates(outputs, letterbox, frame_px))

    def candidates(
        self, outputs: Mapping[str, NDArray[np.generic]], letterbox: Letterbox, frame_px: tuple[int, int]
    ) -> Candidates:
        """What may be reported or may vote, in frame pixels, clipped to the (width, height) frame."""
        found = self._candidates(outputs)
        boxes = np.maximum(letterbox.to_frame(found.boxes), 0)
        return found._replace(boxes=np.minimum(boxes, np.asarray(frame_px * 2, dtype=np.float32)))

    def detections(self, candidates: Candidates) -> list[Detection]:
        """One a lesion, best first, of candidates of one picture."""
        scores, classes, boxes = candidates
        reported = np.flatnonzero(scores >= self._thresholds[classes])
        if not reported.size:
            return []
        kept = reported[suppress(scores[reported], boxes[reported], self._decode.nms_iou)[: self._max]]
        placed = voted(scores, boxes, kept, self._decode.vote_iou) if self._decode.vote_iou else boxes[kept]
        rows = zip(placed.tolist(), classes[kept].tolist(), scores[kept].tolist(), strict=True)
        return [Detection(Box(*box), kind, self._labels[kind], score) for box, kind, score in rows]


def suppress(scores: Floats, boxes: Floats, nms_iou: float) -> NDArray[np.intp]:
    """Indices that class-agnostic NMS keeps of (n,) scores and (n, 4) corners, best first; empty boxes go."""
    sides = boxes[:, 2:] - boxes[:, :2]
    order = np.argsort(-scores, kind="stable")[:_CANDIDATES_MAX]
    order = order[(sides[order] > 0).all(axis=1)]
    as_xywh = np.hstack([boxes[order, :2], sides[order]])
    kept = cv2.dnn.NMSBoxes(as_xywh.tolist(), scores[order].tolist(), 0.0, nms_iou)
    return order[np.asarray(kept, dtype=np.intp).ravel()]


def voted(scores: Floats, boxes: Floats, kept: NDArray[np.intp], vote_iou: float) -> Floats:
    """(kept, 4) corners: each kept box becomes the mean of all that overlap it by vote_iou or more, by their scores.

    Box voting (Gidaris and Komodakis 2015). Neighbouring cells err apart from one another, so their mean lies better
    than the best-scored box, and it does not jump where another cell of a live picture comes to be the best. The weight
    is a score's root: calibration makes scores fall off faster than boxes become worse.
    """
    votes = scores >= VOTER_SCORE
    votes[kept] = True
    voters, winners = boxes[votes], boxes[kept, None]
    sides = np.minimum(winners[..., 2:], voters[:, 2:]) - np.maximum(winners[..., :2], voters[:, :2])
    shared = np.maximum(sides, 0).prod(axis=2)
    agree = shared >= vote_iou * (_areas(winners) + _areas(voters) - shared)
    weights = agree * np.sqrt(scores[votes])
    return np.asarray(weights @ voters / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def _areas(boxes: Floats) -> Floats:
    sides = boxes[..., 2:] - boxes[..., :2]
    return np.asarray(sides[..., 0] * sides[..., 1])
