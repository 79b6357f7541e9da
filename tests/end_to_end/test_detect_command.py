"""`dermedge detect` on good and on bad pictures, as a script would call it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.processes import DERMEDGE, environment
from edge import bundle as bundles


def detect(*arguments: object) -> tuple[int, list[dict[str, Any]], list[str]]:
    """Exit code, answers, lines on stderr."""
    command = [*DERMEDGE, "detect", "--json", *map(str, arguments)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines()


def skin(width: int = 400, height: int = 300) -> np.ndarray:
    """A spot on plain skin; drawn here, so that no person's picture is needed."""
    picture = np.full((height, width, 3), (214, 170, 148), np.uint8)
    cv2.ellipse(picture, (width // 2, height // 2), (width // 7, height // 6), 20, 0, 360, (92, 56, 44), -1)
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(cv2.GaussianBlur(picture, (0, 0), 2) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    good = Image.fromarray(skin())
    good.save(folder / "good.jpg", quality=95)
    whole = (folder / "good.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a picture")
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    Image.new("RGB", (20_000, 40)).save(folder / "wide.png")
    good.convert("CMYK").save(folder / "cmyk.jpg")
    good.convert("L").save(folder / "grey.png")
    cv2.imwrite(str(folder / "sixteen.png"), skin()[..., ::-1].astype(np.uint16) * 257)
    alpha = good.copy()
    alpha.putalpha(200)
    alpha.save(folder / "alpha.png")
    return folder


def test_the_answer_keeps_the_contract(pictures: Path) -> None:
    code, answers, words = detect(pictures / "good.jpg")
    assert (code, words) == (0, [])
    [answer] = answers
    assert list(answer) == ["image", "size_px", "quality", "detections", "latency_ms"]
    assert answer["image"] == str(pictures / "good.jpg")
    assert answer["size_px"] == [400, 300]
    assert set(answer["quality"]) == {"accepted", "hint"}
    assert set(answer["latency_ms"]) == {"preprocess", "invoke", "decode"}
    for found in answer["detections"]:
        assert set(found) == {"label", "score", "box_px"}
        x_min, y_min, x_max, y_max = found["box_px"]
        assert 0 <= x_min < x_max <= 400
        assert 0 <= y_min < y_max <= 300


@pytest.mark.parametrize("name", ["truncated.jpg", "empty.jpg", "text.jpg", "tiny.png", "wide.png"])
def test_what_cannot_be_looked_at_gets_one_line_and_the_others_are_answered(pictures: Path, name: str) -> None:
    code, answers, words = detect(pictures / "good.jpg", pictures / name, pictures / "good.jpg")
    assert code == 65
    assert [answer["image"] for answer in answers] == [str(pictures / "good.jpg")] * 2
    assert len(words) == 1
    assert name in words[0]
    assert "expected" in words[0]


@pytest.mark.parametrize("name", ["cmyk.jpg", "grey.png", "sixteen.png", "alpha.png"])
def test_what_can_be_converted_is_answered_with_a_note(pictures: Path, name: str) -> None:
    code, answers, words = detect(pictures / name)
    assert (code, len(answers), len(words)) == (0, 1, 1)
    assert answers[0]["size_px"] == [400, 300]
    assert name in words[0]


def test_a_picture_of_16_bits_reads_like_the_same_in_8(pictures: Path) -> None:
    Image.fromarray(skin()).save(pictures / "eight.png")
    _, (sixteen, eight), _ = detect("--score-threshold", 0, pictures / "sixteen.png", pictures / "eight.png")
    assert sixteen["detections"] == eight["detections"]


def test_boxes_are_in_the_picture_after_its_exif_orientation(pictures: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(skin()).transpose(Image.Transpose.ROTATE_90)
    turned.save(pictures / "turned.png", exif=exif)
    Image.fromarray(skin()).save(pictures / "upright.png")
    _, (turned_answer, upright), _ = detect("--score-threshold", 0, pictures / "turned.png", pictures / "upright.png")
    assert turned_answer["size_px"] == upright["size_px"] == [400, 300]
    assert turned_answer["detections"] == upright["detections"]


def test_a_folder_without_pictures_and_a_missing_file_are_named(pictures: Path, tmp_path: Path) -> None:
    code, answers, words = detect(tmp_path, pictures / "no-such.jpg", pictures / "good.jpg")
    assert (code, len(answers), len(words)) == (65, 1, 2)


def test_annotated_pictures_are_written(pictures: Path, tmp_path: Path) -> None:
    code, _, _ = detect("--annotate", tmp_path / "out", pictures / "good.jpg")
    assert code == 0
    assert [cv2.imread(str(path)).shape for path in (tmp_path / "out").iterdir()] == [(300, 400, 3)]


def test_a_wrong_threshold_is_a_usage_error(pictures: Path) -> None:
    code, _, words = detect("--score-threshold", 1.5, pictures / "good.jpg")
    assert (code, len(words)) == (64, 1)


CARDS: dict[str, dict[str, Any]] = {
    "labels": {"labels": "two"},
    "shape": {"input.shape": [1, 224, 224, 3]},
    "dtype": {"outputs.0.dtype": "float32"},
    "twins": {"labels.1.name": "cutaneous_tumour", "labels.0.name": "cutaneous_tumour"},
    "stride": {"outputs.0.stride": 0},
    "classifier": {"task": "classification", "decode": None},
    "vector": {"vectors": [{"name": "age", "shape": [1, 1], "dtype": "float32"}]},
}
"""What is changed in the card: place → value."""
MODELS: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda content: content[:100_000],
    "not_tflite": lambda content: b"\x89PNG" * 1000,
}


@pytest.mark.parametrize("damage", ["missing", "no_card", *CARDS, *MODELS])
def test_a_damaged_bundle_is_refused_in_one_line(pictures: Path, tmp_path: Path, damage: str) -> None:
    bundle = tmp_path / "bundle"
    if damage != "missing":
        shutil.copytree(bundles.default_path(), bundle)
        _damage(bundle, damage)
    code, answers, words = detect("--bundle", bundle, pictures / "good.jpg")
    assert (code, answers, len(words)) == (65, [], 1)
    assert "expected" in words[0]


def _damage(bundle: Path, how: str) -> None:
    model, card = bundle / bundles.MODEL_FILE, bundle / bundles.CARD_FILE
    table = json.loads(card.read_text())
    if how in MODELS:
        model.write_bytes(MODELS[how](model.read_bytes()))
        table["model_sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
    for place, value in CARDS.get(how, {}).items():
        *way, last = (int(step) if step.isdigit() else step for step in place.split("."))
        part = table
        for step in way:
            part = part[step]
        part[last] = value
    card.write_text(json.dumps(table))
    if how == "no_card":
        card.unlink()


def test_names_that_are_no_plain_text_stay_one_line_and_valid_json(tmp_path: Path) -> None:
    for name in (b"stray\xff.png", b"line\nend.png", b"esc\x1b[31m.png"):
        Image.fromarray(skin()).save(io := tmp_path / "x.png")
        io.rename(tmp_path / os.fsdecode(name))
    command = [*DERMEDGE, "detect", str(tmp_path)]
    as_json = subprocess.run([*command, "--json"], env=environment(), capture_output=True, timeout=60, check=True)
    assert len([json.loads(line) for line in as_json.stdout.decode("utf-8").splitlines()]) == 3
    table = subprocess.run(command, env=environment(), capture_output=True, timeout=60, check=True).stdout
    assert b"\x1b" not in table
    assert b"\xff" not in table


def test_what_is_no_file_or_cannot_be_reached_is_named_and_the_others_are_answered(
    pictures: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere.png")
    bad = [tmp_path / "pipe.png", tmp_path / "broken.png", "n" * 300, "/dev/null"]
    code, answers, words = detect(*bad, pictures / "good.jpg")
    assert (code, len(answers), len(words)) == (65, 1, len(bad))


def test_a_broken_link_in_a_folder_is_named_and_the_others_are_answered(tmp_path: Path) -> None:
    Image.fromarray(skin()).save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "c.jpg").symlink_to(tmp_path / "c.jpg")
    (tmp_path / "folder.png").mkdir()
    code, answers, words = detect(tmp_path)
    assert (code, len(answers), len(words)) == (65, 1, 2)
    assert "b.png" in words[0]
    assert "c.jpg" in words[1]


@pytest.mark.parametrize("name", ["json:JSONDecoder", "os:getcwd", "no_such:Engine"])
def test_a_backend_that_is_none_is_one_line(pictures: Path, name: str) -> None:
    code, answers, words = detect("--backend", name, pictures / "good.jpg")
    assert (code, answers, len(words)) == (78, [], 1)
    assert name in words[0]


def test_tiles_keep_the_contract_and_cost_more_looks(pictures: Path, tmp_path: Path) -> None:
    Image.fromarray(skin(1000, 700)).save(tmp_path / "large.png")
    code, (large, small), words = detect(
        "--tile", "--annotate", tmp_path / "out", tmp_path / "large.png", tmp_path / "large.png"
    )
    assert (code, words) == (0, [])
    assert large["detections"] == small["detections"]
    _, [plain], _ = detect(tmp_path / "large.png")
    assert list(large) == list(plain)
    assert large["size_px"] == [1000, 700]
    assert large["latency_ms"]["invoke"] > plain["latency_ms"]["invoke"]
    assert len(list((tmp_path / "out").iterdir())) == 2
    Image.fromarray(skin(320, 240)).save(tmp_path / "little.png")
    _, [whole], _ = detect("--score-threshold", 0, tmp_path / "little.png")
    _, [tiled], _ = detect("--score-threshold", 0, "--tile", tmp_path / "little.png")
    assert tiled["detections"] == whole["detections"]


def table(bundle: Path, picture: Path) -> str:
    command = [*DERMEDGE, "detect", "--bundle", str(bundle), str(picture)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=True).stdout


def test_the_table_says_what_a_score_is(pictures: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundles.default_path(), bundle)
    card = json.loads((bundle / bundles.CARD_FILE).read_text())
    names = [label["name"] for label in card["labels"]]
    told = []
    for calibrated in ([], names[:1], names):
        for label in card["labels"]:
            label["calibration"] = {"slope": 1.5, "intercept": -0.5} if label["name"] in calibrated else None
        (bundle / bundles.CARD_FILE).write_text(json.dumps(card))
        told.append(table(bundle, pictures / "good.jpg").splitlines()[0])
    assert told[0].startswith("A score is no probability")
    assert told[1].startswith(f"A score of {names[1]} is no probability")
    assert told[2].startswith("A score is a probability")


@pytest.mark.parametrize("size", [(32, 16384), (16384, 32), (40, 9000)])
def test_a_very_narrow_picture_is_answered(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size, (200, 160, 140)).save(tmp_path / "narrow.png")
    code, answers, _ = detect(tmp_path / "narrow.png")
    assert (code, len(answers)) == (0, 1)


def test_an_empty_name_is_a_usage_error() -> None:
    code, _, words = detect("")
    assert (code, len(words)) == (64, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_an_error_of_io(pictures: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*DERMEDGE, "detect", "--json", str(pictures / "good.jpg")]
        done = subprocess.run(command, env=environment(), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 74
    assert done.stderr.count(b"\n") == 1
