"""A float model that is broken on the gate's pictures is refused before anything is quantised, and by its own name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convert.cards import make_bundle
from convert.description import Description
from convert.errors import ConvertError
from convert.gate.running import FLOAT, probabilities
from convert.gate.soundness import check_float
from convert.inferred import describe
from convert.pictures.evaluation import Evaluation, read_evaluation
from tests.convert import ssd
from tests.convert.colours import describe_file, write
from tests.convert.tiny import WEIGHTS, classifier


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Description, Evaluation]:
    folder = tmp_path_factory.mktemp("colours")
    described = describe(classifier(), describe_file(folder))
    return described, read_evaluation(write(folder / "set", 12), described)


def test_a_sound_model_passes(colours: tuple[Description, Evaluation]) -> None:
    described, evaluation = colours
    check_float(make_bundle(described, classifier()), evaluation, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (classifier(WEIGHTS * np.nan), "NaN or infinity for 12 of 12 examples"),
        (classifier(np.zeros_like(WEIGHTS)), "the same values for all 12 examples"),
    ],
)
def test_a_broken_one_is_named(colours: tuple[Description, Evaluation], content: bytes, said: str) -> None:
    described, evaluation = colours
    with pytest.raises(ConvertError, match=f"{said}.*the float model itself is broken"):
        check_float(make_bundle(described, content), evaluation, 1)


def test_nan_in_the_gate_says_whose_it_is(colours: tuple[Description, Evaluation]) -> None:
    described, evaluation = colours
    with pytest.raises(ConvertError, match="the float model itself is broken"):
        probabilities(make_bundle(described, classifier(WEIGHTS * np.nan)), evaluation.examples, 1, FLOAT)


def test_what_lies_behind_the_last_box_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_text(ssd.TOML, encoding="utf-8")
    described = describe(ssd.detector(), tmp_path / "model.toml")
    evaluation = read_evaluation(ssd.write(tmp_path / "set", 6, seed=2), described)
    check_float(make_bundle(described, ssd.detector()), evaluation, 1)
