"""How far a figure can be trusted: exact binomial intervals, and a bootstrap over groups of pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS = 1000
SEED = 20261126
LEVEL = 0.95


def binomial_tail(hits: int, count: int, share: float) -> float:
    """P(X >= hits) of a binomial, summed in logarithms."""
    if hits <= 0:
        return 1.0
    if share <= 0 or share >= 1:
        return float(share >= 1)
    logs = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(share) + (count - k) * math.log1p(-share)
        for k in range(hits, count + 1)
    ]  # fmt: skip
    top = max(logs)
    return math.exp(top) * math.fsum(math.exp(each - top) for each in logs)


def exact(hits: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Two-sided exact interval of a share (Clopper and Pearson 1934); ((1 - level) / 2 on either side)."""
    if not 0 <= hits <= count or count < 1:
        raise ValueError(f"expected 0 <= hits <= count and a count of at least 1, got {hits} of {count}")
    rest = (1 - level) / 2
    low = 0.0 if hits == 0 else _solve(lambda share: binomial_tail(hits, count, share) - rest)
    high = 1.0 if hits == count else _solve(lambda share: binomial_tail(hits + 1, count, share) - (1 - rest))
    return low, high


def _solve(rising: Callable[[float], float]) -> float:
    """Zero of a rising function on 0..1, by bisection to the last bits."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def group_weights(groups: Sequence[str], draws: int = DRAWS, seed: int = SEED) -> NDArray[np.float64]:
    """Bootstrap over groups: how often each picture comes in each draw, [draws, pictures].

    Near-duplicates and pictures of one person share a group and come or stay away together. The seed is fixed, so two
    models on the same pictures get the same draws and their difference is a paired one.
    """
    names = sorted(set(groups))
    place = {name: index for index, name in enumerate(names)}
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, [place[name] for name in groups]].astype(np.float64)


def percentile(values: Sequence[float] | NDArray[np.float64], level: float = LEVEL) -> list[float]:
    """The middle `level` of bootstrap values: [low, high]; draws without a single box (nan) are left out."""
    known = np.asarray(values, np.float64)
    rest = 50 * (1 - level)
    low, high = np.nanpercentile(known, [rest, 100 - rest])
    return [float(low), float(high)]
