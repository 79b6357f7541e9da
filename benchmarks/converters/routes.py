"""One network that went through the converter by three frameworks: do the three int8 files answer alike?

Pairs of the files that the rows of EfficientNet-Lite0 left in the working folder, and its float model, on the real
pictures that those rows were judged on: held back from calibration.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

from convert.cards import make_bundle
from convert.description import read_description
from convert.gate.agreement import of_probabilities
from convert.gate.running import probabilities
from convert.inferred import complete
from convert.pictures.representative import read_representative
from edge import bundle
from edge.errors import ConfigError

ROUTES = {"lite0-keras": "int8, Keras", "lite0-onnx": "int8, ONNX", "lite0-torch": "int8, PyTorch"}
THREADS = 2


def compare(working: Path, calibration: Path) -> dict[str, Any]:
    """Agreement of each pair as data. Raises ConfigError where a row has left no bundle."""
    first = working / next(iter(ROUTES))
    folders = {told: working / row / "bundle" for row, told in ROUTES.items()}
    missing = [row for row in ROUTES if not (working / row / "bundle").is_dir()]
    if missing or not (first / "float.tflite").is_file():
        raise ConfigError(
            f"expected bundles of {', '.join(ROUTES)}, got none of {', '.join(missing) or first.name}: "
            f"`python -m benchmarks.converters run {' '.join(missing or [first.name])}`"
        )
    content = (first / "float.tflite").read_bytes()
    described = complete(read_description(first / "model.toml"), content)
    held_back = read_representative(calibration, described).held_back()
    bundles = {"float": make_bundle(described, content)}
    bundles |= {told: bundle.load(folder) for told, folder in folders.items()}
    likely = {told: probabilities(each, held_back.examples, THREADS) for told, each in bundles.items()}
    return {
        "pictures": len(held_back.examples),
        "pictures_from": held_back.told,
        "pairs": [
            {"first": one, "second": other, "figures": dict(of_probabilities(likely[one], likely[other]).figures)}
            for one, other in combinations(likely, 2)
        ],
    }
