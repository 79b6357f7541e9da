"""One conversion from end to end: source → float .tflite → representative set → int8 → gate → repair → bundle.

Nothing is written before the gate has spoken: a bundle where it passed, and only the report where it did not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from convert import package, sources
from convert.cards import make_bundle
from convert.description import Description, read_description
from convert.errors import ConvertError
from convert.finish import Work, finish
from convert.floatmodel import FloatModel
from convert.gate import MAX_DROP_POINTS, Gate
from convert.gate.judge import AGREEMENT_LIMIT, Judge
from convert.gate.soundness import check_float
from convert.inferred import complete
from convert.pictures.evaluation import Evaluation, read_evaluation
from convert.pictures.representative import Representative, read_representative
from convert.progress import Progress
from convert.quantise.recipes import Recipe, RecipeName
from convert.quantise.repair import Attempt, repair
from convert.report import words
from convert.report.account import Account


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, as the command line has it. max_drop: points. export: "mediapipe" or None."""

    source: Path
    calibration: Path
    out: Path
    describe: Path | None = None
    labels: Path | None = None
    input_range: tuple[float, float] | None = None
    evaluation: Path | None = None
    pictures: Path | None = None
    recipe: RecipeName = "static_wi8_ai8"
    max_drop: float = MAX_DROP_POINTS
    max_float_layers: int = 3
    seed: int = 0
    allow_weak: bool = False
    export: str | None = None


def convert(order: Order, progress: Progress) -> Account:
    """The whole of it. A gate that fails is an account that says so; everything else that goes wrong is raised."""
    try:
        package.check_target(order.out, room_bytes=_size(order.source))
        _check_paths(order)
        asked = read_description(order.describe, order.labels, order.input_range)
        progress.stage("load")
        float_model = sources.load(order.source, description=asked)
        described = _named(complete(asked, float_model.tflite), order)
        _check_export(described, order)
        unlabelled = _unlabelled(asked, described)
        for line in unlabelled:
            progress.note(f"  {line}")
        progress.stage("calibrate")
        evaluation, representative = _read_pictures(order, described)
        float_model = replace(float_model, notes=(*float_model.notes, *unlabelled))
        work = _quantised(order, described, float_model, evaluation, representative, progress)
        return finish(work, order.out, export=order.export, progress=progress)
    finally:
        progress.end()


def _size(source: Path) -> int:
    """Bytes of the source. The bundle is mostly a quarter of it; with report and variant it stays below."""
    files = source.rglob("*") if source.is_dir() else [source]
    return sum(each.stat().st_size for each in files if each.is_file())


def _check_paths(order: Order) -> None:
    """Before anything slow."""
    wanted = {
        "a model": order.source,
        "a calibration set": order.calibration,
        "an evaluation set": order.evaluation,
        "the evaluation set's pictures": order.pictures,
    }
    for what, path in wanted.items():
        if path is not None and not path.exists():
            raise ConvertError(f"expected {what} at {path}, got nothing there: check the path")


def _named(described: Description, order: Order) -> Description:
    """The bundle's folder gives the name where the description does not."""
    given = described.name != Description().name
    return described if given else msgspec.structs.replace(described, name=order.out.absolute().name[:80])


def _unlabelled(asked: Description, described: Description) -> list[str]:
    """A line where nobody said what the model is for, so that it is taken for a box of tensors."""
    if described.task != "tensors" or asked.task == "tensors":
        return []
    return [
        "no labels were given, so what the outputs mean is not known, and both models are only compared tensor by "
        'tensor: for a classifier give --labels FILE, for a detector --describe TOML; or say task = "tensors" there'
    ]


def _check_export(described: Description, order: Order) -> None:
    if order.export and (described.decode is None or described.decode.kind == "boxes"):
        raise ConvertError(
            f"expected a detector with raw outputs for --export {order.export}, got task {described.task!r}"
            f"{'' if described.decode is None else ' that decodes its boxes itself'}: leave --export out"
        )


def _read_pictures(order: Order, described: Description) -> tuple[Evaluation, Representative]:
    evaluation = None
    if order.evaluation is not None:
        evaluation = read_evaluation(order.evaluation, described, pictures=order.pictures)
    representative = read_representative(
        order.calibration, described, evaluation=evaluation, seed=order.seed, allow_weak=order.allow_weak
    )
    return evaluation or representative.held_back(), representative


def _quantised(
    order: Order,
    described: Description,
    float_model: FloatModel,
    evaluation: Evaluation,
    representative: Representative,
    progress: Progress,
) -> Work:
    """The plain conversion and, where it does not pass, its repairs."""
    progress.stage("evaluate")
    threads = _threads()
    float_bundle = make_bundle(described, float_model.tflite)
    check_float(float_bundle, evaluation, threads)
    gate = Gate(described, float_bundle, evaluation, max_drop=order.max_drop, threads=threads, seed=order.seed)
    attempts: list[Attempt] = []
    judge = Judge(gate, described, lambda: None if attempts else progress.stage("evaluate"))
    progress.stage("quantise", representative.count)
    for attempt in repair(
        float_model.tflite,
        Recipe(name=order.recipe),
        lambda: progress.each(representative.samples()),
        described.input_ranges,
        judge,
        limits=described.output_limits,
        max_drop=order.max_drop if evaluation.labelled else AGREEMENT_LIMIT,
        max_float_layers=order.max_float_layers,
        threads=threads,
    ):
        attempts.append(attempt)
        result = judge.result(attempt.content)
        if not (len(attempts) == 1 and attempt.step.passed):
            progress.note(f"  {words.step(attempt.step, result.kind)}")
        if attempt.step.passed and not result.passed:
            break  # the float model itself does not see: nothing that repair could bring back
        if len(attempts) == 1 and not attempt.step.passed:
            progress.stage("repair")
    return Work(
        order.source, described, float_model, float_bundle, evaluation, representative, attempts, judge, threads
    )


def _threads() -> int:
    """Of the engine: the result is the same with any number."""
    return min(2, len(os.sched_getaffinity(0)))
