"""A converted .tflite put in order: its names, one fixed shape a tensor, plain float32 constants, one signature.

Each route names tensors in its own way, leaves an open batch in the signatures or weights in float16; whoever comes
after should see none of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convert.errors import ConvertError
from convert.graph import dtype_of, is_constant, op_name, pack_model, read_model, shape_of, text
from convert.sources.fusing import fuse_activations
from convert.tensors import make_interpreter

_UNPACKING_OPS = frozenset({"DEQUANTIZE", "DENSIFY"})
SIGNATURE = "serving_default"


def signature_names(content: bytes, where: str) -> tuple[dict[str, str], dict[str, str]]:
    """Tensor names by the names of the file's first signature: (inputs, outputs). Empty where it has none."""
    model = read_model(content, where)
    if not model.signatureDefs:
        return {}, {}
    tensors, first = model.subgraphs[0].tensors, model.signatureDefs[0]
    inputs, outputs = (
        {text(each.name): text(tensors[each.tensorIndex].name) for each in maps or ()}
        for maps in (first.inputs, first.outputs)
    )
    return inputs, outputs


def tidy(content: bytes, where: str, names: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """The file with its inputs and outputs renamed (tensor name → new name), and notes on what else was done.

    Raises ConvertError for a file with an open side other than the batch.
    """
    model = read_model(content, where)
    graph = model.subgraphs[0]
    for code in model.operatorCodes:  # old files have the second number alone, and ai-edge-quantizer reads the first
        code.builtinCode = max(code.builtinCode, code.deprecatedBuiltinCode)
    notes = _unpack_constants(model, content)
    fused = fuse_activations(model)
    if fused:
        _drop_unused(model, graph)
        notes.append(f"{fused} activations that stood alone became part of the op before them")
    for tensor in graph.tensors:
        _close_shape(tensor, where)
    _rename(graph, names)
    model.signatureDefs = [_signature(graph)]
    return pack_model(model), notes


def names_of(tensors: Sequence[str]) -> list[str]:
    """Names made unique, in order: the second "x" becomes "x_2"."""
    made: list[str] = []
    for name in tensors:
        count, unique = 1, name
        while unique in made:
            count += 1
            unique = f"{name}_{count}"
        made.append(unique)
    return made


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    interface = {int(index) for index in (*graph.inputs, *graph.outputs)}
    wanted = {index: names.get(text(graph.tensors[index].name), text(graph.tensors[index].name)) for index in interface}
    for index, tensor in enumerate(graph.tensors):
        name = text(tensor.name)
        if index in wanted:
            tensor.name = wanted[index].encode()
        elif name in wanted.values():
            tensor.name = f"{name}/inner".encode()


def _close_shape(tensor: Any, where: str) -> None:
    open_sides = [] if tensor.shapeSignature is None else [int(side) for side in tensor.shapeSignature]
    if -1 in open_sides[1:] and tensor.shape is not None and 1 in list(tensor.shape)[1:]:
        raise ConvertError(
            f"expected fixed shapes in {where}, got {text(tensor.name)!r} with sides {open_sides} (-1 is open): "
            "convert it again from its framework's file with fixed sides"
        )
    tensor.shapeSignature = None
    tensor.hasRank = False


def _signature(graph: Any) -> Any:
    from ai_edge_litert.schema_py_generated import SignatureDefT, TensorMapT

    def maps(indices: Sequence[int]) -> list[Any]:
        made = []
        for index in indices:
            each = TensorMapT()
            each.name, each.tensorIndex = graph.tensors[index].name, int(index)
            made.append(each)
        return made

    signature = SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE.encode(), 0
    signature.inputs, signature.outputs = maps(graph.inputs), maps(graph.outputs)
    return signature


def _unpack_constants(model: Any, content: bytes) -> list[str]:
    """Replace float16 and sparse constants, which unpack themselves by ops at run time, by what they unpack to."""
    graph = model.subgraphs[0]
    known = {index for index, tensor in enumerate(graph.tensors) if is_constant(model, tensor)}
    unpacking, kept = [], []
    for operator in graph.operators:
        if op_name(model, operator)[0] in _UNPACKING_OPS and known.issuperset(operator.inputs):
            known.update(operator.outputs)
            unpacking.append(operator)
        else:
            kept.append(operator)
    if not unpacking:
        return []
    from ai_edge_litert.schema_py_generated import BufferT

    interpreter = make_interpreter(content, keep_all=True)
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], np.zeros(each["shape"], each["dtype"]))
    interpreter.invoke()
    for operator in unpacking:
        tensor = graph.tensors[operator.outputs[0]]
        buffer = BufferT()
        buffer.data = np.frombuffer(interpreter.get_tensor(int(operator.outputs[0])).tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    graph.operators = kept
    _drop_unused(model, graph)
    return [f"{len(unpacking)} packed constants (float16 or sparse) were unpacked to float32"]


def _drop_unused(model: Any, graph: Any) -> None:
    """Remove tensors that no op names, and the contents of buffers that no tensor names."""
    lists = [graph.inputs, graph.outputs]
    lists += [part for each in graph.operators for part in (each.inputs, each.outputs, each.intermediates)]
    used = sorted({int(index) for part in lists if part is not None for index in part if index >= 0})
    place = {old: new for new, old in enumerate(used)} | {-1: -1}
    graph.inputs, graph.outputs = ([place[int(index)] for index in part] for part in (graph.inputs, graph.outputs))
    for each in graph.operators:
        for field in ("inputs", "outputs", "intermediates"):
            part = getattr(each, field)
            if part is not None:
                setattr(each, field, [place[int(index)] for index in part])
    graph.tensors = [graph.tensors[index] for index in used]
    named = {tensor.buffer for each in model.subgraphs for tensor in each.tensors}
    named.update(each.buffer for each in model.metadata or ())
    for index, buffer in enumerate(model.buffers):
        if index not in named:
            buffer.data = None


def quantised_tensors(model: Any) -> list[str]:
    """Names of integer tensors with a scale: what a float file has none of."""
    return [
        text(tensor.name)
        for graph in model.subgraphs
        for tensor in graph.tensors
        if tensor.quantization is not None
        and tensor.quantization.scale is not None
        and len(tensor.quantization.scale) > 0
        and not dtype_of(tensor).startswith("float")
    ]


def rank(tensor: Any) -> int:
    return len(shape_of(tensor))
