"""`dermedge inspect`: table and JSON object, the verdict with its reasons, and one line for what is no model."""

from __future__ import annotations

import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dermedge
from convert.graph import op_name, pack_model, read_model
from edge import bundle

SHIPPED = bundle.default_path()
YARDSTICK = Path(__file__).resolve().parents[2] / "benchmarks" / "yardstick" / "model.tflite"


def inspect(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = dermedge.main(["inspect", str(path), "--json"])
    printed = capsys.readouterr()
    assert printed.err == ""
    return code, json.loads(printed.out)


def refusal(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr of a file that is no model."""
    assert dermedge.main(["inspect", str(path)]) == 65
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def test_the_shipped_bundle_is_what_its_card_says(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = inspect(SHIPPED, capsys)
    card = bundle.load().card
    assert code == 0
    assert found["runtime"] == {"takes": True, "reasons": [], "notes": []}
    assert found["mac"] == card.mac == sum(op["mac"] for op in found["ops"])
    # TFLite gives a bias to convolutions that have none in Keras.
    assert 0 <= found["parameters"] - card.parameters < 1000
    assert found["sha256"] == card.model_sha256
    assert {each["name"]: each["shape"] for each in found["outputs"]} == {
        each.name: list(each.shape) for each in card.outputs
    }
    (source,) = found["inputs"]
    assert (source["dtype"], source["scale"], source["zero_point"]) == ("int8", card.picture_input.scale, -1)
    assert all(op["computes_in"] == {"int8": op["count"]} and op["kind"] == "builtin" for op in found["ops"])


def test_the_arena_holds_the_largest_op_and_is_planned_alike_twice(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {inspect(YARDSTICK, capsys)[1]["arena_bytes"] for _ in range(2)}
    (arena_bytes,) = sizes
    stem_and_expansion = 160 * 160 * (16 + 96)
    assert stem_and_expansion <= arena_bytes < 2 * stem_and_expansion


def test_a_bare_file_is_taken_and_told_that_it_needs_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = inspect(YARDSTICK, capsys)
    assert code == 0
    assert found["bundle"] is None
    assert any("wants it in a bundle" in note for note in found["runtime"]["notes"])


def test_the_table_fits_into_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert dermedge.main(["inspect", str(SHIPPED)]) == 0
    lines = capsys.readouterr().out.splitlines()
    # The path of a deep folder is one word, which stays whole so that it can be copied.
    assert max(len(line) for line in lines if "model.tflite" not in line) <= 80
    assert any(line.split() == ["CONV_2D", "50", "744,838,400", "int8"] for line in lines)
    assert lines[-1] == "The runtime takes it."


def edited(target: Path, edit: Callable[[Any], None]) -> Path:
    """The yardstick's file with its graph edited."""
    model = read_model(YARDSTICK.read_bytes(), "the yardstick")
    edit(model)
    target.write_bytes(pack_model(model))
    return target


def as_custom(name: str) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        from ai_edge_litert.schema_py_generated import BuiltinOperator

        code = next(
            model.operatorCodes[each.opcodeIndex]
            for each in model.subgraphs[0].operators
            if op_name(model, each)[0] == "ADD"
        )
        code.builtinCode = code.deprecatedBuiltinCode = BuiltinOperator.CUSTOM
        code.customCode = name

    return edit


def without_its_batch(model: Any) -> None:
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shapeSignature = [-1, 320, 320, 3]


def of_any_size(model: Any) -> None:
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shapeSignature = [1, -1, -1, 3]


def with_two_pictures(model: Any) -> None:
    from copy import deepcopy

    graph = model.subgraphs[0]
    graph.tensors.append(deepcopy(graph.tensors[graph.inputs[0]]))
    graph.tensors[-1].name = b"second"
    graph.inputs = [*graph.inputs, len(graph.tensors) - 1]
    model.signatureDefs = None


def with_grey_input(model: Any) -> None:
    """Its tensors as another framework would lay them out: channels first."""
    model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].shape = [1, 3, 320, 320]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (as_custom("Mystery"), "it needs Mystery, a custom op that LiteRT does not have"),
        (as_custom("FlexErf"), "it needs TensorFlow itself for FlexErf"),
        (of_any_size, "is [1, -1, -1, 3] and the runtime gives [1, height, width, 3]"),
        (with_two_pictures, "it has 2 inputs of [1, height, width, 3]"),
        (with_grey_input, "is [1, 3, 320, 320] and the runtime gives [1, height, width, 3]"),
    ],
)
def test_what_the_runtime_does_not_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: Callable[[Any], None], reason: str
) -> None:
    code, found = inspect(edited(tmp_path / "edited.tflite", edit), capsys)
    assert code == 65
    assert not found["runtime"]["takes"]
    assert any(reason in each for each in found["runtime"]["reasons"]), found["runtime"]


def test_an_open_batch_is_taken_as_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = inspect(edited(tmp_path / "open.tflite", without_its_batch), capsys)
    assert code == 0, found["runtime"]


def test_custom_ops_are_named_in_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path / "edited.tflite", as_custom("Mystery"))
    assert dermedge.main(["inspect", str(path)]) == 65
    printed = capsys.readouterr().out
    assert "Mystery (custom) " in printed
    assert "The runtime does not take it:\n- it needs Mystery" in printed


def test_a_bundle_whose_card_does_not_fit_is_refused_with_the_runtimes_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(SHIPPED, tmp_path / "bundle")
    shutil.copy(YARDSTICK, tmp_path / "bundle" / "model.tflite")
    code, found = inspect(tmp_path / "bundle", capsys)
    assert code == 65
    assert "the file is damaged or of another bundle" in found["runtime"]["reasons"][0]


@pytest.mark.parametrize("kept", [9, 5_000, 1_000_000, -1])
def test_a_file_that_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: int) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(YARDSTICK.read_bytes()[:kept])
    assert "expected a whole .tflite" in refusal(path, capsys)


def test_a_damaged_file_is_refused_or_read_but_never_breaks_us(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, rng, path = YARDSTICK.read_bytes(), random.Random(5), tmp_path / "damaged.tflite"
    codes = set()
    for _ in range(12):
        damaged = bytearray(content)
        for _ in range(40):
            # The tables stand at both ends of the file, the weights between them.
            place = rng.choice([rng.randrange(8, 40_000), rng.randrange(len(content) - 40_000, len(content))])
            damaged[place] = rng.randrange(256)
        path.write_bytes(bytes(damaged))
        codes.add(dermedge.main(["inspect", str(path)]))
        assert len(capsys.readouterr().err.splitlines()) <= 1
    assert codes <= {0, 65}
    assert 65 in codes


def as_zip(*names: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return written.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.tflite", b"this is a text\n", "got another format"),
        ("empty.tflite", b"", "got an empty file"),
        ("net.keras", as_zip("config.json", "model.weights.h5"), "got a Keras model: "),
        ("net.pt2", as_zip("net/models/model.json", "net/archive_format"), "got an exported PyTorch program: "),
        ("net.onnx", bytes.fromhex("08073a004200"), "got an ONNX model: "),
        ("saved/saved_model.pb", b"", "got a TensorFlow SavedModel: "),
        ("pictures/one.txt", b"", "got a folder without model.tflite: "),
        (None, b"", "No such file or directory"),
    ],
)
def test_what_is_no_tflite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str | None, content: bytes, words: str
) -> None:
    path = tmp_path / (name or "nothing.tflite")
    if name is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    line = refusal(path.parent if name and "/" in name else path, capsys)
    assert words in line
    assert line.startswith("dermedge: expected a ")
