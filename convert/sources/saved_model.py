"""A SavedModel folder: the function behind its serving signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convert.errors import ConvertError
from convert.floatmodel import Floats, Named
from convert.sources.converted import Converted, Shapes, fixed_shape
from convert.sources.frozen import as_arrays, import_tensorflow, quiet, to_tflite

SERVING = "serving_default"


def convert(path: Path, given: Shapes) -> Converted:
    """Load, fix the shapes, convert. Raises ConvertError without one clear signature."""
    tf = import_tensorflow()
    try:
        with quiet():
            loaded = tf.saved_model.load(str(path))
    # A missing shard, a foreign version and a broken graph each come as something else.
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        raise ConvertError(
            f"expected a whole SavedModel at {path}, got {type(error).__name__}: {lines[0][:300]}"
        ) from error
    signature = _signature(loaded, path)
    specs = signature.structured_input_signature[1]
    inputs, notes = [], []
    for name, spec in specs.items():
        if spec.shape.rank is None:
            raise ConvertError(
                f"expected input {name!r} of {path} with a known number of sides, got any: export it anew"
            )
        shape, fixed = fixed_shape(name, tuple(spec.shape), given)
        inputs.append((name, shape, spec.dtype.name))
        notes += fixed
    outputs = list(signature.structured_outputs)

    def call(*parts: Any) -> list[Any]:
        made = signature(**{name: part for (name, _, _), part in zip(inputs, parts, strict=True)})
        return [made[name] for name in outputs]

    def reference(feeds: Named) -> dict[str, Floats]:
        return as_arrays(outputs, call(*(tf.constant(feeds[name]) for name, _, _ in inputs)))

    content, more = to_tflite(call, inputs, outputs, str(path))
    return Converted(content, (*notes, *more), _weight_count(signature), reference)


def _signature(loaded: Any, path: Path) -> Any:
    names = list(loaded.signatures)
    if SERVING in names:
        return loaded.signatures[SERVING]
    if len(names) == 1:
        return loaded.signatures[names[0]]
    raise ConvertError(
        f"expected a signature {SERVING!r} (or one alone) in {path}, got {', '.join(names) or 'none'}: save it with "
        "`tf.saved_model.save(model, folder, signatures=function)`"
    )


def _weight_count(signature: Any) -> int:
    arrays = [np.asarray(each) for each in signature.variables if len(each.shape) >= 2]
    return sum(each.size for each in {each.tobytes(): each for each in arrays}.values())
