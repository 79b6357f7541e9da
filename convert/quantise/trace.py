"""Float and quantised file run side by side: how far each tensor has moved, and which layers moved it.

Two views. `trace`: per tensor, matched by name, the error that has gathered up to there: signal to noise in dB,
cosine, and the share that the integers' range cuts off. `sensitivity`: per layer, what the outputs lose when this
layer alone is quantised. A tensor may carry the error of a layer far before it, so repair goes by the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.graph import POSTPROCESS, read_model
from convert.quantise.layers import MOVERS, Layer, layers, tensor_name
from convert.quantise.quantizer import NO_LIMITS, Prepared, Ranges, apply, tied
from convert.quantise.ranges import Floats, Samples
from convert.quantise.recipes import Recipe, only
from convert.tensors import interface, make_interpreter

SNR_MAX_DB = 120.0
"""Reported where there is no error at all."""
_ALIVE = 1e-6
"""A channel whose variance is less of its power than this never changes: it carries nothing that could be lost."""


class TensorError(msgspec.Struct, frozen=True):
    """One layer's output in the quantised file against the float one, over all samples.

    worst_channel_snr_db: of the channel (last axis) that fares worst; a small one beside a large one shows only here.
    median_channel_snr_db: half of the channels fare worse; one that hardly ever stirs does not count for all.
    saturated_fraction: of the values, those that float has beyond the integers' range by more than half a step.
    """

    layer: str
    op: str
    snr_db: float
    worst_channel_snr_db: float
    median_channel_snr_db: float
    cosine: float
    saturated_fraction: float
    is_output: bool = False


class LayerDamage(msgspec.Struct, frozen=True):
    """What the outputs lose when one layer alone is quantised: noise over signal, a mean over outputs and channels."""

    layer: str
    op: str
    noise_fraction: float


def trace(float_model: bytes, quantised: bytes, samples: Samples, *, count: int = 16) -> list[TensorError]:
    """Every layer whose output both files have by name, in the order in which they run, on the first few samples."""
    first, second = _Run(float_model), _Run(quantised)
    model = read_model(float_model, "the float model")
    results = {str(each["name"]) for each in first.interpreter.get_output_details()}
    names = [layer for layer in layers(model) if layer.name in first.tensors and layer.name in second.tensors]
    sums: dict[str, _Sums] = {}
    for sample in islice(samples(), count):
        first.invoke(sample)
        second.invoke(sample)
        for layer in names:
            wanted = first.real(layer.name)
            sums.setdefault(layer.name, _Sums()).add(wanted, second.real(layer.name), second.span(layer.name))
    return [sums[layer.name].told(layer, layer.name in results) for layer in names if layer.name in sums]


def worst(errors: Iterable[TensorError], count: int = 5) -> list[TensorError]:
    """The tensors whose worst channel is worst, worst first."""
    return sorted(errors, key=lambda each: each.worst_channel_snr_db)[:count]


def sensitivity(
    prepared: Prepared,
    recipe: Recipe,
    spans: Mapping[str, tuple[float, float]],
    samples: Samples,
    *,
    limits: Ranges = NO_LIMITS,
    count: int = 4,
) -> list[LayerDamage]:
    """Every layer quantised alone, the most harmful first; layers that only move values about are left out.

    One quantisation a layer, and `count` samples each. limits: as in `noise_fraction`.
    """
    taken = list(islice(samples(), count))
    wanted, cut = _outputs(prepared.float_model, taken), _limits_by_place(prepared.float_model, limits)
    done = {each.layer for each in recipe.overrides if each.precision is not None}
    model = read_model(prepared.corrected, "the float model")
    inputs = {tensor_name(model, int(index)) for index in model.subgraphs[0].inputs}
    made = []
    for layer in layers(model):
        if layer.name not in done and layer.kind not in MOVERS:
            alone = tied(model, dict(spans), {layer.name}, inputs, ())
            content = apply(prepared.corrected, only(layer.name, recipe), alone)
            made.append(LayerDamage(layer.name, layer.kind, _noise_fraction(wanted, _outputs(content, taken), cut)))
    return sorted(made, key=lambda each: -each.noise_fraction)


def noise_fraction(
    float_model: bytes, quantised: bytes, samples: Samples, *, limits: Ranges = NO_LIMITS, count: int = 16
) -> float:
    """What the outputs have lost on the first few samples: per channel the squared error over the variance.

    At most 1 a channel, a mean over channels and outputs: 0 is as float, and 1 has nothing of the signal left.
    limits: output name → what of its range matters; what lies beyond is the limit, on both sides.
    """
    taken = list(islice(samples(), count))
    cut = _limits_by_place(float_model, limits)
    return _noise_fraction(_outputs(float_model, taken), _outputs(quantised, taken), cut)


class _Run:
    """An interpreter whose tensors are read as real numbers by name: all, or ends alone with the device's kernels."""

    def __init__(self, content: bytes, *, keep_all: bool = True) -> None:
        self.interpreter = make_interpreter(content, keep_all=keep_all, kernels="plain" if keep_all else "fast")
        self.tensors: dict[str, dict[str, Any]] = {
            str(each["name"]): each
            for each in self.interpreter.get_tensor_details()
            if each["name"] and np.dtype(each["dtype"]).name in {"float32", "int8", "int16"}
        }

    def invoke(self, sample: Mapping[str, Floats]) -> None:
        for each in self.interpreter.get_input_details():
            self.interpreter.set_tensor(each["index"], _stored(sample[str(each["name"])], each))
        self.interpreter.invoke()

    def real(self, name: str) -> Floats:
        detail = self.tensors[name]
        values = self.interpreter.get_tensor(detail["index"])
        if values.dtype == np.float32:
            return np.asarray(values)
        scale, zero_point = detail["quantization"]
        return np.asarray((values.astype(np.float32) - zero_point) * np.float32(scale))

    def span(self, name: str) -> tuple[float, float]:
        """The real numbers that a tensor can hold, and half a step more on either side."""
        detail = self.tensors[name]
        scale, zero_point = detail["quantization"]
        if not scale:
            return -math.inf, math.inf
        limits = np.iinfo(detail["dtype"])
        return (limits.min - zero_point - 0.5) * scale, (limits.max - zero_point + 0.5) * scale


class _Sums:
    """Running sums of one tensor, per channel."""

    def __init__(self) -> None:
        self._sums: NDArray[np.float64] | None = None
        self._cut = self._size = 0

    def add(self, wanted: Floats, got: Floats, span: tuple[float, float]) -> None:
        channels = wanted.shape[-1] if wanted.ndim else 1
        a, b = wanted.reshape(-1, channels), got.reshape(-1, channels)
        parts = [np.square(a), np.square(a - b), a * b, np.square(b), a]
        sums = np.stack([part.sum(axis=0, dtype=np.float64) for part in parts])
        self._sums = sums if self._sums is None else self._sums + sums
        self._cut += int(((a < span[0]) | (a > span[1])).sum())
        self._size += a.size

    def told(self, layer: Layer, is_output: bool) -> TensorError:
        assert self._sums is not None  # add comes first
        signal, noise, product, other, total = self._sums
        spread = signal - np.square(total) * len(signal) / self._size
        alive = spread > signal * _ALIVE
        channels = [*map(_db, spread[alive], noise[alive])] or [SNR_MAX_DB]
        both = math.sqrt(float(signal.sum() * other.sum()))
        return TensorError(
            layer=layer.name,
            op=layer.kind,
            snr_db=_db(float(signal.sum()), float(noise.sum())),
            worst_channel_snr_db=min(channels),
            median_channel_snr_db=round(float(np.median(channels)), 2),
            cosine=round(float(product.sum()) / both, 6) if both else 1.0,
            saturated_fraction=round(self._cut / self._size, 6),
            is_output=is_output,
        )


def _db(signal: float, noise: float) -> float:
    """Power over power in decibels."""
    if noise <= signal * 1e-12:
        return SNR_MAX_DB
    return round(10 * math.log10(max(signal, noise * 1e-6) / noise), 2)


def _outputs(content: bytes, samples: Iterable[Mapping[str, Floats]]) -> list[Floats]:
    """In the file's order: a conversion at the end gives an output another name.

    Of an SSD what goes into TFLite_Detection_PostProcess: behind it boxes change places, and those after the last one
    are whatever lay in memory.
    """
    ends = _postprocessed(content)
    run = _Run(content, keep_all=bool(ends))
    names = ends or [str(each["name"]) for each in run.interpreter.get_output_details()]
    made: list[list[Floats]] = [[] for _ in names]
    for sample in samples:
        run.invoke(sample)
        for place, name in enumerate(names):
            made[place].append(run.real(name).copy())
    return [np.stack(values) for values in made]


def _postprocessed(content: bytes) -> list[str]:
    """Box offsets and scores as TFLite_Detection_PostProcess takes them; empty for a file without it."""
    model = read_model(content, "the model")
    found = next((layer for layer in layers(model) if layer.kind == POSTPROCESS), None)
    return [] if found is None else [tensor_name(model, index) for index in found.inputs[:2]]


def _limits_by_place(float_model: bytes, limits: Ranges) -> list[tuple[float, float]]:
    """For each output, in the file's order; none for what goes into TFLite_Detection_PostProcess."""
    everything = (-math.inf, math.inf)
    names = _postprocessed(float_model) or [each.name for each in interface(float_model)[1]]
    return [limits.get(name, everything) for name in names]


def _noise_fraction(wanted: Sequence[Floats], got: Sequence[Floats], limits: Sequence[tuple[float, float]]) -> float:
    fractions = []
    for full, other_full, (low, high) in zip(wanted, got, limits, strict=True):
        a, b = np.clip(full, low, high), np.clip(other_full, low, high)
        rows, other = a.reshape(-1, a.shape[-1]), b.reshape(-1, a.shape[-1])
        noise, spread = np.square(rows - other).mean(axis=0), rows.var(axis=0)
        alive = spread > _ALIVE * np.square(rows).mean(axis=0)
        fractions.append(np.minimum(noise[alive] / spread[alive], 1).mean() if alive.any() else 0.0)
    return round(float(np.mean(fractions)), 9)


def _stored(values: Floats, detail: Mapping[str, Any]) -> NDArray[Any]:
    """Real numbers as the input wants them."""
    dtype, (scale, zero_point) = np.dtype(detail["dtype"]), detail["quantization"]
    if not scale:
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values / scale) + zero_point, limits.min, limits.max).astype(dtype)
