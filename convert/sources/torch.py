"""PyTorch: an exported program (`torch.export.save`), by litert-torch.

Two things are held against that library. Its version 0.10 keeps constants by the address of a temporary contiguous
copy, so that weights which are not contiguous can silently share one: all are made contiguous first, and size and
answers are compared after. And torch.export.load falls back to unpickling whatever lies in the archive: it is told
not to, and an archive that holds objects is refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import ConvertError, MissingLibraryError
from convert.floatmodel import Floats, Named
from convert.sources.converted import Converted, Shape, Shapes, fixed_shape, is_channels_first
from convert.sources.frozen import quiet
from convert.sources.tidy import names_of, signature_names, tidy

INSTALL = "pip install 'dermedge[convert-torch]'"
_OBJECT_PREFIXES = ("custom_obj", "opaque_obj")
_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def convert(path: Path, given: Shapes) -> Converted:
    """Load, make contiguous, put channels last outside, convert. Raises ConvertError for what cannot be."""
    torch = _import_torch()
    program = load_program(path)
    names, shapes, first, notes = _inputs(program, given)
    module = contiguous(program.module())
    outputs = names_of(_output_names(program))

    class ChannelsLast(torch.nn.Module):  # type: ignore[name-defined]
        """Flat and NHWC outside, as the program wants it inside."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, *parts: Any) -> tuple[Any, ...]:
            turned = [
                part.permute(_TO_FIRST) if name in first else part for name, part in zip(names, parts, strict=True)
            ]
            made = torch.utils._pytree.tree_leaves(self.inner(*turned))
            return tuple(each.permute(_TO_LAST) if each.ndim == 4 and first else each for each in made)

    wrapped = ChannelsLast()
    samples = tuple(torch.zeros(shape) for shape in shapes)

    def reference(feeds: Named) -> dict[str, Floats]:
        with torch.no_grad():
            made = wrapped(*(torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in names))
        return {name: each.numpy().astype(np.float32) for name, each in zip(outputs, made, strict=True)}

    content = to_tflite(wrapped, samples, path)
    from_input, from_output = signature_names(content, str(path))
    renamed = {from_input[f"args_{place}"]: name for place, name in enumerate(names) if f"args_{place}" in from_input}
    renamed |= {from_output[f"output_{place}"]: name for place, name in enumerate(outputs)}
    content, more = tidy(content, str(path), renamed)
    return Converted(content, (*notes, *more), _weight_count(program), reference)


def load_program(path: Path) -> Any:
    """The exported program, without unpickling anything but tensors."""
    torch = _import_torch()
    with zipfile.ZipFile(path) as archive:
        objects = [name for name in archive.namelist() if name.rpartition("/")[2].startswith(_OBJECT_PREFIXES)]
    if objects:
        raise ConvertError(
            f"expected an exported program of tensors alone at {path}, got one with pickled objects ({objects[0]}), "
            "which are not opened: export the network without them"
        )
    try:
        with _tensors_only(), quiet():
            return torch.export.load(path)
    # Another version's schema, a missing member and a refused pickle each come as something else.
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise ConvertError(
            f"expected an exported program that PyTorch {torch.__version__} can load at {path}, got "
            f"{type(error).__name__}: {lines[0][:300]}; export it again with this version"
        ) from error


def contiguous(module: Any) -> Any:
    """The same module, with every parameter and buffer contiguous in memory."""
    for each in (*module.parameters(), *module.buffers()):
        each.data = each.data.contiguous()
    return module


def to_tflite(module: Any, samples: Sequence[Any], path: Path) -> bytes:
    """What litert-torch makes of a module. Raises MissingLibraryError without it, ConvertError when it cannot."""
    try:
        with quiet():
            import litert_torch
    except ImportError as error:
        raise MissingLibraryError("PyTorch programs", "litert-torch", INSTALL) from error
    try:
        with quiet(), _still():
            return bytes(litert_torch.convert(module, tuple(samples)).model_content())
    # Its lowering has no error type of its own.
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise ConvertError(
            f"expected a program that litert-torch converts at {path}, got {type(error).__name__}: {lines[0][:300]}"
        ) from error


def _inputs(program: Any, given: Shapes) -> tuple[list[str], list[Shape], set[str], list[str]]:
    """Names, shapes as the .tflite has them, names of those with channels first, notes."""
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    names, shapes, first, notes = [], [], set(), []
    for name in program.graph_signature.user_inputs:
        value = placeholders[name].meta["val"]
        dims = [side if isinstance(side, int) else None for side in value.shape]
        channels_first = is_channels_first(dims)
        shape, fixed = fixed_shape(name, dims, given, channels_first=channels_first)
        notes += fixed
        if channels_first:
            shape = tuple(shape[axis] for axis in _TO_LAST)
            first.add(name)
            notes.append(f"input {name}: channels first became channels last, {list(shape)}")
        names.append(name)
        shapes.append(shape)
    made = {node.name: node.meta["val"] for node in program.graph.nodes if "val" in node.meta}
    if first and any(getattr(made.get(each), "ndim", 0) == 4 for each in program.graph_signature.user_outputs):
        notes.append("outputs with four sides: channels first became channels last")
    return names, shapes, first, notes


def _output_names(program: Any) -> list[str]:
    """The keys of a dict that the program returns; otherwise output_0, output_1, …"""
    count = len(program.graph_signature.user_outputs)
    spec = program.call_spec.out_spec
    keys = spec.context if spec is not None and spec.type is dict else None
    if keys is not None and len(keys) == count:
        return [str(key) for key in keys]
    return [f"output_{place}" for place in range(count)]


def _weight_count(program: Any) -> int:
    """Elements of the weights that the graph uses."""
    signature = program.graph_signature
    used = {node.name for node in program.graph.nodes if node.op == "placeholder" and node.users}
    stores = signature.inputs_to_parameters | signature.inputs_to_buffers
    arrays = [
        program.state_dict[stores[name]] for name in used if name in stores and stores[name] in program.state_dict
    ]
    kept = [each.detach().numpy() for each in arrays if each.ndim >= 2]
    return sum(each.size for each in {each.tobytes(): each for each in kept}.values())


def _import_torch() -> Any:
    try:
        with quiet():
            import torch
            import torch.export
    except ImportError as error:
        raise MissingLibraryError("PyTorch programs", "PyTorch", INSTALL) from error
    return torch


@contextlib.contextmanager
def _tensors_only() -> Iterator[None]:
    """torch.load refuses everything but tensors in here, also where its caller asks for more."""
    variable = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


@contextlib.contextmanager
def _still() -> Iterator[None]:
    """litert-torch logs its stages on the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
