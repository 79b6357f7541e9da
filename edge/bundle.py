"""A model bundle: a folder with `model.tflite` and `card.json`. The card says all that the runtime must know.

`measured` (figures, dates) is the only part that the card's own hash leaves out, so that measuring a bundle again
does not make another bundle of it.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge.errors import BundleError

MODEL_FILE = "model.tflite"
CARD_FILE = "card.json"
DEFAULT_BUNDLE = "lesion-320"

LabelName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)")]
"""A class of a model, as its card names it and a finding reports it."""
DType = Literal["int8", "uint8", "int16", "float32"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Input(_Part, frozen=True):
    """The picture tensor, (1, height, width, 3), R, G, B.

    A pixel value v of 0..255 becomes the real number (v - mean) / std, and quantised round(real / scale) + zero_point.
    pad_value: the pixel value of the letterbox's bars.
    """

    name: str
    shape: tuple[int, int, int, int]
    dtype: DType
    mean: float
    std: Annotated[float, Meta(gt=0)]
    scale: float = 0.0
    zero_point: int = 0
    pad_value: Annotated[int, Meta(ge=0, le=255)] = 114


class Output(_Part, frozen=True):
    """One output tensor. Matched by name; `stride` is the cell's side in input pixels for per-cell outputs."""

    name: str
    role: Literal["class_logits", "log_distances", "anchor_offsets"]
    shape: tuple[int, ...]
    dtype: DType
    scale: float = 0.0
    zero_point: int = 0
    stride: int = 0


class Anchors(_Part, frozen=True):
    """SSD anchors, generated level by level, row by row, then aspect by aspect (Liu et al. 2016).

    Centres at (i + 0.5) * stride; sides in input pixels are scale_px * sqrt(aspect) wide, scale_px / sqrt(aspect) high.
    An offset (y, x, h, w) is divided by `variances`: centre = anchor centre + offset * anchor side,
    side = anchor side * exp(offset).
    """

    strides: tuple[int, ...]
    scales_px: tuple[float, ...]
    aspects: tuple[float, ...]
    variances: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)


class Decode(_Part, frozen=True):
    """kind "distances": per cell, exp(v) * stride from the cell's centre to left, top, right, bottom.

    kind "anchors": offsets to `anchors`. Scores are the sigmoid of class_logits.
    """

    kind: Literal["distances", "anchors"]
    nms_iou: Annotated[float, Meta(gt=0, le=1)] = 0.5
    anchors: Anchors | None = None


class Label(_Part, frozen=True):
    """One class. score_threshold: what `dermedge run` and `detect` report without --score-threshold."""

    name: LabelName
    score_threshold: Annotated[float, Meta(ge=0, le=1)]


class Calibration(_Part, frozen=True):
    """The representative dataset: how many pictures, and the SHA-256 over them in the order used."""

    pictures: int
    sha256: str
    source: str


class Source(_Part, frozen=True):
    """Where training pictures or starting weights came from, and the licence as its publisher states it."""

    name: str
    repo: str
    commit: str
    licence_as_stated: str
    use: str


class Card(_Part, frozen=True):
    """All that the runtime and its reader must know of a model."""

    format: Literal[1]
    name: str
    version: str
    status: Literal["research", "clinical"]
    notice: str
    input: Input
    outputs: tuple[Output, ...]
    decode: Decode
    labels: tuple[Label, ...]
    recipe: str
    calibration: Calibration
    gate: str
    model_sha256: str
    threshold_rule: str = ""
    not_covered: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    parameters: int = 0
    mac: int = 0
    training: dict[str, Any] = msgspec.field(default_factory=dict)
    measured: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [label.name for label in self.labels]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"expected labels with names of their own, got {names}")
        if self.decode.kind == "distances" and any(output.stride < 1 for output in self.outputs):
            raise ValueError("expected a stride of at least 1 px for every output of decode 'distances'")
        if self.input.dtype != "float32" and not self.input.scale > 0:
            raise ValueError(f"expected a scale over 0 for an input of {self.input.dtype}, got {self.input.scale}")

    @property
    def sha256(self) -> str:
        """Over the card as canonical JSON without `measured`; it covers the model's own hash."""
        table = msgspec.to_builtins(self)
        del table["measured"]
        return hashlib.sha256(json.dumps(table, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Bundle(msgspec.Struct, frozen=True):
    """A bundle as it was read: the card fits the model's bytes."""

    path: Path
    card: Card
    model: bytes


def default_path() -> Path:
    """The folder of the bundle that ships with the package."""
    return Path(str(files("edge"))) / "bundles" / DEFAULT_BUNDLE


def load(path: Path | None = None) -> Bundle:
    """Read a bundle's folder; None is the one that ships.

    Raises BundleError for a missing file, a card that is not one, or a model whose hash is not the card's.
    Whether the tensors are as the card says is for the inference backend to check: it has the interpreter.
    """
    path = path or default_path()
    try:
        card = msgspec.json.decode((path / CARD_FILE).read_bytes(), type=Card)
        model = (path / MODEL_FILE).read_bytes()
    except OSError as error:
        raise BundleError(
            f"expected a bundle's folder with {MODEL_FILE} and {CARD_FILE} at {path}; {error.strerror}: "
            f"{error.filename}; name another folder, or install dermedge again"
        ) from error
    except msgspec.DecodeError as error:
        raise BundleError(
            f"expected a bundle's card at {path / CARD_FILE}; {error}; convert the model again"
        ) from error
    found = hashlib.sha256(model).hexdigest()
    if found != card.model_sha256:
        raise BundleError(
            f"expected {path / MODEL_FILE} with SHA-256 {card.model_sha256[:12]}…, got {found[:12]}… "
            f"({len(model)} bytes): the file is damaged or of another bundle; copy the bundle again"
        )
    return Bundle(path, card, model)


def save(path: Path, card: Card, model: bytes) -> None:
    """Write model and card into an existing or new folder."""
    path.mkdir(parents=True, exist_ok=True)
    (path / MODEL_FILE).write_bytes(model)
    text = json.dumps(msgspec.to_builtins(card), indent=2, ensure_ascii=False)
    (path / CARD_FILE).write_text(text + "\n", encoding="utf-8")
