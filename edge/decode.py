"""Output tensors into candidates, by the card's `decode`: what reaches its threshold, with score, class and box.

Thresholding the raw scores first spares decoding all of them: a threshold on the calibrated score is turned, label by
label, into one on the tensor's own numbers. Without I/O and without an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Anchors, Bundle, Card, Decode, Output, Role
from edge.errors import BundleError

Floats = NDArray[np.float32]
Outputs = Mapping[str, NDArray[np.generic]]

_SCORE_ROLES = ("class_logits", "class_probabilities")
_CERTAIN = 1 - 2.0**-24
"""From here on a score of 32 bits is 1, so a threshold of 1 still keeps what is reported as 1."""
_LOGIT_LIMIT = 88.0
"""exp of more is not finite in 32 bits."""


class Candidates(NamedTuple):
    """scores: (n,) calibrated. classes: (n,). boxes: (n, 4) corners in input pixels."""

    scores: Floats
    classes: NDArray[np.intp]
    boxes: Floats


_NOTHING = Candidates(np.empty(0, np.float32), np.empty(0, np.intp), np.empty((0, 4), np.float32))


def candidates_of(bundle: Bundle, thresholds: list[float]) -> tuple[Decode, Callable[[Outputs], Candidates]]:
    """The card's `decode`, and what does it; thresholds: on the calibrated score, one a label.

    Raises BundleError where the bundle is no detector, takes more than a picture, or its outputs do not fit `decode`.
    """
    card = bundle.card
    if card.decode is None or card.vectors:
        also = ", and with inputs that are no picture" if card.vectors else ""
        raise BundleError(
            f"expected a bundle for detection, got {card.name!r} for {card.task}{also} in {bundle.path}: name another"
        )
    calibration = LabelCalibration(card, thresholds)
    if card.decode.kind == "boxes":
        return card.decode, _Ready(bundle, calibration)
    return card.decode, _Cells(bundle, card.decode, calibration)


class LabelCalibration:
    """Each label's logistic calibration (Platt 1999), and its threshold in logits. No calibration is the identity."""

    def __init__(self, card: Card, thresholds: list[float]) -> None:
        given = [label.calibration for label in card.labels]
        self.slopes = np.asarray([1.0 if each is None else each.slope for each in given], dtype=np.float32)
        self.intercepts = np.asarray([0.0 if each is None else each.intercept for each in given], dtype=np.float32)
        score = np.minimum(np.asarray(thresholds, dtype=np.float64), _CERTAIN)
        with np.errstate(divide="ignore"):
            calibrated = np.log(score / (1 - score))  # 0 becomes -inf: it keeps all
        self.logit_thresholds = (calibrated - self.intercepts.astype(np.float64)) / self.slopes.astype(np.float64)

    def scores(self, calibrated_logits: Floats) -> Floats:
        finite = np.maximum(calibrated_logits, np.float32(-_LOGIT_LIMIT))
        return np.asarray(1.0 / (1.0 + np.exp(-finite)), dtype=np.float32)

    def raw_thresholds(self, spec: Output) -> NDArray[Any]:
        """(classes,) in the score tensor's own numbers: keep what is at least this."""
        real = self.logit_thresholds
        if spec.role != "class_logits":
            # A probability under 0 is the quantiser's doing; a threshold of 0 keeps it too.
            real = np.where(np.isneginf(real), real, 1 / (1 + np.exp(-np.clip(real, -700, 700))))
        if spec.dtype == "float32":
            return np.asarray(real, dtype=np.float32)
        limits = np.iinfo(spec.dtype)
        quantised = np.ceil(real / spec.scale - 1e-6) + spec.zero_point
        # A threshold above the tensor's range keeps nothing: one past the dtype's maximum needs a wider dtype.
        return np.asarray(np.clip(quantised, limits.min, limits.max + 1), dtype=np.int32)


@dataclass(frozen=True, slots=True)
class _Level:
    scores: Output
    geometry: Output
    thresholds: NDArray[Any]
    flat_thresholds: NDArray[Any]
    """The same, (anchors * classes,): one for each score."""
    base: Floats
    """(anchors, 4) centre x, centre y, width, height in input pixels; with distances an anchor is a cell."""


class _Cells:
    """Scores and geometry cell by cell: `distances` and `anchors`."""

    def __init__(self, bundle: Bundle, decode: Decode, calibration: LabelCalibration) -> None:
        self._decode, self._calibration = decode, calibration
        self._levels = _levels(bundle, decode, calibration)

    def __call__(self, outputs: Outputs) -> Candidates:
        found = [each for level in self._levels if (each := _reached(level, outputs)) is not None]
        if not found:
            return _NOTHING
        # Of all levels at once: what a step costs is the call, not the few numbers.
        reached, raw_logits, geometry, base = (np.concatenate(parts) for parts in zip(*found, strict=True))
        logits = self._calibration.slopes * raw_logits + self._calibration.intercepts
        rows, best = np.arange(len(logits)), logits.argmax(axis=1)
        # A cell may have passed by another label than its best: each label answers for its own threshold.
        passes = reached[rows, best]
        rows, best = rows[passes], best[passes]
        return Candidates(self._calibration.scores(logits[rows, best]), best, self._boxes(geometry[rows], base[rows]))

    def _boxes(self, geometry: Floats, base: Floats) -> Floats:
        anchors = self._decode.anchors
        if anchors is None:
            distances = np.exp(geometry) * base[:, 2:3]
            return np.concatenate([base[:, :2] - distances[:, :2], base[:, :2] + distances[:, 2:]], axis=1)
        offsets = geometry / np.asarray(anchors.variances, dtype=np.float32)
        if anchors.order == "yxhw":
            offsets = offsets[:, [1, 0, 3, 2]]
        centre = base[:, :2] + offsets[:, :2] * base[:, 2:]
        sides = np.exp(offsets[:, 2:]) if anchors.sides == "exponential" else offsets[:, 2:]
        half = base[:, 2:] * sides / 2
        return np.hstack([centre - half, centre + half])


def _reached(level: _Level, outputs: Outputs) -> tuple[NDArray[np.bool_], Floats, Floats, Floats] | None:
    """Of each cell where a label reaches its threshold: which do (n, classes), logits, geometry and base."""
    classes = level.thresholds.size
    raw = _columns(outputs, level.scores, classes)
    # Flat, because numpy is slow along an axis of a few classes.
    reached = np.flatnonzero(raw.reshape(-1) >= level.flat_thresholds)
    if reached.size == 0:
        return None
    kept = np.unique(reached // classes)
    raw, geometry = raw[kept], _columns(outputs, level.geometry, 4)[kept]
    return raw >= level.thresholds, _logits(raw, level.scores), _real(geometry, level.geometry), level.base[kept]


class _Ready:
    """What the model has decoded itself: the four outputs of TFLite_Detection_PostProcess."""

    def __init__(self, bundle: Bundle, calibration: LabelCalibration) -> None:
        by_role: dict[Role, Output] = {each.role: each for each in bundle.card.outputs}
        if not {"boxes", "classes", "scores", "count"} <= set(by_role):
            raise BundleError(
                f"expected outputs boxes, classes, scores and count in the card of {bundle.path} for decode 'boxes', "
                f"got {', '.join(by_role)}"
            )
        self._bundle, self._by_role, self._calibration = bundle, by_role, calibration
        self._thresholds = calibration.raw_thresholds(by_role["scores"])
        _, height, width, _ = bundle.card.picture_input.shape
        self._sides = np.asarray((width, height) * 2, dtype=np.float32)

    def __call__(self, outputs: Outputs) -> Candidates:
        count = int(self._value(outputs, "count").ravel()[0])
        classes = np.round(self._value(outputs, "classes").ravel()[:count]).astype(np.intp)
        labels = len(self._calibration.slopes)
        if classes.size and not 0 <= classes.min() <= classes.max() < labels:
            raise BundleError(
                f"expected classes under {labels}, as many as the card of {self._bundle.path} has labels, "
                f"got {classes.min()} to {classes.max()}: convert the model again with all its labels"
            )
        raw = outputs[self._by_role["scores"].name].ravel()[:count]
        kept = np.flatnonzero(raw >= self._thresholds[classes])
        classes, logits = classes[kept], _logits(raw[kept], self._by_role["scores"])
        calibrated = self._calibration.slopes[classes] * logits + self._calibration.intercepts[classes]
        boxes = self._value(outputs, "boxes").reshape(-1, 4)[kept][:, [1, 0, 3, 2]]
        return Candidates(self._calibration.scores(calibrated), classes, boxes * self._sides)

    def _value(self, outputs: Outputs, role: Role) -> Floats:
        spec = self._by_role[role]
        return _real(outputs[spec.name], spec)


def _columns(outputs: Outputs, spec: Output, values: int) -> NDArray[Any]:
    """(cells, values) of the tensor, or of the channels that the output has of it; a view."""
    if spec.channels is None:
        return outputs[spec.name].reshape(-1, values)
    return outputs[spec.name].reshape(-1, spec.shape[-1])[:, slice(*spec.channels)]


def _real(values: NDArray[np.generic], spec: Output) -> Floats:
    real = values.astype(np.float32)
    return real if spec.dtype == "float32" else (real - np.float32(spec.zero_point)) * np.float32(spec.scale)


def _logits(values: NDArray[np.generic], spec: Output) -> Floats:
    real = _real(values, spec)
    if spec.role == "class_logits":
        return real
    exact = np.clip(real, 0, 1).astype(np.float64)
    with np.errstate(divide="ignore"):
        logits = np.log(exact) - np.log1p(-exact)
    return np.asarray(np.clip(logits, -_LOGIT_LIMIT, _LOGIT_LIMIT), dtype=np.float32)


def _levels(bundle: Bundle, decode: Decode, calibration: LabelCalibration) -> list[_Level]:
    card = bundle.card
    expected = "log_distances" if decode.kind == "distances" else "anchor_offsets"
    scores = [each for each in card.outputs if each.role in _SCORE_ROLES]
    geometry = [each for each in card.outputs if each.role == expected]
    if not scores or len(scores) != len(geometry):
        raise BundleError(f"expected as many {expected} outputs as class_logits in the card of {bundle.path}")
    if (decode.kind == "anchors") != (decode.anchors is not None) or (decode.anchors is not None and len(scores) != 1):
        raise BundleError(f"expected anchors and one pair of outputs in the card of {bundle.path} for decode 'anchors'")
    levels = []
    for score in scores:
        box = next((each for each in geometry if each.stride == score.stride), geometry[0])
        base = cell_grid(score, card) if decode.anchors is None else anchor_grid(decode.anchors, card)
        for spec, values in ((score, len(card.labels)), (box, 4)):
            if spec.channels is None:
                fits = int(np.prod(spec.shape)) == len(base) * values
            else:
                first, end = spec.channels
                fits = int(np.prod(spec.shape[:-1])) == len(base) and end - first == values and end <= spec.shape[-1]
            if not fits:
                raise BundleError(
                    f"expected {len(base)} cells × {values} values in {spec.name!r} ({spec.role}), got "
                    f"{list(spec.shape)}, channels {spec.channels or 'all'}, in the card of {bundle.path}"
                )
        thresholds = calibration.raw_thresholds(score)
        levels.append(_Level(score, box, thresholds, np.tile(thresholds, len(base)), base))
    return levels


def cell_grid(spec: Output, card: Card) -> Floats:
    """(cells, 4) centre x, centre y, side, side in input pixels, row by row.

    Of a map (1, rows, columns, values); of one that was flattened, as many cells of its stride as cover the picture.
    """
    _, height, width, _ = card.picture_input.shape
    rows, columns = spec.shape[1:3] if len(spec.shape) == 4 else (-(-height // spec.stride), -(-width // spec.stride))
    y, x = np.mgrid[0:rows, 0:columns] + 0.5
    side = np.ones(x.size)
    return np.stack([x.ravel(), y.ravel(), side, side], axis=1).astype(np.float32) * np.float32(spec.stride)


def anchor_grid(anchors: Anchors, card: Card) -> Floats:
    """(anchors, 4) centre x, centre y, width, height in input pixels, in the order that the class's docstring tells."""
    _, height, width, _ = card.picture_input.shape
    made = []
    repeats = anchors.repeats or (1,) * len(anchors.strides)
    for stride, scale_px, often in zip(anchors.strides, anchors.scales_px, repeats, strict=True):
        for row in range(-(-height // stride)):
            for column in range(-(-width // stride)):
                for aspect in anchors.aspects * often:
                    side = scale_px * aspect**0.5, scale_px / aspect**0.5
                    made.append(((column + 0.5) * stride, (row + 0.5) * stride, *side))
    return np.asarray(made, dtype=np.float32)
