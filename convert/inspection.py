"""What a model file is made of, and whether the runtime takes it. Needs the extra `runtime` alone.

The verdict is the engine's own: the file is loaded as the runtime loads it and run once on zeros.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np

from convert.arena import arena
from convert.errors import ConvertError
from convert.floatmodel import Kind
from convert.graph import OpCount, dtype_of, op_counts, parameters, read_model, shape_of, text
from convert.sources.kind import detect_kind
from convert.tensors import Tensor
from edge import bundle
from edge.bundle import MODEL_FILE, DType
from edge.config import Detect, Inference
from edge.detect import Detector
from edge.errors import DermedgeError
from edge.inference.base import BACKENDS
from edge.inference.engine_log import notes_held_back
from edge.loading import load_named

_PICTURE_CHANNELS = 3
_CONVERT_FIRST: dict[Kind, str] = {
    "keras": "a Keras model",
    "h5": "a Keras model of the old format",
    "saved_model": "a TensorFlow SavedModel",
    "onnx": "an ONNX model",
    "torch": "an exported PyTorch program",
}


class Verdict(msgspec.Struct, frozen=True):
    """Whether the runtime takes the file. reasons: why not, each with what to do; notes: what else one should know."""

    takes: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


class Inspection(msgspec.Struct, frozen=True):
    """One .tflite. arena_bytes: of its activations, None where not known; `arena` says how, or why not."""

    file: str
    bundle: str | None
    bytes: int
    sha256: str
    description: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    ops: tuple[OpCount, ...]
    mac: int
    parameters: int
    arena_bytes: int | None
    arena: str
    runtime: Verdict


def inspect(path: Path) -> Inspection:
    """Look at a .tflite or at a bundle's folder.

    Raises ConvertError for anything else, and for a file that is cut off or damaged.
    """
    in_bundle = (path / MODEL_FILE).is_file()
    if path.is_dir() and not in_bundle and not (path / "saved_model.pb").is_file():
        raise ConvertError(f"expected a .tflite or a bundle's folder, got a folder without {MODEL_FILE}: {path}")
    file = path / MODEL_FILE if in_bundle else path
    content = _read(file)
    model = read_model(content, str(file))
    ops = tuple(op_counts(model))
    inputs, outputs = _interface(model)
    reasons = _select_ops(ops) or (
        _bundle_refused(path)
        if in_bundle
        else [*_picture(inputs, model), *_dtypes(inputs, outputs), *_engine_refuses(content, ops)]
    )
    memory = arena(content, model)
    return Inspection(
        file=str(file),
        bundle=str(path) if in_bundle else None,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        description=text(model.description),
        inputs=inputs,
        outputs=outputs,
        ops=ops,
        mac=sum(op.mac for op in ops),
        parameters=parameters(model),
        arena_bytes=memory.bytes,
        arena=memory.told,
        runtime=Verdict(not reasons, tuple(reasons), () if reasons else _notes(ops, inputs, in_bundle=in_bundle)),
    )


def _read(file: Path) -> bytes:
    kind = detect_kind(file)
    if kind != "tflite":
        raise ConvertError(
            f"expected a .tflite or a bundle's folder, got {_CONVERT_FIRST[kind]}: {file}; `dermedge convert` makes a "
            "bundle of it"
        )
    return file.read_bytes()


def _interface(model: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    graph = model.subgraphs[0]
    inputs, outputs = (
        tuple(_tensor(graph.tensors[index]) for index in indices) for indices in (graph.inputs, graph.outputs)
    )
    return inputs, outputs


def _tensor(tensor: Any) -> Tensor:
    quantised = tensor.quantization
    has_scale = quantised is not None and quantised.scale is not None and len(quantised.scale) == 1
    return Tensor(
        text(tensor.name),
        shape_of(tensor),
        dtype_of(tensor),
        float(quantised.scale[0]) if has_scale else 0.0,
        int(quantised.zeroPoint[0]) if has_scale else 0,
    )


def _select_ops(ops: tuple[OpCount, ...]) -> list[str]:
    names = ", ".join(op.name for op in ops if op.kind == "select")
    if not names:
        return []
    return [
        f"it needs TensorFlow itself for {names}: no engine for small devices has these ops; replace the layers that "
        "make them, and export with TFLITE_BUILTINS alone"
    ]


def _picture(inputs: tuple[Tensor, ...], model: Any) -> list[str]:
    pictures = [each for each in inputs if len(each.shape) == 4]
    if len(pictures) != 1:
        return [
            f"it has {len(pictures) or 'no'} inputs of [1, height, width, 3] and the runtime gives one picture: "
            + ("split the model" if pictures else "only its tensors can be compared, nothing looks through it")
        ]
    (picture,) = pictures
    graph = model.subgraphs[0]
    (asked,) = (graph.tensors[i].shapeSignature for i in graph.inputs if text(graph.tensors[i].name) == picture.name)
    shape = picture.shape if asked is None else tuple(int(side) for side in asked)
    # A batch that is open (-1) is 1 as the file is loaded; an open height or width has no such reading.
    if shape[0] not in {1, -1} or -1 in shape[1:] or shape[3] != _PICTURE_CHANNELS:
        return [
            f"its input {picture.name!r} is {list(shape)} and the runtime gives [1, height, width, 3] of a fixed size: "
            "export it so"
        ]
    return []


def _dtypes(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> list[str]:
    known = get_args(DType)
    return [
        f"its {role} {each.name!r} is {each.dtype} and the runtime knows {', '.join(known)}: {what_to_do}"
        for role, tensors, what_to_do in (
            ("input", inputs, "feed it one of these"),
            ("output", outputs, "end the model before the op that makes it"),
        )
        for each in tensors
        if each.dtype not in known
    ]


def _bundle_refused(path: Path) -> list[str]:
    settings = Inference(threads=1)
    try:
        loaded = bundle.load(path)
        if loaded.card.task == "detection":
            Detector(loaded, settings, Detect())
        else:
            load_named("inference.backend", settings.backend, BACKENDS)(loaded, settings.threads)
    except DermedgeError as error:
        return [str(error)]
    return []


def _engine_refuses(content: bytes, ops: tuple[OpCount, ...]) -> list[str]:
    """Load and run as the runtime does, on zeros."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        with notes_held_back():
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
            for each in interpreter.get_input_details():
                interpreter.set_tensor(each["index"], np.zeros(each["shape"], each["dtype"]))
            interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        unknown = ", ".join(op.name for op in ops if op.kind == "custom" and op.name in str(error))
        if unknown:
            return [f"it needs {unknown}, a custom op that LiteRT does not have: replace the layer that makes it"]
        return [f"LiteRT refuses it ({' '.join(str(error).split())}): convert the model again"]
    return []


def _notes(ops: tuple[OpCount, ...], inputs: tuple[Tensor, ...], *, in_bundle: bool) -> tuple[str, ...]:
    notes = []
    floats, count = sum(op.floats for op in ops), sum(op.count for op in ops)
    if floats == count:
        notes.append("all its ops compute in float; `dermedge convert` makes an int8 file of it")
    elif floats:
        notes.append(f"{floats} of {count} ops compute in float")
    vectors = [each.name for each in inputs if len(each.shape) != 4]
    if vectors:
        notes.append(f"besides the picture it wants {', '.join(vectors)}: the card must say where these come from")
    if not in_bundle:
        notes.append("a bare file says neither what its outputs mean nor its labels: the runtime wants it in a bundle")
    return tuple(notes)
