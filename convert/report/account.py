"""What one conversion did, as data: for `--json`, for the report, and for the words on the terminal."""

from __future__ import annotations

from typing import Any

import msgspec

from convert.gate.result import GateResult
from convert.gate.scores import Scores
from convert.latency import Latency
from convert.quantise.ends import FloatEnd
from convert.quantise.recipes import Recipe
from convert.quantise.repair import Step
from convert.quantise.trace import TensorError
from edge.bundle import MODEL_FILE, Card


class SourceFacts(msgspec.Struct, frozen=True):
    """The file that somebody brought. notes: what was done to it on the way to a float .tflite."""

    file: str
    kind: str
    sha256: str
    notes: tuple[str, ...]
    float_bytes: int
    float_sha256: str


class CalibrationFacts(msgspec.Struct, frozen=True):
    """The representative dataset. weak: why it should not have been used, where somebody insisted."""

    source: str
    pictures: int
    duplicates_dropped: int
    sha256: str
    weak: tuple[str, ...]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """ok: a bundle was written. What had not come about when it failed is None or empty.

    files: name → bytes. float_ends: inputs and outputs that are no integers. steps: the plain conversion, then repairs.
    layers: in the order in which they run.
    """

    ok: bool
    exit_code: int
    error: str = ""
    bundle: str | None = None
    report: str | None = None
    files: dict[str, int] = {}
    source: SourceFacts | None = None
    calibration: CalibrationFacts | None = None
    recipe: Recipe | None = None
    float_ends: tuple[FloatEnd, ...] = ()
    gate: GateResult | None = None
    steps: tuple[Step, ...] = ()
    layers: tuple[TensorError, ...] = ()
    scores: Scores | None = None
    latency: Latency | None = None
    card: Card | None = None
    seconds: dict[str, float] = {}
    peak_memory_bytes: int = 0
    dermedge: str = ""
    engine: str = ""

    @property
    def repairs(self) -> tuple[Step, ...]:
        """What was tried after the plain conversion."""
        return self.steps[1:]

    @property
    def model_bytes(self) -> int:
        return self.files.get(MODEL_FILE, 0)

    def as_json(self) -> dict[str, Any]:
        """For scripts: everything but the card, of which name, size and hash are enough; it lies in the bundle."""
        table: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(self, card=None))
        del table["card"]
        return table | {"model": None if self.card is None else self._model(self.card)}

    def _model(self, card: Card) -> dict[str, Any]:
        return {
            "name": card.name,
            "version": card.version,
            "task": card.task,
            "sha256": card.model_sha256,
            "bytes": self.model_bytes,
            "parameters": card.parameters,
            "mac": card.mac,
        }
