"""The account of a conversion in plain words: in full in English, in short in Chinese."""

from __future__ import annotations

from convert.graph import POSTPROCESS
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
    "static_wi8_ai8": "weights and activations int8, nothing computed in float",
    "static_wi8_ai16": "weights int8, activations int16",
    "dynamic_wi8_afp32": "weights int8, activations float",
    "float": "nothing quantised",
}
_RECIPES_ZH = {
    "static_wi8_ai8": "权重和激活均为 int8，没有浮点运算",
    "static_wi8_ai16": "权重 int8，激活 int16",
    "dynamic_wi8_afp32": "权重 int8，激活为浮点",
    "float": "未量化",
}
_METRICS_ZH = {"balanced accuracy": "平衡准确率", "top-1 agreement": "首选类别一致率"}


def english(account: Account) -> list[str]:
    """For a terminal: what was done, what the gate says, and where everything is."""
    told = done(account)
    if account.gate is not None:
        told.append(account.gate.sentence[:1].upper() + account.gate.sentence[1:] + ".")
    if account.ok:
        told.append(f"Bundle in {account.bundle}; what was done and how well it sees stands in {account.report}.")
    return told


def done(account: Account) -> list[str]:
    """One sentence a step, in the order of the work; what belongs to the one before begins with two spaces."""
    told = []
    if account.source is not None:
        told.append(_source(account.source))
        told += [f"  {note}" for note in account.source.notes]
    if account.calibration is not None:
        told += _calibration(account.calibration)
    if account.recipe is not None:
        told.append(_recipe(account.recipe, ends_float=_ends_float(account)))
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


def chinese(account: Account) -> list[str]:
    """The same in short: verdict, what it rests on, and what it does not say."""
    told = []
    gate = account.gate
    if gate is not None:
        told.append(_gate_zh(account))
        if gate.kind == "agreement":
            told.append("没有带标注的评估图片：只检验了转换后的模型与浮点模型是否一致，没有检验它们是否正确。")
    if account.calibration is not None:
        dropped = account.calibration.duplicates_dropped
        told.append(f"校准图片 {account.calibration.pictures} 张，剔除近似重复 {dropped} 张。")
        if account.calibration.weak:
            told.append("校准集不足（已按要求继续，并记录在模型卡中）。")
    if account.recipe is not None:
        told.append(_recipe_zh(account.recipe, ends_float=_ends_float(account)))
    kept = [each for each in account.repairs if each.kept]
    if kept:
        told.append(f"普通转换未通过；共修复 {len(kept)} 步，每一步的收益和代价见下。")
    if account.latency is not None and account.source is not None and account.model_bytes:
        told.append(
            f"文件大小 {megabytes(account.source.float_bytes)} → {megabytes(account.model_bytes)}；"
            f"本机单次推理 {milliseconds(account.latency.float_ms)} → {milliseconds(account.latency.converted_ms)}。"
        )
    told.append("仅供研究和演示，不得用于临床；结果不是诊断。")
    return told


def step(each: Step, kind: str) -> str:
    """What one attempt bought and cost. kind: of the gate, which says what is counted."""
    counted = "points lost" if kind == "task" else "of the disagreement allowed"
    bought = f" ({each.points_bought:+.2f} bought)" if each.points_bought else ""
    cost = f"{each.latency_ms:.2f} ms a run, {each.added_bytes:+,} bytes"
    cost += f", tried in {each.seconds:.0f} s" if each.seconds >= 1 else ""
    verdict = "passes" if each.passed else "not enough"
    return f"{each.what}: {each.points_lost:.2f} {counted}{bought}; {cost}; {verdict if each.kept else 'taken back'}."


def _ends_float(account: Account) -> bool:
    """Whether an int8 file gives float out: TFLite_Detection_PostProcess, the last op, knows nothing else."""
    int8 = account.recipe is not None and account.recipe.name == "static_wi8_ai8"
    return int8 and account.card is not None and any(each.dtype == "float32" for each in account.card.outputs)


def _recipe(recipe: Recipe, *, ends_float: bool) -> str:
    wider = [f"{each.layer} in {each.precision}" for each in recipe.overrides if each.precision is not None]
    wider += [f"{POSTPROCESS}, which knows float alone"] if ends_float else []
    what = f"weights and activations int8 but for {', '.join(wider)}" if wider else RECIPES[recipe.name]
    return f"Recipe {recipe.text()}: {what}."


def _recipe_zh(recipe: Recipe, *, ends_float: bool) -> str:
    wider = sum(each.precision is not None for each in recipe.overrides) + ends_float
    what = f"权重和激活为 int8，其中 {wider} 层保留更高精度" if wider else _RECIPES_ZH[recipe.name]
    return f"量化方案 {recipe.name}：{what}。"


def _source(source: SourceFacts) -> str:
    return f"{source.file} is {KINDS.get(source.kind, source.kind)}; as float .tflite {megabytes(source.float_bytes)}."


def _calibration(facts: CalibrationFacts) -> list[str]:
    dropped = facts.duplicates_dropped
    told = [
        f"Calibrated with {facts.pictures} examples ({facts.source}); "
        f"{dropped} near-duplicate{'' if dropped == 1 else 's'} left out."
    ]
    return told + [f"  weak, used all the same: {reason}" for reason in facts.weak]


def _gate_zh(account: Account) -> str:
    gate = account.gate
    assert gate is not None
    verdict = "通过" if gate.passed else "未通过，没有写出模型包"
    metric = _METRICS_ZH.get(gate.metric, gate.metric)
    first = gate.figures[0] if gate.figures else None
    if gate.kind == "agreement" or first is None or first.float_model is None or first.converted is None:
        return f"检验{verdict}：与浮点模型的一致性，{gate.pictures} 个样本。"
    change = f"损失 {gate.points_lost:.2f}" if gate.points_lost >= 0 else f"提高 {-gate.points_lost:.2f}"
    return (
        f"检验{verdict}：同样的 {gate.pictures} 张图片上，{metric} 浮点 {first.float_model:.3f}，转换后 "
        f"{first.converted:.3f}，{change} 个百分点（允许损失 {gate.max_drop:g}）。"
    )
