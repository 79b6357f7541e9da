"""`dermedge convert` from end to end, as a user calls it: a float .tflite of a few hundred bytes and drawn pictures."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dermedge as command
from convert.cli import NOTHING_DONE
from convert.report.account import Account
from edge import __version__, bundle
from tests.convert import tiny
from tests.convert.command import COMMAND, dermedge, environment, judged, last_line, words
from tests.tree import ROOT


def test_the_bundle_is_whole_and_the_runtime_takes_it(converted: tuple[Path, dict[str, Any]]) -> None:
    out, told = converted
    assert sorted(each.name for each in out.iterdir()) == ["card.json", "labels.txt", "model.tflite", "report.html"]
    card = bundle.load(out).card
    assert (card.name, card.task, card.gate_kind, card.recipe) == (
        "colours",
        "classification",
        "task",
        "static_wi8_ai8",
    )
    assert card.input is not None
    assert (card.input.dtype, card.outputs[0].dtype) == ("int8", "int8")
    assert card.gate.startswith("gate: passed: at most 0.5 points of balanced accuracy lost on 150 labelled pictures")
    assert card.calibration.pictures >= 100
    assert re.fullmatch(r"[0-9a-f]{64}", card.calibration.sha256)
    verified = dermedge("verify", str(out))
    assert verified.returncode == 0, verified.stdout
    assert told["ok"]
    assert (told["exit_code"], told["bundle"]) == (0, str(out))
    assert told["model"]["sha256"] == card.model_sha256
    assert told["gate"]["passed"]
    assert told["gate"]["figures"][0]["name"] == "balanced accuracy"
    assert {"load", "calibrate", "quantise", "evaluate", "write"} <= set(told["seconds"])
    assert told["peak_memory_bytes"] > 10_000_000


def test_what_was_measured_is_not_hashed(converted: tuple[Path, dict[str, Any]]) -> None:
    card = bundle.load(converted[0]).card
    assert {"date", "engine", "gate", "golden", "latency"} <= set(card.measured)
    assert card.measured["gate"]["sentence"] == converted[1]["gate"]["sentence"]
    digits = re.compile(r"0\.\d{3}")
    assert not digits.search(card.gate)


@pytest.mark.parametrize("cores", [1, 2])
def test_the_same_bytes_in_a_fresh_process(
    room: Path, tmp_path: Path, converted: tuple[Path, dict[str, Any]], cores: int
) -> None:
    """With one core the engine takes one thread, with two two."""
    if len(os.sched_getaffinity(0)) < cores:
        pytest.fail(f"expected {cores} cores for this test")
    out = tmp_path / "colours"
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    done = subprocess.run(
        [*COMMAND, *words(room, out, *judged(room))],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    assert done.returncode == 0, done.stderr
    first, second = bundle.load(converted[0]), bundle.load(out)
    assert second.model == first.model
    assert second.card.sha256 == first.card.sha256


def test_the_report_stands_alone(converted: tuple[Path, dict[str, Any]]) -> None:
    page = (converted[0] / "report.html").read_text(encoding="utf-8")
    assert "The gate passed" in page
    assert "平衡准确率" in page
    assert "不是诊断" in page
    for loaded in ("<script", "<img", "<link", "http:", "https:", "url(", "data:"):
        assert loaded not in page, loaded
    assert page.count("<svg") >= 3
    assert "too few" in page or "brown" in page


def test_people_get_a_plain_account(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    done = dermedge(*words(room, out))
    assert done.returncode == 0, done.stderr
    assert "model.tflite is a float .tflite" in done.stdout
    assert "near-duplicate" in done.stdout
    assert "Gate: agreement only, passed" in done.stdout
    assert f"Bundle in {out}" in done.stdout
    assert [line.split()[0] for line in done.stderr.splitlines() if line.endswith("…")][:2] == ["load", "calibrate"]
    card = bundle.load(out).card
    assert card.gate_kind == "agreement"
    assert card.gate.startswith("gate: agreement only")
    assert card.name == "colours"


def test_a_pass_on_three_pictures_is_told_and_marked(room: Path, tmp_path: Path) -> None:
    rows = (room / "evaluation" / "set.csv").read_text(encoding="utf-8").splitlines()
    few = tmp_path / "few.csv"
    few.write_text("\n".join(rows[:4]), encoding="utf-8")
    out, pictures = tmp_path / "out", str(room / "evaluation" / "images")
    done = dermedge(*words(room, out, "--eval", str(few), "--eval-images", pictures))
    assert done.returncode == 0, done.stderr
    assert "Gate: passed on too few pictures to tell" in done.stdout
    assert "the card says task_weak and `dermedge run` warns" in done.stdout
    card = bundle.load(out).card
    assert card.gate_kind == "task_weak"
    assert card.gate.startswith("gate: passed on too few pictures to tell: ")
    assert "on too few pictures to tell</h2>" in (out / "report.html").read_text(encoding="utf-8")


def test_without_labels_it_says_what_to_pass(room: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", image=np.random.default_rng(0).uniform(size=(150, 16, 16, 3)).astype(np.float32))
    command = ["convert", str(room / "model.tflite"), "--calibration", str(tmp_path / "set.npz")]
    done = dermedge(*command, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "--labels FILE" in line]
    assert len(said) == 1
    assert "only compared tensor by tensor" in said[0]
    assert "--labels FILE" in done.stdout
    assert bundle.load(tmp_path / "out").card.task == "tensors"


def test_a_model_that_plain_conversion_ruins_is_repaired(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "repaired"
    done = dermedge(*words(room, out, *judged(room), "--json", model="fragile.tflite", describe="fragile.toml"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    plain, last = told["steps"][0], told["steps"][-1]
    assert plain["points_lost"] > 20
    assert not plain["passed"]
    assert last["passed"]
    assert last["kept"]
    assert told["recipe"]["overrides"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<h2>Repair</h2>" in page
    assert bundle.load(out).card.recipe_detail == told["recipe"]


def test_a_gate_that_fails_leaves_a_report_and_no_bundle(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "ruined"
    done = dermedge(
        *words(room, out, *judged(room), "--max-float-layers", "0", model="fragile.tflite", describe="fragile.toml")
    )
    assert done.returncode == 65
    report = tmp_path / "ruined.report.html"
    assert [each.name for each in tmp_path.iterdir()] == [report.name]
    assert last_line(done).startswith("dermedge: gate: failed: balanced accuracy")
    assert done.stderr.count("balanced accuracy") == 1, "once is enough"
    assert str(report) in last_line(done)
    assert done.stdout == ""
    page = report.read_text(encoding="utf-8")
    assert "The gate failed: no bundle was written" in page
    assert "未通过" in page
    assert "Layer by layer" in page


def test_failures_are_one_json_object_as_well(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = dermedge(*words(room, out, "--json", model="nothing.tflite"))
    assert done.returncode == 65
    told = json.loads(done.stdout)
    assert (told["ok"], told["exit_code"], told["bundle"]) == (False, 65, None)
    assert told["error"] in last_line(done)
    empty = Account(ok=False, exit_code=65, error=told["error"], dermedge=__version__)
    assert told == json.loads(json.dumps(empty.as_json())), "the keys of a failure are those of an account"


def test_a_failed_gate_is_told_once_and_has_the_same_keys(room: Path, tmp_path: Path) -> None:
    command = words(room, tmp_path / "ruined", *judged(room), "--json", model="fragile.tflite", describe="fragile.toml")
    done = dermedge(*command, "--max-float-layers", "0")
    assert done.returncode == 65
    assert done.stderr.count("balanced accuracy") == 1
    assert set(json.loads(done.stdout)) == set(NOTHING_DONE)


def test_a_folder_that_exists_is_refused_and_untouched(room: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = dermedge(*words(room, tmp_path))
    assert done.returncode == 64
    assert done.stderr.count("\n") == 1
    assert "does not exist yet" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


def faults(room: Path, tmp_path: Path) -> dict[str, tuple[list[str], str]]:
    """Name → options that break it, and what the one line must say."""
    whole = (room / "model.tflite").read_bytes()
    (tmp_path / "cut.tflite").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "broken.tflite").write_bytes(tiny.classifier(tiny.WEIGHTS * np.nan))
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    (tmp_path / "missing.csv").write_text("image,label\ngone.png,reddish\nlost.png,bluish\n")
    (tmp_path / "few").mkdir()
    for number in range(5):
        picture = room / "calibration" / "images" / f"{number}.png"
        (tmp_path / "few" / picture.name).write_bytes(picture.read_bytes())
    return {
        "cut": (["SOURCE", str(tmp_path / "cut.tflite")], "cut.tflite"),
        "other format": (["SOURCE", str(tmp_path / "text.keras")], "text.keras"),
        "NaN": (["SOURCE", str(tmp_path / "broken.tflite")], "NaN"),
        "labels": (["--labels", str(tmp_path / "labels.txt")], "labels"),
        "no pictures": (["--eval", str(tmp_path / "missing.csv")], "gone.png"),
        "weak": (["--calibration", str(tmp_path / "few")], "--allow-weak-calibration"),
        "no set": (["--calibration", str(tmp_path / "nowhere")], "calibration set"),
        "export": (["--export", "mediapipe"], "--export mediapipe"),
    }


@pytest.mark.parametrize("name", ["cut", "other format", "NaN", "labels", "no pictures", "weak", "no set", "export"])
def test_bad_input_is_one_line_and_nothing_is_written(room: Path, tmp_path: Path, name: str) -> None:
    options, said = faults(room, tmp_path)[name]
    command = words(room, tmp_path / "out")
    if options[0] == "SOURCE":
        command[1] = options[1]
    else:
        command += options
    done = dermedge(*command)
    assert done.returncode == 65, done.stderr
    assert said in last_line(done)
    assert sum(line.startswith("dermedge:") for line in done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*report.html"))


def test_weak_calibration_goes_on_where_somebody_insists(room: Path, tmp_path: Path) -> None:
    faults(room, tmp_path)
    command = words(room, tmp_path / "out", *judged(room), "--allow-weak-calibration")
    done = dermedge(*command, "--calibration", str(tmp_path / "few"))
    assert done.returncode == 0, done.stderr
    assert "weak" in done.stdout
    assert bundle.load(tmp_path / "out").card.calibration.weak
    assert "calibration set is weak" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input-range", "0"], "LO,HI"),
        (["--max-drop", "-1"], "points"),
        (["--recipe", "int4"], "static_wi8_ai8"),
        (["--seed", "x"], "whole number"),
    ],
)
def test_a_wrong_command_line_is_64(room: Path, tmp_path: Path, options: list[str], said: str) -> None:
    done = dermedge(*words(room, tmp_path / "out", *options))
    assert done.returncode == 64
    assert said in last_line(done)


def test_a_range_may_begin_with_a_minus() -> None:
    parser, _ = command.parser_for(["convert"])
    arguments = parser.parse_args(["convert", "m", "--calibration", "c", "--out", "o", "--input-range", "-1,1"])
    assert arguments.input_range == (-1.0, 1.0)


def test_a_missing_library_is_69_with_the_line_that_installs_it(room: Path, tmp_path: Path) -> None:
    """A module that cannot be imported stands in for an environment without it."""
    shadow = tmp_path / "shadow"
    (shadow / "ai_edge_quantizer").mkdir(parents=True)
    (shadow / "ai_edge_quantizer" / "__init__.py").write_text("raise ModuleNotFoundError('no', name='gone')")
    done = dermedge(*words(room, tmp_path / "out"), PYTHONPATH=f"{shadow}{os.pathsep}{ROOT}")
    assert done.returncode == 69, done.stderr
    assert last_line(done).endswith("pip install 'dermedge[convert]'")
    assert not (tmp_path / "out").exists()
