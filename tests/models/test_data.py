"""The data rules: splits by group, training reads train only, a missing folder says what to do. No PyTorch needed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models import calibration, data
from models.samples import Samples


def test_no_group_is_in_two_splits(data_folder: Path) -> None:
    groups = {split: {p.group for p in data.load(split, folder=data_folder)} for split in data.SPLITS}
    files = {split: {p.file for p in data.load(split, folder=data_folder)} for split in data.SPLITS}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not files[one] & files[other]
        assert not groups[one] & groups[other]


def test_the_counts_are_the_published_ones(data_folder: Path) -> None:
    counts = [len(data.load(split, "trc_dermoscopy", data_folder)) for split in data.SPLITS]
    assert counts == [429, 92, 91]
    assert [len(data.load(split, "acne04_faces", data_folder)) for split in data.SPLITS] == [562, 131, 149]


def test_training_and_calibration_open_train_pictures_only(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DERMEDGE_DATA", str(data_folder))
    opened: list[str] = []
    original = cv2.imread

    def imread(path: str, *args: int) -> np.ndarray:
        opened.append(str(Path(path).relative_to(data_folder / "images")))
        return original(path, *args)

    monkeypatch.setattr(cv2, "imread", imread)
    chosen = data.load("train", "neg_healthy_crops") + data.load("train", "trc_dermoscopy")[:20]
    Samples(1, 10, pictures=[*chosen, *data.load("train", "acne04_faces")[:20]])
    for picture in calibration.chosen():
        picture.rgb()
    train = {p.file for p in data.load("train")}
    assert opened
    assert set(opened) <= train


def test_samples_refuse_pictures_of_another_split(data_folder: Path) -> None:
    with pytest.raises(ValueError, match="train split only"):
        Samples(1, 10, pictures=data.load("test", "neg_healthy_crops", data_folder))


def test_a_missing_folder_names_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DERMEDGE_DATA", str(tmp_path))
    with pytest.raises(data.DataMissingError, match="DERMEDGE_DATA"):
        data.data_dir()


def test_dermoscopy_has_one_class(data_folder: Path) -> None:
    for picture in data.load("train", "trc_dermoscopy", data_folder):
        assert set(picture.classes.tolist()) <= {data.LABELS.index("cutaneous_tumour")}
