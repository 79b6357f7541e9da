"""What the tests of `dermedge convert` share: a user's folder, and a bundle made of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.convert import colours, tiny
from tests.convert.command import dermedge, judged, words

NEVER = np.array([-900.0, -900.0, -900.0], dtype=np.float32)
"""A fourth label's weights: never the answer, and a hundred times the others' size."""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: a model, its description, a calibration folder, an evaluation set."""
    folder = tmp_path_factory.mktemp("convert")
    (folder / "model.tflite").write_bytes(tiny.classifier())
    (folder / "fragile.tflite").write_bytes(tiny.classifier(np.vstack([tiny.WEIGHTS, NEVER]), softmax=False))
    colours.describe_file(folder)
    text = colours.TOML.replace('"bluish"]', '"bluish", "none"]')
    (folder / "fragile.toml").write_text(text, encoding="utf-8")
    colours.write(folder / "calibration", 160, seed=1)
    colours.write(folder / "evaluation", 150, seed=2, per_group=2)
    return folder


@pytest.fixture(scope="module")
def converted(room: Path) -> tuple[Path, dict[str, Any]]:
    """A bundle, and what --json said of it."""
    out = room / "bundles" / "colours"
    done = dermedge(*words(room, out, *judged(room), "--json"))
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)
