"""What the gate says, as data: for the card, the report and scripts."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

PICTURES_MIN = 20
"""Of fewer pictures no figure is given: it would be read as one."""
LABEL_PICTURES_MIN = 10
"""In a source or a bin, a label of fewer pictures is left out of the mean over labels."""


class Figure(msgspec.Struct, frozen=True):
    """One figure, 0 to 1, of the float and the converted model on the same pictures.

    low, high: the 95 % interval of the difference, converted - float; where agreement is judged, of the figure itself.
    limit: there, the least or most that passes. None: not defined.
    """

    name: str
    float_model: float | None = None
    converted: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None


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
    agreement, which has floors. pictures_from: which pictures, in words.
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
    figures: tuple[Figure, ...] = ()
    per_label: tuple[Row, ...] = ()
    per_source: tuple[Row, ...] = ()
    per_tone: tuple[Row, ...] = ()


def figure(name: str, float_model: float, converted: float, low: float = math.nan, high: float = math.nan) -> Figure:
    """A figure whose NaN are None."""
    numbers = (known(each) for each in (float_model, converted, converted - float_model, low, high))
    return Figure(name, *numbers)


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
