"""A model bundle: a folder with `model.tflite` and `card.json`. What a card holds stands in edge/card.py."""

from __future__ import annotations

import hashlib
import json
import os
from importlib.resources import files
from pathlib import Path

import msgspec

from edge.card import (
    Anchors,
    Calibration,
    Card,
    Decode,
    DType,
    GateKind,
    Input,
    Label,
    LabelName,
    LogisticCalibration,
    Output,
    Role,
    Source,
    Task,
    VectorInput,
)
from edge.errors import BundleError, StoreError

__all__ = [
    "CARD_FILE",
    "DEFAULT_BUNDLE",
    "MODEL_FILE",
    "Anchors",
    "Bundle",
    "Calibration",
    "Card",
    "DType",
    "Decode",
    "GateKind",
    "Input",
    "Label",
    "LabelName",
    "LogisticCalibration",
    "Output",
    "Role",
    "Source",
    "Task",
    "VectorInput",
    "default_path",
    "load",
    "save",
]

MODEL_FILE = "model.tflite"
CARD_FILE = "card.json"
DEFAULT_BUNDLE = "lesion-320"


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
    """Write model and card into an existing or new folder; a file is there whole or as it was.

    Raises StoreError where the folder cannot be written.
    """
    text = json.dumps(msgspec.to_builtins(card), indent=2, ensure_ascii=False) + "\n"
    try:
        path.mkdir(parents=True, exist_ok=True)
        _replace(path / MODEL_FILE, model)
        _replace(path / CARD_FILE, text.encode())
    except OSError as error:
        raise StoreError(f"expected to write a bundle into {path}; {error}; make space or name another") from error


def _replace(path: Path, content: bytes) -> None:
    """Temporary file, fsync, rename, and fsync of the folder, without which a power cut may undo the rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
