"""A model's card: all that the runtime and its reader must know of it, as it stands in a bundle's `card.json`.

`measured` (figures, dates) is the only part that the card's own hash leaves out, so that measuring a bundle again
does not make another bundle of it. A field that came after the first cards is hashed only where it says something, so
that an old card keeps its hash.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from edge.errors import BundleError

LabelName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)")]
"""A class of a model, as its card names it and a finding reports it."""
DType = Literal["int8", "uint8", "int16", "float32"]
Task = Literal["detection", "classification", "tensors"]
"""tensors: the runtime knows no use of it; the converter only compares it with its source."""
GateKind = Literal["task", "task_weak", "agreement", "none"]
"""What was shown before the bundle was written: the task's metric, the same on pictures too few to tell, agreement with
the float model, or nothing."""
Role = Literal[
    "class_logits",
    "class_probabilities",
    "log_distances",
    "anchor_offsets",
    "boxes",
    "classes",
    "scores",
    "count",
    "tensor",
]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    later: ClassVar[tuple[str, ...]] = ()
    """Fields that came after the first cards: left out of the hash where they hold their default."""


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


class VectorInput(_Part, frozen=True):
    """An input that is no picture. columns: what its values are, as the table that they come from names them."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    scale: float = 0.0
    zero_point: int = 0
    columns: tuple[str, ...] = ()


class Output(_Part, frozen=True):
    """What one output tensor, or a range of its last axis, stands for. Matched by name.

    stride: the cell's side in input pixels, for per-cell outputs. channels: from and to (exclusive) on the last axis,
    None for all of it; so two outputs may share one tensor, and values that nobody needs are left aside.
    """

    later = ("channels",)

    name: str
    role: Role
    shape: tuple[int, ...]
    dtype: DType
    scale: float = 0.0
    zero_point: int = 0
    stride: int = 0
    channels: tuple[int, int] | None = None


class Anchors(_Part, frozen=True):
    """SSD anchors, generated level by level, row by row, then aspect by aspect (Liu et al. 2016).

    Centres at (i + 0.5) * stride; sides in input pixels are scale_px * sqrt(aspect) wide, scale_px / sqrt(aspect) high.
    repeats: how often each level has its anchors in every cell; empty for once. An offset, in `order`, is divided by
    `variances`: centre = anchor centre + offset * anchor side, side = anchor side * exp(offset), or, where `sides` is
    linear, anchor side * offset.

    So BlazeFace (Bazarevsky et al. 2019), whose offsets are pixels, has anchors of 1 px, variances of 1, and linear
    sides.
    """

    later = ("repeats", "order", "sides")

    strides: tuple[int, ...]
    scales_px: tuple[float, ...]
    aspects: tuple[float, ...]
    variances: tuple[float, float, float, float] = (10.0, 10.0, 5.0, 5.0)
    repeats: tuple[int, ...] = ()
    order: Literal["yxhw", "xywh"] = "yxhw"
    sides: Literal["exponential", "linear"] = "exponential"

    def __post_init__(self) -> None:
        levels = len(self.strides)
        if not levels or len(self.scales_px) != levels or len(self.repeats) not in (0, levels):
            raise ValueError(
                f"expected a scale for each of {levels} anchor strides, and repeats for all or none, "
                f"got {len(self.scales_px)} and {len(self.repeats)}"
            )
        if not self.aspects or min(*self.strides, *self.scales_px, *self.aspects, *self.repeats, *self.variances) <= 0:
            raise ValueError("expected anchors with strides, scales, aspects, repeats and variances over 0")


class Decode(_Part, frozen=True):
    """kind "distances": per cell, exp(v) * stride from the cell's centre to left, top, right, bottom.
    Cells lie in a map (1, rows, columns, values), or in its rows one after the other, (1, cells, values).

    kind "anchors": offsets to `anchors`. kind "boxes": the model has decoded and suppressed already; `boxes` holds
    y_min, x_min, y_max, x_max as fractions of the input's sides, `scores` probabilities, `classes` indices, and only
    the first `count` rows count (the four outputs of TFLite_Detection_PostProcess). Scores are class_probabilities, or
    the sigmoid of class_logits.

    vote_iou: the IoU from which boxes have a say in where a detection lies (edge.detect.voted); 0 for no vote.
    """

    later = ("vote_iou",)

    kind: Literal["distances", "anchors", "boxes"]
    nms_iou: Annotated[float, Meta(gt=0, le=1)] = 0.5
    anchors: Anchors | None = None
    vote_iou: Annotated[float, Meta(ge=0, le=1)] = 0.0


class LogisticCalibration(_Part, frozen=True):
    """A score that means something: sigmoid(slope * logit + intercept), fitted on held pictures (Platt 1999)."""

    slope: Annotated[float, Meta(gt=0)]
    intercept: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and self.slope > 0 and math.isfinite(self.intercept)):
            raise ValueError(
                f"expected a finite slope over 0 and a finite intercept, got {self.slope}, {self.intercept}"
            )


class Label(_Part, frozen=True):
    """One class. score_threshold: what `dermedge run` and `detect` report without --score-threshold.

    Threshold and reported score are calibrated where the label has a calibration.
    """

    later = ("calibration",)

    name: LabelName
    score_threshold: Annotated[float, Meta(ge=0, le=1)]
    calibration: LogisticCalibration | None = None


class Calibration(_Part, frozen=True):
    """The representative dataset: how many pictures, and the SHA-256 over them in the order used.

    weak: why it should not have been used, where somebody used it all the same.
    """

    later = ("weak",)

    pictures: int
    sha256: str
    source: str
    weak: tuple[str, ...] = ()


class Source(_Part, frozen=True):
    """Where training pictures or starting weights came from, and the licence as its publisher states it."""

    name: str
    repo: str
    commit: str
    licence_as_stated: str
    use: str


class Card(_Part, frozen=True):
    """All that the runtime and its reader must know of a model.

    input: None for a model without a picture (task "tensors" only). recipe_detail: the recipe as data. gate: a
    sentence; gate_kind: the same for programs.
    """

    later = ("task", "vectors", "recipe_detail", "gate_kind")

    format: Literal[1]
    name: str
    version: str
    status: Literal["research", "clinical"]
    notice: str
    input: Input | None
    outputs: tuple[Output, ...]
    decode: Decode | None
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
    task: Task = "detection"
    vectors: tuple[VectorInput, ...] = ()
    recipe_detail: dict[str, Any] = msgspec.field(default_factory=dict)
    gate_kind: GateKind = "none"
    training: dict[str, Any] = msgspec.field(default_factory=dict)
    measured: dict[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [label.name for label in self.labels]
        if len(set(names)) != len(names) or not (names or self.task == "tensors"):
            raise ValueError(f"expected labels with names of their own, got {names}")
        if (self.decode is not None) != (self.task == "detection"):
            raise ValueError(f"expected `decode` for task 'detection' and for no other, got task {self.task!r}")
        if self.input is None and self.task != "tensors":
            raise ValueError(f"expected a picture input for task {self.task!r}")
        if self.decode is not None and self.decode.kind == "distances":
            per_cell = [each for each in self.outputs if each.role != "tensor"]
            if any(each.stride < 1 for each in per_cell):
                raise ValueError("expected a stride of at least 1 px for every output of decode 'distances'")
        inputs: list[Input | VectorInput] = [*self.vectors] if self.input is None else [self.input, *self.vectors]
        for each in inputs:
            if each.dtype != "float32" and not each.scale > 0:
                raise ValueError(f"expected a scale over 0 for an input of {each.dtype}, got {each.scale}")

    @property
    def picture_input(self) -> Input:
        """The picture tensor. Raises BundleError for a model that takes no picture."""
        if self.input is None:
            raise BundleError(f"expected a model that takes a picture, got {self.name!r}: name another bundle")
        return self.input

    @property
    def sha256(self) -> str:
        """Over the card as canonical JSON without `measured`; it covers the model's own hash."""
        table = _hashed(self)
        del table["measured"]
        return hashlib.sha256(json.dumps(table, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _hashed(part: Any) -> Any:
    if isinstance(part, tuple | list):
        return [_hashed(each) for each in part]
    if not isinstance(part, _Part):
        return part
    table = {field.name: (getattr(part, field.name), field.default) for field in msgspec.structs.fields(part)}
    return {
        name: _hashed(value)
        for name, (value, default) in table.items()
        if name not in part.later or (value != default and value != {})
    }
