"""The seam for engines, and the table of those that ship."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

BACKENDS = {
    "litert": "edge.inference.litert:LiteRtBackend",
    "tflite_runtime": "edge.inference.litert:TfliteRuntimeBackend",
    "scripted": "edge.inference.scripted:ScriptedBackend",
}
"""Name → "module:Class", imported only when chosen."""


class InferenceBackend(Protocol):
    """One loaded model. Constructed with (bundle, threads); raises BundleError where the card does not fit the model.

    Tensors are lent, not given: a view is valid inside the call that lends it and must not outlive it.
    """

    engine: str
    """The engine's name and version, for cards and reports."""

    def invoke(self, fill: Callable[[NDArray[np.generic]], None]) -> None:
        """Lend the input tensor to `fill`, then run the model once."""

    def read(self, use: Callable[[Mapping[str, NDArray[np.generic]]], None]) -> None:
        """Lend the output tensors by the card's names to `use`."""
