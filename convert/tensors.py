"""The tensors of a .tflite in memory: its interface, its integers, and an interpreter to run it in.

The interpreter is the plain one, without delegates: every tensor stays visible, and the answer does not depend on
which kernels this processor has. Only where thousands of runs are needed it has the device's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError, MissingLibraryError
from edge.inference.engine_log import notes_held_back

_INTEGER = frozenset({"int8", "int32", "int64", "bool"})
_CONVERTING_OPS = frozenset({"QUANTIZE", "DEQUANTIZE", "FLEX"})


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a TFLite file's interface. scale 0 for a tensor that is not quantised."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


def make_interpreter(
    content: bytes, *, threads: int = 1, keep_all: bool = False, kernels: Literal["plain", "fast"] = "plain"
) -> Any:
    """An allocated interpreter; keep_all keeps intermediate tensors readable after invoke.

    kernels: "fast" are the runtime's own (XNNPACK), under which only outputs can be read.

    Raises ConvertError for bytes that the engine does not take, MissingLibraryError without ai-edge-litert.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise MissingLibraryError("running a .tflite", "ai-edge-litert", "pip install 'dermedge[convert]'") from error
    resolver = OpResolverType.AUTO if kernels == "fast" else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with notes_held_back():
            interpreter = Interpreter(
                model_content=content,
                num_threads=threads,
                experimental_preserve_all_tensors=keep_all,
                experimental_op_resolver_type=resolver,
            )
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConvertError(
            f"expected a .tflite that LiteRT can run, got: {reason}; convert the model again from its framework's file"
        ) from error
    return interpreter


def interface(content: bytes) -> tuple[list[Tensor], list[Tensor]]:
    """Inputs and outputs of a TFLite file, in the file's order."""
    interpreter = make_interpreter(content)
    return _tensors(interpreter.get_input_details()), _tensors(interpreter.get_output_details())


def _tensors(details: Iterable[dict[str, Any]]) -> list[Tensor]:
    return [
        Tensor(
            str(each["name"]),
            tuple(int(side) for side in each["shape"]),
            np.dtype(each["dtype"]).name,
            float(each["quantization"][0]),
            int(each["quantization"][1]),
        )
        for each in details
    ]


def run(interpreter: Any, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """One invoke: arrays by input name in, copies by output name out, as the file has them (no dequantisation)."""
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], inputs[str(each["name"])].astype(each["dtype"], copy=False))
    interpreter.invoke()
    return {str(each["name"]): interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()}


def check_full_integer(content: bytes) -> None:
    """Raise ConvertError if any tensor is float or any op converts between float and integer."""
    interpreter = make_interpreter(content)
    floats = [
        str(each["name"])
        for each in interpreter.get_tensor_details()
        if np.dtype(each["dtype"]).name not in _INTEGER and each["name"]
    ]
    ops = [str(each["op_name"]) for each in interpreter._get_ops_details()]
    converting = sorted({op for op in ops if op in _CONVERTING_OPS or op.startswith("Flex")})
    if floats or converting:
        raise ConvertError(
            f"expected integer tensors only and no conversion inside, got float tensors {floats[:3]} and ops "
            f"{converting}: this graph cannot be quantised whole"
        )
