"""A whole .tflite classifier of a few hundred bytes, made without TensorFlow: mean colour, linear layer, softmax.

Float, or quantised by hand to int8 in and out; with a second input of numbers where wanted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from convert.graph import pack_model

SIDE_PX = 16
WEIGHTS = np.array([[12.0, -6, -6], [-6, 12, -6], [-6, -6, 12]], dtype=np.float32)
"""(labels, R G B): which colour prevails."""
_RANGE = (0.0, 1.0)
_LOGIT_SCALE = 0.1


class _Builder:
    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version, self.model.buffers = 3, [schema.BufferT()]
        self.model.operatorCodes, self.graph = [], schema.SubGraphT()
        self.model.subgraphs = [self.graph]
        self.graph.tensors, self.graph.operators = [], []

    def tensor(self, name: str, shape: tuple[int, ...], kind: str, values: Any = None, scale: Any = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type = name, list(shape), getattr(schema.TensorType, kind)
        made.buffer = 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        if scale is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale[0]], [scale[1]]
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def op(self, name: str, inputs: list[int], outputs: list[int], options: Any) -> None:
        code = schema.OperatorCodeT()
        number = getattr(schema.BuiltinOperator, name)
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.version = 1 if name == "CONCATENATION" else 2 if name in ("MEAN", "SOFTMAX") else 4
        self.model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        made.builtinOptions = options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(made)


def classifier(
    weights: np.ndarray = WEIGHTS, *, int8: bool = False, softmax: bool = True, vector: int = 0, bias: Any = None
) -> bytes:
    """`image` [1, 16, 16, 3] of 0 to 1 (and `numbers` [1, vector]) → `scores` [1, labels]."""
    build, labels = _Builder(), len(weights)
    kind, bias_kind = ("INT8", "INT32") if int8 else ("FLOAT32", "FLOAT32")
    scale = ((_RANGE[1] - _RANGE[0]) / 255, -128) if int8 else None
    image = build.tensor("image", (1, SIDE_PX, SIDE_PX, 3), kind, scale=scale)
    axes = build.tensor("axes", (2,), "INT32", np.array([1, 2], np.int32))
    colour = build.tensor("colour", (1, 3), kind, scale=scale)
    build.op("MEAN", [image, axes], [colour], schema.ReducerOptionsT())
    inputs, features = [image], colour
    if vector:
        numbers = build.tensor("numbers", (1, vector), kind)
        features = build.tensor("joined", (1, 3 + vector), kind)
        options = schema.ConcatenationOptionsT()
        options.axis = 1
        build.op("CONCATENATION", [colour, numbers], [features], options)
        inputs.append(numbers)
        weights = np.hstack([weights, np.full((labels, vector), 0.01, np.float32)])
    bias = np.zeros(labels, np.float32) if bias is None else np.asarray(bias, np.float32)
    if scale is not None:
        step = float(np.abs(weights).max()) / 127
        stored: Any = np.round(weights / step).astype(np.int8)
        matrix = build.tensor("weights", weights.shape, kind, stored, (step, 0))
        bias = np.round(bias / (step * scale[0])).astype(np.int32)
        offset = build.tensor("bias", (labels,), bias_kind, bias, (step * scale[0], 0))
    else:
        matrix = build.tensor("weights", weights.shape, kind, weights.astype(np.float32))
        offset = build.tensor("bias", (labels,), bias_kind, bias)
    logits = build.tensor(
        "scores" if not softmax else "logits", (1, labels), kind, scale=(_LOGIT_SCALE, 0) if int8 else None
    )
    build.op("FULLY_CONNECTED", [features, matrix, offset], [logits], schema.FullyConnectedOptionsT())
    if softmax:
        scores = build.tensor("scores", (1, labels), kind, scale=(1 / 256, -128) if int8 else None)
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        build.op("SOFTMAX", [logits], [scores], options)
        logits = scores
    build.graph.inputs, build.graph.outputs = inputs, [logits]
    return pack_model(build.model)
