"""Which output of a converted file is which of the source's, and with its sides in what order.

Routes reorder both; shapes leave few possibilities, and the answers to one set of inputs decide among those.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from convert.errors import ConvertError
from convert.floatmodel import Floats, Named
from convert.sources.converted import Shape

Order = tuple[int, ...]
"""Axes of the source's array in the order that the file has them, as numpy's transpose takes it."""
_CHANNELS_LAST: Order = (0, 2, 3, 1)


def orders(source: Shape, file: Shape) -> list[Order]:
    """All orders of axes behind the batch that turn the one shape into the other; channels last before the rest."""
    if sorted(source) != sorted(file):
        return []
    found = [
        (0, *rest)
        for rest in itertools.permutations(range(1, len(source)))
        if tuple(source[axis] for axis in (0, *rest)) == file
    ]
    return sorted(found, key=lambda order: order != _CHANNELS_LAST)


def inverse(order: Order) -> Order:
    """The order that undoes it."""
    return tuple(int(axis) for axis in np.argsort(order))


def pairings(source: Mapping[str, Shape], file: Mapping[str, Shape]) -> Iterator[dict[str, str]]:
    """File name → source name: where the names are the same, that; else every way that the shapes allow, in order."""
    if set(source) == set(file):
        yield {name: name for name in file}
        return
    for names in itertools.permutations(source):
        if all(orders(source[name], shape) for name, shape in zip(names, file.values(), strict=True)):
            yield dict(zip(file, names, strict=True))


def match_outputs(source: Named, file: Named, where: str) -> dict[str, tuple[str, Order]]:
    """File name → (source name, order), such that the answers differ least.

    Raises ConvertError where the shapes allow none.
    """
    best: dict[str, tuple[str, Order]] | None = None
    least = np.inf
    differences = {(a, b): _difference(source[a], file[b]) for a in source for b in file}
    for pairing in pairings({n: v.shape for n, v in source.items()}, {n: v.shape for n, v in file.items()}):
        total = sum(differences[ours, theirs][0] for theirs, ours in pairing.items())
        if total < least:
            least = total
            best = {theirs: (ours, differences[ours, theirs][1]) for theirs, ours in pairing.items()}
    if best is None:
        raise ConvertError(
            f"expected outputs {_shapes(source)} as {where} has them, got {_shapes(file)} after conversion: the "
            "conversion went wrong"
        )
    return best


def _difference(source: Floats, file: Floats) -> tuple[float, Order]:
    """The least mean difference over all orders of the axes, and that order."""
    tried = [(float(np.abs(source.transpose(o) - file).mean()), o) for o in orders(source.shape, file.shape)]
    return min(tried, default=(np.inf, ()), key=lambda pair: pair[0] if np.isfinite(pair[0]) else np.inf)


def _shapes(arrays: Named) -> list[Sequence[int]]:
    return [list(each.shape) for each in arrays.values()]
