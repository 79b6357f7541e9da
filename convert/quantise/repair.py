"""Repair: where the gate fails, what brings the model back, cheapest first, each step with what it bought and cost.

First what costs nothing at run time, for all layers: bias correction, equalisation, clipped ranges. Then single
layers, the most harmful first, in float or int16, until the gate passes or enough have been spent. What does not help
is taken back. The judge is a function, so that the gate and a test use the same code.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from convert.errors import ConvertError
from convert.graph import read_model
from convert.latency import compare
from convert.quantise.layers import constant, followers, readers, weighted
from convert.quantise.quantizer import NO_LIMITS, Ranges, finish, prepare, ranges
from convert.quantise.ranges import Observer, Samples
from convert.quantise.recipes import Override, Precision, Recipe
from convert.quantise.trace import noise_fraction, sensitivity

Judge = Callable[[bytes], float]
"""A quantised file → the points of the task's metric that it has lost against float; less than zero where it gained."""


class Step(msgspec.Struct, frozen=True):
    """One attempt, for the card and the report.

    points_lost: of this file. points_bought: less than before this step (negative: it harmed). kept: later steps build
    on it. latency_ms: one run on zeros, one thread; float_ms: of the float model beside it. noise_fraction: of the
    outputs, as in trace.py; it decides where the points stay the same, as where all is lost by two faults at once.
    seconds: that the attempt took, from quantising to timing.
    """

    what: str
    recipe: Recipe
    points_lost: float
    points_bought: float
    kept: bool
    passed: bool
    latency_ms: float
    float_ms: float
    size_bytes: int
    added_bytes: int
    noise_fraction: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A step and the file that it made. reference: the float model with the same tensors, to trace it against."""

    step: Step
    content: bytes
    reference: bytes


def repair(
    float_tflite: bytes,
    recipe: Recipe,
    samples: Samples,
    input_ranges: Ranges,
    judge: Judge,
    *,
    limits: Ranges = NO_LIMITS,
    max_drop: float,
    max_float_layers: int = 3,
    threads: int = 1,
) -> Iterator[Attempt]:
    """Attempts in turn, the first of them the recipe as it is; ends after one that passes. `best` chooses among them.

    limits: as in `quantize`. max_drop: points that may be lost. max_float_layers: layers that may be spent on float or
    int16. Deterministic but for the milliseconds, if the judge is.
    """
    bench = _Bench(float_tflite, Observer(samples, threads), input_ranges, limits, judge, max_drop)
    current = bench.attempt("as the recipe says", recipe, None)
    yield current
    seen = {recipe}
    for what, field in _EVERYWHERE:
        if current.step.passed or not recipe.is_static:
            break
        changed = msgspec.structs.replace(current.step.recipe, **{field: True})
        if changed not in seen:
            seen.add(changed)
            tried = bench.attempt(what, changed, current)
            yield tried
            current = tried if tried.step.kept else current
    spent = 0
    while not current.step.passed and spent < max_float_layers and recipe.name != "float":
        for cost, tried in bench.wider(current, max_float_layers - spent):
            yield tried
            if tried.step.kept:
                current, spent = tried, spent + cost
                break
        else:
            return


def best(attempts: list[Attempt]) -> Attempt:
    """Of those that were kept the one that passes, or has lost the least; the last where several have."""
    return min(reversed([each for each in attempts if each.step.kept]), key=lambda each: each.step.points_lost)


_EVERYWHERE = (
    ("bias correction", "bias_correction"),
    ("equalisation", "equalisation"),
    ("ranges clipped to the least squared error", "clipping"),
    ("equalisation", "equalisation"),  # what did not help before clipping may do so after it
)
_ROUNDS, _TIMING_S = 30, 3.0
_LOOKED_AT, _JUDGED = 6, 3
"""So many of the most harmful layers are looked at, and so many candidates judged, before giving up."""
_NOISE_LEFT = 0.97
_BASE_NOISE, _BASE_LOSS = 0.5, 1.25
"""A step for all layers is built on, too, where it halves the noise and loses little more than the one before: a gate
of few pictures is coarse, and what is then left is in few layers."""


class _Bench:
    """Makes an attempt: quantises, judges, times, and says whether it is worth keeping."""

    def __init__(
        self,
        content: bytes,
        observer: Observer,
        input_ranges: Ranges,
        limits: Ranges,
        judge: Judge,
        max_drop: float,
    ) -> None:
        self._content, self._observer, self._given = content, observer, (input_ranges, limits)
        self._judge, self._max_drop = judge, max_drop
        self._damages: dict[Recipe, list[str]] = {}

    def attempt(self, what: str, recipe: Recipe, before: Attempt | None) -> Attempt:
        """One file by one recipe, beside the attempt that it builds on."""
        began_s = time.perf_counter()
        prepared = prepare(self._content, recipe, self._observer)
        content = finish(prepared, recipe, self._observer, *self._given)
        noise = noise_fraction(self._content, content, self._observer.samples, limits=self._given[1])
        lost = self._judge(content)
        times = compare(self._content, content, rounds=_ROUNDS, limit_s=_TIMING_S)
        return Attempt(
            Step(
                what=what,
                recipe=recipe,
                points_lost=lost,
                points_bought=0.0 if before is None else before.step.points_lost - lost,
                kept=before is None or _is_better(recipe, lost, noise, before.step),
                passed=lost <= self._max_drop,
                latency_ms=times.converted_ms,
                float_ms=times.float_ms,
                size_bytes=len(content),
                added_bytes=0 if before is None else len(content) - before.step.size_bytes,
                noise_fraction=noise,
                seconds=round(time.perf_counter() - began_s, 2),
            ),
            content,
            prepared.float_model,
        )

    def wider(self, current: Attempt, budget: int) -> Iterator[tuple[int, Attempt]]:
        """The most harmful layers, float or int16 on top of the current recipe, and how many layers each costs.

        A tensor that is read as badly as it is written needs both its layers. Single layers come first, then pairs;
        among equals, what leaves least noise in the outputs on the samples. What leaves almost all is not judged.
        """
        recipe = current.step.recipe
        model = read_model(prepare(self._content, recipe, self._observer).float_model, "the float model")
        ranked: dict[tuple[str, ...], tuple[int, float]] = {}
        for layer in self._harmful(recipe):
            for group in ((layer,), (layer, *readers(model, layer))):
                if len(group) <= budget and group not in ranked:
                    noise = self._noise(_with(recipe, model, group, "float"))
                    if noise < _NOISE_LEFT * current.step.noise_fraction:
                        ranked[group] = len(group), noise
        for group in sorted(ranked, key=ranked.__getitem__)[:_JUDGED]:
            names = " and ".join(each.partition(";")[0] for each in group)
            for precision in self._precisions(recipe, model, group, len(current.content)):
                changed = _with(recipe, model, group, precision)
                try:
                    yield len(group), self.attempt(f"{names} in {precision}", changed, current)
                except ConvertError:
                    continue  # an op that has no int16 form

    def _harmful(self, recipe: Recipe) -> list[str]:
        """Layers by what each alone costs, which other layers' precision does not change."""
        plain = msgspec.structs.replace(recipe, overrides=())
        if plain not in self._damages:
            prepared = prepare(self._content, plain, self._observer)
            spans = ranges(prepared, plain, self._observer, *self._given)
            damages = sensitivity(prepared, plain, spans, self._observer.samples, limits=self._given[1])
            self._damages[plain] = [each.layer for each in damages]
        wide = {each.layer for each in recipe.overrides if each.precision is not None}
        return [layer for layer in self._damages[plain] if layer not in wide][:_LOOKED_AT]

    def _noise(self, recipe: Recipe) -> float:
        content = finish(prepare(self._content, recipe, self._observer), recipe, self._observer, *self._given)
        return noise_fraction(self._content, content, self._observer.samples, limits=self._given[1])

    def _precisions(self, recipe: Recipe, model: Any, group: tuple[str, ...], size_bytes: int) -> tuple[Precision, ...]:
        """Float, but for large fully connected layers.

        int16 kernels are not XNNPACK's: int16 throughout, our detector took 28 times as long as float. A fully
        connected layer has few products for its many weights, though, and those stay int8.
        """
        layers = [layer for layer in weighted(model) if layer.name in group]
        added_bytes = 3 * sum(constant(model, layer.inputs[1]).size for layer in layers)
        connected = layers and all(layer.kind == "FULLY_CONNECTED" for layer in layers)
        if recipe.name == "static_wi8_ai8" and connected and added_bytes > size_bytes / 10:
            return "int16", "float"
        return ("float",)


def _is_better(recipe: Recipe, lost: float, noise: float, before: Step) -> bool:
    if (lost, noise) < (before.points_lost, before.noise_fraction):
        return True
    for_all = recipe.overrides == before.recipe.overrides
    return for_all and noise < _BASE_NOISE * before.noise_fraction and lost <= _BASE_LOSS * before.points_lost


def _with(recipe: Recipe, model: Any, group: tuple[str, ...], precision: Precision) -> Recipe:
    """The recipe with these layers, and what only moves their values about, in another precision."""
    for name in group:
        for layer in (name, *followers(model, name)):
            recipe = recipe.with_override(Override(layer, precision))
    return recipe
