"""A variant of a detector's bundle that MediaPipe's ObjectDetector loads, as on Android.

The file keeps the bundle's ops and weights, so its arithmetic up to the raw outputs is the same, bit for bit. Around
them come a uint8 picture, the decoding in float, the card's thresholds and calibration, TFLite_Detection_PostProcess,
and TFLite metadata with the labels.

What differs from edge.detect: MediaPipe stretches a picture to the model's size where we letterbox it, and it cuts a
box's origin and size to whole pixels; and a box is the best candidate's own, where a card's `vote_iou` lets those that
agree move it. A score threshold that the application sets can only be higher than the card's.
"""

from __future__ import annotations

from typing import Any

from convert.errors import ConvertError
from convert.graph import pack_model, read_model
from convert.mediapipe.graph import GraphWriter
from convert.mediapipe.head import append_head
from convert.mediapipe.metadata import OUTPUTS, append_metadata, with_labels
from edge.bundle import Bundle, Input
from edge.config import Detect
from edge.detect import Decoder
from edge.errors import BundleError

FILE = "mediapipe.tflite"
"""The variant's name in a bundle's folder."""


def export(bundle: Bundle, settings: Detect | None = None) -> bytes:
    """The variant's file; the same bundle gives the same bytes. settings: another threshold, or number of detections.

    Raises ConvertError for a bundle that is no detector with raw outputs.
    """
    settings = settings or Detect()
    decode = bundle.card.decode
    try:
        Decoder(bundle, settings)  # the card's own checks: its outputs fit its decode
    except BundleError as error:
        raise ConvertError(f"expected a detector for MediaPipe; {error}") from error
    if decode is None or decode.kind == "boxes":
        raise ConvertError(
            f"expected a detector with raw outputs for MediaPipe, got decode 'boxes' in {bundle.path}: the model ends "
            "with TFLite_Detection_PostProcess already"
        )
    model = read_model(bundle.model, str(bundle.path))
    writer = GraphWriter(model)
    append_head(writer, bundle, decode, settings)
    _take_bytes(writer, bundle.card.picture_input)
    writer.sign(["image"], OUTPUTS)
    append_metadata(model, bundle.card)
    return with_labels(pack_model(model), bundle.card)


def _take_bytes(writer: GraphWriter, picture: Input) -> None:
    """A uint8 tensor of pixel values in front of the model's own input.

    (v - mean) / std is what a uint8 tensor of scale 1 / std and zero point `mean` stands for; so where the mean is a
    whole number, one op turns pixels into the model's input.
    """
    target = writer.index_of(picture.name)
    whole = picture.mean == round(picture.mean) and 0 <= picture.mean <= 255
    zero_point = round(picture.mean) if whole else 0
    pixels = writer.tensor("image", picture.shape, "uint8", (1 / picture.std, zero_point))
    if picture.dtype != "float32" and whole:
        writer.op("QUANTIZE", [pixels], [target], first=True)
    else:
        _through_float(writer, picture, pixels, target, whole=whole)
    writer.graph.inputs = [pixels if index == target else index for index in writer.graph.inputs]


def _through_float(writer: GraphWriter, picture: Input, pixels: int, target: int, *, whole: bool) -> None:
    """Ops are put first one by one, so the last one comes first here."""
    real = target
    if picture.dtype != "float32":
        real = writer.tensor("mediapipe/real", picture.shape)
        writer.op("QUANTIZE", [real], [target], first=True)
    if whole:
        writer.op("DEQUANTIZE", [pixels], [real], first=True)
        return
    scaled = writer.tensor("mediapipe/scaled", picture.shape)
    shift = writer.constant("mediapipe/shift", _shift(picture))
    writer.op("SUB", [scaled, shift], [real], first=True)
    writer.op("DEQUANTIZE", [pixels], [scaled], first=True)


def _shift(picture: Input) -> Any:
    import numpy as np

    return np.full((1, 1, 1, 1), picture.mean / picture.std, np.float32)
