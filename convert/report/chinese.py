"""The account of a conversion in short and in Chinese: verdict, reason, what it rests on, and what it leaves open."""

from __future__ import annotations

from collections.abc import Sequence

from convert.gate.result import Cause, Figure, GateResult
from convert.quantise.ends import FloatEnd
from convert.quantise.recipes import Recipe
from convert.report.account import Account
from convert.report.figures import limit_broken, limit_side
from convert.report.markup import megabytes, milliseconds

RECIPES = {
    "static_wi8_ai8": "权重和激活均为 int8",
    "static_wi8_ai16": "权重 int8，激活 int16",
    "dynamic_wi8_afp32": "权重 int8，激活为浮点",
    "float": "未量化",
}
METRICS = {
    "balanced accuracy": "平衡准确率",
    "top-1 agreement but for ties within 0.05": "首选类别一致率（相差不超过 0.05 的并列不计）",
    "top-1 agreement": "首选类别一致率",
    "mean probability difference": "平均概率差",
    "largest probability difference": "最大概率差",
    "share of the float model's detections found again": "浮点模型的检出被重新找到的比例",
    "share of the converted model's detections that the float model has": "转换后模型的检出中浮点模型也有的比例",
    "mean IoU of those found again": "重新找到的框的平均 IoU",
    "lowest cosine of an output": "各输出余弦相似度的最低值",
    "lowest correlation of an output": "各输出相关系数的最低值",
}
CAUSES: dict[Cause, str] = {
    "loss": "损失超过允许值",
    "blind": "浮点模型本身在这些图片上就看不到目标，请检查输入范围、标签顺序和评估集",
    "limit": "指标超出界限",
    "nothing found": "浮点模型在这些图片上没有任何检出，无从比较",
    "constant": "浮点模型本身对所有图片给出相同的输出",
    "not finite": "转换后的模型输出 NaN 或无穷大",
    "float not finite": "浮点模型本身输出 NaN 或无穷大",
}


def sentences(account: Account) -> list[str]:
    """One a line."""
    told = []
    gate = account.gate
    if gate is not None:
        told.append(_gate(gate))
        if gate.causes:
            told.append(f"原因：{'；'.join(_cause(each, gate) for each in gate.causes)}。")
        if gate.weak:
            told.append(_too_few(gate))
        if gate.kind == "agreement":
            told.append("没有带标注的评估图片：只检验了转换后的模型与浮点模型是否一致，没有检验它们是否正确。")
    if account.calibration is not None:
        dropped = account.calibration.duplicates_dropped
        told.append(f"校准图片 {account.calibration.pictures} 张，剔除近似重复 {dropped} 张。")
        if account.calibration.weak:
            told.append("校准集不足（已按要求继续，并记录在模型卡中）。")
    if account.recipe is not None:
        told.append(_recipe(account.recipe, account.float_ends))
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


def _gate(gate: GateResult) -> str:
    verdict = "通过" if gate.passed else "未通过，没有写出模型包"
    first = gate.figures[0] if gate.figures else None
    if gate.kind == "agreement" or first is None or first.float_model is None or first.converted is None:
        return f"检验{verdict}：与浮点模型的一致性，{gate.pictures} 个样本。"
    change = f"损失 {gate.points_lost:.2f}" if gate.points_lost >= 0 else f"提高 {-gate.points_lost:.2f}"
    return (
        f"检验{verdict}：同样的 {gate.pictures} 张图片上，{METRICS.get(gate.metric, gate.metric)} 浮点 "
        f"{first.float_model:.3f}，转换后 {first.converted:.3f}，{change} 个百分点（允许损失 {gate.max_drop:g}）。"
    )


def _cause(cause: Cause, gate: GateResult) -> str:
    if cause != "limit":
        return CAUSES[cause]
    return "；".join(_beyond(each) for each in gate.figures if limit_broken(each))


def _beyond(figure: Figure) -> str:
    side = "至多" if limit_side(figure) == "at most" else "至少"
    return f"{METRICS.get(figure.name, figure.name)}为 {figure.converted:.3f}，要求{side} {figure.limit:g}"


def _too_few(gate: GateResult) -> str:
    left = "无法排除任何损失" if gate.loss_possible is None else f"无法排除 {gate.loss_possible:.1f} 个百分点的损失"
    return f"评估图片太少：{left}；模型卡已注明，运行时会提示。"


def _recipe(recipe: Recipe, ends: Sequence[FloatEnd]) -> str:
    wider = sum(each.precision is not None for each in recipe.overrides) + any(each.why == "op" for each in ends)
    what = RECIPES[recipe.name]
    if wider and recipe.name != "float":
        what += f"，其中 {wider} 层保留更高精度"
    elif recipe.name == "static_wi8_ai8":
        what += "，没有浮点运算"
    sides = [word for side, word in (("input", "输入"), ("output", "输出")) if any(each.side == side for each in ends)]
    what += f"；{'和'.join(sides)}为浮点" if sides else ""
    return f"量化方案 {recipe.name}：{what}。"
