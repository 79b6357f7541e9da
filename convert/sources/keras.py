"""Keras: a `.keras` archive, or a whole model in HDF5. Nothing that needs the author's own Python is loaded."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import ConvertError
from convert.floatmodel import Floats, Named
from convert.sources.converted import Converted, Shapes, fixed_shape
from convert.sources.frozen import as_arrays, import_tensorflow, quiet, to_tflite
from convert.sources.kind import HDF5
from convert.sources.tidy import names_of


def convert(path: Path, given: Shapes) -> Converted:
    """Load with Keras's safe mode, fix the shapes, convert. Raises ConvertError for weights without a network."""
    model = _load(path)
    inputs, notes = [], []
    for tensor in model.inputs:
        shape, fixed = fixed_shape(tensor.name, tuple(tensor.shape), given)
        inputs.append((tensor.name, shape, str(tensor.dtype)))
        notes += fixed
    outputs = names_of([str(name) for name in getattr(model, "output_names", None) or ["output"]])

    def call(*parts: Any) -> list[Any]:
        return _flat(model(_packed(model, parts), training=False))

    def reference(feeds: Named) -> dict[str, Floats]:
        return as_arrays(outputs, call(*(feeds[name] for name, _, _ in inputs)))

    content, more = to_tflite(call, inputs, outputs, str(path))
    return Converted(content, (*notes, *more), _weight_count(model), reference)


def to_float(model: Any) -> bytes:
    """A Keras model in memory, of fixed shapes, as a float .tflite: its own layers' names, and no check of any kind."""
    tf = import_tensorflow()
    with quiet():
        return bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


def _load(path: Path) -> Any:
    import_tensorflow()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ConvertError(f"expected Keras on TensorFlow, got it on {keras.backend.backend()}: unset KERAS_BACKEND")
    is_h5 = path.read_bytes()[: len(HDF5)] == HDF5
    if is_h5:
        _check_has_network(path)
    # Keras tells the two formats by the suffix, we by the content.
    with tempfile.TemporaryDirectory() as folder, quiet():
        named = Path(folder) / ("model.h5" if is_h5 else "model.keras")
        named.symlink_to(path.resolve())
        try:
            model = keras.saving.load_model(named, compile=False, safe_mode=True)
        # Keras wraps a broken archive, an unknown layer and a refused lambda into whatever comes.
        except Exception as error:
            raise ConvertError(
                f"expected a whole Keras model of built-in layers at {path}, got {type(error).__name__}: "
                f"{_first(error)}; a model with layers of your own can be given as a SavedModel: "
                "`model.export('folder')`"
            ) from error
    if not getattr(model, "inputs", None):
        raise ConvertError(
            f"expected a Keras model with known inputs at {path}, got one of a class of its own; give it as a "
            "SavedModel: `model.export('folder')`"
        )
    return model


def _check_has_network(path: Path) -> None:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            whole = "model_config" in file.attrs
    except OSError as error:
        raise ConvertError(f"expected a whole HDF5 file at {path}, got {_first(error)}; copy it again") from error
    if not whole:
        raise ConvertError(
            f"expected a whole model in {path}, got weights without a network: save it with `model.save(…)` instead of "
            "`model.save_weights(…)`"
        )


def _packed(model: Any, parts: Sequence[Any]) -> Any:
    """The inputs in the structure that the model was built with: one, a list, or a dict by name."""
    import keras

    structure = getattr(model, "_inputs_struct", None)
    if structure is not None:
        return keras.tree.pack_sequence_as(structure, list(parts))
    return parts[0] if len(parts) == 1 else list(parts)


def _flat(outputs: Any) -> list[Any]:
    import keras

    return list(keras.tree.flatten(outputs))


def _weight_count(model: Any) -> int:
    arrays = [np.asarray(weight) for weight in model.weights if len(weight.shape) >= 2]
    return sum(each.size for each in {each.tobytes(): each for each in arrays}.values())


def _first(error: Exception) -> str:
    """The reason: behind Keras's own advice, where there is some, or the first line."""
    behind = re.findall(
        r"(?:Could not locate|Exception encountered:|Requested the deserialization of) ?[^.\n]+", str(error)
    )
    lines = behind[-1:] or str(error).strip().splitlines()
    return lines[0][:300].rstrip(".") if lines else "no reason given"
