"""Any trained model in, a float .tflite out: one file a framework, each imported only when a model needs it."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from pathlib import Path

from convert.description import Description
from convert.floatmodel import FloatModel, Kind
from convert.sources import health
from convert.sources.converted import Converted, described_shapes
from convert.sources.frozen import quiet
from convert.sources.kind import detect_kind, source_sha256

SOURCES: dict[Kind, str] = {
    "keras": "convert.sources.keras",
    "h5": "convert.sources.keras",
    "saved_model": "convert.sources.saved_model",
    "onnx": "convert.sources.onnx",
    "torch": "convert.sources.torch",
    "tflite": "convert.sources.tflite",
}
"""Kind → the module whose `convert(path, given)` takes it."""


def load(
    path: Path, *, description: Description | None = None, clock: Callable[[], float] = time.monotonic
) -> FloatModel:
    """The model at `path` as a sound float .tflite of batch 1, with notes on everything that was done to it.

    description: fixes sides that the model leaves open. Raises ConvertError for a model that is broken, cut off, of
    another format or converted wrongly; MissingLibraryError where its framework is not installed.
    """
    began_s = clock()
    kind = detect_kind(path)
    converted: Converted = importlib.import_module(SOURCES[kind]).convert(path, described_shapes(description))
    content, where = converted.tflite, str(path)
    known = health.check_ops(content, where)
    health.check_interface(content, where)
    # A broken source first: with NaN or dead layers in it, converters fold weights away and kernels disagree.
    with quiet():  # the first run of a framework is where it talks
        said = health.check_source(content, converted.reference, where)
    health.check_weights(content, converted.weight_count, where)
    notes = (*converted.notes, *known, *health.check_answers(content, said, where))
    return FloatModel(content, kind, source_sha256(path), notes, clock() - began_s, converted.reference)
