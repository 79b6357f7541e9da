"""`dermedge verify`: what was changed since the conversion is found, and said in one line a check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import dermedge
from convert.golden import Answer, Golden, ask, compare, drawn_picture
from convert.verification import GOLDEN, golden_answers
from edge import bundle
from edge.bundle import Bundle, Calibration, Card, VectorInput
from edge.config import Inference

replace = msgspec.structs.replace
ONE_THREAD = Inference(threads=1)


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    """As the converter would leave it: judged on its task, and with its answers in the card."""
    loaded = bundle.load()
    measured = loaded.card.measured | {GOLDEN: golden_answers(loaded, ONE_THREAD)}
    card = replace(loaded.card, measured=measured, gate="AP50 0.9 as the float model's", gate_kind="task")
    return replace(loaded, card=card)


@pytest.fixture
def checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, tuple[str, str]]]:
    """Writes a bundle and verifies it: name → (verdict, what is told); the exit code must say the same."""

    def check(loaded: Bundle, **changes: Any) -> dict[str, tuple[str, str]]:
        folder = tmp_path / "bundle"
        bundle.save(folder, replace(loaded.card, **changes), loaded.model)
        code = dermedge.main(["verify", str(folder), "--json", "--threads", "1"])
        found = json.loads(capsys.readouterr().out)
        verdicts = {each["name"]: (each["verdict"], each["told"]) for each in found["checks"]}
        failed = any(verdict == "FAIL" for verdict, _ in verdicts.values())
        assert found["passed"] is not failed
        assert code == (65 if failed else 0)
        return verdicts

    return check


def test_a_bundle_as_it_was_converted(shipped: Bundle, checks: Callable[..., dict[str, tuple[str, str]]]) -> None:
    found = checks(shipped)
    assert [verdict for verdict, _ in found.values()] == ["ok"] * 5
    assert "byte for byte" in found["golden"][1]
    assert found["gate"][1] == "AP50 0.9 as the float model's"


def test_the_answers_are_no_part_of_the_cards_hash(shipped: Bundle) -> None:
    without = {key: value for key, value in shipped.card.measured.items() if key != GOLDEN}
    assert replace(shipped.card, measured=without).sha256 == shipped.card.sha256


def moved(by: int) -> Callable[[Card], dict[str, Any]]:
    """Answers as of an engine that gives `by` steps more everywhere."""

    def change(card: Card) -> dict[str, Any]:
        before = msgspec.convert(card.measured[GOLDEN], type=Golden)
        outputs = {
            name: Answer("0" * 64, (np.frombuffer(bytes.fromhex(each.sample), np.int8) + np.int8(by)).tobytes().hex())
            for name, each in before.outputs.items()
        }
        return {"measured": {GOLDEN: msgspec.to_builtins(replace(before, outputs=outputs))}}

    return change


def no_answers(_card: Card) -> dict[str, Any]:
    return {"measured": {}}


def answers_of_another_model(card: Card) -> dict[str, Any]:
    answers = card.measured[GOLDEN]
    return {"measured": {GOLDEN: answers | {"outputs": {"other": next(iter(answers["outputs"].values()))}}}}


def answers_that_are_none(_card: Card) -> dict[str, Any]:
    return {"measured": {GOLDEN: {"engine": 3}}}


def no_gate(_card: Card) -> dict[str, Any]:
    return {"gate": " "}


def agreement_only(_card: Card) -> dict[str, Any]:
    return {"gate": "gate: agreement only", "gate_kind": "agreement"}


def weakly_calibrated(_card: Card) -> dict[str, Any]:
    return {"calibration": Calibration(12, "0" * 64, "a folder", ("12 pictures are fewer than 100",))}


def renamed_output(card: Card) -> dict[str, Any]:
    return {"outputs": (replace(card.outputs[0], name="somebody_elses"), *card.outputs[1:])}


@pytest.mark.parametrize(
    ("change", "name", "verdict", "words"),
    [
        (moved(1), "golden", "warn", "1.0 quantisation steps on average"),
        (moved(9), "golden", "FAIL", "do not rely on this engine"),
        (no_answers, "golden", "warn", "the card has no answers"),
        (answers_of_another_model, "golden", "FAIL", "expected answers"),
        (answers_that_are_none, "golden", "FAIL", "expected answers"),
        (no_gate, "gate", "FAIL", "how the model was judged"),
        (agreement_only, "gate", "warn", "agreement only"),
        (weakly_calibrated, "data", "warn", "fewer than 100"),
        (renamed_output, "card", "FAIL", "somebody_elses"),
    ],
)
def test_what_is_found(
    shipped: Bundle,
    checks: Callable[..., dict[str, tuple[str, str]]],
    change: Callable[[Card], dict[str, Any]],
    name: str,
    verdict: str,
    words: str,
) -> None:
    found = checks(shipped, **change(shipped.card))
    assert found[name][0] == verdict
    assert words in found[name][1]
    assert {each for each, (other, _) in found.items() if other != "ok"} == {name}


def test_a_model_that_wants_more_than_a_picture_has_no_answers(
    shipped: Bundle, checks: Callable[..., dict[str, tuple[str, str]]]
) -> None:
    card = replace(shipped.card, task="classification", decode=None, vectors=(VectorInput("age", (1, 1), "float32"),))
    assert golden_answers(replace(shipped, card=card)) == {}
    assert "besides a picture the model wants age" in checks(replace(shipped, card=card))["golden"][1]


@pytest.mark.parametrize("damage", ["model", "card", "labels", "gone"])
def test_damaged_files(shipped: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    folder = tmp_path / "bundle"
    bundle.save(folder, shipped.card, shipped.model)
    match damage:
        case "model":
            (folder / "model.tflite").write_bytes(shipped.model[:-1] + b"x")
        case "card":
            (folder / "card.json").write_text("{")
        case "labels":
            (folder / "labels.txt").write_text("acne_rosacea\ncutaneous_tumour\n")
        case _:
            (folder / "model.tflite").unlink()
    assert dermedge.main(["verify", str(folder)]) == 65
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("FAIL  files   expected ")


def test_the_drawn_picture_is_the_same_anywhere() -> None:
    picture = drawn_picture(64, 48)
    assert picture.shape == (48, 64, 3)
    assert (int(picture.sum()), picture[0, 0].tolist(), picture[24, 32].tolist()) == (
        1477953,
        [203, 161, 137],
        [105, 71, 61],
    )


def test_a_step_of_a_float_output_is_a_part_of_what_it_spans(shipped: Bundle) -> None:
    float_outputs = tuple(replace(each, dtype="float32") for each in shipped.card.outputs)
    loaded = replace(shipped, card=replace(shipped.card, outputs=float_outputs))
    values = np.linspace(-1, 1, 64, dtype="<f4")
    before, now = (
        Golden(engine, {each.name: Answer(engine, made.tobytes().hex()) for each in float_outputs})
        for engine, made in (("one", values), ("two", values + np.float32(2 / 255)))
    )
    found = compare(loaded, before, now)
    assert found.mean_steps == pytest.approx(1.0, abs=1e-3)
    assert not found.same_bytes


def test_asking_twice_gives_the_same(shipped: Bundle) -> None:
    assert ask(shipped, ONE_THREAD) == ask(shipped, Inference(threads=2))


def test_the_folder_of_a_wrong_backend_is_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert dermedge.main(["verify", str(bundle.default_path()), "--backend", "nonsense"]) == 78
    assert "inference.backend" in capsys.readouterr().err
