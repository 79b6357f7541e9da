"""The account of a conversion in plain words, in full and in English; in short and in Chinese in chinese.py beside."""

from __future__ import annotations

from collections.abc import Sequence

from convert.gate.result import GateResult
from convert.graph import POSTPROCESS
from convert.quantise.ends import FloatEnd
from convert.quantise.recipes import Recipe
from convert.quantise.repair import Step
from convert.report.account import Account, CalibrationFacts, SourceFacts
from convert.report.markup import megabytes, milliseconds

KINDS = {
    "keras": "a Keras model",
    "h5": "a Keras model of the old HDF5 format",
    "saved_model": "a TensorFlow SavedModel",
    "onnx": "an ONNX model",
    "torch": "an exported PyTorch program",
    "tflite": "a float .tflite",
}
RECIPES = {
    "static_wi8_ai8": "weights and activations int8",
    "static_wi8_ai16": "weights int8, activations int16",
    "dynamic_wi8_afp32": "weights int8, activations float",
    "float": "nothing quantised",
}


def english(account: Account) -> list[str]:
    """For a terminal: what was done, what the gate says, and where everything is."""
    told = done(account)
    if account.gate is not None:
        told.append(account.gate.sentence[:1].upper() + account.gate.sentence[1:] + ".")
        if account.gate.weak:
            told.append(too_few(account.gate))
    if account.ok:
        told.append(f"Bundle in {account.bundle}; what was done and how well it sees stands in {account.report}.")
    return told


def too_few(gate: GateResult) -> str:
    """Of a pass that is weak: what it leaves open, and what to do."""
    possible = gate.loss_possible
    left = "no loss is ruled out" if possible is None else f"a loss of {possible:.1f} points is not ruled out"
    return (
        f"Too few evaluation pictures: {left}, so the card says task_weak and `dermedge run` warns. Give --eval more "
        "pictures, of more people."
    )


def done(account: Account) -> list[str]:
    """One sentence a step, in the order of the work; what belongs to the one before begins with two spaces."""
    told = []
    if account.source is not None:
        told.append(_source(account.source))
        told += [f"  {note}" for note in account.source.notes]
    if account.calibration is not None:
        told += _calibration(account.calibration)
    if account.recipe is not None:
        told.append(_recipe(account.recipe, account.float_ends))
        told += [f"  {line}" for line in float_ends(account.float_ends)]
    kind = "task" if account.gate is None else account.gate.kind
    told += [f"Repair {number}: {step(each, kind)}" for number, each in enumerate(account.repairs, 1)]
    if account.model_bytes and account.source is not None and account.latency is not None:
        speed = account.latency
        told.append(
            f"{megabytes(account.source.float_bytes)} became {megabytes(account.model_bytes)}; one run here "
            f"{milliseconds(speed.float_ms)} float, {milliseconds(speed.converted_ms)} converted "
            f"({speed.threads} thread)."
        )
    return told


def step(each: Step, kind: str) -> str:
    """What one attempt bought and cost. kind: of the gate, which says what is counted."""
    counted = "points lost" if kind == "task" else "of the disagreement allowed"
    bought = f" ({each.points_bought:+.2f} bought)" if each.points_bought else ""
    cost = f"{each.latency_ms:.2f} ms a run, {each.added_bytes:+,} bytes"
    cost += f", tried in {each.seconds:.0f} s" if each.seconds >= 1 else ""
    verdict = "passes" if each.passed else "not enough"
    return f"{each.what}: {each.points_lost:.2f} {counted}{bought}; {cost}; {verdict if each.kept else 'taken back'}."


def float_ends(ends: Sequence[FloatEnd]) -> list[str]:
    """What takes or gives float, and why; for the card as well."""
    whys = {
        "recipe": "as the recipe has it",
        "op": f"since {POSTPROCESS} knows float alone",
        "repair": "since repair left its layer in float",
    }
    told = []
    for side in ("input", "output"):
        for why, because in whys.items():
            names = [each.name for each in ends if (each.side, each.why) == (side, why)]
            if names:
                told.append(f"float {side}{'s' if len(names) > 1 else ''}: {', '.join(names)}, {because}")
    return told


def _recipe(recipe: Recipe, ends: Sequence[FloatEnd]) -> str:
    wider = [f"{each.layer} in {each.precision}" for each in recipe.overrides if each.precision is not None]
    wider += [f"{POSTPROCESS}, which knows float alone"] if any(each.why == "op" for each in ends) else []
    what = RECIPES[recipe.name]
    if wider and recipe.name != "float":
        what += f" but for {', '.join(wider)}"
    elif recipe.name == "static_wi8_ai8":
        what += ", nothing computed in float"
    return f"Recipe {recipe.text()}: {what}."


def _source(source: SourceFacts) -> str:
    return f"{source.file} is {KINDS.get(source.kind, source.kind)}; as float .tflite {megabytes(source.float_bytes)}."


def _calibration(facts: CalibrationFacts) -> list[str]:
    dropped = facts.duplicates_dropped
    told = [
        f"Calibrated with {facts.pictures} examples ({facts.source}); "
        f"{dropped} near-duplicate{'' if dropped == 1 else 's'} left out."
    ]
    return told + [f"  weak, used all the same: {reason}" for reason in facts.weak]
