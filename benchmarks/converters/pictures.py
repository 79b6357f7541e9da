"""The sets that the rows calibrate and judge with, made of the labelled pictures that DERMEDGE_DATA names.

Nothing of these pictures is kept: what is turned or written again lies in the working folder alone.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from edge.errors import ConfigError
from edge.pictures import read_picture

TURNS = ("up", "left", "down", "right")
"""Where the top of the head points after so many quarter turns, counter-clockwise."""
SKLESION_COLUMNS = (
    "female", "male", "sex_unknown",
    "arm", "head_or_neck", "leg_or_genital", "trunk", "place_unknown",
    "age", "age_missing",
)  # fmt: skip


def folder() -> Path:
    """The data folder. Raises ConfigError where it is not there."""
    named = os.environ.get("DERMEDGE_DATA")
    found = Path(named) if named else Path(__file__).resolve().parents[3] / "shared" / "data"
    if not (found / "boxes.csv").is_file():
        raise ConfigError(f"expected boxes.csv in {found}, got none: DERMEDGE_DATA names the data folder")
    return found


def boxes() -> Path:
    """All labelled boxes as they are."""
    return folder() / "boxes.csv"


def one_source(target: Path, source: str) -> Path:
    """boxes.csv of one source alone, with the pictures linked beside it."""
    rows = [row for row in _rows() if row["source"] == source]
    return _write(target, rows, lambda row: row)


def with_metadata(target: Path, source: str, seed: int = 0) -> Path:
    """One source with the ten numbers that sklesion takes, drawn: nobody's age, sex or place is known here."""
    rng = np.random.default_rng(seed)

    def drawn(row: dict[str, str]) -> dict[str, str]:
        values = np.zeros(len(SKLESION_COLUMNS))
        values[rng.integers(3)] = values[3 + rng.integers(5)] = 1
        values[8], values[9] = rng.uniform(0.05, 1.0), float(rng.random() < 0.05)
        return row | dict(zip(SKLESION_COLUMNS, (f"{value:.4f}" for value in values), strict=True))

    first: dict[str, dict[str, str]] = {}
    for row in _rows():
        if row["source"] == source:
            first.setdefault(row["file"], row)
    return _write(target, first.values(), drawn)


def turned_faces(target: Path) -> Path:
    """Faces in four turns, labelled by where the top of the head points: its truth is known, and it is not clinical."""
    rows, seen = [], set()
    pictures = target / "images"
    shutil.rmtree(target, ignore_errors=True)
    pictures.mkdir(parents=True)
    for row in _rows():
        if row["source"] != "acne04_faces" or row["file"] in seen:
            continue
        seen.add(row["file"])
        rgb = read_picture(folder() / "images" / row["file"]).rgb
        for turns, label in enumerate(TURNS):
            name = f"{Path(row['file']).stem}-{label}.jpg"
            turned = np.ascontiguousarray(np.rot90(rgb, turns)[:, :, ::-1])
            cv2.imwrite(str(pictures / name), turned, [cv2.IMWRITE_JPEG_QUALITY, 95])
            rows.append(
                {"file": name, "label": label, "source": row["source"], "split": row["split"], "group": row["group"]}
            )
    return _save(target / "set.csv", rows)


def _write(target: Path, rows: Iterable[dict[str, str]], change: Callable[[dict[str, str]], dict[str, str]]) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    link = target / "images"
    link.unlink(missing_ok=True)
    link.symlink_to((folder() / "images").resolve())
    return _save(target / "set.csv", [change(row) for row in rows])


def _save(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _rows() -> list[dict[str, str]]:
    with boxes().open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def labelled(table: Path, split: str) -> list[tuple[Path, str]]:
    """Paths and labels of one split of a CSV made here."""
    with table.open(newline="", encoding="utf-8") as file:
        return [
            (table.parent / "images" / row["file"], row["label"])
            for row in csv.DictReader(file)
            if row["split"] == split
        ]
