"""A ReLU that stands alone goes into the op before it, where nothing else reads that one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from convert.graph import read_model
from convert.quantise.layers import layers
from convert.sources.tidy import tidy
from convert.tensors import make_interpreter, run
from tests.convert.quantise.chains import Chain, samples

RNG = np.random.default_rng(5)
SHAPE = (1, 12, 12, 4)


def kinds(content: bytes) -> Counter[str]:
    return Counter(layer.kind for layer in layers(read_model(content, "test")))


def chain() -> Chain:
    return Chain(3).conv("first", RNG.normal(0, 1, (4, 3, 3, 3)), RNG.normal(0, 1, 4))


@pytest.mark.parametrize("activation", ["RELU", "RELU6"])
def test_it_goes_into_the_op_before_and_the_answer_is_the_same_to_the_bit(activation: str) -> None:
    made = chain().op(activation, "positive", SHAPE, None)
    content = made.depthwise("last", RNG.normal(0, 1, (1, 3, 3, 4)), np.zeros(4)).bytes()
    tidied, notes = tidy(content, "test", {})
    assert kinds(content)[activation] == 1
    assert kinds(tidied) == {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1}
    assert any("1 activations that stood alone" in note for note in notes)
    (sample, *_) = samples(3, low=-1)()
    before, after = (run(make_interpreter(each), dict(sample))["last"] for each in (content, tidied))
    np.testing.assert_array_equal(after, before)


def test_what_something_else_reads_too_stays() -> None:
    made = chain().op("RELU", "positive", SHAPE, None)
    read_twice = made.add("sum", ("first", "positive")).bytes()
    assert kinds(tidy(read_twice, "test", {})[0]) == kinds(read_twice)
    answered = chain().op("RELU", "positive", SHAPE, None).bytes("first", "positive")
    assert kinds(tidy(answered, "test", {})[0]) == kinds(answered)
    other = chain().op("RELU6", "six", SHAPE, None).op("RELU", "again", SHAPE, None).bytes()
    assert kinds(tidy(other, "test", {})[0]) == {"CONV_2D": 1, "RELU": 1}
