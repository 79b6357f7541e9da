"""How sure a difference is: a paired bootstrap, resampled by group.

Both models are measured on the same resample, so what makes a picture hard for both cancels out; and pictures of one
group (near-duplicates, one person) are drawn together, since they are not independent. Percentile intervals
(B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
RESAMPLES = 1000
CONFIDENCE = 0.95
GROUPS_MIN = 10
"""With fewer, the interval would look surer than it is: none is given."""


def resample(measure: Callable[[Reals], Reals], groups: Sequence[str], seed: int, count: int = RESAMPLES) -> Reals:
    """(count, …) what `measure` says of each resample, given (pictures,) weights: how often each picture was drawn."""
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    every = np.full(len(names), 1 / len(names))
    return np.stack([measure(rng.multinomial(len(names), every)[members].astype(np.float64)) for _ in range(count)])


def interval(values: Reals) -> tuple[float, float]:
    """Lower and upper end. Resamples without a value (NaN: none of a label was drawn) are left out; if all, NaN."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
