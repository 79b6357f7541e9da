"""How long one run takes, float beside converted: in turns, in one process, so that what slows one slows both."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np

from edge.inference.engine_log import notes_held_back

_WARM_UP_ROUNDS = 3
_ROUNDS_MIN = 5


class Latency(msgspec.Struct, frozen=True):
    """Medians of bare runs on this machine. ratio: converted / float."""

    float_ms: float
    converted_ms: float
    ratio: float
    rounds: int
    threads: int


def compare(
    float_model: bytes, converted: bytes, *, threads: int = 1, rounds: int = 50, limit_s: float = 5.0
) -> Latency:
    """Both on zeros. Ends after so many rounds, or when the time is up and at least five are done."""
    interpreters = [_interpreter(content, threads) for content in (float_model, converted)]
    taken: tuple[list[float], list[float]] = ([], [])
    began_s = time.perf_counter()
    for index in range(_WARM_UP_ROUNDS + rounds):
        # The order changes from round to round.
        for place in (0, 1) if index % 2 else (1, 0):
            started_ns = time.perf_counter_ns()
            interpreters[place].invoke()
            if index >= _WARM_UP_ROUNDS:
                taken[place].append((time.perf_counter_ns() - started_ns) / 1e6)
        if len(taken[0]) >= _ROUNDS_MIN and time.perf_counter() - began_s > limit_s:
            break
    before_ms, after_ms = (float(np.median(each)) for each in taken)
    return Latency(round(before_ms, 3), round(after_ms, 3), round(after_ms / before_ms, 3), len(taken[0]), threads)


def _interpreter(content: bytes, threads: int) -> Any:
    """As the runtime makes it, with its kernels."""
    from ai_edge_litert.interpreter import Interpreter

    with notes_held_back():
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], np.zeros(each["shape"], each["dtype"]))
    return interpreter
