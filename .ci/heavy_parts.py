# ruff: noqa: INP001 - a script's table, not a package
"""The heavy parts, and the environments that they run in. Standard library only."""

from __future__ import annotations

from typing import NamedTuple


class Environment(NamedTuple):
    """An environment outside the clone, under its own name in the cache, made by a make target.

    pythons: the only versions that it can be made with, best first, and the reason why no other will do.
    """

    target: str
    pythons: tuple[str, ...] = ()
    reason: str = ""


class HeavyPart(NamedTuple):
    """Tests that match `marker`; due when a file in `watched` or a requirement of `extras` has changed.

    environments: the first one runs the tests, the others are started from there.
    """

    marker: str
    tests: tuple[str, ...]
    watched: tuple[str, ...]
    extras: tuple[str, ...] = ()
    environments: tuple[str, ...] = ("workshop",)


ENVIRONMENTS = {
    "workshop": Environment("workshop"),
    "onnx": Environment("onnx-environment", ("3.11", "3.12"), "onnx2tf 1.29 has no TensorFlow for a newer Python"),
    "tflite": Environment("tflite-environment", ("3.11",), "tflite-runtime has no wheels for a newer Python"),
    "mediapipe": Environment("mediapipe-environment"),
    "boards": Environment("boards-environment"),
}

WORKSHOP_EXTRAS = ("models", "dev")
A_MODEL_PASSES = (
    "convert",
    "edge/bundle.py",
    "edge/card.py",
    "edge/decode.py",
    "edge/detect.py",
    "edge/frame.py",
    "edge/inference",
    "edge/pictures.py",
    "edge/preprocess.py",
)
THE_WIRE = ("edge/bodies.py", "edge/events.py", "edge/wire.py")
HEAVY = {
    "workshop: models": HeavyPart(
        "heavy_workshop",
        ("tests/models",),
        ("models", "edge/bundles", "tests/models", *A_MODEL_PASSES),
        WORKSHOP_EXTRAS,
    ),
    "workshop: convert": HeavyPart(
        "heavy_workshop",
        ("tests/convert",),
        ("tests/convert", *A_MODEL_PASSES),
        (*WORKSHOP_EXTRAS, "onnx"),
        ("workshop", "onnx"),
    ),
    # The second engine, with the oldest versions of everything that stands beside it.
    "tflite: edge": HeavyPart(
        "not heavy_workshop",
        ("tests/edge", "tests/contracts"),
        ("edge", "tests/edge", "tests/contracts"),
        ("runtime", "tflite", "test"),
        ("tflite",),
    ),
    "mediapipe: convert": HeavyPart(
        "heavy_mediapipe",
        ("tests/convert/mediapipe/test_mediapipe_detector.py",),
        ("tests/convert", *A_MODEL_PASSES),
        ("runtime", "mediapipe", "test"),
        ("mediapipe",),
    ),
    # Other people's programs on our topics and documents.
    "boards: boards": HeavyPart(
        "heavy_boards",
        ("tests/boards",),
        ("hub/boards", *THE_WIRE, "docs/asyncapi.yaml", "tests/boards", "tests/golden"),
        ("hub", "test"),
        ("boards",),
    ),
}
