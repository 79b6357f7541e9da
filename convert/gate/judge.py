"""The gate as repair wants it: one number a file, less is better, and a limit under which it passes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from convert.cards import make_bundle
from convert.description import Description
from convert.gate import Gate
from convert.gate.result import GateResult

AGREEMENT_LIMIT = 1.0
_MOST = frozenset({"largest probability difference"})
"""Agreement figures of which so much passes at most; of all others at least so much."""


class Judge:
    """With labels: points of the metric that were lost. Without: the worst figure's part of the disagreement allowed.

    begin: called before each judgement, for those who watch.
    """

    def __init__(self, gate: Gate, described: Description, begin: Callable[[], None] = lambda: None) -> None:
        self._gate, self._described, self._begin = gate, described, begin
        self._results: dict[str, GateResult] = {}

    def __call__(self, content: bytes) -> float:
        self._begin()
        result = self._gate.judge(make_bundle(self._described, content))
        self._results[_key(content)] = result
        return loss(result)

    def result(self, content: bytes) -> GateResult:
        """What the gate said of a file that was judged."""
        return self._results[_key(content)]


def loss(result: GateResult) -> float:
    """The number that repair brings down."""
    if result.kind == "task":
        return result.points_lost
    parts = [0.0]
    for each in result.figures:
        if each.limit is not None and each.converted is not None:
            most = each.name in _MOST
            parts.append(each.converted / each.limit if most else (1 - each.converted) / (1 - each.limit))
    return max(parts)


def at_most(name: str) -> bool:
    """Whether a figure's limit is the most that passes."""
    return name in _MOST


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
