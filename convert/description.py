"""What a model is for and how to feed it: the part of a card that no file of weights says.

A TOML file (`--describe model.toml`); what is left out is inferred where the model's shapes leave no doubt:

    name = "skin-lesion-7"                 # the bundle's name
    version = "1.0.0"
    task = "classification"                # or "detection", "tensors" (no meaning known, only compared)
    labels = ["akiec", "bcc", "mel"]       # in the outputs' order; or --labels FILE, one a line
    score_threshold = 0.5
    notice = "For research only; not for clinical use."

    [input]                                # the picture; the only [1, height, width, 3] input where no name is given
    range = [-1.0, 1.0]                    # of pixel values 0 to 255; or --input-range LO,HI; or:
    # mean = 127.0                         # (value - mean) / std, one number for all channels: a model that wants
    # std = 128.0                          # one for each channel has to do that itself, as its first layer
    pad_value = 114                        # of the letterbox's bars

    [[vectors]]                            # each input that is no picture
    name = "metadata"
    columns = ["age", "is_female"]         # of the CSV; in an .npz, the array of the input's name

    [[outputs]]                            # tensor names as `dermedge inspect` shows them
    name = "probabilities"
    role = "class_probabilities"           # class_logits, log_distances, anchor_offsets, boxes, classes, scores, …
    # stride = 8                           # of a detector's cells, in input pixels
    # channels = [0, 4]                    # where one tensor holds several things

    [decode]                               # detection only; as in a card (edge/card.py)
    kind = "distances"
    nms_iou = 0.5

    [[sources]]                            # licences and origins, as in a card
    name = "HAM10000"
    repo = "…"
    commit = "…"
    licence_as_stated = "CC BY-NC 4.0"
    use = "train"
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from convert.errors import ConvertError
from edge.bundle import Decode, Role, Source, Task

LOGIT_LIMIT = 12.0
"""Beyond it a sigmoid is within 1e-5 of 0 or 1."""
NOTICE = "For research and demonstration; not for clinical use."
_Fraction = Annotated[float, Meta(ge=0, le=1)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Picture(_Part, frozen=True):
    """The picture input. shape: filled in from the model. `range` is turned into mean and std when it is read."""

    name: str = ""
    mean: float | None = None
    std: Annotated[float, Meta(gt=0)] | None = None
    range: tuple[float, float] | None = None
    pad_value: Annotated[int, Meta(ge=0, le=255)] = 114
    shape: tuple[int, ...] = ()


class Vector(_Part, frozen=True):
    """An input that is no picture. shape: filled in from the model."""

    name: str
    columns: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()


class OutputRole(_Part, frozen=True):
    """What one output, or some channels of it, stand for; as edge.bundle.Output. shape: filled in from the model."""

    name: str
    role: Role
    stride: Annotated[int, Meta(ge=0)] = 0
    channels: tuple[int, int] | None = None
    shape: tuple[int, ...] = ()


class Description(_Part, frozen=True):
    """As read, with gaps; `convert.inferred.complete` fills them. task None: to be inferred."""

    task: Task | None = None
    name: Annotated[str, Meta(min_length=1, max_length=80)] = "converted"
    version: str = "1.0.0"
    status: Literal["research", "clinical"] = "research"
    notice: str = NOTICE
    labels: tuple[str, ...] = ()
    score_threshold: _Fraction = 0.5
    score_thresholds: tuple[_Fraction, ...] = ()
    threshold_rule: str = ""
    input: Picture = Picture()
    vectors: tuple[Vector, ...] = ()
    outputs: tuple[OutputRole, ...] = ()
    decode: Decode | None = None
    not_covered: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def has_picture(self) -> bool:
        """Once completed: whether the model takes a picture."""
        return bool(self.input.name)

    @property
    def input_ranges(self) -> dict[str, tuple[float, float]]:
        """Once completed: input name → the smallest and largest value that preprocessing can produce."""
        if not self.has_picture or self.input.mean is None or self.input.std is None:
            return {}
        low, high = ((value - self.input.mean) / self.input.std for value in (0, 255))
        return {self.input.name: (low, high)}

    @property
    def output_limits(self) -> dict[str, tuple[float, float]]:
        """Once completed: a detector's logits → where their sigmoid still changes; of some the rest is far larger.

        MediaPipe's BlazeFace answers far below that, and over its whole range all faces lie in the last step.
        """
        if self.task != "detection":
            return {}
        logits = [each.name for each in self.outputs if each.role == "class_logits" and each.channels is None]
        return dict.fromkeys(logits, (-LOGIT_LIMIT, LOGIT_LIMIT))


def read_description(
    toml: Path | None = None, labels: Path | None = None, input_range: tuple[float, float] | None = None
) -> Description:
    """What the user says of the model; options go before the file.

    Raises ConvertError for a file that cannot be read or says what cannot be.
    """
    described = Description() if toml is None else _read_toml(toml)
    if labels is not None:
        lines = _text(labels, "labels, one a line,").splitlines()
        described = msgspec.structs.replace(described, labels=tuple(line.strip() for line in lines if line.strip()))
        if not described.labels:
            raise ConvertError(f"expected labels, one a line, in {labels}, got none")
    described = msgspec.structs.replace(described, labels=label_names(described.labels))
    picture = described.input
    if input_range is not None:
        picture = msgspec.structs.replace(picture, range=input_range, mean=None, std=None)
    if (picture.mean is None) != (picture.std is None) or (picture.range is not None and picture.mean is not None):
        raise ConvertError("expected for [input] mean and std together, or range alone; got another combination")
    if picture.range is not None:
        mean, std = normalisation(picture.range)
        picture = msgspec.structs.replace(picture, mean=mean, std=std, range=None)
    return msgspec.structs.replace(described, input=picture)


def normalisation(input_range: tuple[float, float]) -> tuple[float, float]:
    """(mean, std) such that (0 - mean) / std and (255 - mean) / std are the range's ends."""
    low, high = input_range
    if not (-1e6 < low < high < 1e6):
        raise ConvertError(f"expected an input range LO,HI with LO below HI, got {low:g},{high:g}: for example 0,1")
    std = 255 / (high - low)
    return -low * std, std


def label_names(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels as a card writes them. Raises ConvertError where two become the same."""
    names = tuple(label_name(label) for label in labels)
    for index, name in enumerate(names):
        if name in names[:index]:
            first = labels[names.index(name)]
            raise ConvertError(f"expected labels with names of their own, got {first!r} and {labels[index]!r}: {name}")
    return names


def label_name(text: str) -> str:
    """A label as a card writes it: lower case a-z, digits, - and _, at most 40; "Basal cell" → "basal_cell".

    Raises ConvertError for a text of which nothing is left.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9-]+", "_", plain).strip("_-")[:40]
    if not name:
        raise ConvertError(
            f"expected a label in Latin letters or digits, got {text!r}: write it so, as card and CSV do"
        )
    return name


def _read_toml(path: Path) -> Description:
    try:
        return msgspec.toml.decode(_text(path, "a model's description in TOML"), type=Description)
    except msgspec.DecodeError as error:
        raise ConvertError(f"expected a model's description in {path}, got: {error}: see docs/converter.md") from error


def _text(path: Path, expected: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConvertError(f"expected {expected} at {path}, got: {error.strerror}: check the path") from error
    except UnicodeDecodeError as error:
        raise ConvertError(f"expected {expected} in {path}, got text that is not UTF-8: save it as UTF-8") from error
