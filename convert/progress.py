"""How far the converter is: a bar on a terminal, two lines a stage otherwise. On stderr; stdout is data."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TextIO, TypeVar

Stage = Literal["load", "calibrate", "quantise", "evaluate", "repair", "write"]

_T = TypeVar("_T")


class Progress:
    """One stage after the other; the next one ends the last."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._terminal = self._stream is not None and self._stream.isatty()
        self._bar: Any = None
        self._name: Stage | None = None
        self._began_s = 0.0
        self._taken_s: dict[str, float] = {}

    def stage(self, name: Stage, total: int | None = None) -> None:
        """Begin a stage; `total` pictures of it, where they are counted."""
        self.end()
        self._name, self._began_s = name, self._clock()
        if not self._terminal:
            self._line(f"{name} …")
            return
        from tqdm import tqdm

        counted = {} if total else {"bar_format": "{desc} … {elapsed}"}
        self._bar = tqdm(desc=name, total=total, unit=" pictures", file=self._stream, leave=True, **counted)

    def seconds(self) -> dict[str, float]:
        """What each stage has taken so far, over all its turns."""
        if self._name is None:
            return dict(self._taken_s)
        return self._taken_s | {self._name: self._taken_s.get(self._name, 0.0) + self._clock() - self._began_s}

    def end(self) -> None:
        """End the last stage; again is nothing."""
        if self._name is None:
            return
        taken_s = self._clock() - self._began_s
        self._taken_s = self.seconds()
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        else:
            self._line(f"{self._name}: {taken_s:.1f} s")
        self._name = None

    def each(self, items: Iterable[_T]) -> Iterator[_T]:
        """The items; each is a step of the stage that runs while it is taken."""
        for item in items:
            yield item
            if self._bar is not None and self._bar.total:
                self._bar.update()

    def note(self, text: str) -> None:
        """A line for people, beside the bar."""
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        else:
            self._line(text)

    def _line(self, text: str) -> None:
        if self._stream is not None:
            print(text, file=self._stream, flush=True)
