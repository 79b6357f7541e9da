"""Repair: where the gate fails, what brings the model back, cheapest first, each step with what it bought and cost.

First what costs nothing at run time, for all layers: bias correction, equalisation, clipped ranges. Then single
layers, the most harmful first, in float or, where that does not help, in int16, until the gate passes or enough have
been spent.
What does not help is taken back. The judge is a function, so that the gate and a test use the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from convert.errors import ConvertError
from convert.graph import read_model
from convert.latency import compare
from convert.layers import followers
from convert.quantizer import Ranges, finish, prepare, ranges
from convert.ranges import Observer, Samples
from convert.recipes import Override, Precision, Recipe
from convert.trace import noise_fraction, sensitivity

Judge = Callable[[bytes], float]
"""A quantised file → the points of the task's metric that it has lost against float; less than zero where it gained."""


class Step(msgspec.Struct, frozen=True):
    """One attempt, for the card and the report.

    points_lost: of this file. points_bought: less than before this step (negative: it harmed). kept: later steps build
    on it. latency_ms: one run on zeros, one thread; float_ms: of the float model beside it. noise_fraction: of the
    outputs, as in convert.trace; it decides where the points stay the same, as where all is lost by two faults at once.
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
    max_drop: float,
    max_float_layers: int = 3,
    threads: int = 1,
) -> Iterator[Attempt]:
    """Attempts in turn, the first of them the recipe as it is; ends after one that passes. `best` chooses among them.

    max_drop: points that may be lost. max_float_layers: layers that may be spent on int16 or float.
    Deterministic but for the milliseconds, if the judge is.
    """
    bench = _Bench(float_tflite, Observer(samples, threads), input_ranges, judge, max_drop)
    current = bench.attempt("as the recipe says", recipe, None)
    yield current
    for what, field in _EVERYWHERE.items():
        if current.step.passed or not recipe.is_static:
            break
        if not getattr(current.step.recipe, field):
            changed = msgspec.structs.replace(current.step.recipe, **{field: True})
            tried = bench.attempt(what, changed, current)
            yield tried
            current = tried if tried.step.kept else current
    for _ in range(max_float_layers):
        if current.step.passed or recipe.name == "float":
            return
        helped = False
        for tried in bench.single_layers(current):
            yield tried
            if tried.step.kept:
                current, helped = tried, True
                break
        if not helped:
            return


def best(attempts: list[Attempt]) -> Attempt:
    """The last that was kept: it passes, or has lost the least."""
    return next(each for each in reversed(attempts) if each.step.kept)


_EVERYWHERE = {
    "bias correction": "bias_correction",
    "equalisation": "equalisation",
    "ranges clipped to the least squared error": "clipping",
}
_ROUNDS, _TIMING_S = 30, 3.0
_LAYERS_TRIED = 3
"""Of the most harmful layers, so many are tried before giving up."""


class _Bench:
    """Makes an attempt: quantises, judges, times, and says whether it is worth keeping."""

    def __init__(self, content: bytes, observer: Observer, input_ranges: Ranges, judge: Judge, max_drop: float) -> None:
        self._content, self._observer, self._input_ranges = content, observer, input_ranges
        self._judge, self._max_drop = judge, max_drop

    def attempt(self, what: str, recipe: Recipe, before: Attempt | None) -> Attempt:
        """One file by one recipe, beside the attempt that it builds on."""
        prepared = prepare(self._content, recipe, self._observer)
        content = finish(prepared, recipe, self._observer, self._input_ranges)
        noise = noise_fraction(self._content, content, self._observer.samples)
        lost = self._judge(content)
        times = compare(self._content, content, rounds=_ROUNDS, limit_s=_TIMING_S)
        return Attempt(
            Step(
                what=what,
                recipe=recipe,
                points_lost=lost,
                points_bought=0.0 if before is None else before.step.points_lost - lost,
                kept=before is None or (lost, noise) < (before.step.points_lost, before.step.noise_fraction),
                passed=lost <= self._max_drop,
                latency_ms=times.converted_ms,
                float_ms=times.float_ms,
                size_bytes=len(content),
                added_bytes=0 if before is None else len(content) - before.step.size_bytes,
                noise_fraction=noise,
            ),
            content,
            prepared.float_model,
        )

    def single_layers(self, current: Attempt) -> Iterator[Attempt]:
        """The most harmful layers, each in float and then in int16, on top of the current recipe."""
        recipe = current.step.recipe
        prepared = prepare(self._content, recipe, self._observer)
        spans = ranges(prepared, recipe, self._observer, self._input_ranges)
        model = read_model(prepared.float_model, "the float model")
        for damage in sensitivity(prepared, recipe, spans, self._observer.samples)[:_LAYERS_TRIED]:
            for precision in _precisions(recipe):
                changed = recipe
                for layer in (damage.layer, *followers(model, damage.layer)):
                    changed = changed.with_override(Override(layer, precision))
                try:
                    yield self.attempt(f"{damage.layer.partition(';')[0]} in {precision}", changed, current)
                except ConvertError:
                    continue  # an op that has no int16 form


def _precisions(recipe: Recipe) -> tuple[Precision, ...]:
    """In the order in which they are tried: int16 kernels are not XNNPACK's, and ten times slower than float ones."""
    return ("float", "int16") if recipe.name == "static_wi8_ai8" else ("float",)
