"""Equalisation: one channel a thousand times the others leaves these no steps of the tensor's 255; give each its share.

Where one layer's output goes only into the next layer, and nothing or a ReLU stands between, channel i can leave the
first layer divided by s_i and enter the second multiplied by it: the same function (Nagel et al. 2019, section 4.1).
Here s_i balances the channel's range on representative samples against the weights that read it, s = sqrt(r / w), as
Xiao et al. 2022 (SmoothQuant) do; a depthwise layer has a scale a channel anyway, so there s = r. The scales are powers
of two: the float model stays the same to the last bit. ReLU6 cuts at 6 whatever the scale, so it ends the rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.layers import Layer, constant, set_input, weighted
from convert.ranges import Observed

Floats = NDArray[np.float32]
_UNCHANGED_BY_SCALE = frozenset({0, 1})
"""The schema's numbers of fused activations: none and ReLU."""


def equalise(model: Any, observed: Mapping[str, Observed]) -> int:
    """Equalise every pair of layers that allows it, in place; the number of pairs whose scales changed."""
    graph = model.subgraphs[0]
    readers = Counter(int(index) for operator in graph.operators for index in operator.inputs)
    readers.update(int(index) for index in graph.outputs)
    changed = 0
    for first, second in _pairs(model):
        seen = observed.get(first.name)
        weights = constant(model, second.inputs[1])
        if readers[first.outputs[0]] > 1 or seen is None or weights.shape[-1] != len(seen.largest):
            continue
        scale = _scale(seen.largest, weights, second.kind)
        if (scale != 1).any():
            _rescale(model, first, second, scale)
            changed += 1
    return changed


def _pairs(model: Any) -> list[tuple[Layer, Layer]]:
    by_output = {layer.outputs[0]: layer for layer in weighted(model)}
    pairs = [(by_output[each.inputs[0]], each) for each in by_output.values() if each.inputs[0] in by_output]
    return [pair for pair in pairs if pair[0].operator.builtinOptions.fusedActivationFunction in _UNCHANGED_BY_SCALE]


def _scale(largest: Floats, weights: Floats, kind: str) -> Floats:
    """(channels,): what each channel is divided by, a power of two; 1 for a channel that is always zero."""
    reads = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)))
    alive = (largest > 0) & (reads > 0)
    ideal = np.ones(len(largest))
    ideal[alive] = largest[alive] if kind == "DEPTHWISE_CONV_2D" else np.sqrt(largest[alive] / reads[alive])
    exponent = np.rint(np.log2(ideal))
    # What all channels share changes nothing, so the middle one keeps its scale.
    exponent[alive] -= np.median(exponent[alive]).round() if alive.any() else 0
    return np.exp2(exponent).astype(np.float32)


def _rescale(model: Any, first: Layer, second: Layer, scale: Floats) -> None:
    weights = constant(model, first.inputs[1])
    across = scale if first.kind == "DEPTHWISE_CONV_2D" else scale.reshape(-1, *[1] * (weights.ndim - 1))
    set_input(model, first, 1, weights / across)
    if first.bias >= 0:
        set_input(model, first, 2, constant(model, first.bias) / scale)
    set_input(model, second, 1, constant(model, second.inputs[1]) * scale)
