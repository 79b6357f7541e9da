"""A control: the shipped network with the weights of every filter shuffled in place; shape and size stay the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edge import bundle as bundles

FILTER_BYTES_MIN = 1000


def shuffled_bundle(folder: Path) -> Path:
    """Write the control's bundle into `folder`."""
    shipped = bundles.load()
    model = bytearray(shipped.model)
    root = schema.Model.GetRootAs(model, 0)
    rng = np.random.default_rng(0)
    shuffled = 0
    for index in range(root.BuffersLength()):
        values = root.Buffers(index).DataAsNumpy()
        if isinstance(values, np.ndarray) and values.size >= FILTER_BYTES_MIN:
            values.setflags(write=True)
            rng.shuffle(values)
            shuffled += 1
    assert shuffled > 20, "expected the weights of a whole network"
    card = msgspec.structs.replace(shipped.card, name="shuffled", model_sha256=hashlib.sha256(model).hexdigest())
    bundles.save(folder, card, bytes(model))
    return folder
