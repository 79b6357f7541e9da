"""The quantiser on small graphs: integers throughout, exact inputs, the same bytes, overrides, and clear words."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_quantizer", reason="the workshop's environment has ai-edge-quantizer")

from convert.errors import ConvertError
from convert.graph import dtype_of, op_counts, read_model
from convert.quantise.layers import constant, layers, rounded_weights, weighted
from convert.quantise.quantizer import quantize
from convert.quantise.recipes import Override, Recipe
from convert.tensors import check_full_integer, interface
from edge.bundle import Input
from edge.preprocess import quantisation_table
from tests.convert.quantise.chains import SIDE_PX, Chain, samples
from tests.convert.quantise.small import PIXELS, detector, outputs, quantized
from tests.tree import ROOT

pytestmark = pytest.mark.heavy_workshop


def test_integer_in_integer_out_and_nothing_float_inside() -> None:
    content = quantized()
    check_full_integer(content)
    (source,), results = interface(content)
    assert {each.dtype for each in (source, *results)} == {"int8"}
    assert [op.name for op in op_counts(read_model(content, "test"))] == ["CONV_2D", "DEPTHWISE_CONV_2D"]


def test_the_input_is_what_preprocessing_writes() -> None:
    (source,), _ = interface(quantized())
    assert (source.scale, source.zero_point) == (1 / 128, -1)
    spec = Input("image", (1, SIDE_PX, SIDE_PX, 3), "int8", 127.0, 128.0, source.scale, source.zero_point)
    np.testing.assert_array_equal(quantisation_table(spec).view(np.uint8), np.arange(256, dtype=np.uint8) ^ 0x80)


def test_boxes_and_scores_keep_scales_of_their_own() -> None:
    scale = {each.name: each.scale for each in interface(quantized())[1]}
    assert scale["boxes"] > 10 * scale["scores"]


def test_the_integer_file_answers_like_the_float_one() -> None:
    image = next(iter(samples(3, 1, seed=9, **PIXELS)()))["image"]
    wanted, got = outputs(detector(), image), outputs(quantized(), image)
    for name, each in wanted.items():
        assert np.abs(got[name] - each).mean() < 0.03 * each.std()


def test_every_output_channel_has_weights_with_a_scale_of_its_own() -> None:
    model = read_model(quantized(), "test")
    for layer in layers(model):
        tensor = model.subgraphs[0].tensors[layer.inputs[1]]
        quantization = tensor.quantization
        assert len(quantization.scale) == tensor.shape[quantization.quantizedDimension] > 1
        assert not np.any(quantization.zeroPoint)


def test_our_rounding_of_weights_is_the_quantisers() -> None:
    """Bias correction reckons with it."""
    source, made = read_model(detector(), "test"), read_model(quantized(Recipe(bias_correction=False)), "test")
    for before, after in zip(weighted(source), layers(made), strict=True):
        tensor = made.subgraphs[0].tensors[after.inputs[1]]
        stored = np.frombuffer(bytes(made.buffers[tensor.buffer].data), np.int8).reshape(tensor.shape)
        shape = [1] * stored.ndim
        shape[tensor.quantization.quantizedDimension] = -1
        real = stored * np.asarray(tensor.quantization.scale, np.float32).reshape(shape)
        np.testing.assert_allclose(real, rounded_weights(constant(source, before.inputs[1]), before.kind), rtol=1e-5)


FRESH = """
import sys, hashlib
from tests.convert.quantise.small import RANGE, PIXELS, detector
from tests.convert.quantise.chains import samples
from convert.quantise.quantizer import quantize
from convert.quantise.recipes import Recipe
recipe = Recipe(equalisation=True, clipping=True)
print(hashlib.sha256(quantize(detector(), recipe, samples(3, **PIXELS), RANGE, threads=int(sys.argv[1]))).hexdigest())
"""


def test_the_same_bytes_in_fresh_processes_with_one_and_two_threads() -> None:
    made = [
        subprocess.run(
            [sys.executable, "-c", FRESH, threads], cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout.split()[-1]
        for threads, seed in (("1", "1"), ("1", "2"), ("2", "3"))
    ]  # fmt: skip
    here = quantized(Recipe(equalisation=True, clipping=True))
    assert {*made} == {hashlib.sha256(here).hexdigest()}


def test_a_layer_may_stay_float_and_the_others_do_not() -> None:
    results = {each.name: each for each in interface(quantized(Recipe(overrides=(Override("boxes", "float"),))))[1]}
    assert (results["boxes"].dtype, results["scores"].dtype) == ("float32", "int8")


def test_a_layer_may_have_int16_activations() -> None:
    content = quantized(Recipe(overrides=(Override("boxes", "int16"),)))
    results = {each.name: each for each in interface(content)[1]}
    assert (results["boxes"].dtype, results["scores"].dtype) == ("int16", "int8")
    image = next(iter(samples(3, 1, seed=9, **PIXELS)()))["image"]
    difference = outputs(content, image)["boxes"] - outputs(detector(), image)["boxes"]
    plain = outputs(quantized(), image)["boxes"] - outputs(detector(), image)["boxes"]
    assert np.square(difference).mean() < np.square(plain).mean()


def test_a_layer_may_have_a_range_of_its_own() -> None:
    content = quantized(Recipe(overrides=(Override("scores", None, (-0.5, 0.5)),)))
    (scores,) = (each for each in interface(content)[1] if each.name == "scores")
    assert scores.scale == pytest.approx(1 / 255)


def test_int16_and_dynamic_and_float() -> None:
    (wide,), _ = interface(quantized(Recipe("static_wi8_ai16")))
    assert (wide.dtype, wide.scale, wide.zero_point) == ("int16", pytest.approx(1 / 32767), 0)
    dynamic = quantized(Recipe("dynamic_wi8_afp32"))
    assert {each.dtype for part in interface(dynamic) for each in part} == {"float32"}
    model = read_model(dynamic, "test")
    assert {dtype_of(model.subgraphs[0].tensors[layer.inputs[1]]) for layer in layers(model)} == {"int8"}
    assert quantized(Recipe("float")) == detector()


def test_a_dead_channel_keeps_its_bias() -> None:
    """ai-edge-quantizer 0.10 alone turns 4 into 0 here."""
    weights = np.random.default_rng(0).normal(0, 1, (3, 1, 1, 3))
    weights[1] = 0
    content = Chain(3).conv("only", weights, np.array([0.5, 4.0, -0.5])).bytes()
    image = next(iter(samples(3, 1, **PIXELS)()))["image"]
    assert outputs(quantized(content=content), image)["only"][..., 1] == pytest.approx(4.0, abs=0.1)
    assert outputs(quantized(Recipe("static_wi8_ai16"), content), image)["only"][..., 1] == pytest.approx(4.0, abs=0.05)


def test_the_runtime_of_the_device_runs_a_file_with_large_weights() -> None:
    rng = np.random.default_rng(1)
    chain = Chain(3).conv("wide", rng.normal(0, 1, (128, 3, 3, 3)), np.zeros(128), "relu")
    content = chain.conv("deep", rng.normal(0, 0.03, (300, 3, 3, 128)), np.zeros(300)).bytes()
    made = quantized(content=content)
    assert len(made) > 300_000
    image = next(iter(samples(3, 1, **PIXELS)()))["image"]
    wanted = outputs(content, image)["deep"]
    assert np.abs(outputs(made, image)["deep"] - wanted).mean() < 0.05 * wanted.std()


def test_samples_outside_the_input_range_are_refused() -> None:
    with pytest.raises(ConvertError, match=r"got -0\.89\d+ to 1\.39"):
        quantize(detector(), Recipe(), samples(3, low=-0.9, high=1.4), {"image": (0.0, 1.0)})


def test_a_range_whose_zero_lies_half_way_between_two_integers() -> None:
    (source,), _ = interface(quantize(detector(), Recipe(), samples(3, **PIXELS), {"image": (-1.0, 1.0)}))
    assert source.scale == pytest.approx(2 / 255)
    assert source.zero_point in (-1, 0)


def test_a_range_for_no_input_is_refused() -> None:
    with pytest.raises(ConvertError, match="got one of 'picture'"):
        quantize(detector(), Recipe(), samples(3), {"picture": (0.0, 1.0)})


def test_an_override_for_no_layer_is_refused() -> None:
    with pytest.raises(ConvertError, match="got 'nowhere'"):
        quantized(Recipe(overrides=(Override("nowhere", "float"),)))


def test_nothing_of_the_quantiser_stays_changed() -> None:
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils as tables

    before = tables.TFL_OP_CODE_TO_NAME, tables.get_subgraph_input_output_operators
    quantized()
    with pytest.raises(ConvertError):
        quantized(Recipe(overrides=(Override("nowhere", "float"),)))
    assert (tables.TFL_OP_CODE_TO_NAME, tables.get_subgraph_input_output_operators) == before


def test_the_converter_prints_nothing(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    quantized()
    assert capfd.readouterr() == ("", "")
