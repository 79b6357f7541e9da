"""Near-duplicates, distances between sets, and one line for pictures that cannot be read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from convert.errors import ConvertError
from convert.pictures.domain import DISTANCE_MAX, FEATURES, distance, features
from convert.pictures.duplicates import DISTANCE_MAX_BITS, difference_hash, first_of_each
from convert.pictures.examples import Example
from convert.pictures.skin_tone import UNKNOWN
from convert.pictures.survey import survey
from edge.frame import Pixels
from tests.convert.colours import picture


def copies(rgb: Pixels) -> list[Pixels]:
    """As they come about: compressed again, made smaller, brighter."""
    done, encoded = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert done
    jpeg = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    small = cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    bright = np.clip(rgb.astype(np.float32) * 1.15 + 5, 0, 255)
    return [np.asarray(each, dtype=np.uint8) for each in (jpeg, small, bright)]


def test_copies_are_near_and_others_are_not() -> None:
    rng = np.random.default_rng(1)
    different = [picture(number % 3, rng, size_px=128) for number in range(30)]
    hashes = np.stack([difference_hash(each) for each in different])
    assert first_of_each(hashes).all()
    again = np.stack([difference_hash(copy) for each in different for copy in copies(each)])
    both = first_of_each(np.concatenate([hashes, again]))
    assert both[:30].all()
    assert not both[30:].any()
    assert not first_of_each(again, hashes).any()


def test_the_distance_is_in_bits() -> None:
    one = np.zeros((1, 32), dtype=np.uint8)
    near, far = (np.packbits(np.arange(256) < bits)[np.newaxis] for bits in (DISTANCE_MAX_BITS, DISTANCE_MAX_BITS + 1))
    assert not first_of_each(near, one)[0]
    assert first_of_each(far, one)[0]


def test_nothing_is_near_nothing() -> None:
    assert first_of_each(np.empty((0, 32), np.uint8)).tolist() == []


def looks(count: int, seed: int, brightness: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([features(picture(number % 3, rng, brightness=brightness)) for number in range(count)])


def test_halves_of_one_set_lie_close_and_another_domain_does_not() -> None:
    ours = looks(150, 1, 110)
    assert distance(ours, looks(60, 2, 110))[0] < 0.4
    apart, feature = distance(ours, looks(60, 3, 190))
    assert (apart > DISTANCE_MAX, feature) == (True, "brightness")


def test_the_statistic_is_that_of_kolmogorov_and_smirnov() -> None:
    ours, theirs = np.zeros((4, len(FEATURES))), np.zeros((5, len(FEATURES)))
    ours[:, 3], theirs[:, 3] = [1, 2, 3, 4], [3, 3, 4, 5, 6]
    # scipy.stats.ks_2samp([1, 2, 3, 4], [3, 3, 4, 5, 6]).statistic, scipy 1.17
    assert distance(ours, theirs) == (pytest.approx(0.5), "contrast")


def test_what_cannot_be_read_is_counted_and_the_first_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "abc":
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), picture(0, rng, size_px=200))
    whole = (tmp_path / "b.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) // 2])
    assert cv2.imread(str(tmp_path / "b.jpg")) is not None, "OpenCV takes half a picture for one: so we do not ask it"
    names = ("a.jpg", "b.jpg", "c.jpg", "gone.jpg")
    with pytest.raises(ConvertError, match=r"expected 4 readable pictures \(mine\), got 2 .*b\.jpg") as refused:
        survey([Example(name, path=tmp_path / name) for name in names], "mine", boxes_known=False)
    assert len(str(refused.value).splitlines()) == 1


def test_a_survey_goes_with_its_pictures() -> None:
    rng = np.random.default_rng(0)
    seen = survey([Example(str(n), pixels=picture(n, rng)) for n in range(3)], "mine", boxes_known=False)
    part = seen.take([2, 0])
    assert np.array_equal(part.hashes, seen.hashes[[2, 0]])
    assert np.array_equal(part.features, seen.features[[2, 0]])
    assert part.tones == (seen.tones[2], seen.tones[0])
    assert survey([Example("grey", pixels=np.full((40, 40, 3), 99, np.uint8))], "", boxes_known=False).tones == (
        UNKNOWN,
    )
