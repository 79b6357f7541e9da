"""LiteRT, and its predecessor tflite-runtime: the only file of edge that imports either.

A held tensor() view makes invoke() raise, so views live inside one call.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, Input, Output
from edge.errors import BundleError, ConfigError
from edge.inference.engine_log import notes_held_back

_MAGIC = b"TFL3"


class LiteRtBackend:
    """ai-edge-litert's interpreter with XNNPACK."""

    _module, _package = "ai_edge_litert.interpreter", "ai-edge-litert"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        if bundle.model[4:8] != _MAGIC:
            raise BundleError(f"expected a TFLite model (bytes 4 to 8: TFL3) in {bundle.path}, got another format")
        interpreter_class = self._import()
        try:
            with notes_held_back():
                self._interpreter = interpreter_class(model_content=bundle.model, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            first_line = str(error).strip().splitlines()[0]
            raise BundleError(
                f"expected a model that {self._package} can run in {bundle.path}, got: {first_line}"
            ) from error
        self._input = self._match(bundle, bundle.card.picture_input, self._interpreter.get_input_details())
        outputs = self._interpreter.get_output_details()
        names = {spec.name for spec in bundle.card.outputs}
        if len(outputs) != len(names):
            raise BundleError(f"expected {len(names)} outputs as the card of {bundle.path} says, got {len(outputs)}")
        self._outputs = {spec.name: self._match(bundle, spec, outputs) for spec in bundle.card.outputs}
        self.engine = f"{self._package} {version(self._package)}"

    def invoke(self, fill: Callable[[NDArray[np.generic]], None]) -> None:
        fill(self._interpreter.tensor(self._input)())
        self._interpreter.invoke()

    def read(self, use: Callable[[Mapping[str, NDArray[np.generic]]], None]) -> None:
        use({name: self._interpreter.tensor(index)() for name, index in self._outputs.items()})

    @classmethod
    def _import(cls) -> Any:
        try:
            version(cls._package)
            return importlib.import_module(cls._module).Interpreter
        except (ImportError, PackageNotFoundError, AttributeError) as error:
            raise ConfigError(
                f"expected the package {cls._package} for this inference backend; {error}; "
                f"`pip install {cls._package}` or choose another inference.backend"
            ) from error

    @staticmethod
    def _match(bundle: Bundle, spec: Input | Output, details: list[dict[str, Any]]) -> int:
        found = next((each for each in details if each["name"] == spec.name), None)
        if found is None:
            names = ", ".join(str(each["name"]) for each in details)
            raise BundleError(f"expected a tensor {spec.name!r} as the card of {bundle.path} says, got {names}")
        shape, dtype = tuple(int(side) for side in found["shape"]), np.dtype(found["dtype"]).name
        if (shape, dtype) != (tuple(spec.shape), spec.dtype):
            raise BundleError(
                f"expected {spec.name!r} as {spec.dtype}{list(spec.shape)} as the card of {bundle.path} says, "
                f"got {dtype}{list(shape)}: convert the model again"
            )
        scale, zero_point = found["quantization"]
        if spec.dtype != "float32" and (not np.isclose(scale, spec.scale, rtol=1e-5) or zero_point != spec.zero_point):
            raise BundleError(
                f"expected {spec.name!r} with scale {spec.scale:g} and zero point {spec.zero_point} as the card of "
                f"{bundle.path} says, got {scale:g} and {zero_point}: convert the model again"
            )
        return int(found["index"])


class TfliteRuntimeBackend(LiteRtBackend):
    """The named predecessor; needs numpy below 2."""

    _module, _package = "tflite_runtime.interpreter", "tflite-runtime"
