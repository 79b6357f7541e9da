"""The training pictures and their boxes: one CSV, three splits, one rule — training reads the train split only.

The folder is named by DERMEDGE_DATA (default ../shared/data beside the checkout). Nothing in it is copied into the
project. `split` is by near-duplicate group and is taken as it stands.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

LABELS = ("cutaneous_tumour", "acne_rosacea")
"""Detector classes in output order. Everything else in the CSV is a negative."""

SPLITS = ("train", "val", "test")
DEFAULT_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


class DataMissingError(FileNotFoundError):
    """The picture folder is not there; the message says which variable to set."""


@dataclass(frozen=True)
class Picture:
    """One picture: its file, where it comes from, and its boxes [n, 4] (x_min, y_min, x_max, y_max, stored pixels)."""

    file: str
    path: Path
    source: str
    split: str
    group: str
    width_px: int
    height_px: int
    boxes_px: NDArray[np.float32]
    classes: NDArray[np.int64]

    def rgb(self) -> NDArray[np.uint8]:
        """Decode to RGB uint8 [height, width, 3]."""
        bgr = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise DataMissingError(f"expected a readable picture at {self.path}, got none; restore the data folder")
        return np.ascontiguousarray(bgr[:, :, ::-1]).astype(np.uint8, copy=False)


@dataclass(frozen=True)
class Source:
    """Provenance of one source as the CSV states it."""

    name: str
    repo: str
    commit: str
    licence: str


def data_dir() -> Path:
    """The data folder, or DataMissingError with what to do."""
    folder = Path(os.environ.get("DERMEDGE_DATA") or DEFAULT_DATA)
    if not (folder / "boxes.csv").is_file():
        raise DataMissingError(
            f"expected boxes.csv in {folder}, found none; set DERMEDGE_DATA to the folder that holds it"
        )
    return folder


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "boxes.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def load(split: str, source: str | None = None, folder: Path | None = None) -> list[Picture]:
    """All pictures of one split (and of one source), in file order. Boxes of other labels count as no box."""
    if split not in SPLITS:
        raise ValueError(f"expected a split of {SPLITS}, got {split!r}")
    folder = folder or data_dir()
    by_file: dict[str, list[dict[str, str]]] = {}
    for row in _rows(folder):
        if row["split"] == split and (source is None or row["source"] == source):
            by_file.setdefault(row["file"], []).append(row)
    return [_picture(folder, file, rows) for file, rows in sorted(by_file.items())]


def _picture(folder: Path, file: str, rows: list[dict[str, str]]) -> Picture:
    boxes, classes = [], []
    for row in rows:
        if row["x"] and row["label"] in LABELS:
            x, y, w, h = (float(row[key]) for key in ("x", "y", "w", "h"))
            boxes.append((x, y, x + w, y + h))
            classes.append(LABELS.index(row["label"]))
    first = rows[0]
    return Picture(
        file=file,
        path=folder / "images" / file,
        source=first["source"],
        split=first["split"],
        group=first["group"],
        width_px=int(first["width"]),
        height_px=int(first["height"]),
        boxes_px=np.array(boxes, np.float32).reshape(-1, 4),
        classes=np.array(classes, np.int64),
    )


def sources(folder: Path | None = None) -> list[Source]:
    """The distinct sources of the CSV with repository, commit and licence as stated."""
    seen: dict[tuple[str, str, str, str], None] = {}
    for row in _rows(folder or data_dir()):
        seen[(row["source"], row["source_repo"], row["source_commit"], row["licence_as_stated"])] = None
    return [Source(*key) for key in seen]
