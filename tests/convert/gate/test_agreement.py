"""The gate without labels: what counts as the same answer, and what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.cards import make_bundle
from convert.description import Description
from convert.gate import Gate
from convert.gate.agreement import of_detections, of_probabilities, of_tensors
from convert.gate.agreement_gate import intervals
from convert.inferred import complete, describe
from convert.pictures.representative import read_representative
from edge import bundle
from edge.detect import Detection
from edge.frame import Box
from tests.convert.colours import describe_file, write
from tests.convert.pictures import drawn_skin
from tests.convert.tiny import WEIGHTS, classifier


def test_without_labels_it_is_agreement_only(tmp_path: Path) -> None:
    described = describe(classifier(), describe_file(tmp_path))
    path = write(tmp_path / "set", 180)
    held = read_representative(path, described).held_back()
    gate = Gate(described, make_bundle(described, classifier()), held)
    good = gate.judge(make_bundle(described, classifier(int8=True)))
    assert (good.passed, good.kind, good.max_drop) == (True, "agreement", None)
    assert good.sentence.startswith("gate: agreement only, passed: ")
    assert good.pictures == len(held.examples)
    limits = {each.name: each.limit for each in good.figures}
    assert (limits["top-1 agreement but for ties within 0.05"], limits["top-1 agreement"]) == (0.95, None)
    bad = gate.judge(make_bundle(described, classifier(WEIGHTS[::-1].copy(), int8=True)))
    assert not bad.passed
    assert bad.points_lost > 30
    assert "failed (top-1 agreement but for ties within 0.05 0." in bad.sentence


def test_detectors_are_compared_without_labels_too() -> None:
    described = drawn_skin.detector()
    shipped = make_bundle(described, bundle.load().model)
    gate = Gate(described, shipped, drawn_skin.evaluation(labelled=False))
    assert gate.judge(shipped).points_lost == 0
    dead = gate.judge(make_bundle(described, drawn_skin.with_weights_negated("class_logits")))
    assert not dead.passed
    assert dead.points_lost > 20


def test_sums_over_pictures_have_an_interval_and_extremes_have_none() -> None:
    likely = np.eye(3)[np.arange(200) % 3]
    off = likely.copy()
    off[:20] = likely[:20, [1, 2, 0]]
    spread = intervals(of_probabilities(likely, off), [str(index) for index in range(200)], 0)
    low, high, method = spread["top-1 agreement"]
    assert method == "bootstrap"
    assert low == pytest.approx(0.9 - 1.96 * np.sqrt(0.9 * 0.1 / 200), abs=0.01)
    assert high == pytest.approx(0.9 + 1.96 * np.sqrt(0.9 * 0.1 / 200), abs=0.01)
    assert "largest probability difference" not in spread


def test_no_exception_among_few_is_no_proof_that_there_is_none() -> None:
    likely = np.eye(3)[np.arange(60) % 3]
    same = of_probabilities(likely, likely)
    spread = intervals(same, [str(index) for index in range(60)], 0)
    assert spread["top-1 agreement"] == (pytest.approx(0.9404, abs=1e-4), 1.0, "exact")
    assert spread["mean probability difference"] == (0.0, pytest.approx(0.0596, abs=1e-4), "exact")
    assert intervals(same, ["one"] * 60, 0) == {}


def test_pictures_without_anything_to_find_are_no_proof() -> None:
    """Of sixty pictures twelve have a detection: the limit is that of twelve."""
    seen = [found(0.9) if index < 12 else found() for index in range(60)]
    spread = intervals(of_detections(seen, seen, [0.5]), [str(index) for index in range(60)], 0)
    low, high, method = spread["share of the float model's detections found again"]
    assert (low, high, method) == (pytest.approx(0.025 ** (1 / 12)), 1.0, "exact")


def test_nothing_kept_is_not_certain_either() -> None:
    likely = np.eye(3)[np.arange(60) % 3]
    spread = intervals(of_probabilities(likely, np.roll(likely, 1, axis=1)), [str(index) for index in range(60)], 0)
    assert spread["top-1 agreement"] == (0.0, pytest.approx(0.0596, abs=1e-4), "exact")


def found(*scores: float, shift: float = 0.0) -> list[Detection]:
    return [Detection(Box(60 * n + shift, 0, 60 * n + 50 + shift, 50), 0, "a", score) for n, score in enumerate(scores)]


def test_a_score_at_the_edge_of_the_threshold_is_no_loss() -> None:
    near = of_detections([found(0.9, 0.51)], [found(0.9, 0.49, shift=1)], [0.5])
    assert (near.passed, near.value) == (True, 1.0)
    assert not of_detections([found(0.9, 0.51)], [found(0.9)], [0.5]).passed
    more = of_detections([found(0.9)], [found(0.9, 0.8)], [0.5])
    assert (more.passed, more.value) == (False, 1.0)
    assert "the float model has 0.5" in more.faults[0]
    assert not of_detections([found(0.9)], [found(0.9, shift=12)], [0.5]).passed, (
        "boxes that moved are told by their IoU"
    )
    assert "finds nothing" in of_detections([found(0.2)], [found(0.2)], [0.5]).faults[0]


def test_probabilities_that_differ() -> None:
    rng = np.random.default_rng(0)
    likely = rng.dirichlet([1, 1, 1], 50)
    assert of_probabilities(likely, likely).passed
    tied = np.array([[0.5, 0.46, 0.04], [0.1, 0.2, 0.7]])
    turned = of_probabilities(tied, tied[:, [1, 0, 2]])
    assert (turned.passed, turned.value, turned.figures["top-1 agreement"]) == (True, 1.0, 0.5)
    off = likely.copy()
    off[0] = np.roll(off[0], 1)
    assert "largest probability difference" in of_probabilities(likely, off).faults[0]
    stuck = np.tile(likely[:1], (50, 1))
    assert "same probabilities" in of_probabilities(stuck, stuck).faults[0]


def test_an_output_that_is_stuck_has_a_fine_cosine_and_fails() -> None:
    rng = np.random.default_rng(0)
    answers = [[10 + rng.normal(0, 1, (1, 4)).astype(np.float32)] for _ in range(40)]
    near = [[each[0] + np.float32(0.05)] for each in answers]
    assert of_tensors(answers, near).passed
    stuck = of_tensors(answers, [[np.full((1, 4), 10, np.float32)]] * 40)
    assert stuck.figures["lowest cosine of an output"] > 0.99
    assert "lowest correlation" in stuck.faults[0]
    nothing = [[np.full((1, 4), np.nan, np.float32)]] * 40
    for sides, whose, cause in (
        ((answers, nothing), "of the converted model has NaN", "not finite"),
        ((nothing, answers), "of the float model itself has NaN", "float not finite"),
    ):
        broken = of_tensors(*sides)
        assert whose in broken.faults[0]
        assert broken.causes == (cause,)


def test_tensors_of_a_model_of_which_nothing_is_known(tmp_path: Path) -> None:
    described = complete(Description(), classifier(softmax=False))
    rows = np.random.default_rng(0).uniform(size=(150, 16, 16, 3)) * np.random.default_rng(1).uniform(
        size=(150, 1, 1, 3)
    )
    np.savez(tmp_path / "set.npz", image=rows)
    held = read_representative(tmp_path / "set.npz", described).held_back()
    float_bundle, int8_bundle = (make_bundle(described, classifier(int8=each, softmax=False)) for each in (False, True))
    gate = Gate(described, float_bundle, held)
    assert gate.judge(int8_bundle).passed
    assert not gate.judge(make_bundle(described, classifier(-WEIGHTS, softmax=False))).passed
