"""Float and integer side by side: the figures are those that can be reckoned by hand, and the culprit is found."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ai_edge_quantizer", reason="the workshop's environment has ai-edge-quantizer")

from convert.quantise.quantizer import prepare, quantize, ranges
from convert.quantise.ranges import Observer, observe
from convert.quantise.recipes import Override, Recipe
from convert.quantise.trace import SNR_MAX_DB, TensorError, noise_fraction, sensitivity, trace, worst
from convert.tensors import interface
from tests.convert.quantise.chains import Chain, samples

pytestmark = pytest.mark.heavy_workshop
RANGE = {"image": (0.0, 1.0)}
PLAIN = Recipe(bias_correction=False)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)


def chain(loud: float = 1.0) -> bytes:
    """Three layers; in the second, one channel is so much louder, and the third reads it so much more softly."""
    second, third = np.abs(normal(2, 4, 1, 1, 6)), normal(3, 3, 1, 1, 4)
    second[1] *= loud
    third[..., 1] /= loud
    made = Chain(3).conv("first", normal(1, 6, 3, 3, 3), np.full(6, 0.2), "relu")
    return made.conv("second", second, np.zeros(4), "relu").conv("third", third, np.zeros(3)).bytes()


def by_layer(errors: list[TensorError]) -> dict[str, TensorError]:
    return {each.layer: each for each in errors}


def test_a_file_beside_itself_has_no_error() -> None:
    errors = trace(chain(), chain(), samples(3))
    assert [each.layer for each in errors] == ["first", "second", "third"]
    assert {(each.snr_db, each.worst_channel_snr_db, each.saturated_fraction) for each in errors} == {
        (SNR_MAX_DB, SNR_MAX_DB, 0.0)
    }
    assert [each.is_output for each in errors] == [False, False, True]
    assert noise_fraction(chain(), chain(), samples(3)) == 0


def test_beyond_its_limits_an_output_has_no_noise() -> None:
    content = chain()
    name = interface(content)[1][0].name
    made = quantize(content, PLAIN, samples(3), RANGE, limits={name: (0.0, 0.25)})
    assert noise_fraction(content, made, samples(3)) > 0.3
    assert noise_fraction(content, made, samples(3), limits={name: (0.0, 0.25)}) < 0.05


def test_eight_bits_give_the_signal_over_noise_that_they_can() -> None:
    """About 6 dB a bit less the crest; a uniform signal of 8 bits has 48 dB."""
    errors = trace(chain(), quantize(chain(), PLAIN, samples(3), RANGE), samples(3))
    assert all(30 < each.snr_db < 60 for each in errors)
    assert all(each.cosine > 0.999 for each in errors)


def test_what_a_narrow_range_cuts_off_is_counted() -> None:
    high = observe(chain(), samples(3))["second"].high
    recipe = Recipe(bias_correction=False, overrides=(Override("second", None, (0.0, high / 2)),))
    content = quantize(chain(), recipe, samples(3), RANGE)
    seen = by_layer(trace(chain(), content, samples(3), count=12))["second"]
    values = np.concatenate([each.ravel() for each in _activations(chain(), "second")])
    assert seen.saturated_fraction == pytest.approx((values > high / 2 * (1 + 0.5 / 255)).mean(), abs=2e-6)
    assert seen.saturated_fraction > 0.01
    assert seen.snr_db < 25


def _activations(content: bytes, name: str) -> list[np.ndarray]:
    from convert.quantise.ranges import _run

    return [dict(tensors)[name].copy() for tensors in _run(content, samples(3), 1)]


def test_a_small_channel_beside_a_loud_one_shows_in_the_worst_channel_alone() -> None:
    content = quantize(chain(loud=1000), PLAIN, samples(3), RANGE)
    errors = by_layer(trace(chain(loud=1000), content, samples(3)))
    assert errors["second"].snr_db > 30
    assert errors["second"].worst_channel_snr_db < 10
    assert worst(list(errors.values()), 1)[0].layer in {"second", "third"}


def test_the_layers_on_either_side_of_the_damage_come_first() -> None:
    """The loud tensor is quantised where it is written and where it is read; both layers alone show it."""
    observer, content = Observer(samples(3)), chain(loud=1000)
    prepared = prepare(content, PLAIN, observer)
    damages = sensitivity(prepared, PLAIN, ranges(prepared, PLAIN, observer, RANGE), samples(3))
    assert {each.layer for each in damages[:2]} == {"second", "third"}
    assert damages[1].noise_fraction > 10 * damages[2].noise_fraction
    assert {each.layer for each in damages} == {"first", "second", "third"}


def test_a_layer_that_is_wider_already_is_not_asked_again() -> None:
    recipe = Recipe(bias_correction=False, overrides=(Override("second", "float"),))
    observer = Observer(samples(3))
    prepared = prepare(chain(), recipe, observer)
    damages = sensitivity(prepared, recipe, ranges(prepared, recipe, observer, RANGE), samples(3))
    assert {each.layer for each in damages} == {"first", "third"}


def test_equalisation_is_traced_against_the_equalised_float_model() -> None:
    recipe, observer, content = Recipe(equalisation=True), Observer(samples(3)), chain(loud=1000)
    reference = prepare(content, recipe, observer).float_model
    errors = by_layer(trace(reference, quantize(content, recipe, samples(3), RANGE), samples(3)))
    assert errors["second"].worst_channel_snr_db > 25
