"""What the float model's tensors are on representative samples: their ranges, means and distributions.

Minimum and maximum over all samples, no moving average: an average that the first picture seeds ruins a classifier.
All is summed in the samples' order, so the same samples give the same figures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.errors import ConvertError
from convert.graph import dtype_of, pack_model, read_model
from convert.tensors import make_interpreter

Floats = NDArray[np.float32]
Samples = Callable[[], Iterable[Mapping[str, Floats]]]
"""Called for each pass over the samples; each has an array of batch 1 for every input, by name."""
BINS = 2048
_LEVELS = 255
_LOOKED_AT = 1 << 14
_TOGETHER = 64
"""Rows that are reduced as one."""
_KEPT = np.concatenate([np.linspace(1, 0.4, 25), np.geomspace(0.36, 0.004, 28)])
"""Fractions of a range that clipping tries: fine down to a half, then ever smaller for a rare outlier."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One tensor over all samples. mean and usual are per channel (last axis).

    usual: how large the channel gets: of the samples' largest absolute values the root of the mean square, in which
    one sample that drives the network to many times its usual values does not speak for all.
    """

    low: float
    high: float
    mean: NDArray[np.float64]
    usual: Floats


class Observer:
    """Runs the float model over the samples and remembers what it saw of each file: repair asks for the same again."""

    def __init__(self, samples: Samples, threads: int = 1) -> None:
        self.samples = samples
        self._threads = threads
        self._observed: dict[str, dict[str, Observed]] = {}
        self._clipped: dict[str, dict[str, tuple[float, float]]] = {}

    def observe(self, content: bytes) -> dict[str, Observed]:
        """As the function `observe`."""
        key = hashlib.sha256(content).hexdigest()
        if key not in self._observed:
            self._observed[key] = observe(content, self.samples, threads=self._threads)
        return self._observed[key]

    def clipped(self, content: bytes) -> dict[str, tuple[float, float]]:
        """As the function `clipped`."""
        key = hashlib.sha256(content).hexdigest()
        if key not in self._clipped:
            self._clipped[key] = clipped(content, self.samples, self.observe(content), threads=self._threads)
        return self._clipped[key]


def observe(content: bytes, samples: Samples, *, threads: int = 1) -> dict[str, Observed]:
    """Every float tensor that depends on the input, by name.

    Raises ConvertError without samples, or where a tensor is not finite.
    """
    seen: dict[str, list[Any]] = {}
    count = 0
    for tensors in _run(content, samples, threads):
        count += 1
        for name, values in tensors:
            low, high, mean = _by_channel(values)
            square = np.square(np.maximum(np.abs(low), np.abs(high)), dtype=np.float64)
            if name in seen:
                kept = seen[name]
                np.minimum(kept[0], low, out=kept[0])
                np.maximum(kept[1], high, out=kept[1])
                kept[2] += mean
                kept[3] += square
            else:
                seen[name] = [low, high, mean, square]
    if count == 0:
        raise ConvertError("expected representative samples, got none: calibrate with at least a few dozen")
    broken = next((name for name, (low, high, *_) in seen.items() if not np.isfinite([low, high]).all()), None)
    if broken is not None:
        raise ConvertError(f"expected finite numbers in {broken!r}, got NaN or infinity: the float model is broken")
    return {
        name: Observed(float(low.min()), float(high.max()), mean / count, np.sqrt(square / count).astype(np.float32))
        for name, (low, high, mean, square) in seen.items()
    }


def clipped(
    content: bytes, samples: Samples, observed: Mapping[str, Observed], *, threads: int = 1
) -> dict[str, tuple[float, float]]:
    """Per tensor the range in which 255 steps lose least: the least mean squared error of rounding and clipping.

    From a histogram over the observed range, as in Migacz 2017 with squared error in place of divergence. Each sample's
    error counts relative to its own power: else a single picture that drives a network to many times its usual
    values, as some do in an Xception, would set the steps of all others.
    """
    counts = {name: np.zeros(BINS) for name, each in observed.items() if each.high > each.low}
    for tensors in _run(content, samples, threads):
        for name, values in tensors:
            some = _spread(values) if name in counts else values[:0]
            power = float(np.square(some, dtype=np.float64).sum())
            if power > 0:
                counts[name] += _histogram(some, observed[name].low, observed[name].high) / power
    return {name: least_error(each, observed[name].low, observed[name].high) for name, each in counts.items()}


def least_error(counts: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """The range inside low to high whose expected squared error is least; counts: of equal bins from low to high."""
    edges = np.linspace(low, high, len(counts) + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    lows = np.unique(np.minimum(low * _KEPT, 0)) if low < 0 else np.zeros(1)
    highs = np.unique(np.maximum(high * _KEPT, 0)) if high > 0 else np.zeros(1)
    below = np.array([(counts * np.square(np.minimum(centres - edge, 0))).sum() for edge in lows])
    above = np.array([(counts * np.square(np.maximum(centres - edge, 0))).sum() for edge in highs])
    step = (highs[None] - lows[:, None]) / _LEVELS
    cost = below[:, None] + above[None] + counts.sum() * np.square(step) / 12
    row, column = np.unravel_index(int(cost.argmin()), cost.shape)
    return float(lows[row]), float(highs[column])


def _histogram(values: Floats, low: float, high: float) -> NDArray[np.int64]:
    """(BINS,): how many lie in each of the equal bins from low to high; several times as fast as numpy's own."""
    places = ((values - np.float32(low)) * np.float32(BINS / (high - low))).astype(np.int32)
    return np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)


def _spread(values: Floats) -> Floats:
    """At most about 16,384 of the values, from everywhere and from all channels alike."""
    channels = values.shape[-1] if values.ndim else 1
    step = max(values.size // _LOOKED_AT, 1)
    while math.gcd(step, channels) > 1:
        step += 1
    return values.reshape(-1)[::step]


def _by_channel(values: Floats) -> tuple[Floats, Floats, NDArray[np.float64]]:
    """Smallest, largest and mean along the last axis. In two steps: numpy is slow on long arrays of few columns."""
    channels = values.shape[-1] if values.ndim else 1
    rows = values.size // channels
    together = math.gcd(rows, _TOGETHER)
    wide = values.reshape(rows // together, together * channels)
    low, high, total = (reduce(wide, axis=0).reshape(together, channels) for reduce in (np.min, np.max, np.sum))
    return low.min(axis=0), high.max(axis=0), total.sum(axis=0, dtype=np.float64) / rows


def _run(content: bytes, samples: Samples, threads: int) -> Iterator[list[tuple[str, Floats]]]:
    """The inputs and float activations of each sample by name; views, valid until the next."""
    interpreter = make_interpreter(_with_all_outputs(content), threads=threads, kernels="fast")
    sources = {str(each["name"]): each for each in interpreter.get_input_details()}
    results = {str(each["name"]): int(each["index"]) for each in interpreter.get_output_details()}
    watched = [*((name, int(each["index"])) for name, each in sources.items()), *results.items()]
    for sample in samples():
        for name, detail in sources.items():
            if name not in sample or tuple(sample[name].shape) != tuple(detail["shape"]):
                wanted, got = detail["shape"].tolist(), {each: list(value.shape) for each, value in sample.items()}
                raise ConvertError(f"expected {name!r} of {wanted} in each sample, got {got}")
            interpreter.set_tensor(detail["index"], sample[name].astype(detail["dtype"], copy=False))
        interpreter.invoke()
        yield [(name, interpreter.get_tensor(index)) for name, index in watched]


def _with_all_outputs(content: bytes) -> bytes:
    """The file with each float activation as an output, so that the device's kernels, which keep none, give them out.

    They take a third of the time of those that keep all tensors.
    """
    model = read_model(content, "the float model")
    graph = model.subgraphs[0]
    taken = {*map(int, graph.inputs)}
    made = [int(index) for operator in graph.operators for index in operator.outputs if index >= 0]
    graph.outputs = [
        i for i in made if i not in taken and graph.tensors[i].name and dtype_of(graph.tensors[i]) == "float32"
    ]
    model.signatureDefs = []
    return pack_model(model)
