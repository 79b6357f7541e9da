"""How sure a difference is: a paired bootstrap, resampled by group.

Both models are measured on the same resample, so what makes a picture hard for both cancels out; and pictures of one
group (near-duplicates, one person) are drawn together, since they are not independent. Percentile intervals
(B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

Where nothing differs in any group, every resample is alike and the bootstrap would claim to be certain. What is then
known is a limit of the share of groups that differ, none of so many having been seen to: the exact one of C. J. Clopper
and E. S. Pearson (Biometrika 26, 1934). It is about 3.7 / groups; at one side alone it is known as the rule of three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Method = Literal["bootstrap", "exact", "same file"]
"""How an interval came about; "same file": both models are the same bytes, and cannot differ."""
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


def none_limit(groups: int) -> float:
    """The most that a share may be, at the interval's upper end, of which none was seen in so many groups."""
    return 1.0 - ((1 - CONFIDENCE) / 2) ** (1 / groups)


def none_limit_of_mean(shows: NDArray[np.bool_], groups: Sequence[str]) -> float:
    """The same for a mean over labels, as balanced accuracy is one and AP is taken for. shows: (pictures, labels).

    What differs may all be of one label, and groups may show several. With N groups, of which each shows at most m of
    K labels, and n of the rarest label: P(none differs) <= prod(1 - sum of the group's shares / m), which by the
    inequality of means is at most (1 - mean share * n K / (m N)) ** N.
    """
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    held = np.zeros((members.max() + 1, shows.shape[1]), dtype=np.bool_)
    np.logical_or.at(held, members, shows)
    held = held[held.any(axis=1)][:, held.any(axis=0)]
    if not held.size:
        return 1.0
    count, labels = held.shape
    counted = held.sum(axis=0).min() * labels / held.sum(axis=1).max()
    return float(min(1.0, none_limit(count) * count / counted))
