"""Chains of layers as whole float .tflite files, made without TensorFlow, their weights given or drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.graph import pack_model
from convert.quantise.ranges import Floats, Samples
from tests.convert.tiny import _Builder as Builder

SIDE_PX = 12
ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 3}


class Chain:
    """`image` [1, 12, 12, channels] through layers in turn; `bytes` makes the file. Tensors have the layers' names."""

    def __init__(self, channels: int) -> None:
        self._build = Builder()
        self._shapes: dict[str, tuple[int, ...]] = {"image": (1, SIDE_PX, SIDE_PX, channels)}
        self._tensors = {"image": self._build.tensor("image", self._shapes["image"], "FLOAT32")}
        self._last = "image"

    def after(self, name: str) -> Chain:
        """Go on from an earlier tensor."""
        self._last = name
        return self

    def conv(self, name: str, weights: Floats, bias: Floats, activation: str = "none") -> Chain:
        """weights (out, height, width, in), SAME padding."""
        return self._weighted("CONV_2D", name, weights, bias, schema.Conv2DOptionsT(), activation)

    def depthwise(self, name: str, weights: Floats, bias: Floats, activation: str = "none") -> Chain:
        """weights (1, height, width, channels), SAME padding."""
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = 1
        return self._weighted("DEPTHWISE_CONV_2D", name, weights, bias, options, activation)

    def op(self, kind: str, name: str, shape: tuple[int, ...], options: Any, *constants: np.ndarray) -> Chain:
        """Any op on the last tensor and constants; options None where the schema has none for it."""
        inputs = [self._tensors[self._last]]
        for place, values in enumerate(constants):
            dtype = "INT32" if values.dtype == np.int32 else "FLOAT32"
            inputs.append(self._build.tensor(f"{name}/{place}", values.shape, dtype, values))
        return self._result(kind, name, shape, inputs, options)

    def join(self, name: str, parts: tuple[str, ...], shape: tuple[int, ...], options: Any) -> Chain:
        """CONCATENATION of earlier tensors."""
        return self._result("CONCATENATION", name, shape, [self._tensors[each] for each in parts], options)

    def add(self, name: str, parts: tuple[str, ...]) -> Chain:
        """ADD of earlier tensors."""
        return self._result(
            "ADD", name, self._shapes[parts[0]], [self._tensors[each] for each in parts], schema.AddOptionsT()
        )

    def bytes(self, *outputs: str) -> bytes:
        """The file; outputs: names, else the last tensor."""
        graph = self._build.graph
        graph.inputs = [self._tensors["image"]]
        graph.outputs = [self._tensors[each] for each in outputs or (self._last,)]
        return pack_model(self._build.model)

    def _weighted(self, kind: str, name: str, weights: Floats, bias: Floats, options: Any, activation: str) -> Chain:
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        options.padding, options.fusedActivationFunction = schema.Padding.SAME, ACTIVATIONS[activation]
        matrix = self._build.tensor(f"{name}/weights", weights.shape, "FLOAT32", weights.astype(np.float32))
        offset = self._build.tensor(f"{name}/bias", bias.shape, "FLOAT32", bias.astype(np.float32))
        shape = (*self._shapes[self._last][:3], len(bias))
        return self._result(kind, name, shape, [self._tensors[self._last], matrix, offset], options)

    def _result(self, kind: str, name: str, shape: tuple[int, ...], inputs: list[int], options: Any) -> Chain:
        self._tensors[name] = self._build.tensor(name, shape, "FLOAT32")
        self._build.op(kind, inputs, [self._tensors[name]], options or schema.AddOptionsT())
        if options is None:
            operator = self._build.graph.operators[-1]
            operator.builtinOptions, operator.builtinOptionsType = None, schema.BuiltinOptions.NONE
        self._build.model.operatorCodes[-1].version = 1
        self._shapes[name], self._last = shape, name
        return self


def samples(channels: int, count: int = 12, *, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Samples:
    """Seeded noise for `image`, the same each time."""

    def each() -> Iterator[dict[str, Floats]]:
        rng = np.random.default_rng(seed)
        for _ in range(count):
            yield {"image": rng.uniform(low, high, (1, SIDE_PX, SIDE_PX, channels)).astype(np.float32)}

    return each
