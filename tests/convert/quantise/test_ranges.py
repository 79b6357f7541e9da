"""What the float model's tensors are on samples: exact ranges, means by channel, and clipping that pays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from convert.errors import ConvertError
from convert.quantise.ranges import BINS, Observer, clipped, least_error, observe
from tests.convert.quantise.chains import Chain, samples

RNG = np.random.default_rng(5)


def model() -> bytes:
    chain = Chain(3).conv("first", RNG.normal(0, 1, (5, 3, 3, 3)), RNG.normal(0, 1, 5), "relu")
    return chain.conv("second", RNG.normal(0, 1, (2, 1, 1, 5)), np.zeros(2)).bytes()


def error(values: np.ndarray, low: float, high: float) -> float:
    """Mean squared error of 8-bit rounding over a range."""
    step = (high - low) / 255
    return float(np.square(values - np.clip(np.round((values - low) / step) * step + low, low, high)).mean())


def test_ranges_and_means_are_those_of_all_samples() -> None:
    seen = observe(model(), samples(3, low=-0.5))
    assert set(seen) == {"image", "first", "second"}
    every = np.concatenate([each["image"] for each in samples(3, low=-0.5)()])
    assert (seen["image"].low, seen["image"].high) == (every.min(), every.max())
    np.testing.assert_allclose(seen["image"].mean, every.mean(axis=(0, 1, 2)), atol=1e-6)
    peaks = np.abs(every).max(axis=(1, 2))
    np.testing.assert_allclose(seen["image"].usual, np.sqrt(np.square(peaks).mean(axis=0)), rtol=1e-6)
    assert seen["first"].low == 0


def test_the_same_samples_give_the_same_figures_with_one_and_two_threads() -> None:
    content = model()
    one, two = (observe(content, samples(3), threads=threads) for threads in (1, 2))
    for name, each in one.items():
        assert (each.low, each.high) == (two[name].low, two[name].high)
        np.testing.assert_array_equal(each.mean, two[name].mean)


def test_a_rare_outlier_is_clipped_and_the_error_falls() -> None:
    values = np.append(RNG.normal(0, 1, 1_000_000), 40.0)
    low, high = float(values.min()), float(values.max())
    counts = np.histogram(values, BINS, (low, high))[0]
    chosen = least_error(counts, low, high)
    assert chosen[1] < high / 2
    assert error(values, *chosen) < 0.6 * error(values, low, high)


def test_what_is_spread_evenly_keeps_its_range() -> None:
    values = RNG.uniform(-1, 3, 100_000)
    low, high = float(values.min()), float(values.max())
    chosen = least_error(np.histogram(values, BINS, (low, high))[0], low, high)
    assert chosen == pytest.approx((low, high), rel=0.03)


def test_a_range_that_starts_at_zero_still_does() -> None:
    counts = np.histogram(RNG.exponential(1, 100_000), BINS, (0, 20))[0]
    assert least_error(counts, 0.0, 20.0)[0] == 0


def test_clipping_stays_inside_what_was_seen() -> None:
    content = model()
    seen = observe(content, samples(3))
    for name, (low, high) in clipped(content, samples(3), seen).items():
        assert min(seen[name].low, 0) <= low <= 0 <= high <= seen[name].high


def test_one_picture_that_drives_the_network_wild_does_not_set_the_range() -> None:
    """One picture in a hundred, at a hundred times: of plain squared error nearly all would be its own."""
    content = Chain(3).conv("first", np.eye(3).reshape(3, 1, 1, 3), np.zeros(3)).bytes()

    def each() -> Iterator[dict[str, np.ndarray]]:
        for number, sample in enumerate(samples(3, 100)()):
            yield {"image": sample["image"] * (100 if number == 7 else 1)}

    seen = observe(content, each)
    assert seen["first"].high > 99
    low, high = clipped(content, each, seen)["first"]
    assert 1 < high < 30
    assert low == 0


def test_an_observer_looks_once_at_a_file() -> None:
    calls = []

    def counted() -> list[dict[str, np.ndarray]]:
        calls.append(1)
        return list(samples(3)())

    observer, content = Observer(counted), model()
    assert observer.observe(content) is observer.observe(content)
    assert observer.clipped(content) is observer.clipped(content)
    assert len(calls) == 2


def test_no_samples_are_refused() -> None:
    with pytest.raises(ConvertError, match="got none"):
        observe(model(), list)


def test_a_sample_of_another_shape_is_refused() -> None:
    with pytest.raises(ConvertError, match=r"expected 'image' of \[1, 12, 12, 3\]"):
        observe(model(), samples(4))


def test_a_model_that_answers_nan_is_refused_by_layer() -> None:
    broken = Chain(3).conv("first", np.full((1, 1, 1, 3), np.nan), np.zeros(1)).bytes()
    with pytest.raises(ConvertError, match="'first'"):
        observe(broken, samples(3))
