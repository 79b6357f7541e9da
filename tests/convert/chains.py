"""Chains of layers as whole float .tflite files, made without TensorFlow, their weights given or drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.graph import pack_model
from convert.ranges import Floats, Samples
from tests.convert.tiny import _Builder as Builder

SIDE_PX = 12
ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 3}


class Chain:
    """`image` [1, 12, 12, channels] through layers in turn; `bytes` makes the file. Names are those of the layers."""

    def __init__(self, channels: int) -> None:
        self._build = Builder()
        shape = (1, SIDE_PX, SIDE_PX, channels)
        self._image = self._last = self._build.tensor("image", shape, "FLOAT32")
        self._shape = shape

    def conv(self, name: str, weights: Floats, bias: Floats, activation: str = "none") -> Chain:
        """weights (out, height, width, in), SAME padding."""
        options = schema.Conv2DOptionsT()
        return self._weighted("CONV_2D", name, weights, bias, options, activation)

    def depthwise(self, name: str, weights: Floats, bias: Floats, activation: str = "none") -> Chain:
        """weights (1, height, width, channels), SAME padding."""
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = 1
        return self._weighted("DEPTHWISE_CONV_2D", name, weights, bias, options, activation)

    def bytes(self) -> bytes:
        self._build.graph.inputs, self._build.graph.outputs = [self._image], [self._last]
        return pack_model(self._build.model)

    def _weighted(
        self, kind: str, name: str, weights: Floats, bias: Floats, options: schema.Conv2DOptionsT, activation: str
    ) -> Chain:
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        options.padding, options.fusedActivationFunction = schema.Padding.SAME, ACTIVATIONS[activation]
        matrix = self._build.tensor(f"{name}/weights", weights.shape, "FLOAT32", weights.astype(np.float32))
        offset = self._build.tensor(f"{name}/bias", bias.shape, "FLOAT32", bias.astype(np.float32))
        self._shape = (*self._shape[:3], len(bias))
        result = self._build.tensor(name, self._shape, "FLOAT32")
        self._build.op(kind, [self._last, matrix, offset], [result], options)
        self._last = result
        return self


def samples(channels: int, count: int = 12, *, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Samples:
    """Seeded noise for `image`, the same each time."""

    def each() -> Iterator[dict[str, Floats]]:
        rng = np.random.default_rng(seed)
        for _ in range(count):
            yield {"image": rng.uniform(low, high, (1, SIDE_PX, SIDE_PX, channels)).astype(np.float32)}

    return each
