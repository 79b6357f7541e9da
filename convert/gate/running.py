"""A bundle on examples: the device's own code for detection, its engine and its preprocessing for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.pictures.examples import Example
from edge.bundle import Bundle, Input, Output, VectorInput
from edge.config import Detect, Inference
from edge.detect import Detection, Detector
from edge.inference.engine_log import notes_held_back
from edge.preprocess import Preprocessor

Floats = NDArray[np.float32]
FLOAT, CONVERTED = "the float model itself", "the converted model"
Found = list[list[Detection]]
"""Detections of each picture, best first."""


def detections(bundle: Bundle, examples: Sequence[Example], threads: int, score_threshold: float | None = 0.0) -> Found:
    """What the runtime finds, every score; score_threshold None takes the card's own."""
    detector = Detector(bundle, Inference(threads=threads), Detect(score_threshold=score_threshold))
    return [detector.detect(example.rgb()) for example in examples]


def probabilities(
    bundle: Bundle, examples: Sequence[Example], threads: int, whose: str = "the model"
) -> NDArray[np.float64]:
    """(n, labels) of a classifier; logits through softmax. One label of one value becomes two: not it, and it.

    whose: the model's part in a comparison, for the error's text. Raises ConvertError for NaN and infinity.
    """
    runner = Runner(bundle, threads)
    specs = bundle.card.outputs
    index = next(place for place, spec in enumerate(specs) if spec.role in ("class_logits", "class_probabilities"))
    raw = np.stack([runner.outputs(example)[index].ravel() for example in examples]).astype(np.float64)
    if not np.isfinite(raw).all():
        raise ConvertError(f"expected finite outputs of {specs[index].name!r}, got NaN or infinity: {whose} is broken")
    single = raw.shape[1] == 1
    if specs[index].role == "class_logits":
        if single:
            raw = np.hstack([np.zeros_like(raw), raw])
        powers = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    return np.hstack([1 - raw, raw]) if single else raw


class Runner:
    """Examples in, the real numbers of all outputs out, with the engine and the kernels that the device has."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._card = bundle.card
        try:
            with notes_held_back():
                self._interpreter: Any = Interpreter(model_content=bundle.model, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ConvertError(f"expected a model that LiteRT can run, got: {' '.join(str(error).split())}") from error
        details = self._interpreter.get_input_details() + self._interpreter.get_output_details()
        self._index = {str(each["name"]): int(each["index"]) for each in details}
        self._preprocessor = None if bundle.card.input is None else Preprocessor(bundle.card.input)

    def outputs(self, example: Example) -> list[Floats]:
        """In the order of the card's outputs, dequantised."""
        arrays = list(example.arrays.values())
        card = self._card
        if card.input is not None:
            if example.has_picture and self._preprocessor is not None:
                tensor = np.empty(card.input.shape, dtype=card.input.dtype)
                self._preprocessor.write(example.rgb(), tensor)
                self._set(card.input, tensor)
            else:
                self._set(card.input, quantised(arrays.pop(), card.input))
        for spec, values in zip(card.vectors, arrays, strict=True):
            self._set(spec, quantised(values, spec))
        self._interpreter.invoke()
        return [real(self._interpreter.get_tensor(self._index[spec.name]), spec) for spec in card.outputs]

    def _set(self, spec: Input | VectorInput, values: NDArray[Any]) -> None:
        self._interpreter.set_tensor(self._index[spec.name], values)


def quantised(values: Floats, spec: Input | VectorInput) -> NDArray[Any]:
    """Real numbers in an input's own dtype."""
    if spec.dtype == "float32":
        return values.astype(np.float32)
    limits = np.iinfo(spec.dtype)
    return np.clip(np.round(values / spec.scale) + spec.zero_point, limits.min, limits.max).astype(spec.dtype)


def real(values: NDArray[Any], spec: Output) -> Floats:
    """An output's real numbers."""
    numbers = values.astype(np.float32)
    return numbers if spec.scale == 0 else (numbers - np.float32(spec.zero_point)) * np.float32(spec.scale)
