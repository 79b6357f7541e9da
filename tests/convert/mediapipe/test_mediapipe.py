"""The MediaPipe variant in LiteRT: what it answers is what edge.detect answers, for every way of decoding."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from convert.errors import ConvertError
from convert.graph import op_name, read_model
from convert.mediapipe import export
from edge import bundle
from edge.bundle import Bundle, Card, Decode, Input, Label, LogisticCalibration, Output
from edge.config import Detect, Inference
from edge.detect import Detection, Detector
from tests.convert.mediapipe.drawn import pictures
from tests.convert.mediapipe.unvoted import unvoted
from tests.tree import ROOT

YARDSTICK = ROOT / "benchmarks" / "yardstick"
LOW = Detect(score_threshold=0.03)
"""Dozens of boxes a picture, many of them with the same score, many that overlap."""
replace = msgspec.structs.replace


def as_bundle(variant: bytes, original: Bundle, settings: Detect) -> Bundle:
    """The variant as our own runtime takes it: a model that has decoded and suppressed already."""
    rows = settings.max_detections
    names = ["TFLite_Detection_PostProcess" + (f":{index}" if index else "") for index in range(4)]
    shapes = [(1, rows, 4), (1, rows), (1, rows), (1,)]
    card = original.card
    picture = card.picture_input
    outputs = tuple(
        Output(name, role, shape, "float32")
        for name, role, shape in zip(names, ("boxes", "classes", "scores", "count"), shapes, strict=True)
    )
    zero_point = int(picture.mean) if picture.mean.is_integer() else 0
    pixels = Input("image", picture.shape, "uint8", zero_point, picture.std, 1 / picture.std, zero_point)
    decoded = replace(
        card,
        input=replace(pixels, pad_value=picture.pad_value),
        outputs=outputs,
        decode=Decode("boxes", nms_iou=1.0),
        labels=tuple(replace(label, score_threshold=0.0, calibration=None) for label in card.labels),
    )
    return Bundle(original.path, decoded, variant)


def detections(loaded: Bundle, settings: Detect) -> list[list[Detection]]:
    detector = Detector(loaded, Inference(threads=1), settings)
    return [detector.detect(picture) for picture in pictures(3)]


def assert_the_same(original: Bundle, settings: Detect) -> int:
    """How many detections there were to compare."""
    variant = as_bundle(export(original, settings), original, settings)
    wanted = detections(unvoted(original), settings)
    got = detections(variant, Detect(max_detections=settings.max_detections))
    for want, have in zip(wanted, got, strict=True):
        assert [each.label for each in want] == [each.label for each in have]
        assert np.allclose([each.score for each in want], [each.score for each in have], atol=1e-6)
        corners = [np.asarray([each.box_px for each in found]).reshape(-1, 4) for found in (want, have)]
        assert np.allclose(*corners, atol=0.01)
    return sum(map(len, wanted))


def as_it_is(card: Card) -> Card:
    return card


def calibrated(card: Card) -> Card:
    """Another calibration and another threshold for each label: the best label changes, and some fall out."""
    first, second = card.labels
    return replace(
        card,
        labels=(
            replace(first, score_threshold=0.2, calibration=LogisticCalibration(1.7, -1.5)),
            replace(second, score_threshold=0.35, calibration=LogisticCalibration(0.6, 0.8)),
        ),
    )


def of_another_range(card: Card) -> Card:
    """A mean that no uint8 zero point stands for."""
    return replace(card, input=replace(card.picture_input, mean=127.5, std=127.5))


@pytest.mark.parametrize("describe", [as_it_is, calibrated, of_another_range])
@pytest.mark.parametrize("settings", [Detect(), LOW, Detect(score_threshold=0.03, max_detections=7)])
def test_the_shipped_detector(describe: Callable[[Card], Card], settings: Detect) -> None:
    shipped = bundle.load()
    assert assert_the_same(replace(shipped, card=describe(shipped.card)), settings) >= 3


def of_blazeface(card: Card) -> Card:
    """The yardstick's tensors read as BlazeFace's would be: nonsense, and it must be the same nonsense."""
    assert card.decode is not None
    assert card.decode.anchors is not None
    anchors = replace(card.decode.anchors, order="xywh", sides="linear", variances=(2.0, 2.0, 3.0, 3.0))
    return replace(card, decode=replace(card.decode, anchors=anchors))


def of_three_labels(card: Card) -> Card:
    """Of each anchor's 90 scores three, as of a model whose tensor holds more than scores."""
    outputs = tuple(replace(each, channels=(10, 13)) if each.role == "class_logits" else each for each in card.outputs)
    return replace(card, outputs=outputs, labels=tuple(Label(name, 0.1) for name in ("one", "two", "three")))


@pytest.mark.parametrize("describe", [as_it_is, of_blazeface, of_three_labels])
def test_a_detector_with_anchors(describe: Callable[[Card], Card]) -> None:
    yardstick = bundle.load(YARDSTICK)
    assert assert_the_same(replace(yardstick, card=describe(yardstick.card)), LOW) >= 20


def test_its_arithmetic_is_the_bundles_own() -> None:
    """Every op and every weight of the bundle is there, in its order; what is new stands around them."""
    shipped = bundle.load()
    before, after = (read_model(content, "") for content in (shipped.model, export(shipped)))
    names = [[op_name(model, each)[0] for each in model.subgraphs[0].operators] for model in (before, after)]
    assert names[1][0] == "QUANTIZE"
    assert names[1][1 : 1 + len(names[0])] == names[0]
    assert names[1][-1] == "TFLite_Detection_PostProcess"
    weights = [
        [None if each.data is None else each.data.tobytes() for each in model.buffers[: len(before.buffers)]]
        for model in (before, after)
    ]
    assert weights[0] == weights[1]
    scales = [
        [(each.quantization.scale, each.quantization.zeroPoint) for each in model.subgraphs[0].tensors[:200]]
        for model in (before, after)
    ]
    assert str(scales[0]) == str(scales[1])


def test_the_same_bundle_gives_the_same_bytes_and_its_labels() -> None:
    shipped = bundle.load()
    variant = export(shipped)
    assert variant == export(shipped)
    with zipfile.ZipFile(io.BytesIO(variant)) as archive:
        assert archive.read("labels.txt").decode().split() == [label.name for label in shipped.card.labels]
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "classification", "decode": None}, "expected a detector for MediaPipe"),
        ({"decode": Decode("anchors")}, "expected a detector for MediaPipe"),
    ],
)
def test_what_is_no_detector_is_refused(change: dict[str, object], words: str) -> None:
    shipped = bundle.load()
    with pytest.raises(ConvertError, match=words):
        export(replace(shipped, card=replace(shipped.card, **change)))


def test_what_is_decoded_already_is_refused() -> None:
    shipped = bundle.load()
    with pytest.raises(ConvertError, match="ends with TFLite_Detection_PostProcess already"):
        export(as_bundle(export(shipped), shipped, Detect()))
