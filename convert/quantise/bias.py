"""Bias correction: rounding the weights moves a channel's mean, and the bias can take that back.

With E[x] the mean of each input channel over the representative samples, a layer whose weights become W + dW moves by
dW E[x]; that is subtracted from its bias (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and
Bias Correction", section 4.2). It costs nothing at run time. Edge filters need it most: nine large weights that sum to
zero, on an input whose mean is large, turn rounding into a constant error.

And bias keeping: the int32 bias has the scale of input times weights. Where a channel's weights are all but zero (a
dead channel with its batch norm folded in), the bias does not fit into 32 bits; ai-edge-quantizer 0.10 then loses it
without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.quantise.layers import OUTPUT_AXIS, constant, rounded_weights, set_input, tensor_name, weighted
from convert.quantise.ranges import Observed

_BIAS_LARGEST = 2.0**30
"""Half of what int32 holds: room for the sum that the bias starts."""


def correct_bias(model: Any, observed: Mapping[str, Observed], untouched: frozenset[str] = frozenset()) -> None:
    """Correct the bias of every layer with int8 weights, in place; untouched: layers that stay float."""
    for layer in weighted(model):
        mean = observed.get(tensor_name(model, layer.inputs[0]))
        if layer.bias < 0 or layer.name in untouched or mean is None:
            continue
        weights = constant(model, layer.inputs[1])
        change = (rounded_weights(weights, layer.kind) - weights).astype(np.float64)
        moved = _response(change, mean.mean, layer.kind)
        if moved is not None:
            bias = constant(model, layer.bias) - moved
            set_input(model, layer, 2, bias.astype(np.float32))


def keep_bias(model: Any, spans: Mapping[str, tuple[float, float]], wide: frozenset[str] = frozenset()) -> int:
    """Give each channel whose bias would overflow one weight that is large enough; how many channels, in place.

    spans: the ranges of the tensors. wide: layers with int16 activations. The weight adds at most 3e-5 of the bias to
    the output (127 * 255 / 2**30), and 4e-3 where activations are int16, whose steps are finer.
    """
    lifted = 0
    for layer in weighted(model):
        span = spans.get(tensor_name(model, layer.inputs[0]))
        if layer.bias < 0 or span is None:
            continue
        largest, smallest = max(span[1], 0), min(span[0], 0)
        step = max(largest, -smallest) / 32767 if layer.name in wide else (largest - smallest) / 255
        weights, bias = constant(model, layer.inputs[1]).copy(), constant(model, layer.bias)
        channels = len(bias)
        by_channel = weights.reshape(-1, channels).T if OUTPUT_AXIS[layer.kind] else weights.reshape(channels, -1)
        needed = (127 * np.abs(bias) / (max(step, 1e-12) * _BIAS_LARGEST)).astype(np.float32)
        dead = np.abs(by_channel).max(axis=1) < needed
        if dead.any():
            by_channel[dead, 0] = needed[dead]  # a view: this writes into weights
            set_input(model, layer, 1, weights)
            lifted += int(dead.sum())
    return lifted


def _response(weights: NDArray[np.float64], mean: NDArray[np.float64], kind: str) -> NDArray[np.float64] | None:
    """What weights answer to an input that is everywhere its mean: (output channels,). Borders are left out."""
    if kind == "DEPTHWISE_CONV_2D":
        summed = weights.sum(axis=(0, 1, 2))
        return np.asarray(summed * np.repeat(mean, len(summed) // len(mean)))
    summed = weights.reshape(weights.shape[0], -1, weights.shape[-1]).sum(axis=1)
    if summed.shape[1] != len(mean):
        return None  # a grouped convolution, or a flattened input: the mean by channel is not what the weights see
    return np.asarray((summed * mean).sum(axis=1))
