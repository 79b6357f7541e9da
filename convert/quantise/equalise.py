"""Equalisation: one channel a thousand times the others leaves these no steps of the tensor's 255; give each its share.

Where a tensor goes from layers with weights into layers with weights, and only through what scales along (a sum, a
ReLU, pooling), its channel i can leave the first layers divided by s_i and enter the last multiplied by it: the same
function (Nagel et al. 2019, section 4.1, there for pairs of layers; a residual stream is one such tensor for all its
blocks). Here s_i balances the channel's range on representative samples against the weights that read it,
s = sqrt(r / w), as Xiao et al. 2022 (SmoothQuant) do; a depthwise layer has a scale a channel anyway, so there s = r.
The scales are powers of two: the float model stays the same to the last bit. ReLU6 cuts at 6 whatever the scale, so it
ends the rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.quantise.layers import Layer, constant, layers, set_input, tensor_name, weighted
from convert.quantise.ranges import Observed

Floats = NDArray[np.float32]
_UNCHANGED_BY_SCALE = frozenset({0, 1})
"""The schema's numbers of fused activations: none and ReLU."""
_ALONG = frozenset({"ADD", "AVERAGE_POOL_2D", "MAX_POOL_2D", "RELU", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"})
"""Ops whose output has its channel multiplied where all their inputs have."""

_ONE_ROW_A_SCALE = frozenset({"CONV_2D", "FULLY_CONNECTED"})
"""Layers in which a scale of the weights is shared by all input channels."""


@dataclass
class _Stream:
    """Tensors that must be scaled together, and the layers at either end."""

    tensors: set[int] = field(default_factory=set)
    writers: list[Layer] = field(default_factory=list)
    readers: list[Layer] = field(default_factory=list)
    is_free: bool = True

    def absorb(self, other: _Stream) -> None:
        self.tensors |= other.tensors
        self.writers += other.writers
        self.readers += other.readers
        self.is_free &= other.is_free


def equalise(model: Any, observed: Mapping[str, Observed]) -> int:
    """Equalise all that allows it, in place; the number of streams whose scales changed."""
    changed = 0
    for stream in _streams(model):
        largest = _largest(model, stream, observed)
        if largest is None:
            continue
        scale = _scale(largest, [(constant(model, layer.inputs[1]), layer.kind) for layer in stream.readers])
        if (scale != 1).any():
            _rescale(model, stream, scale)
            changed += 1
    return changed


def _streams(model: Any) -> Iterator[_Stream]:
    """Those with a writer and a reader, and nothing else that touches them."""
    graph = model.subgraphs[0]
    by_tensor: dict[int, _Stream] = {}

    def stream(index: int) -> _Stream:
        return by_tensor.setdefault(index, _Stream({index}))

    with_weights = {id(layer.operator) for layer in weighted(model)}
    for layer in layers(model):
        result = layer.outputs[0]
        if id(layer.operator) in with_weights:
            stream(layer.inputs[0]).readers.append(layer)
            stream(result).writers.append(layer)
            stream(result).is_free &= layer.operator.builtinOptions.fusedActivationFunction in _UNCHANGED_BY_SCALE
        elif _scales_along(model, layer):
            joined = stream(result)
            for index in layer.inputs[: 2 if layer.kind == "ADD" else 1]:
                other = stream(index)
                if other is not joined:
                    joined.absorb(other)
                    by_tensor |= dict.fromkeys(other.tensors, joined)
        else:
            for index in (*layer.inputs, *layer.outputs):
                stream(index).is_free = False
    for index in (*graph.inputs, *graph.outputs):
        stream(int(index)).is_free = False
    every = {id(each): each for each in by_tensor.values()}
    return (each for each in every.values() if each.is_free and each.writers and each.readers)


def _scales_along(model: Any, layer: Layer) -> bool:
    if layer.kind not in _ALONG:
        return False
    tensors = model.subgraphs[0].tensors
    shapes = {tuple(tensors[index].shape) for index in layer.inputs} if layer.kind == "ADD" else {()}
    fused = getattr(layer.operator.builtinOptions, "fusedActivationFunction", 0)
    return len(shapes) == 1 and fused in _UNCHANGED_BY_SCALE


def _largest(model: Any, stream: _Stream, observed: Mapping[str, Observed]) -> Floats | None:
    """(channels,): how much of its tensor's range each channel takes, at most 1; of all tensors the most.

    None where a tensor was not observed, or a layer reads it by other channels (flattened, or in groups).
    """
    seen = [observed.get(tensor_name(model, index)) for index in sorted(stream.tensors)]
    channels = {constant(model, layer.inputs[1]).shape[-1] for layer in stream.readers}
    parts = []
    for each in seen:
        if each is None or {len(each.usual)} != channels:
            return None
        parts.append(each.usual / max(float(each.usual.max()), 1e-12))
    return np.max(parts, axis=0)


def _scale(largest: Floats, reads: list[tuple[Floats, str]]) -> Floats:
    """(channels,): what each channel is divided by, a power of two; 1 for a channel that is always zero."""
    weights = [np.abs(each).reshape(-1, each.shape[-1]).max(axis=0) for each, kind in reads if kind in _ONE_ROW_A_SCALE]
    ideal = largest.astype(np.float64)
    alive = ideal > 0
    if weights:
        read = np.max([each / max(float(each.max()), 1e-12) for each in weights], axis=0)
        alive &= read > 0
        ideal[alive] = np.sqrt(ideal[alive] / read[alive])
    exponent = np.zeros(len(ideal))
    exponent[alive] = np.rint(np.log2(ideal[alive]))
    # What all channels share changes nothing, so the middle one keeps its scale.
    exponent[alive] -= np.median(exponent[alive]).round() if alive.any() else 0
    return np.exp2(exponent).astype(np.float32)


def _rescale(model: Any, stream: _Stream, scale: Floats) -> None:
    for layer in stream.writers:
        weights = constant(model, layer.inputs[1])
        across = scale if layer.kind == "DEPTHWISE_CONV_2D" else scale.reshape(-1, *[1] * (weights.ndim - 1))
        set_input(model, layer, 1, weights / across)
        if layer.bias >= 0:
            set_input(model, layer, 2, constant(model, layer.bias) / scale)
    for layer in stream.readers:
        set_input(model, layer, 1, constant(model, layer.inputs[1]) * scale)
