"""An engine without a model: it answers what a script says. For tests and demonstrations of the stages around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle


class ScriptedBackend:
    """Outputs are zeros (for int8, what stands for a low score) until `script` sets them by name."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        del threads
        self.engine = "scripted"
        picture = bundle.card.picture_input
        self._input = np.zeros(picture.shape, dtype=picture.dtype)
        self._outputs = {spec.name: _quiet(spec.shape, spec.dtype) for spec in bundle.card.outputs}
        self.script: Callable[[NDArray[np.generic]], Mapping[str, NDArray[np.generic]]] = lambda _: {}

    def invoke(self, fill: Callable[[NDArray[np.generic]], None]) -> None:
        fill(self._input)
        for name, values in self.script(self._input).items():
            self._outputs[name][:] = values

    def read(self, use: Callable[[Mapping[str, NDArray[np.generic]]], None]) -> None:
        use(self._outputs)


def _quiet(shape: tuple[int, ...], dtype: str) -> NDArray[np.generic]:
    lowest = -20.0 if dtype == "float32" else np.iinfo(dtype).min
    return np.full(shape, lowest, dtype=dtype)
