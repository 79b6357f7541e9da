"""The shipped bundle: its card fits its file, its figures are what an independent script counts."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edge import bundle
from models.data import LABELS

ROOT = Path(__file__).resolve().parents[2]
CARD = bundle.load().card


def test_the_card_is_honest_about_what_it_is() -> None:
    assert "not for clinical use" in CARD.notice
    assert CARD.status == "research"
    assert tuple(label.name for label in CARD.labels) == LABELS
    assert any("confounded" in caveat for caveat in CARD.caveats)
    assert {"urticaria", "psoriasis", "alopecia", "lupus"} <= set(CARD.not_covered)
    assert {"trc_dermoscopy", "acne04_faces"} <= {source.name for source in CARD.sources}
    assert all(source.repo and source.commit and source.licence_as_stated for source in CARD.sources)
    assert "val" in CARD.threshold_rule
    assert CARD.mac <= 1.0e9


def test_quantising_the_input_is_one_xor() -> None:
    from edge.preprocess import quantisation_table

    assert (CARD.input.scale, CARD.input.zero_point) == (1 / 128, -1)
    table = quantisation_table(CARD.input).view(np.uint8)
    assert np.array_equal(table, np.arange(256, dtype=np.uint8) ^ 0x80)


def test_six_separate_outputs_with_scales_of_their_own() -> None:
    assert sorted((each.stride, each.role, each.shape[-1]) for each in CARD.outputs) == [
        (stride, role, count) for stride in (8, 16, 32) for role, count in (("class_logits", 2), ("log_distances", 4))
    ]
    assert all(each.dtype == "int8" and each.scale > 0 for each in CARD.outputs)
    assert len({each.name for each in CARD.outputs}) == 6


def test_the_runtime_takes_the_bundle() -> None:
    from edge.config import Detect, Inference
    from edge.detect import Detector

    detector = Detector(bundle.load(), Inference(threads=1), Detect())
    found = detector.detect(np.full((720, 1280, 3), 128, np.uint8))
    assert found == []


def test_the_weights_are_not_under_the_codes_licence() -> None:
    text = (ROOT / "models" / "LICENSE").read_text(encoding="utf-8")
    assert "does NOT cover the weights" in text
    assert "research and demonstration only" in text


def test_the_figures_are_reported_beside_the_baseline() -> None:
    for kind in ("float", "int8"):
        for split in ("val", "test"):
            part = CARD.measured[kind][split]
            assert {"ap50", "ap50_95", "recall50", "centre_box_recall50"} <= set(part["cutaneous_tumour"])
            assert {"ap30", "ap50"} <= set(part["acne_rosacea"])


@pytest.mark.slow
def test_ap50_of_the_command_is_the_cards(data_folder: Path) -> None:
    """Reads the CSV and the command's JSON itself; shares no code with models.evaluate."""
    rows: dict[str, list[list[float]]] = {}
    with (data_folder / "boxes.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["source"] == "trc_dermoscopy" and row["split"] == "test":
                boxes = rows.setdefault(row["file"], [])
                if row["x"]:
                    boxes.append([float(row[key]) for key in ("x", "y", "w", "h")])
    files = sorted(rows)
    assert len(files) == 91
    done = subprocess.run(
        [sys.executable, "-m", "dermedge", "detect", "--json", "--score-threshold", "0"]
        + [str(data_folder / "images" / file) for file in files],
        capture_output=True, text=True, cwd=ROOT, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(a["image"]).name for a in answers] == [Path(f).name for f in files]
    truth = [(i, box) for i, file in enumerate(files) for box in rows[file]]
    found = [
        {"image_id": i, "category_id": 1, "score": d["score"],
         "bbox": [d["box_px"][0], d["box_px"][1], d["box_px"][2] - d["box_px"][0], d["box_px"][3] - d["box_px"][1]]}
        for i, answer in enumerate(answers) for d in answer["detections"] if d["label"] == "cutaneous_tumour"
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(len(files))],
            "categories": [{"id": 1}],
            "annotations": [
                {"id": n + 1, "image_id": i, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
                for n, (i, box) in enumerate(truth)
            ],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "bbox")
        judge.params.iouThrs = np.array([0.5])
        judge.evaluate()
        judge.accumulate()
    ap50 = float(judge.eval["precision"][0, :, 0, 0, -1].mean())
    assert ap50 == pytest.approx(CARD.measured["int8"]["test"]["cutaneous_tumour"]["ap50"], abs=0.001)
    assert ap50 >= 0.85
