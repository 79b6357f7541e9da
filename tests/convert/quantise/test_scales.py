"""Tensors that must share a scale, and ops that ai-edge-quantizer has no rule for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

pytest.importorskip("ai_edge_quantizer", reason="the workshop's environment has ai-edge-quantizer")

from convert.errors import ConvertError
from convert.graph import dtype_of, read_model, text
from convert.quantise.layers import layers
from convert.quantise.quantizer import quantize
from convert.quantise.recipes import Override, Recipe
from convert.tensors import check_full_integer, interface
from tests.convert.quantise.chains import SIDE_PX, Chain, samples
from tests.convert.quantise.small import PIXELS, RANGE, outputs, quantized

pytestmark = pytest.mark.heavy_workshop


def tile(chain: Chain) -> Chain:
    return chain.op("TILE", "moved", (1, 24, 12, 4), schema.TileOptionsT(), np.array([1, 2, 1, 1], np.int32))


def leaky(chain: Chain) -> Chain:
    options = schema.LeakyReluOptionsT()
    options.alpha = 0.2
    return chain.op("LEAKY_RELU", "moved", (1, 12, 12, 4), options)


def prelu(chain: Chain) -> Chain:
    slopes = np.array([[[0.1, 0.2, -0.3, 0.4]]], np.float32)
    return chain.op("PRELU", "moved", (1, 12, 12, 4), None, slopes)


def minimum(chain: Chain) -> Chain:
    return chain.op("MINIMUM", "moved", (1, 12, 12, 4), schema.MaximumMinimumOptionsT(), np.full(4, 0.5, np.float32))


def relu6(chain: Chain) -> Chain:
    return chain.op("RELU6", "moved", (1, 12, 12, 4), None)


def global_max(chain: Chain) -> Chain:
    return chain.op("REDUCE_MAX", "moved", (1, 4), schema.ReducerOptionsT(), np.array([1, 2], np.int32))


def depth_to_space(chain: Chain) -> Chain:
    options = schema.DepthToSpaceOptionsT()
    options.blockSize = 2
    return chain.op("DEPTH_TO_SPACE", "moved", (1, 24, 24, 1), options)


def joined() -> bytes:
    """Two branches of very different size, reshaped and joined: what SSD heads are made of."""
    rng = np.random.default_rng(0)
    chain = Chain(3).conv("small", rng.normal(0, 0.1, (2, 1, 1, 3)), np.zeros(2))
    chain.op("RESHAPE", "small_flat", (1, 144, 2), schema.ReshapeOptionsT(), np.array([1, 144, 2], np.int32))
    chain.after("image").conv("large", rng.normal(0, 3, (2, 1, 1, 3)), np.zeros(2))
    chain.op("RESHAPE", "large_flat", (1, 144, 2), schema.ReshapeOptionsT(), np.array([1, 144, 2], np.int32))
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    return chain.join("both", ("small_flat", "large_flat"), (1, 288, 2), options).bytes()


def test_what_must_share_a_scale_does_and_nothing_is_rescaled() -> None:
    content = quantized(content=joined())
    check_full_integer(content)
    model = read_model(content, "test")
    assert [each.kind for each in layers(model)].count("QUANTIZE") == 0
    scales = {float(model.subgraphs[0].tensors[each.outputs[0]].quantization.scale[0]) for each in layers(model)}
    assert len(scales) == 1


def test_a_range_given_for_one_holds_for_what_shares_its_scale() -> None:
    content = quantized(Recipe(overrides=(Override("both", None, (-1.0, 1.0)),)), joined())
    model = read_model(content, "test")
    for each in layers(model):
        assert model.subgraphs[0].tensors[each.outputs[0]].quantization.scale == pytest.approx(2 / 255)


def test_steps_are_not_spent_on_what_lies_beyond_a_limit() -> None:
    """Nor by the branches that are joined to the output: BlazeFace's scores come of two."""
    content = quantize(joined(), Recipe(), samples(3, **PIXELS), RANGE, limits={"both": (-0.5, 9.0)})
    (both,) = interface(content)[1]
    seen = interface(quantized(content=joined()))[1][0]
    highest = (127 - seen.zero_point) * seen.scale
    assert both.scale == pytest.approx((highest + 0.5) / 255, rel=0.01)
    model = read_model(content, "test")
    assert {float(model.subgraphs[0].tensors[each.outputs[0]].quantization.scale[0]) for each in layers(model)} == {
        np.float32(both.scale)
    }


def test_a_join_that_stays_float_ties_nothing() -> None:
    """The branches keep their own scales, or the small one would be lost before it is joined."""
    model = read_model(quantized(Recipe(overrides=(Override("both", "float"),)), joined()), "test")
    tensors = {text(each.name): each for each in model.subgraphs[0].tensors}
    assert dtype_of(tensors["both"]) == "float32"
    assert tensors["large"].quantization.scale[0] > 5 * tensors["small"].quantization.scale[0]


def test_an_input_keeps_its_scale_where_it_is_joined_with_more() -> None:
    chain = Chain(2).conv("large", np.full((2, 1, 1, 2), 9.0), np.zeros(2))
    options = schema.ConcatenationOptionsT()
    options.axis = 3
    content = quantized(content=chain.join("both", ("image", "large"), (1, SIDE_PX, SIDE_PX, 4), options).bytes())
    (source,), (result,) = interface(content)
    assert (source.scale, source.zero_point) == (1 / 128, -1)
    assert result.scale > 10 * source.scale
    assert [each.kind for each in layers(read_model(content, "test"))].count("QUANTIZE") == 1


@pytest.mark.parametrize("more", [tile, leaky, prelu, minimum, relu6, global_max, depth_to_space])
def test_ops_that_the_quantiser_does_not_know_come_out_as_integers(more: Callable[[Chain], Chain]) -> None:
    rng = np.random.default_rng(0)
    content = more(Chain(3).conv("first", rng.normal(0, 1, (4, 1, 1, 3)), rng.normal(0, 1, 4))).bytes()
    made = quantized(content=content)
    check_full_integer(made)
    image = next(iter(samples(3, 1, **PIXELS)()))["image"]
    wanted, got = outputs(content, image)["moved"], outputs(made, image)["moved"]
    assert np.abs(got - wanted).max() < 0.05 * np.ptp(wanted)


def test_an_op_without_an_integer_form_is_named() -> None:
    content = Chain(3).op("COS", "cosine", (1, SIDE_PX, SIDE_PX, 3), schema.CosOptionsT()).bytes()
    with pytest.raises(ConvertError, match=r"got COS \(the first is 'cosine'\)"):
        quantized(content=content)
