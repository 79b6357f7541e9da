"""The float model: what every source becomes, and what everything after it starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Named = Mapping[str, Floats]
"""Arrays by the name of an input or an output of the float .tflite."""
Reference = Callable[[Named], dict[str, Floats]]
"""The source's own forward pass, inputs and outputs in the shapes and under the names of the float .tflite."""
Kind = Literal["keras", "h5", "saved_model", "onnx", "torch", "tflite"]


@dataclass(frozen=True, slots=True)
class FloatModel:
    """A float32 .tflite of fixed batch 1, where it came from, and what was done to get there.

    reference: None for a source that is a .tflite already, which has no other forward pass.
    source_sha256: of the file; for a folder, over the relative paths and contents of its files, sorted.
    """

    tflite: bytes
    kind: Kind
    source_sha256: str
    notes: tuple[str, ...]
    seconds: float
    reference: Reference | None = None
