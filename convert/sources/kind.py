"""What a model file is, told by its content: a suffix may be wrong or missing. Standard library only.

Nothing is unpickled or run here. Layouts read: zip members of Keras 3 and of PyTorch's archives, the magic numbers of
HDF5 and TFLite, and the fields of ONNX's ModelProto (github.com/onnx/onnx, onnx/onnx.proto).
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from convert.errors import ConvertError
from convert.floatmodel import Kind

TORCH_EXPORT = (
    "`program = torch.export.export(model.eval(), (torch.zeros(1, 3, 224, 224),))` and "
    "`torch.export.save(program, 'model.pt2')`"
)
"""The two lines that turn a PyTorch module into a file that we take."""
KNOWN = ".keras, .h5, a SavedModel folder, .onnx, .pt2 or .tflite"
HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_ONNX_WIRE_TYPES = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
"""ModelProto's fields: 0 a varint, 2 bytes with a length; 7 is the graph, 8 the operator sets."""
_ONNX_GRAPH, _ONNX_OPSETS = 7, 8


def detect_kind(path: Path) -> Kind:
    """The kind of model at `path`. Raises ConvertError for anything that we do not take, or that is cut off."""
    try:
        if path.is_dir():
            return _kind_of_folder(path)
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise ConvertError(f"expected a model at {path}, got: {error.strerror or error}") from error
    if not start:
        raise ConvertError(f"expected a model at {path}, got an empty file; copy it again")
    if start[4:8] == b"TFL3":
        return "tflite"
    if start.startswith(HDF5):
        return "h5"
    if start.startswith(_ZIP):
        return _kind_of_zip(path)
    if start.startswith(_PICKLE):
        raise _pickled(path)
    if _is_onnx(path):
        return "onnx"
    raise ConvertError(f"expected a model ({KNOWN}) at {path}, got another format; save the model in one of these")


def source_sha256(path: Path) -> str:
    """SHA-256 of a file; of a folder, over relative path, size and content of every file, sorted by path."""
    digest = hashlib.sha256()
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not each.is_file():
            continue
        if each != path:
            digest.update(f"{each.relative_to(path).as_posix()}\0{each.stat().st_size}\0".encode())
        with each.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _kind_of_folder(path: Path) -> Kind:
    if (path / "saved_model.pb").is_file():
        return "saved_model"
    raise ConvertError(f"expected a SavedModel folder (it holds saved_model.pb) at {path}, got a folder without one")


def _kind_of_zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            starts = [each.header_offset for each in archive.infolist()]
        if starts and min(starts) > 0:
            # The end of an archive that lies inside a longer one whose own end is missing.
            raise zipfile.BadZipFile("its index is missing")
    except zipfile.BadZipFile as error:
        raise ConvertError(
            f"expected a whole model at {path}, got a .keras or PyTorch archive that is cut off or damaged ({error}); "
            "copy it again"
        ) from error
    inside = {name.partition("/")[2] for name in names}
    if "config.json" in names and any(name.startswith("model.weights") for name in names):
        return "keras"
    if {"models/model.json", "archive_format"} <= inside:
        return "torch"
    if "serialized_exported_program.json" in names:
        raise ConvertError(
            f"expected an exported program of PyTorch 2.8 or newer at {path}, got one of an older format; load and "
            "save it again where that PyTorch is at hand"
        )
    if any(name.endswith("data.pkl") for name in names):
        raise _pickled(path)
    raise ConvertError(f"expected a model ({KNOWN}) at {path}, got a zip archive of something else")


def _pickled(path: Path) -> ConvertError:
    return ConvertError(
        f"expected an exported program (.pt2) at {path}, got a pickle: a state_dict, a whole module or TorchScript. "
        "It is not opened, since unpickling runs what is inside; where the model's code is at hand, export it: "
        f"{TORCH_EXPORT}"
    )


def _is_onnx(path: Path) -> bool:
    """Whether the file is an ONNX ModelProto. Raises ConvertError for one that is cut off."""
    seen = set()
    try:
        for number, wire_type in _top_level_fields(path.read_bytes()):
            if _ONNX_WIRE_TYPES.get(number) != wire_type:
                return False
            seen.add(number)
    except ValueError:
        if _ONNX_GRAPH in seen:
            raise ConvertError(
                f"expected a whole ONNX model at {path}, got one that is cut off; copy it again"
            ) from None
        return False
    return {_ONNX_GRAPH, _ONNX_OPSETS} <= seen


def _top_level_fields(content: bytes) -> Iterator[tuple[int, int]]:
    """(number, wire type) of each field of a protobuf message; ValueError where the message ends inside one."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            if position >= len(content) or shift > 63:
                raise ValueError("cut off")
            byte = content[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(content):
        tag = varint()
        number, wire_type = tag >> 3, tag & 7
        yield number, wire_type
        if wire_type == 0:
            varint()
        elif wire_type == 2:
            length = varint()  # moves the position, too
            position += length
        else:
            raise ValueError("no wire type of this message")
        if position > len(content):
            raise ValueError("cut off")
