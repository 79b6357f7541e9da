"""Bias correction and equalisation on float files: what they promise, measured by running the files."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from convert.graph import pack_model, read_model
from convert.quantise.bias import correct_bias, keep_bias
from convert.quantise.equalise import equalise
from convert.quantise.layers import constant, followers, readers, rounded_weights, set_input, weighted
from convert.quantise.ranges import observe
from convert.tensors import make_interpreter, run
from tests.convert.quantise.chains import Chain, samples

RNG = np.random.default_rng(2)
EDGE = np.array([[17.3, 0.4, -17.6], [8.1, -0.2, -7.9], [12.2, 0.1, -12.4]])
"""An edge filter as ImageNet training makes them: large, and its sum all but zero."""


def answers(content: bytes, channels: int, **kind: float) -> np.ndarray:
    interpreter = make_interpreter(content)
    return np.stack([next(iter(run(interpreter, dict(each)).values())) for each in samples(channels, **kind)()])


def with_rounded_weights(content: bytes) -> bytes:
    """As int8 weights would answer, all else in float."""
    model = read_model(content, "test")
    for layer in list(weighted(model)):
        set_input(model, layer, 1, rounded_weights(constant(model, layer.inputs[1]), layer.kind))
    return pack_model(model)


def corrected(content: bytes, channels: int, **kind: float) -> bytes:
    model = read_model(content, "test")
    correct_bias(model, observe(content, samples(channels, **kind)))
    return pack_model(model)


def test_correction_takes_back_what_rounding_an_edge_filter_moves() -> None:
    weights = np.stack([EDGE, EDGE.T, 0.3 * EDGE, -EDGE], axis=-1)[None]
    content = Chain(4).depthwise("edges", weights, np.zeros(4)).bytes()
    bright = {"low": 3.0, "high": 5.0}
    inside = np.s_[..., 1:-1, 1:-1, :]  # a border sees fewer weights, and is left out of the mean

    def moved(changed: bytes) -> float:
        before, after = (
            answers(content, 4, **bright)[inside],
            answers(with_rounded_weights(changed), 4, **bright)[inside],
        )
        return float(np.abs((after - before).mean(axis=(0, 1, 2, 3))).max())

    assert moved(content) > 0.1
    assert moved(corrected(content, 4, **bright)) < 0.02 * moved(content)


def test_correction_leaves_layers_alone_that_stay_float() -> None:
    content = Chain(3).conv("first", RNG.normal(0, 1, (4, 3, 3, 3)), np.zeros(4)).bytes()
    model = read_model(content, "test")
    correct_bias(model, observe(content, samples(3)), frozenset({"first"}))
    assert pack_model(model) == pack_model(read_model(content, "test"))


def loud(activation: str) -> bytes:
    """One channel a thousand times the others, the next layer's weights a thousandth."""
    first = np.abs(RNG.normal(0, 1, (4, 1, 1, 3)))
    second = RNG.normal(0, 1, (2, 3, 3, 4))
    first[2] *= 1000
    second[..., 2] /= 1000
    chain = Chain(3).conv("first", first, np.abs(RNG.normal(0, 1, 4)), activation)
    return chain.conv("second", second, RNG.normal(0, 1, 2)).bytes()


@pytest.mark.parametrize("activation", ["none", "relu"])
def test_equalised_channels_share_the_range_and_the_function_stays_the_same_to_the_bit(activation: str) -> None:
    content = loud(activation)
    model = read_model(content, "test")
    assert equalise(model, observe(content, samples(3))) == 1
    changed = pack_model(model)
    np.testing.assert_array_equal(answers(changed, 3), answers(content, 3))
    before, after = (observe(each, samples(3))["first"].usual for each in (content, changed))
    assert before.max() / before.min() > 300
    assert after.max() / after.min() < 8


def test_a_residual_stream_is_equalised_as_one() -> None:
    """Two writers, a sum, a ReLU, and readers of both kinds: all of it stays the same function."""
    loud = np.array([1, 40, 900, 6]).reshape(4, 1, 1, 1)
    chain = Chain(3).conv("start", np.abs(RNG.normal(0, 1, (4, 1, 1, 3))) * loud, np.zeros(4))
    chain.op("RELU", "positive", (1, 12, 12, 4), None)
    chain.depthwise("branch", np.abs(RNG.normal(0, 1, (1, 3, 3, 4))), np.zeros(4))
    chain.conv("mixed", RNG.normal(0, 1, (4, 1, 1, 4)) * loud / loud.reshape(1, 1, 1, 4), np.zeros(4))
    chain.add("sum", ("start", "mixed"))
    content = chain.conv("end", RNG.normal(0, 1, (2, 1, 1, 4)) / loud.reshape(1, 1, 1, 4), np.zeros(2)).bytes()
    model = read_model(content, "test")
    assert equalise(model, observe(content, samples(3))) >= 1
    changed = pack_model(model)
    np.testing.assert_array_equal(answers(changed, 3), answers(content, 3))
    for name in ("start", "sum"):
        before, after = (observe(each, samples(3))[name].usual for each in (content, changed))
        assert after.max() / after.min() < 0.1 * before.max() / before.min()


def test_what_the_answer_shows_is_not_scaled() -> None:
    """The stream is an output too."""
    chain = Chain(3).conv("first", np.abs(RNG.normal(0, 1, (2, 1, 1, 3))) * [[[[1]]], [[[500]]]], np.zeros(2))
    content = chain.conv("second", RNG.normal(0, 1, (2, 1, 1, 2)), np.zeros(2)).bytes("first", "second")
    assert equalise(read_model(content, "test"), observe(content, samples(3))) == 0


def test_behind_a_relu6_nothing_is_equalised() -> None:
    content = loud("relu6")
    model = read_model(content, "test")
    assert equalise(model, observe(content, samples(3))) == 0
    assert pack_model(model) == pack_model(read_model(content, "test"))


def test_into_a_depthwise_layer_every_channel_gets_the_whole_range() -> None:
    weights = RNG.normal(0, 1, (4, 1, 1, 3)) * np.array([1, 9, 90, 900]).reshape(4, 1, 1, 1)
    chain = Chain(3).conv("first", weights, np.zeros(4))
    content = chain.depthwise("second", RNG.normal(0, 1, (1, 3, 3, 4)), np.zeros(4)).bytes()
    model = read_model(content, "test")
    equalise(model, observe(content, samples(3)))
    largest = observe(pack_model(model), samples(3))["first"].usual
    assert largest.max() / largest.min() <= 2.01
    np.testing.assert_array_equal(answers(pack_model(model), 3), answers(content, 3))


def test_a_dead_channel_keeps_its_bias() -> None:
    weights = RNG.normal(0, 1, (4, 1, 1, 3))
    weights[1] = 1e-12
    content = Chain(3).conv("first", weights, np.array([0.1, 4.0, -0.2, 0.3])).bytes()
    model = read_model(content, "test")
    assert keep_bias(model, {"image": (0.0, 1.0)}) == 1
    (layer,) = weighted(model)
    scale = np.abs(constant(model, layer.inputs[1])).max(axis=(1, 2, 3)) / 127 / 255
    assert (np.abs(constant(model, layer.bias)) / scale < 2**31).all()
    np.testing.assert_allclose(answers(pack_model(model), 3), answers(content, 3), atol=4.0 * 4e-5)


def test_layers_that_share_weights_part_and_no_tensor_is_left_over() -> None:
    chain = Chain(3).conv("first", RNG.normal(0, 1, (3, 1, 1, 3)), np.ones(3))
    model = read_model(chain.conv("second", RNG.normal(0, 1, (3, 1, 1, 3)), np.ones(3)).bytes(), "test")
    first, second = weighted(model)
    second.operator.inputs = [second.inputs[0], *first.inputs[1:]]
    tensors = len(model.subgraphs[0].tensors)
    set_input(model, first, 2, np.zeros(3, np.float32))
    assert len(model.subgraphs[0].tensors) == tensors + 1
    set_input(model, second, 2, np.full(3, 2, np.float32))
    assert len(model.subgraphs[0].tensors) == tensors + 1
    np.testing.assert_array_equal(constant(model, first.bias), np.zeros(3))
    np.testing.assert_array_equal(constant(model, second.bias), np.full(3, 2))


def test_followers_move_values_and_readers_compute() -> None:
    options = schema.TileOptionsT()
    chain = Chain(3).conv("first", RNG.normal(0, 1, (4, 1, 1, 3)), np.zeros(4))
    chain.op("TILE", "twice", (1, 24, 12, 4), options, np.array([1, 2, 1, 1], np.int32))
    chain.conv("second", RNG.normal(0, 1, (2, 1, 1, 4)), np.zeros(2))
    chain.after("first").conv("third", RNG.normal(0, 1, (2, 1, 1, 4)), np.zeros(2))
    model = read_model(chain.bytes("second", "third"), "test")
    assert followers(model, "first") == ["twice"]
    assert readers(model, "first") == ["second", "third"]
    assert (followers(model, "second"), readers(model, "second")) == ([], [])
