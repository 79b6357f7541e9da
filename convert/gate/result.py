"""What the gate says, as data: for the card, the report and scripts."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from convert.gate.bootstrap import Method
from edge.bundle import GateKind

PICTURES_MIN = 20
"""Of fewer pictures no figure is given: it would be read as one."""
LABEL_PICTURES_MIN = 10
"""In a source or a bin, a label of fewer pictures is left out of the mean over labels."""


WEAK_POINTS = 5.0
"""A pass that leaves a larger loss possible is marked: ten times what is allowed by default, and less than what a model
that plain conversion ruins loses. At best, with nothing different anywhere, this takes 73 groups of pictures."""
Cause = Literal["loss", "blind", "limit", "nothing found", "constant", "not finite", "float not finite"]
"""Why a gate failed: too much lost; the float model does not see; a figure beyond its limit; nothing to compare; a
float model that never changes; NaN or infinity in the converted model, or in the float one."""


class Figure(msgspec.Struct, frozen=True):
    """One figure, 0 to 1, of the float and the converted model on the same pictures.

    low, high: the 95 % interval of the difference, converted - float; where agreement is judged, of the figure itself.
    method: of the interval, as convert/gate/bootstrap.py; empty without one. limit: where agreement is judged, the
    least or most that passes. None: not defined.
    """

    name: str
    float_model: float | None = None
    converted: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    method: Method | Literal[""] = ""


class Row(msgspec.Struct, frozen=True):
    """One label, source or skin-tone bin. note: why there are no figures, or which labels they are of."""

    name: str
    pictures: int
    metric: str
    float_model: float | None = None
    converted: float | None = None
    difference: float | None = None
    note: str = ""


class GateResult(msgspec.Struct, frozen=True):
    """kind "task": judged by labels; "agreement": only by the float model.

    points_lost: of the metric, in hundredths; for agreement, hundredths short of full agreement. max_drop: None for
    agreement, which has floors. pictures_from: which pictures, in words. causes: of a failure.
    loss_possible: of a pass with labels, the points that the interval leaves possible; None where too few groups give
    no interval. weak: a pass on so few pictures that more than WEAK_POINTS, or than max_drop, may be lost.
    """

    passed: bool
    kind: Literal["task", "agreement"]
    task: str
    metric: str
    sentence: str
    points_lost: float
    pictures: int
    groups: int
    pictures_from: str
    max_drop: float | None = None
    causes: tuple[Cause, ...] = ()
    weak: bool = False
    loss_possible: float | None = None
    figures: tuple[Figure, ...] = ()
    per_label: tuple[Row, ...] = ()
    per_source: tuple[Row, ...] = ()
    per_tone: tuple[Row, ...] = ()

    @property
    def card_kind(self) -> GateKind:
        """As the card has it."""
        return "task_weak" if self.weak else self.kind


def figure(name: str, float_model: float, converted: float, low: float, high: float, method: Method) -> Figure:
    """A figure whose NaN are None."""
    return Figure(
        name,
        known(float_model),
        known(converted),
        known(converted - float_model),
        known(low),
        known(high),
        method="" if math.isnan(low) else method,
    )


def row(name: str, pictures: int, metric: str, float_model: float, converted: float, note: str = "") -> Row:
    """A row; without figures where there are too few pictures or nothing to measure."""
    if pictures < PICTURES_MIN:
        return Row(name, pictures, metric, note=f"too few: {pictures} of at least {PICTURES_MIN} pictures")
    if math.isnan(float_model) or math.isnan(converted):
        return Row(name, pictures, metric, note=note or "nothing to find in these pictures")
    return Row(name, pictures, metric, known(float_model), known(converted), known(converted - float_model), note)


def known(value: float) -> float | None:
    """None for NaN, which JSON does not have."""
    return float(value) if math.isfinite(value) else None
