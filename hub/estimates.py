"""The statistics of the quality pages, in plain Python: each with its source and an interval, or None for too few."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Z95 = 1.959964
RESAMPLES = 500
CHI2_95 = (3.841, 5.991, 7.815, 9.488, 11.070, 12.592, 14.067, 15.507, 16.919)
"""95 % points of chi-squared with 1 to 9 degrees of freedom."""


@dataclass(frozen=True)
class Estimate:
    """value, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Answered:
    """One person of the blind sample. score: the model's surest finding, 0 for none. weight: 1 / probability."""

    cluster: str
    score: float
    positive: bool
    weight: float


@dataclass(frozen=True)
class Sensitivity:
    """At the smallest score from which on specificity is at least what was asked for."""

    sensitivity: Estimate
    specificity: float
    score_min: float


def wilson(successes: int, trials: int) -> Estimate:
    """A proportion and its score interval (Wilson 1927, JASA 22:209). trials over 0."""
    share, z2 = successes / trials, Z95 * Z95
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))


def kappa(table: Mapping[tuple[str, str], int]) -> Estimate | None:
    """Agreement beyond chance of two raters, of counts by (first's, second's) answer (Cohen 1960).

    The interval is of the large-sample variance for kappa other than 0 (Fleiss, Cohen and Everitt 1969, Psychological
    Bulletin 72:323). None where both gave one answer only, for then chance explains everything.
    """
    total = sum(table.values())
    if not total:
        return None
    names = sorted({name for pair in table for name in pair})
    share = {pair: count / total for pair, count in table.items()}
    rows = {name: sum(share.get((name, other), 0.0) for other in names) for name in names}
    columns = {name: sum(share.get((other, name), 0.0) for other in names) for name in names}
    observed = sum(share.get((name, name), 0.0) for name in names)
    expected = sum(rows[name] * columns[name] for name in names)
    if expected >= 1.0:
        return None
    value = (observed - expected) / (1 - expected)
    agreeing = sum(
        share.get((name, name), 0.0) * (1 - (rows[name] + columns[name]) * (1 - value)) ** 2 for name in names
    )
    differing = (1 - value) ** 2 * sum(
        part * (columns[first] + rows[second]) ** 2 for (first, second), part in share.items() if first != second
    )
    variance = (agreeing + differing - (value - expected * (1 - value)) ** 2) / (total * (1 - expected) ** 2)
    half = Z95 * math.sqrt(max(0.0, variance))
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half))


def ratio(
    clusters: int, over: float, under: float, over_square: float, under_square: float, product: float
) -> Estimate:
    """Σover / Σunder of so many independent clusters, from their sums of squares and products.

    The variance is that of the linearised ratio (Cochran 1977, Sampling Techniques, section 6.4). under over 0.
    """
    value = over / under
    spread = over_square - 2 * value * product + value * value * under_square
    half = Z95 * math.sqrt(max(0.0, spread) * clusters / max(1, clusters - 1)) / under
    return Estimate(value, max(0.0, value - half), value + half)


def sensitivity(people: Sequence[Answered], specificity: float, rng: random.Random) -> Sensitivity | None:
    """Of the model as a whole, at a fixed specificity, from a sample whose members were drawn with known probabilities.

    Each person stands for 1 / probability people (Horvitz and Thompson 1952), and both shares are ratios of such sums.
    The interval is of a bootstrap that draws whole clusters, since people of one place are alike (Field and Welsh 2007,
    JRSS B 69:369); every resample finds its own threshold. None where there is nobody of one kind.
    """
    clusters = sorted({each.cluster for each in people})
    ordered = sorted(people, key=lambda each: each.score)
    found = at_specificity(ordered, specificity, dict.fromkeys(clusters, 1))
    if found is None:
        return None
    values = []
    for _ in range(RESAMPLES):
        times = Counter(rng.choices(clusters, k=len(clusters)))
        if (again := at_specificity(ordered, specificity, times)) is not None:
            values.append(again[0])
    values.sort()
    low, high = values[int(0.025 * len(values))], values[min(len(values) - 1, int(0.975 * len(values)))]
    return Sensitivity(Estimate(found[0], low, high), found[1], found[2])


def at_specificity(
    ordered: Sequence[Answered], specificity: float, times: Mapping[str, int]
) -> tuple[float, float, float] | None:
    """Sensitivity, specificity and the score from which on it is so, in one pass; None without people of both kinds.

    ordered: by score. times: how often each cluster counts; one that is not named does not.
    """
    weights = [(each, each.weight * times.get(each.cluster, 0)) for each in ordered]
    ill = sum(weight for each, weight in weights if each.positive)
    well = sum(weight for each, weight in weights if not each.positive)
    if not ill or not well:
        return None
    missed = passed = 0.0
    score = 0.0
    for each, weight in weights:
        # A threshold lies under the first of each score; none lies at 0, where nothing was found.
        if each.score > score:
            score = each.score
            if passed / well >= specificity:
                return 1 - missed / ill, passed / well, score
        if each.positive:
            missed += weight
        else:
            passed += weight
    return 0.0, 1.0, math.inf


@dataclass(frozen=True)
class Drift:
    """psi: how far two distributions are apart. limit: what chance alone stays under in 95 of 100 cases."""

    psi: float
    limit: float


def drift(before: Sequence[int], now: Sequence[int]) -> Drift:
    """The population stability index of two histograms with the same bins (Siddiqi 2006, Credit Risk Scorecards).

    Under no change it is about (1/n + 1/m) times chi-squared with a degree of freedom for every bin but one (Yurdakul
    and Naranjo 2020, Journal of Risk Model Validation 14:4), which gives the limit. Half a count goes to every bin, so
    that an empty one is no infinity; bins that are empty in both say nothing. Both histograms hold something.
    """
    pairs = [(first, second) for first, second in zip(before, now, strict=True) if first or second]
    n, m = sum(before), sum(now)
    size = len(pairs) / 2
    psi = 0.0
    for first, second in pairs:
        was, is_now = (first + 0.5) / (n + size), (second + 0.5) / (m + size)
        psi += (is_now - was) * math.log(is_now / was)
    freedom = len(pairs) - 1
    limit = (1 / n + 1 / m) * CHI2_95[min(freedom, len(CHI2_95)) - 1] if freedom else 0.0
    return Drift(psi, limit)
