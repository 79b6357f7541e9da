"""Small cards for tests of the stages around the model. No model file belongs to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.bundle import Anchors, Bundle, Calibration, Card, Decode, Input, Label, Output

SCALE = 0.05


def card(**changes: Any) -> Card:
    """Two labels, 64×64 input, one level of stride 16, distances."""
    values: dict[str, Any] = {
        "format": 1,
        "name": "test",
        "version": "0",
        "status": "research",
        "notice": "for tests",
        "input": Input("image", (1, 64, 64, 3), "int8", mean=127.0, std=128.0, scale=1 / 128, zero_point=-1),
        "outputs": (
            Output("scores", "class_logits", (1, 4, 4, 2), "int8", SCALE, 0, 16),
            Output("distances", "log_distances", (1, 4, 4, 4), "int8", SCALE, 0, 16),
        ),
        "decode": Decode("distances", 0.5),
        "labels": (Label("cutaneous_tumour", 0.5), Label("acne_rosacea", 0.5)),
        "recipe": "static_wi8_ai8",
        "calibration": Calibration(0, "0" * 64, "none"),
        "gate": "none",
        "model_sha256": "0" * 64,
    }
    return Card(**(values | changes))


def bundle(**changes: Any) -> Bundle:
    return Bundle(Path("test-bundle"), card(**changes), b"")


def anchor_bundle() -> Bundle:
    """One anchor of 16 px a cell, 4×4 cells of 16 px."""
    return bundle(
        outputs=(
            Output("scores", "class_logits", (1, 16, 2), "float32"),
            Output("offsets", "anchor_offsets", (1, 16, 4), "float32"),
        ),
        decode=Decode("anchors", 0.5, Anchors((16,), (16.0,), (1.0,))),
    )
