"""How much memory a model's activations take while it runs: as the engine laid them out, or as its planner would.

The estimate is the greedy-by-size order of TFLite's ArenaPlanner: the largest tensor first, each into the smallest gap
between those that live at the same time (Y. Pisarchyk, J. Lee, Efficient Memory Management for Deep Neural Net
Inference, arXiv 2001.03288; tensorflow/lite/arena_planner.cc). What a kernel needs for itself is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from convert.errors import ConvertError
from convert.graph import activations, dtype_of, shape_of
from convert.tensors import make_interpreter

ALIGNMENT_BYTES = 64
_BYTES = {
    **dict.fromkeys(("bool", "int8", "uint8"), 1),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 2),
    **dict.fromkeys(("int32", "uint32", "float32"), 4),
    **dict.fromkeys(("int64", "uint64", "float64", "complex64"), 8),
}


class Arena(NamedTuple):
    """bytes None: not known. told: what it is, or why not."""

    bytes: int | None
    told: str


class _Life(NamedTuple):
    """first, last: the ops, by number, that write a tensor first and read it last."""

    size_bytes: int
    first: int
    last: int


def arena(content: bytes, model: Any) -> Arena:
    """Of a .tflite; model: the same as convert.graph reads it."""
    try:
        interpreter = make_interpreter(content)
        tensors = [interpreter.tensor(index)() for index in activations(model)]
    except ConvertError:
        return Arena(None, "LiteRT does not load this file, so it takes no memory for it")
    except ValueError:
        return Arena(None, "some tensors get their size only when the model runs")
    first = min(each.ctypes.data for each in tensors)
    span = max(each.ctypes.data + each.nbytes for each in tensors) - first
    if span <= sum(each.nbytes for each in tensors):
        return Arena(span, "as LiteRT lays them out; XNNPACK, where it takes over, lays out its own")
    planned = planned_bytes(model)
    if planned is None:
        return Arena(None, "LiteRT gives no figure, and some tensors get their size only when the model runs")
    return Arena(planned, "estimated, for LiteRT gives no figure: the largest tensors first, each where it fits")


def planned_bytes(model: Any) -> int | None:
    """The estimate; None where a tensor's size is not known before it runs."""
    lives = list(_lives(model))
    if any(each is None for each in lives):
        return None
    return _packed([each for each in lives if each is not None])


def _lives(model: Any) -> Iterator[_Life | None]:
    graph = model.subgraphs[0]
    end = len(graph.operators)
    first = {int(index): 0 for index in graph.inputs}
    last = dict.fromkeys(first, end)  # inputs and outputs stay as they are, to be read after the run
    for place, operator in enumerate(graph.operators):
        for index in operator.outputs:
            first.setdefault(int(index), place)
            last[int(index)] = place
        for index in operator.inputs:
            if int(index) in first:
                last[int(index)] = max(last[int(index)], place)
    last |= {int(index): end for index in graph.outputs}
    for index in activations(model):
        tensor = graph.tensors[index]
        signature = tensor.shapeSignature
        is_open = signature is not None and any(int(side) < 0 for side in list(signature)[1:])
        item_bytes = _BYTES.get(dtype_of(tensor))
        if is_open or item_bytes is None:
            yield None
        else:
            size_bytes = item_bytes * math.prod(shape_of(tensor))
            yield _Life(-(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES, first[index], last[index])


def _packed(lives: Sequence[_Life]) -> int:
    """Bytes from the first to the end of the last."""
    placed: list[tuple[int, _Life]] = []
    for life in sorted(lives, key=lambda each: (-each.size_bytes, each.first)):
        beside = sorted(
            (offset, offset + each.size_bytes)
            for offset, each in placed
            if each.first <= life.last and life.first <= each.last
        )
        best, end = None, 0
        for start, stop in beside:
            if start - end >= life.size_bytes and (best is None or start - end < best[0]):
                best = start - end, end
            end = max(end, stop)
        placed.append((end if best is None else best[1], life))
    return max((offset + each.size_bytes for offset, each in placed), default=0)
