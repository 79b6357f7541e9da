"""Ops appended to a .tflite that is there already: its own ops, weights and scales stay as they are, byte by byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.graph import shape_of

_OPTIONS = {
    "ADD": "AddOptions",
    "CONCATENATION": "ConcatenationOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "EQUAL": "EqualOptions",
    "EXP": "ExpOptions",
    "GATHER": "GatherOptions",
    "GREATER": "GreaterOptions",
    "GREATER_EQUAL": "GreaterEqualOptions",
    "LOGICAL_AND": "LogicalAndOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "QUANTIZE": "QuantizeOptions",
    "REDUCE_MAX": "ReducerOptions",
    "REDUCE_MIN": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
    "SELECT_V2": "SelectV2Options",
    "SPLIT": "SplitOptions",
    "SUB": "SubOptions",
}
"""The schema's options of each op; an op without any is not named."""
_VERSIONS = {"DEQUANTIZE": 2, "QUANTIZE": 2}
"""The op's version that takes int8, where the first one does not."""


class GraphWriter:
    """Appends to the main graph of a model (the schema's ModelT). Tensors are named by their index in it."""

    def __init__(self, model: Any) -> None:
        from ai_edge_litert import schema_py_generated

        self._schema = schema_py_generated
        self._model = model
        self.graph = model.subgraphs[0]
        self._codes: dict[tuple[int, str], int] = {}

    def index_of(self, name: str) -> int:
        """The tensor of that name. Raises StopIteration where there is none."""
        return next(i for i, each in enumerate(self.graph.tensors) if each.name in (name, name.encode()))

    def shape(self, index: int) -> tuple[int, ...]:
        return shape_of(self.graph.tensors[index])

    def tensor(
        self, name: str, shape: Sequence[int], dtype: str = "float32", quantised: tuple[float, int] | None = None
    ) -> int:
        """A tensor that ops write; quantised: scale and zero point."""
        made = self._schema.TensorT()
        made.name, made.shape, made.buffer = name, [int(side) for side in shape], 0
        made.type = getattr(self._schema.TensorType, dtype.upper())
        made.hasRank = True
        if quantised is not None:
            made.quantization = self._schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [quantised[0]], [quantised[1]]
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def constant(self, name: str, values: NDArray[Any]) -> int:
        """A tensor that is part of the file."""
        index = self.tensor(name, values.shape, values.dtype.name)
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), dtype=np.uint8)
        self._model.buffers.append(buffer)
        self.graph.tensors[index].buffer = len(self._model.buffers) - 1
        return index

    def op(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], /, *, first: bool = False, **options: Any
    ) -> None:
        """A built-in op with the schema's options; first: before all others."""
        made = self._operator(self._code(getattr(self._schema.BuiltinOperator, name), "", _VERSIONS.get(name, 1)))
        made.inputs, made.outputs = list(inputs), list(outputs)
        if name in _OPTIONS:
            made.builtinOptionsType = getattr(self._schema.BuiltinOptions, _OPTIONS[name])
            made.builtinOptions = getattr(self._schema, f"{_OPTIONS[name]}T")()
            for key, value in options.items():
                setattr(made.builtinOptions, key, value)
        self.graph.operators.insert(0 if first else len(self.graph.operators), made)

    def custom_op(self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Mapping[str, Any]) -> None:
        """A custom op; options: integers, floats and booleans, which it reads as a FlexBuffer map."""
        from flatbuffers.flexbuffers import Dumps

        made = self._operator(self._code(self._schema.BuiltinOperator.CUSTOM, name, 1))
        made.inputs, made.outputs = list(inputs), list(outputs)
        made.customOptions = np.frombuffer(Dumps(dict(options)), dtype=np.uint8)
        self.graph.operators.append(made)

    def apply(
        self, op: str, inputs: Sequence[int], shape: Sequence[int], dtype: str = "float32", /, **options: Any
    ) -> int:
        """A built-in op with one output of that shape, which is returned."""
        output = self.tensor(f"mediapipe/{op.lower()}_{len(self.graph.tensors)}", shape, dtype)
        self.op(op, inputs, [output], **options)
        return output

    def sign(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Name the graph's inputs and outputs in the file's one signature; the former one named other tensors."""
        made = self._schema.SignatureDefT()
        made.signatureKey, made.subgraphIndex = "serving_default", 0
        made.inputs = [self._named(*each) for each in zip(inputs, self.graph.inputs, strict=True)]
        made.outputs = [self._named(*each) for each in zip(outputs, self.graph.outputs, strict=True)]
        self._model.signatureDefs = [made]

    def _named(self, name: str, index: int) -> Any:
        made = self._schema.TensorMapT()
        made.name, made.tensorIndex = name, int(index)
        return made

    def _operator(self, code: int) -> Any:
        made = self._schema.OperatorT()
        made.opcodeIndex = code
        return made

    def _code(self, builtin: int, custom: str, version: int) -> int:
        """The index of an op's code, appended where we have not used it yet."""
        if (builtin, custom) not in self._codes:
            made = self._schema.OperatorCodeT()
            # Readers of before 2020 know the old field alone, which ends at 127.
            made.builtinCode, made.deprecatedBuiltinCode = builtin, min(builtin, 127)
            made.customCode, made.version = custom or None, version
            self._model.operatorCodes.append(made)
            self._codes[builtin, custom] = len(self._model.operatorCodes) - 1
        return self._codes[builtin, custom]
