"""The last stage: the chosen file compared with the float one, its card, its report, and all of it onto the disk."""

from __future__ import annotations

import datetime as dt
import hashlib
import resource
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from convert import latency, mediapipe, package, report
from convert.cards import make_bundle
from convert.description import Description
from convert.floatmodel import FloatModel
from convert.gate import scores
from convert.gate.judge import Judge
from convert.gate.result import GateResult
from convert.graph import op_counts, parameters, read_model
from convert.pictures.evaluation import Evaluation
from convert.pictures.representative import Representative
from convert.progress import Progress
from convert.quantise.ends import FloatEnd, ends_in_float
from convert.quantise.repair import Attempt, best
from convert.quantise.trace import trace
from convert.report import words
from convert.report.account import Account, CalibrationFacts, SourceFacts
from convert.verification import GOLDEN, golden_answers
from edge import __version__
from edge.bundle import MODEL_FILE, Bundle
from edge.errors import EX_DATA


@dataclass(frozen=True, slots=True)
class Work:
    """What the stages before have made. attempts: the plain conversion first."""

    source: Path
    described: Description
    float_model: FloatModel
    float_bundle: Bundle
    evaluation: Evaluation
    representative: Representative
    attempts: list[Attempt]
    judge: Judge
    threads: int


def finish(work: Work, target: Path, *, export: str | None, progress: Progress) -> Account:
    """Bundle and report, or, where the gate failed, the report alone. Raises StoreError where it cannot write."""
    progress.stage("write")
    chosen = best(work.attempts)
    result = work.judge.result(chosen.content)
    # A file that was not good enough still gets a card, for the report alone.
    speed = latency.compare(work.float_model.tflite, chosen.content)
    ends = ends_in_float(chosen.content, chosen.step.recipe)
    converted = _bundle(work, chosen, result, ends, {"latency": msgspec.to_builtins(speed)})
    extra = {mediapipe.FILE: mediapipe.export(converted)} if export and result.passed else {}
    account = Account(
        ok=result.passed,
        exit_code=0 if result.passed else EX_DATA,
        bundle=str(target) if result.passed else None,
        report=str(target / package.REPORT_FILE if result.passed else package.report_beside(target)),
        files={MODEL_FILE: len(chosen.content)} | {name: len(content) for name, content in extra.items()},
        source=_source(work),
        calibration=_calibration(work),
        recipe=chosen.step.recipe,
        float_ends=ends,
        gate=result,
        steps=tuple(each.step for each in work.attempts),
        layers=tuple(trace(chosen.reference, chosen.content, work.representative.samples)),
        scores=scores.compare(work.described, work.float_bundle, converted, work.evaluation, threads=work.threads),
        latency=speed,
        card=converted.card,
        seconds={stage: round(seconds, 2) for stage, seconds in progress.seconds().items()},
        peak_memory_bytes=_peak_memory_bytes(),
        dermedge=__version__,
        engine=f"ai-edge-litert {version('ai-edge-litert')}",
    )
    if result.passed:
        package.write_bundle(target, converted.card, converted.model, report.render(account), extra)
        return account
    account = msgspec.structs.replace(
        account, error=f"{result.sentence}; no bundle was written; where it broke stands in {account.report}"
    )
    package.write_report(package.report_beside(target), report.render(account))
    return account


def _bundle(
    work: Work, chosen: Attempt, result: GateResult, ends: tuple[FloatEnd, ...], measured: dict[str, Any]
) -> Bundle:
    """Model and card. What was measured or is of this day stands where the card's hash does not cover it."""
    model = read_model(work.float_model.tflite, "the float model")
    caveats = (*work.described.caveats, *words.float_ends(ends))
    made = make_bundle(
        msgspec.structs.replace(work.described, caveats=caveats),
        chosen.content,
        recipe=chosen.step.recipe.name,
        recipe_detail=msgspec.to_builtins(chosen.step.recipe),
        calibration=work.representative.calibration(),
        gate=_judged(result),
        gate_kind=result.card_kind,
        parameters=parameters(model),
        mac=sum(op.mac for op in op_counts(model)),
    )
    measured = {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "engine": f"ai-edge-litert {version('ai-edge-litert')}",
        "gate": msgspec.to_builtins(result),
        GOLDEN: golden_answers(made),
    } | measured
    return msgspec.structs.replace(made, card=msgspec.structs.replace(made.card, measured=measured))


def _judged(result: GateResult) -> str:
    """How it was judged, without the figures: these are measured, and another machine may round them otherwise."""
    if result.kind == "agreement":
        return (
            f"gate: agreement only: {'passed' if result.passed else 'failed'} against the float model on "
            f"{result.pictures} examples ({result.pictures_from}); whether either is right was not measured"
        )
    verdict = "passed on too few pictures to tell" if result.weak else "passed" if result.passed else "failed"
    return (
        f"gate: {verdict}: at most {result.max_drop:g} points of {result.metric} lost "
        f"on {result.pictures} labelled pictures ({result.pictures_from})"
    )


def _source(work: Work) -> SourceFacts:
    model = work.float_model
    digest = hashlib.sha256(model.tflite).hexdigest()
    return SourceFacts(work.source.name, model.kind, model.source_sha256, model.notes, len(model.tflite), digest)


def _calibration(work: Work) -> CalibrationFacts:
    used = work.representative
    return CalibrationFacts(used.told, used.count, used.duplicates_dropped, used.sha256, used.weak)


def _peak_memory_bytes() -> int:
    """Of this process, or of a child where that needed more. Linux counts in KiB, macOS in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
