"""TensorFlow's part, for Keras and SavedModel alike: a function of fixed shapes, its variables frozen, as a .tflite.

Freezing before conversion leaves neither variables nor the ops that work out an open batch at run time.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from convert.errors import ConvertError, MissingLibraryError
from convert.floatmodel import Floats
from convert.sources.converted import Shape
from convert.sources.tidy import signature_names, tidy
from edge.inference import engine_log

INSTALL = "pip install 'dermedge[convert]'"


def import_tensorflow() -> Any:
    """TensorFlow, told to keep its notes to itself. Raises MissingLibraryError with what installs it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with engine_log.notes_held_back(all_lines=True):
            import tensorflow as tf
    except ImportError as error:
        raise MissingLibraryError("Keras models and SavedModels", "TensorFlow", INSTALL) from error
    return tf


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What frameworks print goes nowhere, but for `--debug`: stdout is data, and on stderr they speak of themselves."""
    with (
        engine_log.notes_held_back(all_lines=True),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def to_tflite(
    call: Callable[..., Sequence[Any]],
    inputs: Sequence[tuple[str, Shape, str]],
    outputs: Sequence[str],
    where: str,
) -> tuple[bytes, list[str]]:
    """A float .tflite of `call`, which takes tensors in the order of `inputs` (name, shape, dtype).

    outputs: a name for each tensor that it returns. Raises ConvertError for what TFLite has no built-in op for.
    """
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = [tf.TensorSpec(shape, dtype, name=f"input_{place}") for place, (_, shape, dtype) in enumerate(inputs)]
    try:
        with quiet():
            traced = tf.function(lambda *parts: list(call(*parts)), input_signature=specs).get_concrete_function()
            frozen = convert_variables_to_constants_v2(traced)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
            content = bytes(converter.convert())
    # What the converter raises has no type of its own, and its text has hundreds of lines.
    except Exception as error:
        raise ConvertError(_reason(error, where)) from error
    given, made = signature_names(content, where)
    names = {given[f"input_{place}"]: name for place, (name, _, _) in enumerate(inputs) if f"input_{place}" in given}
    names |= {made[f"output_{place}"]: name for place, name in enumerate(outputs)}
    return tidy(content, where, names)


def as_arrays(names: Sequence[str], tensors: Sequence[Any]) -> dict[str, Floats]:
    """Tensors by name, as float32 arrays."""
    return {name: np.asarray(tensor, np.float32) for name, tensor in zip(names, tensors, strict=True)}


def _reason(error: Exception, where: str) -> str:
    """One line on why the converter refused: the ops' names where it has them."""
    text = str(error)
    found = re.search(r"(?:Flex|Custom) ops: ([^\n]+)", text) or re.search(r"error: '(tf\.\w+)' op", text)
    if found:
        return (
            f"expected {where} to need built-in ops only, got {found[1].strip()}: replace these layers by ones of "
            "built-in ops, or leave them out of the exported model and do their work after it"
        )
    lines = text.strip().splitlines() or [type(error).__name__]
    return f"expected a model that TensorFlow converts at {where}, got {type(error).__name__}: {lines[0][:300]}"
