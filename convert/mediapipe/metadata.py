"""TFLite metadata for MediaPipe's ObjectDetector, written by flatbuffers alone, and the labels behind it as a zip.

Field numbers and enum values: metadata_schema.fbs of MediaPipe (mediapipe/tasks/metadata), which has a writer of its
own that needs a library that its package does not ship.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.bundle import Card

LABELS_FILE = "labels.txt"
OUTPUTS = ("location", "category", "score", "number of detections")
"""The names that MediaPipe knows the four outputs by, in the op's order."""
_NAME = "TFLITE_METADATA"
_IDENTIFIER = b"M001"
_RGB = 1
_IMAGE, _BOUNDING_BOX = 2, 3
_NORMALIZATION = 1
_BOUNDARIES = 1
_VALUE_LABELS = 3
_CORNERS = (1, 0, 3, 2)
"""Where left, top, right and bottom stand in (y_min, x_min, y_max, x_max)."""


def append_metadata(model: Any, card: Card) -> None:
    """Into the object tree of a model whose outputs are the four of TFLite_Detection_PostProcess."""
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata(card), dtype=np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = _NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]


def with_labels(content: bytes, card: Card) -> bytes:
    """The file with its labels in a zip behind it, not compressed, as the format asks; the same bytes every time."""
    written = io.BytesIO()
    written.write(content)
    with zipfile.ZipFile(written, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_FILE), "\n".join(label.name for label in card.labels) + "\n")
    return written.getvalue()


def metadata(card: Card) -> bytes:
    """The flatbuffer of root type ModelMetadata."""
    tables = _Tables()
    picture = card.picture_input
    normalization = tables.table((0, tables.floats([picture.mean])), (1, tables.floats([picture.std])))
    source = tables.table(
        (0, tables.text("image")),
        (1, tables.text("The picture, R, G, B.")),
        (3, tables.content(_IMAGE, tables.table(byte=(0, _RGB)))),
        (4, tables.list([tables.table((1, normalization), byte=(0, _NORMALIZATION))])),
    )
    labels = tables.table((0, tables.text(LABELS_FILE)), byte=(2, _VALUE_LABELS))
    corners = tables.table((0, tables.integers(_CORNERS)), byte=(1, _BOUNDARIES))
    extras = {
        "location": [(3, tables.content(_BOUNDING_BOX, corners))],
        "category": [(6, tables.list([labels]))],
    }
    outputs = [tables.table((0, tables.text(name)), *extras.get(name, [])) for name in OUTPUTS]
    group = tables.table(
        (0, tables.text("detection_result")), (1, tables.list([tables.text(name) for name in OUTPUTS[:3]]))
    )
    graph = tables.table((2, tables.list([source])), (3, tables.list(outputs)), (8, tables.list([group])))
    return tables.finish(
        tables.table(
            (0, tables.text(card.name)),
            (1, tables.text(card.notice)),
            (2, tables.text(card.version)),
            (3, tables.list([graph])),
        )
    )


class _Tables:
    """Tables of a flatbuffer, innermost first: an offset is made before the table that holds it."""

    def __init__(self) -> None:
        from flatbuffers import Builder

        self._builder = Builder(1024)

    def text(self, value: str) -> int:
        return int(self._builder.CreateString(value))

    def list(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for each in reversed(offsets):
            self._builder.PrependUOffsetTRelative(each)
        return int(self._builder.EndVector())

    def floats(self, values: Sequence[float]) -> int:
        return int(self._builder.CreateNumpyVector(np.asarray(values, np.float32)))

    def integers(self, values: Sequence[int]) -> int:
        return int(self._builder.CreateNumpyVector(np.asarray(values, np.uint32)))

    def content(self, kind: int, properties: int) -> int:
        return self.table((1, properties), byte=(0, kind))

    def table(self, *offsets: tuple[int, int], byte: tuple[int, int] | None = None) -> int:
        """Fields as (number, offset), and at most one of type byte as (number, value)."""
        numbers = [number for number, _ in (*offsets, *([byte] if byte else []))]
        self._builder.StartObject(max(numbers) + 1)
        for number, offset in offsets:
            self._builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        if byte is not None:
            self._builder.PrependUint8Slot(*byte, 0)
        return int(self._builder.EndObject())

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, _IDENTIFIER)
        return bytes(self._builder.Output())
