"""The account of a conversion that was repaired, for the tests of its report."""

from __future__ import annotations

from typing import Any

import msgspec

from convert.gate.result import Figure, GateResult, Row, row
from convert.gate.scores import Scores
from convert.latency import Latency
from convert.quantise.recipes import Override, Recipe
from convert.quantise.repair import Step
from convert.quantise.trace import TensorError
from convert.report.account import Account, CalibrationFacts, SourceFacts
from edge import bundle

FIXED = Recipe(overrides=(Override("head/<scores>", "float"),))


def step(what: str, lost: float, bought: float, *, kept: bool = True, recipe: Recipe = Recipe()) -> Step:  # noqa: B008
    return Step(what, recipe, lost, bought, kept, lost <= 0.5, 1.5, 4.0, 90_000, 128)


def account(**changed: Any) -> Account:
    """A detector that was repaired; changed: fields of it."""
    layers = tuple(
        TensorError(f"block_{index}/conv2d;block_{index}/bias", "CONV_2D", 40.0, 10.0, 60.0 - index, 0.999, 0.0)
        for index in range(60)
    )
    gate = GateResult(
        passed=True,
        kind="task",
        task="detection",
        metric="AP50",
        sentence="gate: passed: AP50 0.909 float, 0.905 converted",
        points_lost=0.4,
        pictures=240,
        groups=211,
        pictures_from="val split of boxes.csv",
        max_drop=0.5,
        figures=(Figure("AP50", 0.909, 0.905, -0.004, -0.013, 0.004), Figure("AP50:95", 0.5, 0.49, -0.01, -0.02, 0.0)),
        per_label=(row("lesion", 92, "AP50", 0.925, 0.911),),
        per_source=(row("dermoscopy", 92, "AP50", 0.925, 0.911),),
        per_tone=(
            row("light", 80, "AP50", 0.9, 0.9),
            Row("dark", 3, "AP50", note="too few: 3 of at least 20 pictures"),
        ),
    )
    plain = step("as the recipe says", 41.0, 0.0)
    whole = Account(
        ok=True,
        exit_code=0,
        bundle="out/lesion",
        report="out/lesion/report.html",
        files={"model.tflite": 90_000},
        source=SourceFacts(
            "lesion <v2>.keras", "keras", "ab" * 32, ("input image: dynamic batch became 1",), 300_000, "cd" * 32
        ),
        calibration=CalibrationFacts("train split of boxes.csv", 400, 13, "ef" * 32, ()),
        recipe=FIXED,
        gate=gate,
        steps=(plain, step("clipping", 44.0, -3.0, kept=False), step("head in float", 0.4, 40.6, recipe=FIXED)),
        layers=layers,
        scores=Scores("spread", 200, counts=((5, 0, 10), (4, 1, 10))),
        latency=Latency(4.0, 1.5, 0.375, 50, 1),
        card=bundle.load().card,
        seconds={"load": 3.0},
        peak_memory_bytes=10**9,
        dermedge="0",
        engine="ai-edge-litert",
    )
    return msgspec.structs.replace(whole, **changed)
