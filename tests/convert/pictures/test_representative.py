"""The calibration set: what is drawn, what is refused with which figure, and what goes on all the same, marked."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from convert.description import Description, Picture, Vector
from convert.errors import ConvertError
from convert.inferred import complete
from convert.pictures.evaluation import Evaluation, read_evaluation
from convert.pictures.examples import Example
from convert.pictures.representative import COUNT_MAX, COUNT_MIN, read_representative
from convert.pictures.strata import hold_back, spread
from edge.pictures import read_picture
from tests.convert.colours import LABELS, picture, write
from tests.convert.tiny import SIDE_PX, classifier

PLAIN = complete(Description(labels=LABELS, input=Picture(mean=0.0, std=255.0)), classifier())


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("calibration") / "set", 180)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return read_evaluation(write(tmp_path_factory.mktemp("evaluation") / "set", 60, seed=1), PLAIN)


def test_samples_are_what_the_device_would_see_and_come_again(calibration: Path) -> None:
    found = read_representative(calibration, PLAIN)
    once, again = list(found.samples()), list(found.samples())
    assert len(once) == len(again) == found.count
    assert [list(sample) for sample in once] == [["image"]] * found.count
    assert all(np.array_equal(first["image"], second["image"]) for first, second in zip(once, again, strict=True))
    tensor = once[0]["image"]
    assert (tensor.shape, tensor.dtype) == ((1, SIDE_PX, SIDE_PX, 3), np.float32)
    first = found.examples[0].path
    assert first is not None
    mean = read_picture(first).rgb.mean(axis=(0, 1)) / 255
    assert tensor.mean(axis=(0, 1, 2)) == pytest.approx(mean, abs=0.01)


def test_a_fifth_is_held_back_by_label_and_group(calibration: Path) -> None:
    found = read_representative(calibration, PLAIN)
    held = found.held_back()
    assert found.count + len(held.examples) == 180
    assert 30 <= len(held.examples) <= 45
    assert not held.labelled
    assert {each.label for each in held.examples} == set(LABELS)
    assert not {each.name for each in held.examples} & {each.name for each in found.examples}
    assert not set(held.groups) & {each.group for each in found.examples}
    assert held.survey is not None
    assert len(held.survey.hashes) == len(held.examples)


def test_the_hash_is_of_what_was_drawn(calibration: Path) -> None:
    first, again, other = (read_representative(calibration, PLAIN, seed=seed) for seed in (3, 3, 4))
    assert first.sha256 == again.sha256 != other.sha256
    card = first.calibration()
    assert (card.pictures, card.sha256, card.weak) == (first.count, first.sha256, ())
    assert "set.csv" in card.source


def test_with_an_evaluation_set_nothing_is_held_back(calibration: Path, evaluation: Evaluation) -> None:
    found = read_representative(calibration, PLAIN, evaluation=evaluation)
    assert (found.count, found.held_back().examples, found.weak) == (180, (), ())


def test_near_duplicates_are_dropped_and_counted(tmp_path: Path, calibration: Path) -> None:
    shutil.copytree(calibration.parent, tmp_path / "set")
    for number in range(40):
        shutil.copy(tmp_path / "set/images/0.png", tmp_path / f"set/images/copy{number}.png")
    found = read_representative(tmp_path / "set" / "images", PLAIN)
    assert found.duplicates_dropped == 40
    assert found.count + len(found.held_back().examples) == 180
    assert "40 near-duplicates left out" in found.calibration().source


def test_what_the_evaluation_set_has_does_not_calibrate(tmp_path: Path, evaluation: Evaluation) -> None:
    path = write(tmp_path / "set", 120, seed=5)
    shown = evaluation.examples[7].path
    assert shown is not None
    shutil.copy(shown, tmp_path / "set/images/3.png")
    found = read_representative(path, PLAIN, evaluation=evaluation)
    assert found.duplicates_dropped == 1
    assert "3.png" not in {each.name for each in found.examples}


def test_the_evaluation_set_itself_does_not_calibrate(evaluation: Evaluation) -> None:
    path = evaluation.examples[0].path
    assert path is not None
    with pytest.raises(ConvertError, match=r"0 different.*\(60 near-duplicates of each other or of the evaluation set"):
        read_representative(path.parent, PLAIN, evaluation=evaluation, allow_weak=True)


def test_too_few_are_refused_with_the_figure_or_marked(tmp_path: Path) -> None:
    path = write(tmp_path / "set", 60)
    with pytest.raises(ConvertError, match=f"60 different examples of at least {COUNT_MIN}.*--allow-weak-calibration"):
        read_representative(path, PLAIN)
    found = read_representative(path, PLAIN, allow_weak=True)
    assert found.weak == found.calibration().weak == (f"60 different examples of at least {COUNT_MIN}",)
    assert found.count > 40


def test_copies_do_not_make_a_hundred(tmp_path: Path) -> None:
    path = write(tmp_path / "set", 120)
    for number in range(1, 120):
        shutil.copy(tmp_path / "set/images/0.png", tmp_path / f"set/images/{number}.png")
    with pytest.raises(
        ConvertError, match=r"1 different examples of at least 100 \(119 near-duplicates of each other left out\)"
    ):
        read_representative(path, PLAIN)


def test_another_domain_is_refused_with_the_figure_or_marked(tmp_path: Path, evaluation: Evaluation) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "bright.npz"
    np.savez(path, images=np.stack([picture(number % 3, rng, brightness=200) for number in range(120)]))
    with pytest.raises(ConvertError, match=r"brightness is distributed otherwise than in set.csv: .* distance 1\.00"):
        read_representative(path, PLAIN, evaluation=evaluation)
    assert len(read_representative(path, PLAIN, evaluation=evaluation, allow_weak=True).weak) == 1
    assert read_representative(path, PLAIN).weak == ()


def test_an_input_that_never_changes_is_refused_or_marked(tmp_path: Path) -> None:
    described = complete(
        Description(labels=LABELS, input=Picture(mean=0.0, std=255.0), vectors=(Vector("numbers"),)),
        classifier(vector=2),
    )
    rng = np.random.default_rng(0)
    pictures = np.stack([picture(number % 3, rng) for number in range(120)])
    path = tmp_path / "set.npz"
    np.savez(path, images=pictures, numbers=np.zeros((120, 2)))
    with pytest.raises(ConvertError, match=r"input 'numbers' never changes.*\(0\)"):
        read_representative(path, described)
    assert "never changes" in read_representative(path, described, allow_weak=True).weak[0]
    np.savez(path, images=pictures, numbers=rng.normal(size=(120, 2)))
    found = read_representative(path, described)
    assert found.weak == ()
    assert {name: values.shape for name, values in next(found.samples()).items()} == {
        "image": (1, SIDE_PX, SIDE_PX, 3),
        "numbers": (1, 2),
    }


def test_a_model_without_pictures_calibrates_on_rows(tmp_path: Path) -> None:
    described = complete(Description(), classifier())
    rows = np.random.default_rng(0).uniform(size=(150, 16, 16, 3))
    np.savez(tmp_path / "set.npz", image=np.concatenate([rows, rows[:30]]))
    found = read_representative(tmp_path / "set.npz", described)
    assert found.duplicates_dropped == 30
    assert found.count + len(found.held_back().examples) == 150


def test_a_large_set_is_drawn_evenly_by_label() -> None:
    many = [Example(str(n), label="rare" if n % 20 == 0 else "common", group=str(n)) for n in range(2000)]
    drawn = spread(many, COUNT_MAX, np.random.default_rng(0))
    assert len(drawn) == COUNT_MAX
    assert sum(each.label == "rare" for each in drawn) == 100
    assert [int(each.name) for each in drawn] == sorted(int(each.name) for each in drawn)
    assert spread(many, COUNT_MAX, np.random.default_rng(0)) == drawn
    assert spread(many, COUNT_MAX, np.random.default_rng(1)) != drawn


def test_one_group_for_all_is_not_held_back_whole() -> None:
    alike = [Example(str(n), label="a", group="everything") for n in range(50)]
    assert hold_back(alike, np.random.default_rng(0)) == []
