"""A log line that could come without end, once per kind and minute, with how many it stands for."""

from __future__ import annotations

import logging
import threading

from edge.clock import Clock

EVERY_S = 60.0
KINDS_MAX = 64
"""Kinds are few and named in our code; should they ever come from outside, all beyond these share one line."""


class Repeats:
    """Safe to use from several threads."""

    def __init__(self, log: logging.Logger, clock: Clock, every_s: float = EVERY_S) -> None:
        self._log = log
        self._clock = clock
        self._every_ns = int(every_s * 1e9)
        self._lock = threading.Lock()
        self._told_ns: dict[str, int] = {}
        self._silent: dict[str, int] = {}

    def tell(self, level: int, kind: str, text: str, *details: object) -> None:
        """Log `text % details`, the first of its kind at once; later ones are counted until `every_s` are over."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            if kind not in self._told_ns and len(self._told_ns) >= KINDS_MAX:
                kind = ""
            told_ns = self._told_ns.get(kind)
            if told_ns is not None and now_ns - told_ns < self._every_ns:
                self._silent[kind] = self._silent.get(kind, 0) + 1
                return
            self._told_ns[kind] = now_ns
            silent = self._silent.pop(kind, 0)
        if silent:
            text, details = f"{text} (and %d more like it since the last line)", (*details, silent)
        self._log.log(level, text, *details)
