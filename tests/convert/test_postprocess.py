"""An SSD that ends with TFLite_Detection_PostProcess: taken as it is, its convolutions int8, its last op in float."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("ai_edge_quantizer", reason="the workshop's environment has ai-edge-quantizer")

from convert.graph import POSTPROCESS, op_counts, read_model
from edge import bundle
from edge.config import Detect, Inference
from edge.detect import Detector
from edge.pictures import read_picture
from tests.convert import ssd
from tests.convert.command import dermedge

pytestmark = pytest.mark.heavy_workshop


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ssd")
    (folder / "model.tflite").write_bytes(ssd.detector())
    (folder / "model.toml").write_text(ssd.TOML, encoding="utf-8")
    ssd.write(folder / "calibration", 120, seed=1)
    ssd.write(folder / "evaluation", 40, seed=2)
    model, out = str(folder / "model.tflite"), str(folder / "bundle")
    words = ["--describe", str(folder / "model.toml"), "--calibration", str(folder / "calibration" / "images")]
    words += ["--eval", str(folder / "evaluation" / "set.csv"), "--json"]
    done = dermedge("convert", model, "--out", out, *words)
    assert done.returncode == 0, done.stderr
    (folder / "told.json").write_text(done.stdout, encoding="utf-8")
    return folder


def test_the_gate_saw_boxes_and_they_are_the_same(room: Path) -> None:
    told = json.loads((room / "told.json").read_text(encoding="utf-8"))
    first = told["gate"]["figures"][0]
    assert (first["name"], first["float_model"], first["converted"]) == ("AP50", 1.0, 1.0)
    assert any(POSTPROCESS in note for note in told["source"]["notes"])
    assert len(told["steps"]) == 1


def test_only_the_last_op_and_what_feeds_it_is_float(room: Path) -> None:
    loaded = bundle.load(room / "bundle")
    counts = {op.name: op for op in op_counts(read_model(loaded.model, "test"))}
    assert {name for name, op in counts.items() if op.floats} == {POSTPROCESS, "DEQUANTIZE"}
    assert "QUANTIZE" not in counts
    assert loaded.card.decode is not None
    assert loaded.card.decode.kind == "boxes"
    assert [each.role for each in loaded.card.outputs] == ["boxes", "classes", "scores", "count"]
    assert {each.dtype for each in loaded.card.outputs} == {"float32"}
    (caveat,) = loaded.card.caveats
    assert caveat.startswith("float outputs: ")
    assert caveat.endswith("since TFLite_Detection_PostProcess knows float alone")
    told = json.loads((room / "told.json").read_text(encoding="utf-8"))
    assert {(each["side"], each["why"]) for each in told["float_ends"]} == {("output", "op")}


def test_the_runtime_finds_the_square_where_it_is(room: Path) -> None:
    rows = (room / "evaluation" / "set.csv").read_text(encoding="utf-8").splitlines()[1:6]
    detector = Detector(bundle.load(room / "bundle"), Inference(threads=1), Detect())
    for row in rows:
        name, label, x, y, w, h = row.split(",")
        wanted = int(x), int(y), int(x) + int(w), int(y) + int(h)
        (found,) = detector.detect(read_picture(room / "evaluation" / "images" / name).rgb)
        assert found.label == label
        assert found.box_px == pytest.approx(wanted, abs=0.5)


def test_it_answers_as_it_did(room: Path) -> None:
    """Twice, since what lies behind the last box is whatever lay in memory."""
    for _ in range(2):
        done = dermedge("verify", str(room / "bundle"))
        assert done.returncode == 0, done.stdout
        assert "byte for byte" in done.stdout
