"""The layers of a float .tflite as objects: their names, their weights, and what may be edited in place.

A layer is an op, named by its first output tensor. Works on the object tree of convert.graph.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.graph import POSTPROCESS, dtype_of, is_constant, op_name, shape_of, text

Floats = NDArray[np.float32]
OUTPUT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""Ops with weights and a bias, and the axis of the weights along which each output channel has a scale of its own."""
MOVERS = frozenset(
    {"BROADCAST_TO", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER", "GATHER_ND", "MAX_POOL_2D", "MIRROR_PAD", "PAD"}
    | {"RESHAPE", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_DEPTH", "SPLIT", "SQUEEZE", "STRIDED_SLICE", "TILE"}
    | {"TRANSPOSE", "UNPACK"}
)
"""Ops that only move values about: their output has the scale of their input, and nothing is lost in them."""
_ONE_SCALE = MOVERS | frozenset(
    {
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "DYNAMIC_UPDATE_SLICE",
        "MAXIMUM",
        "MINIMUM",
        "PACK",
        "PADV2",
        "REDUCE_MAX",
        "REDUCE_MIN",
    }
    | {"RESIZE_BILINEAR", "SELECT", "SELECT_V2"}
)
"""Ops whose integer kernels want one scale for all that goes in and comes out."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One op of the main graph. Indices are into its tensors; -1 for an optional input that is absent."""

    kind: str
    name: str
    operator: Any

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(int(index) for index in self.operator.inputs)

    @property
    def outputs(self) -> tuple[int, ...]:
        return tuple(int(index) for index in self.operator.outputs)

    @property
    def has_weights(self) -> bool:
        return self.kind in OUTPUT_AXIS

    @property
    def bias(self) -> int:
        return self.inputs[2] if self.has_weights and len(self.inputs) > 2 else -1


def layers(model: Any) -> Iterator[Layer]:
    """The ops of the main graph, in the order in which they run."""
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if len(operator.outputs):
            kind, _ = op_name(model, operator)
            yield Layer(kind, tensor_name(model, int(operator.outputs[0])), operator)


def weighted(model: Any) -> Iterator[Layer]:
    """Layers with constant float32 weights."""
    graph = model.subgraphs[0]
    for layer in layers(model):
        if layer.has_weights:
            weights = graph.tensors[layer.inputs[1]]
            if is_constant(model, weights) and dtype_of(weights) == "float32":
                yield layer


def float_ends(model: Any) -> list[str]:
    """The outputs of TFLite_Detection_PostProcess, which knows float alone; empty for a graph without it."""
    return [
        tensor_name(model, index) for layer in layers(model) if layer.kind == POSTPROCESS for index in layer.outputs
    ]


def followers(model: Any, name: str) -> list[str]:
    """The layers after `name` that only move its values about, and those after them."""
    every = list(layers(model))
    moved = {index for layer in every if layer.name == name for index in layer.outputs}
    found = []
    for layer in every:
        if layer.kind in MOVERS and moved.intersection(layer.inputs):
            moved.update(layer.outputs)
            found.append(layer.name)
    return found


def one_scale(model: Any, among: Container[str]) -> list[set[str]]:
    """Groups of tensors that must share their scale, by name: what these layers tie together, directly and in turn."""
    groups: list[set[str]] = []
    for layer in layers(model):
        if layer.kind in _ONE_SCALE and layer.name in among:
            tied = {tensor_name(model, index) for index in (*layer.inputs, *layer.outputs) if index >= 0}
            apart = [group for group in groups if not group & tied]
            groups = [*apart, tied.union(*(group for group in groups if group & tied))]
    return groups


def readers(model: Any, name: str) -> list[str]:
    """The layers that compute with the output of `name`, or with what its followers make of it."""
    group = {name, *followers(model, name)}
    every = list(layers(model))
    made = {index for layer in every if layer.name in group for index in layer.outputs}
    return [layer.name for layer in every if layer.name not in group and made.intersection(layer.inputs)]


def tensor_name(model: Any, index: int) -> str:
    return text(model.subgraphs[0].tensors[index].name)


def constant(model: Any, index: int) -> Floats:
    """The values of a constant float32 tensor."""
    tensor = model.subgraphs[0].tensors[index]
    return np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float32).reshape(shape_of(tensor))


def set_input(model: Any, layer: Layer, place: int, values: Floats) -> None:
    """Give one layer other weights (place 1) or another bias (place 2).

    Layers that share them, as a detector's tower does over its levels, part: each edited one gets a tensor of its own,
    the last the old one, so that no tensor is left over.
    """
    graph = model.subgraphs[0]
    inputs = [int(index) for index in layer.operator.inputs]
    readers = sum(int(index) == inputs[place] for operator in graph.operators for index in operator.inputs)
    if readers > 1:
        tensor = copy.copy(graph.tensors[inputs[place]])
        tensor.name = f"{layer.name}/{'weights' if place == 1 else 'bias'}".encode()
        inputs[place] = len(graph.tensors)
        graph.tensors.append(tensor)
        layer.operator.inputs = inputs
    tensor = graph.tensors[inputs[place]]
    if sum(each.buffer == tensor.buffer for part in model.subgraphs for each in part.tensors) > 1:
        model.buffers.append(copy.copy(model.buffers[tensor.buffer]))
        tensor.buffer = len(model.buffers) - 1
    model.buffers[tensor.buffer].data = np.frombuffer(np.ascontiguousarray(values, np.float32).tobytes(), np.uint8)


def rounded_weights(weights: Floats, kind: str) -> Floats:
    """What int8 makes of them: symmetric, -127 to 127, one scale an output channel (Jacob et al. 2018)."""
    axes = tuple(axis for axis in range(weights.ndim) if axis != OUTPUT_AXIS[kind])
    scale = np.maximum(np.abs(weights).max(axis=axes, keepdims=True), 1e-9) / np.float32(127)
    rounded: Floats = np.clip(np.rint(weights / scale), -127, 127) * scale
    return rounded


def name_all(model: Any) -> None:
    """Give every tensor of the file a name of its own, which the quantiser needs; inputs and outputs keep theirs."""
    taken: set[str] = set()
    for graph in model.subgraphs:
        ends = [int(index) for index in (*graph.inputs, *graph.outputs)]
        for index in dict.fromkeys((*ends, *range(len(graph.tensors)))):
            tensor = graph.tensors[index]
            name = text(tensor.name) or f"tensor_{index}"
            while name in taken:
                name = f"{name}#{index}"
            taken.add(name)
            tensor.name = name.encode()


def check_simple(model: Any) -> None:
    """Raise ConvertError for a graph with branches or loops, whose tensors no calibration sees whole."""
    if len(model.subgraphs) > 1 and any(layer.kind in {"WHILE", "IF", "CALL_ONCE"} for layer in layers(model)):
        raise ConvertError(
            "expected a graph without WHILE, IF or state, got one: unroll the loop before export (Keras: unroll=True)"
        )
