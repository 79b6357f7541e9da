"""Pictures with what is known of them, read from a folder, a CSV or an .npz, before anything is decoded.

CSV: one row a picture, or one a box; a header with `file` (or `image`), and as far as known `label`, `x`, `y`, `w`, `h`
(a box, pixels of the stored picture, x and y its top left corner), `source`, `group` (near-duplicates and pictures of
one person share one), `split`, and the columns that the description names for inputs that are no picture. Pictures
stand beside the CSV, in images/ beside it, or in a folder that is named.

Folder: pictures in it, or in one subfolder a label. .npz: an array for each input of the model, first axis the example
(`images`, uint8 R, G, B, for the picture), and as far as known `labels`, `sources`, `groups`.
"""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.description import Description, label_name
from convert.errors import ConvertError
from convert.inferred import plain_name
from edge.frame import Box, Pixels
from edge.pictures import PICTURE_SUFFIXES, read_picture

Floats = NDArray[np.float32]
_BOX_COLUMNS = ("x", "y", "w", "h")
_NPZ_PICTURES = "images"
_NAMES_TRIED = 20


@dataclass(frozen=True, slots=True)
class Example:
    """One picture (or one row of numbers) with its label, "" where none is known, and its boxes.

    group: near-duplicates and pictures of one person share one; its own name where none is known. arrays: inputs that
    are no picture, and pictures that are preprocessed already, by input name, in the input's shape.
    """

    name: str
    label: str = ""
    source: str = ""
    group: str = ""
    path: Path | None = None
    pixels: Pixels | None = None
    boxes: tuple[tuple[str, Box], ...] = ()
    arrays: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def has_picture(self) -> bool:
        return self.path is not None or self.pixels is not None

    def rgb(self) -> Pixels:
        """(height, width, 3), upright. Raises PictureError for a file that is no whole picture."""
        if self.pixels is not None:
            return self.pixels
        assert self.path is not None, f"{self.name} has no picture"
        return read_picture(self.path).rgb

    @property
    def stratum(self) -> str:
        """What it counts as when a set is divided by label: its label, or those of its boxes."""
        return "+".join(sorted({label for label, _ in self.boxes})) or self.label


def read_examples(
    path: Path, described: Description, *, splits: Sequence[str], pictures: Path | None = None
) -> tuple[list[Example], str]:
    """The examples of a folder, a CSV or an .npz, and which they are, in words.

    splits: of a CSV's `split` column the first of these that occurs is taken; where none occurs, all rows.
    Raises ConvertError for what is missing or malformed, with the line. Pictures are not opened here.
    """
    if path.is_dir():
        return _folder(path, described), f"pictures in {path.name}"
    if path.suffix.lower() == ".npz":
        return _npz(path, described), path.name
    if path.suffix.lower() != ".csv":
        raise ConvertError(f"expected a folder, a .csv or an .npz, got {path}: {_what_is(path)}")
    return _csv(path, described, splits, pictures)


def _what_is(path: Path) -> str:
    return "another kind of file" if path.exists() else "nothing is there, check the path"


def _folder(path: Path, described: Description) -> list[Example]:
    if described.vectors:
        names = ", ".join(each.name for each in described.vectors)
        raise ConvertError(
            f"expected values for input {names} beside the pictures, got a folder: give a CSV or an .npz"
        )
    inside = sorted(path.iterdir())
    found = [Example(each.name, path=each) for each in inside if _is_picture(each)]
    for folder in (each for each in inside if each.is_dir()):
        pictures = [each for each in sorted(folder.iterdir()) if _is_picture(each)]
        found += [Example(f"{folder.name}/{each.name}", label_name(folder.name), path=each) for each in pictures]
    if not found:
        raise ConvertError(f"expected pictures in {path} or in one subfolder a label, got none")
    return [replace(each, group=each.name) for each in found]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()


def _csv(path: Path, described: Description, splits: Sequence[str], pictures: Path | None) -> tuple[list[Example], str]:
    rows = _rows(path)
    header = rows[0]
    column = next((each for each in ("file", "image") if each in header), "")
    if described.has_picture and not column:
        raise ConvertError(f"expected a column file or image in {path}, got {', '.join(header)}")
    told = path.name
    chosen = next((split for split in splits if any(row.get("split") == split for row in rows)), "")
    by_name: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for line, row in enumerate(rows, start=2):
        if not chosen or row.get("split") == chosen:
            by_name.setdefault(row[column] if column else f"line {line}", []).append((line, row))
    if chosen:
        told = f"{chosen} split of {path.name}"
    base = _picture_folder(path, pictures, list(by_name)[:_NAMES_TRIED])
    return [_example(path, name, group, base, described) for name, group in by_name.items()], told


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ConvertError(f"expected a CSV at {path}, got: {error.strerror}: check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConvertError(f"expected a CSV in UTF-8 at {path}, got: {error}: save it so") from error
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ConvertError(f"expected as many fields as the header has in {path}, line {line}: mend the row")
    if not rows:
        raise ConvertError(f"expected rows under a header in {path}, got none")
    return rows


def _picture_folder(path: Path, pictures: Path | None, names: Sequence[str]) -> Path:
    """Where any of these lies: one that is missing does not hide the others."""
    if pictures is not None:
        return pictures
    beside = path.parent, path.parent / "images"
    return next((each for each in beside if any((each / name).is_file() for name in names)), path.parent)


def _example(
    path: Path, name: str, rows: list[tuple[int, dict[str, str]]], base: Path, described: Description
) -> Example:
    line, first = rows[0]
    if not name:
        raise ConvertError(f"expected a picture's file name in {path}, line {line}, got none")
    boxes = tuple(each for number, row in rows if (each := _box(path, number, row)) is not None)
    labels = {row.get("label", "").strip() for _, row in rows}
    if not boxes and len(labels) > 1:
        raise ConvertError(f"expected one label for {name} in {path}, line {line}, got {', '.join(sorted(labels))}")
    arrays = {
        vector.name: _values(path, line, first, vector.columns, vector.name).reshape(vector.shape)
        for vector in described.vectors
    }
    return Example(
        name=name,
        label=label_name(first["label"]) if first.get("label", "").strip() else "",
        source=first.get("source", ""),
        group=first.get("group", "") or name,
        path=base / name if described.has_picture else None,
        boxes=boxes,
        arrays=arrays,
    )


def _box(path: Path, line: int, row: dict[str, str]) -> tuple[str, Box] | None:
    if not all(row.get(column, "").strip() for column in _BOX_COLUMNS):
        return None
    x, y, width, height = (float(value) for value in _values(path, line, row, _BOX_COLUMNS, "a box"))
    if width <= 0 or height <= 0:
        raise ConvertError(f"expected a box with width and height over 0 in {path}, line {line}, got {width}, {height}")
    return label_name(row.get("label", "")), Box(x, y, x + width, y + height)


def _values(path: Path, line: int, row: dict[str, str], columns: Sequence[str], purpose: str) -> Floats:
    missing = [column for column in columns if column not in row]
    if missing or not columns:
        wanted = ", ".join(missing) or "named by `columns` under [[vectors]] in --describe TOML"
        raise ConvertError(f"expected columns for {purpose!r}: {wanted}; got {', '.join(row)} in {path}")
    try:
        values = [float(row[column]) for column in columns]
    except ValueError as error:
        raise ConvertError(f"expected numbers for {purpose!r} in {path}, line {line}, got: {error}") from error
    if not all(math.isfinite(value) for value in values):
        raise ConvertError(f"expected finite numbers for {purpose!r} in {path}, line {line}, got {values}")
    return np.asarray(values, dtype=np.float32)


def _npz(path: Path, described: Description) -> list[Example]:
    try:
        # Opened here: np.load leaves its own file open when it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ConvertError(f"expected a whole .npz of plain arrays at {path}, got: {error}: save it again") from error
    wanted = {each.name: each.shape for each in described.vectors}
    inputs = {name: _array(path, arrays, (name, plain_name(name)), shape) for name, shape in wanted.items()}
    pixels: Sequence[Pixels | None] = ()
    if described.has_picture:
        name = described.input.name
        found = _array(path, arrays, (name, plain_name(name), _NPZ_PICTURES), None)
        if found.dtype == np.uint8 and found.ndim == 4 and found.shape[-1] == 3:
            pixels = list(found)
        else:
            inputs[name] = _array(path, {name: found}, (name,), described.input.shape)
    count = {len(each) for each in (*inputs.values(), *([pixels] if pixels else []))}
    if len(count) != 1:
        raise ConvertError(f"expected arrays of one length in {path}, got {sorted(count)}")
    (total,) = count
    told = {each: _texts(path, arrays, each, total) for each in ("labels", "sources", "groups")}
    labels = _labels(path, told["labels"], described) if "labels" in arrays else told["labels"]
    return [
        Example(
            name=f"{path.name}[{index}]",
            label=labels[index],
            source=told["sources"][index],
            group=told["groups"][index] or f"{path.name}[{index}]",
            pixels=pixels[index] if pixels else None,
            arrays={name: values[index] for name, values in inputs.items()},
        )
        for index in range(total)
    ]


def _array(
    path: Path, arrays: Mapping[str, NDArray[np.generic]], names: Sequence[str], shape: tuple[int, ...] | None
) -> NDArray[np.generic]:
    """The first of these arrays that is there; with a shape, as (n, *shape) float32."""
    found = next((arrays[name] for name in names if name in arrays), None)
    if found is None:
        raise ConvertError(f"expected an array {' or '.join(names)} in {path}, got {', '.join(arrays) or 'none'}")
    if shape is None:
        return found
    one = math.prod(shape)
    if found.ndim == 0 or found.dtype.kind not in "fiub" or not len(found) or found.size != len(found) * one:
        raise ConvertError(
            f"expected numbers of shape (n, {', '.join(map(str, shape[1:]))}) for {names[0]!r} in {path}, got "
            f"{found.dtype}{list(found.shape)}"
        )
    made = found.astype(np.float32).reshape(len(found), *shape)
    if not np.isfinite(made).all():
        raise ConvertError(f"expected finite numbers for {names[0]!r} in {path}, got NaN or infinity")
    return made


def _texts(path: Path, arrays: Mapping[str, NDArray[np.generic]], name: str, count: int) -> list[str]:
    found = arrays.get(name)
    if found is None:
        return [""] * count
    if found.shape != (count,):
        raise ConvertError(f"expected {count} {name} in {path}, got shape {list(found.shape)}")
    return [str(each) for each in found]


def _labels(path: Path, labels: list[str], described: Description) -> list[str]:
    """Names as they are; where all are numbers that are no label's name, they count from 0 in the model's labels."""
    if not described.labels or not all(each.isdecimal() and each not in described.labels for each in labels):
        return [label_name(each) for each in labels]
    if max(int(each) for each in labels) >= len(described.labels):
        raise ConvertError(f"expected labels from 0 to {len(described.labels) - 1} in {path}, got more")
    return [described.labels[int(each)] for each in labels]
