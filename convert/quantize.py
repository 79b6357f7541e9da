"""A Keras model and a representative dataset into a full-integer TFLite file: int8 in, int8 out, per channel.

Rules: no float tensor and no QUANTIZE or DEQUANTIZE inside; the input's quantisation is exactly what `edge.preprocess`
writes (for (v - 127) / 128: scale 1/128, zero point -1, so that quantising is one XOR); the same model and the same
pictures give the same bytes. TensorFlow is imported when called, never at import time.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.tensors import Tensor, check_full_integer, interface

__all__ = ["RECIPE", "QuantizeError", "Tensor", "check_full_integer", "interface", "quantize", "to_float"]

Floats = NDArray[np.float32]
RECIPE = "static_wi8_ai8"
"""Static: weights int8 per channel, activations int8 per tensor."""
QuantizeError = ConvertError
"""The converter's result is not the full-integer file that was asked for."""


def quantize(model: Any, representative: Iterable[Floats], input_range: tuple[float, float]) -> bytes:
    """Calibrate a Keras model with the pictures (each [1, h, w, c] float32, already preprocessed) and convert it.

    input_range: the smallest and largest value that preprocessing can produce. They are put into one corner of the
    first picture, since min/max calibration would otherwise take the range that the pictures happen to have.
    Raises QuantizeError for a file with a float tensor, a conversion inside, or another input range.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture] for picture in _full_range(representative, input_range))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    converted = _convert(converter)
    check_full_integer(converted)
    source = interface(converted)[0][0]
    low, high = input_range
    scale = (high - low) / 255
    if not np.isclose(source.scale, scale, rtol=1e-5) or source.zero_point != round(-128 - low / scale):
        raise QuantizeError(
            f"expected an input with scale {scale:g} over {low:g} to {high:g}, got scale {source.scale:g} and zero "
            f"point {source.zero_point}: a representative picture lies outside the input range"
        )
    return converted


def to_float(model: Any) -> bytes:
    """The same graph as a float32 TFLite file, for comparing."""
    import tensorflow as tf

    return _convert(tf.lite.TFLiteConverter.from_keras_model(model))


def _convert(converter: Any) -> bytes:
    """Convert without the hundred lines that Keras prints: stdout is data."""
    with contextlib.redirect_stdout(io.StringIO()):
        return bytes(converter.convert())


def _full_range(representative: Iterable[Floats], input_range: tuple[float, float]) -> Iterator[Floats]:
    count = 0
    for count, picture in enumerate(representative, start=1):
        if count == 1:
            picture = picture.copy()  # noqa: PLW2901 - the caller's array stays as it is
            picture[0, 0, 0, :], picture[0, 0, 1, :] = input_range
        yield picture
    if count == 0:
        raise QuantizeError("expected representative pictures, got none: calibrate with at least a few dozen")
