"""A float .tflite as it is: checked, put in order, with its picture input made [1, height, width, 3]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convert.errors import ConvertError
from convert.floatmodel import Floats, Named, Reference
from convert.graph import dtype_of, pack_model, read_model, shape_of, text
from convert.sources.converted import Converted, Shapes
from convert.sources.tidy import quantised_tensors, tidy
from convert.tensors import make_interpreter, run


def convert(path: Path, given: Shapes) -> Converted:
    """The file itself. Raises ConvertError for one that is quantised already, or whose batch is not 1."""
    original = path.read_bytes()
    where = str(path)
    model = read_model(original, where)
    quantised = quantised_tensors(model)
    if quantised:
        raise ConvertError(
            f"expected a float .tflite at {where}, got one that is quantised already ({len(quantised)} integer "
            f"tensors, {quantised[0]!r} the first): give the float model that it was made from"
        )
    _check_inputs(model, where, given)
    notes = _channels_last(model)
    content, more = tidy(pack_model(model) if notes else original, where, {})
    changed = bool(notes or more)
    return Converted(content, (*notes, *more), reference=_as_it_was(original) if changed else None)


def _as_it_was(content: bytes) -> Reference:
    """The file before anything was done to it, for comparing."""

    def reference(feeds: Named) -> dict[str, Floats]:
        interpreter = make_interpreter(content)
        made = {}
        for each in interpreter.get_input_details():
            name, shape = str(each["name"]), tuple(each["shape"])
            made[name] = feeds[name] if feeds[name].shape == shape else feeds[name].transpose(0, 3, 1, 2)
        return run(interpreter, made)

    return reference


def _check_inputs(model: Any, where: str, given: Shapes) -> None:
    graph = model.subgraphs[0]
    for index in graph.inputs:
        tensor = graph.tensors[index]
        name, shape = text(tensor.name), shape_of(tensor)
        if not shape or shape[0] != 1:
            raise ConvertError(
                f"expected a batch of 1 in {where}, got input {name!r} of shape {list(shape)}: convert it again from "
                "its framework's file with a batch of 1"
            )
        if name in given and given[name] != shape:
            raise ConvertError(
                f"expected input {name!r} of shape {list(given[name])} as the description says, got {list(shape)}"
            )


def _channels_last(model: Any) -> list[str]:
    """Put a transposition before each picture input [1, 3, height, width], so that it takes [1, height, width, 3]."""
    from ai_edge_litert.schema_py_generated import (
        BufferT,
        BuiltinOperator,
        BuiltinOptions,
        OperatorCodeT,
        OperatorT,
        TensorT,
        TransposeOptionsT,
    )

    graph = model.subgraphs[0]
    notes = []
    for place, index in enumerate(graph.inputs):
        old = graph.tensors[index]
        shape = shape_of(old)
        if dtype_of(old) != "float32" or len(shape) != 4 or shape[1] != 3 or shape[3] == 3:
            continue
        order = BufferT()
        order.data = b"".join(side.to_bytes(4, "little") for side in (0, 3, 1, 2))
        model.buffers.append(order)
        axes, new = TensorT(), TensorT()
        axes.name, axes.shape, axes.type, axes.buffer = b"channels_first", [4], 2, len(model.buffers) - 1
        new.name, new.shape = old.name, [shape[0], shape[2], shape[3], shape[1]]
        new.type, new.buffer = old.type, 0
        old.name = text(old.name).encode() + b"/channels_first"
        graph.tensors.extend((axes, new))
        code = OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.TRANSPOSE
        code.version = 1
        model.operatorCodes.append(code)
        operator = OperatorT()
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = [len(graph.tensors) - 1, len(graph.tensors) - 2], [int(index)]
        operator.builtinOptionsType, operator.builtinOptions = BuiltinOptions.TransposeOptions, TransposeOptionsT()
        graph.operators = [operator, *graph.operators]
        graph.inputs = [*graph.inputs[:place], len(graph.tensors) - 1, *graph.inputs[place + 1 :]]
        notes.append(
            f"input {text(new.name)}: {list(shape)} became {new.shape} by a transposition in front, since the runtime "
            "writes pictures with channels last"
        )
    return notes
