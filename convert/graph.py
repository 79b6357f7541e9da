"""A .tflite as tables: which ops it has, what each computes in, how many multiplications that is.

Read by the schema that ships with ai-edge-litert, so neither TensorFlow nor the interpreter is needed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from convert.errors import ConvertError

MAGIC = b"TFL3"
"""Bytes 4 to 8 of every .tflite."""
POSTPROCESS = "TFLite_Detection_PostProcess"
"""The one custom op that LiteRT has on board. It decodes an SSD's boxes and suppresses, in float."""
_FLEX = "Flex"
_UNNAMED_CUSTOM = "custom op without a name"
_WEIGHED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "CONV_3D", "BATCH_MATMUL"})
_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})


class OpCount(msgspec.Struct, frozen=True):
    """All ops of one name. computes_in: dtype of the output → how many; mac: of all of them together."""

    name: str
    kind: Literal["builtin", "custom", "select"]
    count: int
    computes_in: dict[str, int]
    mac: int

    @property
    def floats(self) -> int:
        return sum(count for dtype, count in self.computes_in.items() if dtype.partition(" ")[0] in _FLOATS)


def read_model(content: bytes, where: str) -> Any:
    """The schema's object tree (ModelT) of a .tflite in memory; `where` is for the error's text.

    Every table and every tensor's bytes are looked at, which is what finds a file that was cut off.
    Raises ConvertError for bytes that are no whole .tflite.
    """
    from ai_edge_litert.tools.flatbuffer_utils import read_model_from_bytearray

    if content[4:8] != MAGIC:
        raise ConvertError(f"expected a .tflite (bytes 4 to 8: TFL3) at {where}, got another format")
    try:
        model = read_model_from_bytearray(content)
        graph = model.subgraphs[0]
        _check_indices(model, graph)
    # Python's flatbuffers has no verifier: what is wrong comes out as whatever the reading stumbles over.
    except Exception as error:
        raise ConvertError(
            f"expected a whole .tflite at {where}, got {len(content):,} bytes that break off or are damaged inside: "
            "copy the file again, or convert it again"
        ) from error
    return model


def pack_model(model: Any) -> bytes:
    """The file of an object tree."""
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    for buffer in model.buffers:
        # Of anything but an array the schema's code writes byte by byte, in Python: a minute for an Xception.
        if buffer.data is not None and not isinstance(buffer.data, np.ndarray):
            buffer.data = np.frombuffer(bytes(buffer.data), np.uint8)
    return bytes(convert_object_to_bytearray(model))


def op_counts(model: Any) -> list[OpCount]:
    """The ops of all subgraphs by name, the most multiplications first, then the most frequent."""
    dtypes: dict[str, Counter[str]] = {}
    kinds: dict[str, Literal["builtin", "custom", "select"]] = {}
    macs: Counter[str] = Counter()
    for graph, operator in _operators(model):
        name, kind = op_name(model, operator)
        kinds[name] = kind
        dtypes.setdefault(name, Counter())[_computes_in(name, graph, operator)] += 1
        macs[name] += _mac(name, graph, operator)
    made = [OpCount(name, kinds[name], dtypes[name].total(), dict(dtypes[name]), macs[name]) for name in dtypes]
    return sorted(made, key=lambda op: (-op.mac, -op.count, op.name))


def op_name(model: Any, operator: Any) -> tuple[str, Literal["builtin", "custom", "select"]]:
    """The schema's name of an op, or a custom op's own; select ops are TensorFlow's, which no small runtime has."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator
    from ai_edge_litert.tools.flatbuffer_utils import get_builtin_code_from_operator_code

    code = model.operatorCodes[operator.opcodeIndex]
    number = get_builtin_code_from_operator_code(code)
    if number != BuiltinOperator.CUSTOM:
        names = (name for name, value in vars(BuiltinOperator).items() if value == number)
        return next(names, f"BUILTIN_{number}"), "builtin"
    name = text(code.customCode) or _UNNAMED_CUSTOM
    return name, "select" if name.startswith(_FLEX) else "custom"


def parameters(model: Any) -> int:
    """Elements of all constant tensors that are float or quantised; a buffer that several tensors share counts once."""
    sizes: dict[int, int] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            quantised = tensor.quantization is not None and _length(tensor.quantization.scale) > 0
            if is_constant(model, tensor) and (dtype_of(tensor) in _FLOATS or quantised):
                sizes[tensor.buffer] = max(sizes.get(tensor.buffer, 0), math.prod(shape_of(tensor)))
    return sum(sizes.values())


def activations(model: Any) -> list[int]:
    """Tensors of the main graph that depend on its inputs: what changes from picture to picture."""
    graph = model.subgraphs[0]
    changing = {int(index) for index in graph.inputs}
    for operator in graph.operators:
        if changing.intersection(int(index) for index in operator.inputs):
            changing.update(int(index) for index in operator.outputs)
    return sorted(index for index in changing if not graph.tensors[index].isVariable)


def is_constant(model: Any, tensor: Any) -> bool:
    return _length(model.buffers[tensor.buffer].data) > 0


def shape_of(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(side) for side in tensor.shape)


def dtype_of(tensor: Any) -> str:
    from ai_edge_litert.tools.flatbuffer_utils import type_to_name

    return str(type_to_name(tensor.type)).lower()


def text(value: bytes | str | None) -> str:
    """A string of the schema, which gives bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""


def _operators(model: Any) -> Iterator[tuple[Any, Any]]:
    for graph in model.subgraphs:
        for operator in graph.operators or ():
            yield graph, operator


def _computes_in(name: str, graph: Any, operator: Any) -> str:
    outputs = [int(index) for index in _list(operator.outputs) if index >= 0]
    if not outputs:
        return "nothing"
    dtype = dtype_of(graph.tensors[outputs[0]])
    if name in _WEIGHED and dtype in _FLOATS:
        weights = dtype_of(graph.tensors[operator.inputs[1]])
        return dtype if weights in _FLOATS else f"{dtype} with {weights} weights"
    return dtype


def _mac(name: str, graph: Any, operator: Any) -> int:
    """Multiply-accumulates of one op, from shapes; 0 for what has no weights to multiply with."""
    if name not in _WEIGHED | {"TRANSPOSE_CONV"}:
        return 0
    first, weights = (shape_of(graph.tensors[index]) for index in operator.inputs[:2])
    output = shape_of(graph.tensors[operator.outputs[0]])
    match name:
        case "CONV_2D":  # weights (out, height, width, in of one group)
            return math.prod(output) * math.prod(weights[1:])
        case "DEPTHWISE_CONV_2D":  # weights (1, height, width, out)
            return math.prod(output) * math.prod(weights[1:3])
        case "FULLY_CONNECTED":  # weights (out, in)
            return math.prod(output) * weights[-1]
        case "CONV_3D":  # weights (depth, height, width, in, out)
            return math.prod(output) * math.prod(weights[:-1])
        case "TRANSPOSE_CONV":  # inputs: output's shape, weights (out, height, width, in), picture
            return math.prod(shape_of(graph.tensors[operator.inputs[2]])) * math.prod(weights[:3])
        case _:  # BATCH_MATMUL: (…, m, k) times (…, k, n)
            return math.prod(output) * first[-2 if operator.builtinOptions.adjX else -1]


def _check_indices(model: Any, graph: Any) -> None:
    """Raise where an index points beyond its table."""
    for each in model.subgraphs:
        for tensor in each.tensors:
            model.buffers[tensor.buffer]
            dtype_of(tensor)
    for each, operator in _operators(model):
        model.operatorCodes[operator.opcodeIndex]
        for index in (*_list(operator.inputs), *_list(operator.outputs)):
            each.tensors[index]  # -1 stands for an optional input that is absent
    for index in (*graph.inputs, *graph.outputs):
        graph.tensors[index]


def _list(value: Sequence[int] | None) -> Sequence[int]:
    return () if value is None else value


def _length(value: Sequence[Any] | None) -> int:
    return 0 if value is None else len(value)
