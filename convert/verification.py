"""Is a bundle still what was converted, and does it answer here as it did then? Needs the extra `runtime` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from convert import golden
from convert.package import LABELS_FILE
from edge import bundle
from edge.bundle import Bundle
from edge.config import Detect, Inference
from edge.detect import Detector
from edge.errors import BundleError, DermedgeError
from edge.inference.base import BACKENDS, InferenceBackend
from edge.loading import open_named

GOLDEN = "golden"
"""The key under the card's `measured`."""
CLOSE_MEAN_STEPS = 4.0
"""Another engine or processor may round otherwise: tflite-runtime 2.14 differs from ai-edge-litert 2.3 by 2 steps on
average on the two models of this repository (`dermedge verify --backend tflite_runtime`). More is no rounding."""


class Check(msgspec.Struct, frozen=True):
    name: Literal["files", "card", "gate", "data", "golden"]
    verdict: Literal["ok", "warn", "FAIL"]
    told: str


class Verification(msgspec.Struct, frozen=True):
    """The checks in the order in which they were made; the first that fails may end them."""

    folder: str
    model: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.verdict != "FAIL" for check in self.checks)


def golden_answers(loaded: Bundle, inference: Inference | None = None) -> dict[str, Any]:
    """What the converter puts into `measured` under GOLDEN; empty for a model that takes more, or less, than a picture.

    Raises BundleError where the card does not fit the model.
    """
    if loaded.card.input is None or loaded.card.vectors:
        return {}
    made: dict[str, Any] = msgspec.to_builtins(golden.ask(loaded, inference or Inference()))
    return made


def verify(folder: Path, inference: Inference) -> Verification:
    """Look at a bundle's folder. A fault is a check that fails, never an exception; only a wrong setting is one."""
    try:
        loaded = bundle.load(folder)
    except DermedgeError as error:
        return Verification(str(folder), "", (Check("files", "FAIL", str(error)),))
    card = loaded.card
    name = f"{card.name} {card.version}"
    files = _files(loaded)
    fits = _card(loaded, inference)
    checks = [files, fits, _gate(loaded), _data(loaded)]
    if fits.verdict != "FAIL":
        checks.append(_golden(loaded, inference))
    return Verification(str(folder), name, tuple(checks))


def _files(loaded: Bundle) -> Check:
    card = loaded.card
    labels = loaded.path / LABELS_FILE
    try:
        listed = labels.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        listed = [label.name for label in card.labels]  # the card has them; the file is for other readers
    except (OSError, UnicodeDecodeError) as error:
        return Check("files", "FAIL", f"expected labels, one a line, in {labels}; {error}: convert the model again")
    if listed != [label.name for label in card.labels]:
        return Check("files", "FAIL", f"expected the card's labels in {labels}, got others: convert the model again")
    return Check("files", "ok", f"the model has the card's SHA-256 {card.model_sha256[:12]}…; card {card.sha256[:12]}…")


def _card(loaded: Bundle, inference: Inference) -> Check:
    """As the runtime opens it. A detector's decode must fit its outputs as well."""
    try:
        if loaded.card.task == "detection":
            engine = Detector(loaded, inference, Detect()).backend.engine
        else:
            loaded.card.picture_input  # noqa: B018 - raises where there is none
            backend: InferenceBackend = open_named(
                "inference.backend", inference.backend, BACKENDS, InferenceBackend, loaded, inference.threads
            )
            engine = backend.engine
    except BundleError as error:
        return Check("card", "FAIL", str(error))
    return Check("card", "ok", f"inputs, outputs and labels are the model's own; {engine} runs it")


def _gate(loaded: Bundle) -> Check:
    card = loaded.card
    if not card.gate.strip():
        return Check(
            "gate", "FAIL", "expected the card to say how the model was judged, got nothing: convert the model again"
        )
    return Check("gate", "ok" if card.gate_kind == "task" else "warn", card.gate)


def _data(loaded: Bundle) -> Check:
    calibration = loaded.card.calibration
    if calibration.weak:
        return Check("data", "warn", f"weak calibration: {'; '.join(calibration.weak)}")
    if not calibration.pictures:
        return Check("data", "warn", "not calibrated with pictures")
    return Check("data", "ok", f"calibrated with {calibration.pictures} pictures of {calibration.source}")


def _golden(loaded: Bundle, inference: Inference) -> Check:
    written = loaded.card.measured.get(GOLDEN)
    if loaded.card.vectors:
        wanted = ", ".join(each.name for each in loaded.card.vectors)
        return Check("golden", "warn", f"not tried: besides a picture the model wants {wanted}")
    now = golden.ask(loaded, inference)
    if not written:
        return Check("golden", "warn", f"{now.engine} answers, but the card has no answers to compare with")
    try:
        before = msgspec.convert(written, type=golden.Golden)
        found = golden.compare(loaded, before, now)
    except (ValueError, TypeError) as error:
        return Check("golden", "FAIL", f"expected answers to the drawn picture in the card; {error}")
    if found.same_bytes:
        return Check("golden", "ok", f"{found.engine} answers a drawn picture as at conversion, byte for byte")
    distance = f"{found.mean_steps:.1f} quantisation steps on average, {found.largest_steps:.0f} at most"
    if found.mean_steps <= CLOSE_MEAN_STEPS:
        return Check("golden", "warn", f"{found.engine} differs from {before.engine} at conversion by {distance}")
    return Check(
        "golden",
        "FAIL",
        f"expected answers near those of {before.engine} at conversion, got {distance} from {found.engine}: do not "
        "rely on this engine on this machine; try another inference.backend",
    )
