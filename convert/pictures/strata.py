"""Drawing from a set by label: with a seed, and whole groups of near-duplicates where a set is divided."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convert.pictures.examples import Example

HELD_BACK_FRACTION = 0.2


def spread(examples: Sequence[Example], count: int, rng: np.random.Generator) -> list[Example]:
    """At most `count`, in their own order, as equal a number of each label as there is: ranges come from rare ones too.

    (Stratified sampling with equal allocation.)
    """
    if len(examples) <= count:
        return list(examples)
    queues = [list(rng.permutation(indices)) for _, indices in sorted(_by_stratum(examples).items())]
    chosen: list[int] = []
    while len(chosen) < count:
        for queue in queues:
            if queue and len(chosen) < count:
                chosen.append(int(queue.pop()))
    return [examples[index] for index in sorted(chosen)]


def hold_back(examples: Sequence[Example], rng: np.random.Generator) -> list[int]:
    """Indices of a fifth of each label, whole groups only: what is held back has no near-duplicate among the rest."""
    held: set[int] = set()
    by_group: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        by_group.setdefault(example.group, []).append(index)
    for _, indices in sorted(_by_stratum(examples).items()):
        wanted = round(len(indices) * HELD_BACK_FRACTION)
        for index in rng.permutation(indices):
            group = by_group[examples[index].group]
            if len(held.intersection(indices)) >= wanted:
                break
            if len(group) <= wanted:  # a larger one, such as one group for all, would leave nothing to calibrate with
                held.update(group)
    return sorted(held)


def _by_stratum(examples: Sequence[Example]) -> dict[str, list[int]]:
    strata: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        strata.setdefault(example.stratum, []).append(index)
    return strata
