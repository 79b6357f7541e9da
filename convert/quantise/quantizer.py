"""A float .tflite into integers by a recipe, with ai-edge-quantizer; the ranges are our own observation.

Rules: for static_wi8_ai8 no float tensor inside, so no conversion to float or back (but before
TFLite_Detection_PostProcess, which has no integer form and ends the file), and no rescaling but where kernels fix two
scales that meet; an input whose range is given gets exactly the scale that `edge.preprocess` writes; every
output keeps a scale of its own; the same model, samples and recipe give the same bytes, in any process and with any
number of threads.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from convert.errors import ConvertError, MissingLibraryError
from convert.graph import POSTPROCESS, dtype_of, pack_model, read_model
from convert.quantise.bias import correct_bias, keep_bias
from convert.quantise.equalise import equalise
from convert.quantise.layers import check_simple, float_ends, layers, name_all, one_scale, tensor_name
from convert.quantise.ranges import Observed, Observer, Samples
from convert.quantise.recipes import Plan, Recipe, plan
from convert.quantise.taught import more_rules
from convert.tensors import interface

Ranges = Mapping[str, tuple[float, float]]
"""Input name → smallest and largest real number that preprocessing can produce."""
NO_LIMITS: Ranges = MappingProxyType({})
Spans = dict[str, tuple[float, float]]
"""Tensor name → the real numbers that its integers span."""


def quantize(
    float_tflite: bytes,
    recipe: Recipe,
    samples: Samples,
    input_ranges: Ranges,
    *,
    limits: Ranges = NO_LIMITS,
    threads: int = 1,
) -> bytes:
    """The model as the recipe says. Samples are gone through once, and once more for equalisation and for clipping.

    limits: output name → what of its range matters; the steps are not spent on the rest.

    Raises ConvertError for a graph that cannot be so, for samples that do not fit its inputs or leave their range, and
    MissingLibraryError without ai-edge-quantizer.
    """
    observer = Observer(samples, threads)
    return finish(prepare(float_tflite, recipe, observer), recipe, observer, input_ranges, limits)


class Prepared:
    """A float model ready for the quantiser. `float_model` answers as the source does; `corrected` has other biases."""

    def __init__(self, float_model: bytes, corrected: bytes, observed: Mapping[str, Observed]) -> None:
        self.float_model = float_model
        self.corrected = corrected
        self.observed = observed
        """Of float_model; empty where the recipe needs no samples."""


def prepare(float_tflite: bytes, recipe: Recipe, observer: Observer) -> Prepared:
    """Names of their own for all tensors, then equalisation and bias correction as the recipe says."""
    if recipe.name == "float":
        return Prepared(float_tflite, float_tflite, {})
    model = read_model(float_tflite, "the float model")
    check_simple(model)
    name_all(model)
    content = pack_model(model)
    observed: dict[str, Observed] = {}
    if recipe.is_static or recipe.bias_correction or recipe.equalisation:
        observed = observer.observe(content)
    if recipe.equalisation and equalise(model, observed):
        content = pack_model(model)
        observed = observer.observe(content)
    corrected = content
    if recipe.bias_correction:
        stay_float = frozenset(each.layer for each in recipe.overrides if each.precision == "float")
        correct_bias(model, observed, stay_float)
        corrected = pack_model(model)
    return Prepared(content, corrected, observed)


def ranges(
    prepared: Prepared, recipe: Recipe, observer: Observer, input_ranges: Ranges, limits: Ranges = NO_LIMITS
) -> Spans:
    """Of every tensor: observed, then clipped, then inside its limits, then as given."""
    if not recipe.is_static:
        return {}
    spans = {name: (each.low, each.high) for name, each in prepared.observed.items()}
    if recipe.clipping:
        # Not an output's: the largest box is not there to be cut.
        ends = {each.name for each in interface(prepared.float_model)[1]}
        spans |= {name: span for name, span in observer.clipped(prepared.float_model).items() if name not in ends}
    for name, (low, high) in limits.items():
        spans[name] = max(spans[name][0], low), min(spans[name][1], high)
    for name, (low, high) in input_ranges.items():
        seen = prepared.observed.get(name)
        if seen is None:
            names = [each.name for each in interface(prepared.float_model)[0]]
            raise ConvertError(f"expected ranges of the inputs {names}, got one of {name!r}")
        slack = (high - low) / 255
        if seen.low < low - slack or seen.high > high + slack:
            raise ConvertError(
                f"expected samples of {name!r} from {low:g} to {high:g}, got {seen.low:g} to {seen.high:g}: preprocess "
                "them as the device does, or give the range that they have"
            )
        spans[name] = low, high
    return spans | {each.layer: each.range for each in recipe.overrides if each.range is not None}


def tied(model: Any, spans: Spans, among: Container[str], firm: Container[str], given: Container[str]) -> Spans:
    """One range for tensors that must share their scale: else the quantiser puts a rescaling between them.

    It is the widest of all, or, where an override gave ranges, of those. among: the layers that are quantised, for only
    these tie. firm: inputs, whose range is not ours to change; what is joined with more than they hold gets rescaled.
    """
    changed = dict(spans)
    for group in one_scale(model, among):
        members = sorted(group & spans.keys())
        wide = [spans[name] for name in members if name in given] or [spans[name] for name in members]
        if wide:
            both = min(low for low, _ in wide), max(high for _, high in wide)
            changed |= {name: both for name in members if name not in firm}
    return changed


def finish(
    prepared: Prepared, recipe: Recipe, observer: Observer, input_ranges: Ranges, limits: Ranges = NO_LIMITS
) -> bytes:
    """What was prepared, quantised and checked."""
    if recipe.name == "float":
        return prepared.float_model
    model, names = read_model(prepared.corrected, "the float model"), layer_names(prepared.corrected)
    wider = {each.layer for each in recipe.overrides if each.precision is not None}
    given = {*limits, *(each.layer for each in recipe.overrides if each.range is not None)}
    spans = tied(
        model,
        ranges(prepared, recipe, observer, input_ranges, limits),
        {*names} - wider,
        input_ranges,
        given,
    )
    content = apply(prepared.corrected, plan(recipe, names, float_ends(model)), spans)
    if recipe.is_full_integer:
        _check_integers(content)
    if recipe.is_static:
        _check_inputs(content, input_ranges)
    return content


def apply(content: bytes, planned: Plan, spans: Mapping[str, tuple[float, float]]) -> bytes:
    """ai-edge-quantizer on a float model, a plan and the ranges of its tensors."""
    try:
        from ai_edge_quantizer.model_modifier import ModelModifier
        from ai_edge_quantizer.params_generator import ParamsGenerator
        from ai_edge_quantizer.recipe_manager import RecipeManager
    except ImportError as error:
        raise MissingLibraryError("quantising", "ai-edge-quantizer", "pip install 'dermedge[convert]'") from error
    statistics = {
        name: {"min": np.array([low], np.float32), "max": np.array([high], np.float32)}
        for name, (low, high) in spans.items()
    }
    model = read_model(content, "the float model")
    if keep_bias(model, spans, planned.wide):
        model = read_model(pack_model(model), "the float model")
    model.signatureDefs = model.signatureDefs or []  # the quantiser falls over a file that has none
    manager = RecipeManager()
    manager.load_quantization_recipe(planned.rules)
    try:
        with more_rules():
            parameters = ParamsGenerator(model).generate_quantization_parameters(manager, statistics, False)
            written = bytes(ModelModifier(model).modify_model(parameters, enable_progress_bar=False))
    except (ValueError, RuntimeError, KeyError) as error:
        raise ConvertError(
            f"expected a graph that ai-edge-quantizer takes, got: {' '.join(str(error).split())}; try another recipe"
        ) from error
    # It lays weights behind the flatbuffer, by offset, where tflite-runtime does not look for them.
    return pack_model(read_model(written, "the quantised model"))


def layer_names(content: bytes) -> list[str]:
    """What an override may name: each layer, and each input of the graph."""
    model = read_model(content, "the model")
    sources = [tensor_name(model, int(index)) for index in model.subgraphs[0].inputs]
    return [*sources, *(layer.name for layer in layers(model))]


def _check_integers(content: bytes) -> None:
    """Raise ConvertError for ops that the quantiser left in float, by name."""
    model = read_model(content, "the quantised model")
    tensors = model.subgraphs[0].tensors
    floats = [each for each in layers(model) if dtype_of(tensors[each.outputs[0]]) == "float32"]
    left = [each for each in floats if each.kind not in {"DEQUANTIZE", POSTPROCESS}]
    if left:
        kinds = ", ".join(sorted({each.kind for each in left}))
        raise ConvertError(
            f"expected ops that have an integer form, got {kinds} (the first is {left[0].name!r}): take the "
            "recipe dynamic_wi8_afp32, or leave that part of the model out"
        )


def _check_inputs(content: bytes, input_ranges: Ranges) -> None:
    """Raise ConvertError where an input's quantisation is not what its range asks for."""
    for each in interface(content)[0]:
        if each.name not in input_ranges or each.dtype != "int8":
            continue
        low, high = input_ranges[each.name]
        scale = (high - low) / 255
        # Half way between two integers, as for -1 to 1, either is right.
        off = abs(each.zero_point - (-128 - low / scale))
        if not np.isclose(each.scale, scale, rtol=1e-5) or off > 0.5 + 1e-3:
            raise ConvertError(
                f"expected {each.name!r} with scale {scale:g} over {low:g} to {high:g}, got scale {each.scale:g} and "
                f"zero point {each.zero_point}: the range must hold zero"
            )
