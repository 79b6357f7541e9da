"""The inference backends that this environment has a package for: tflite-runtime cannot stand beside ai-edge-litert."""

from __future__ import annotations

from importlib.util import find_spec

PACKAGES = {"litert": "ai_edge_litert", "tflite_runtime": "tflite_runtime"}
ENGINES = [name for name, package in PACKAGES.items() if find_spec(package) is not None]
assert ENGINES, "expected ai-edge-litert or tflite-runtime in this environment, or nothing of the engines is tested"
ENGINE = ENGINES[0]
