"""What a model file is, by its content; and the words for those that we do not take."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from convert import sources
from convert.errors import ConvertError, MissingLibraryError
from convert.sources import converted
from convert.sources.kind import detect_kind, source_sha256
from tests.convert import tiny

KERAS = {"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b"x"}
PROGRAM = {"net/archive_format": b"pt2", "net/models/model.json": b"{}", "net/data/weights/weight_0": b"x"}
STATE_DICT = {"net/data.pkl": b"\x80\x02.", "net/version": b"3"}


def archive(members: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return made.getvalue()


def onnx_file() -> bytes:
    """The top level of a ModelProto: version, producer, graph, operator set."""
    return b"\x08\x0a" + b"\x12\x04test" + b"\x3a\x06" + b"\x12\x04name" + b"\x42\x02\x10\x12"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (tiny.classifier(), "tflite"),
        (archive(KERAS), "keras"),
        (archive(PROGRAM), "torch"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "h5"),
        (onnx_file(), "onnx"),
    ],
    ids=["tflite", "keras", "torch", "h5", "onnx"],
)
def test_the_content_tells_not_the_suffix(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    assert detect_kind(path) == kind


def test_a_saved_model_is_a_folder_with_its_graph(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"holds saved_model\.pb"):
        detect_kind(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    assert detect_kind(tmp_path) == "saved_model"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "another format"),
        (b"just a text that somebody saved as a model\n", "another format"),
        (archive({"word/document.xml": b"x"}), "something else"),
        (archive(KERAS)[:-30], "cut off or damaged"),
        (onnx_file()[:-1], "cut off"),
        (archive({"serialized_exported_program.json": b"{}"}), "older format"),
    ],
    ids=["empty", "picture", "text", "document", "cut archive", "cut onnx", "old program"],
)
def test_what_is_no_model_is_said_in_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ConvertError, match=words) as refused:
        detect_kind(path)
    assert refused.value.exit_code == 65
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_never_opened_and_the_two_lines_are_given(tmp_path: Path, *, zipped: bool) -> None:
    mark, path = tmp_path / "ran", tmp_path / "model.pt"
    content = pickle.dumps(Bomb(mark))
    path.write_bytes(archive(STATE_DICT | {"net/data.pkl": content}) if zipped else content)
    with pytest.raises(ConvertError, match=r"torch\.export\.export\(model\.eval\(\).*torch\.export\.save") as refused:
        sources.load(path)
    assert refused.value.exit_code == 65
    assert not mark.exists()


def test_a_missing_file_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match="No such file"):
        detect_kind(tmp_path / "absent.onnx")


def test_a_folder_is_hashed_over_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"1")
    before = source_sha256(tmp_path)
    assert before == source_sha256(tmp_path)
    (tmp_path / "a" / "one").rename(tmp_path / "a" / "two")
    assert source_sha256(tmp_path) != before


@pytest.mark.parametrize(
    ("dims", "given", "channels_first", "shape"),
    [
        ((None, 32, 32, 3), {}, False, (1, 32, 32, 3)),
        ((8, 10), {}, False, (1, 10)),
        ((None, None, None, 3), {"": (1, 64, 48, 3)}, False, (1, 64, 48, 3)),
        ((None, 3, None, None), {"image": (1, 64, 48, 3)}, True, (1, 3, 64, 48)),
        ((None, None), {"image": (1, 7)}, False, (1, 7)),
    ],
)
def test_open_sides_are_fixed_as_described(
    dims: tuple[int | None, ...], given: dict[str, tuple[int, ...]], *, channels_first: bool, shape: tuple[int, ...]
) -> None:
    made, notes = converted.fixed_shape("image", dims, given, channels_first=channels_first)
    assert made == shape
    assert any("batch" in note for note in notes)


@pytest.mark.parametrize(
    ("dims", "given", "words"),
    [
        ((None, None, None, 3), {}, r"\[input\] shape = \[1, 320, 320, 3\]"),
        ((1, 32, 32, 3), {"image": (1, 64, 64, 3)}, "as the description says"),
        ((), {}, "scalar"),
    ],
)
def test_a_side_that_stays_open_is_asked_for(
    dims: tuple[int | None, ...], given: dict[str, tuple[int, ...]], words: str
) -> None:
    with pytest.raises(ConvertError, match=words):
        converted.fixed_shape("image", dims, given)


def test_onnx_without_its_environment_names_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERMEDGE_ONNX", str(tmp_path / "absent"))
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_file())
    with pytest.raises(MissingLibraryError, match=r"install it: make onnx-environment$") as missing:
        sources.load(path)
    assert missing.value.exit_code == 69
