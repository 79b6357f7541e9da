"""What the report says, in English and Chinese: no pass in green that is none, no claim that is not so."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import pytest

from convert import report
from convert.gate.agreement import of_detections, of_probabilities, of_tensors
from convert.gate.result import Figure
from convert.quantise.ends import FloatEnd
from convert.quantise.recipes import Recipe
from convert.report import chinese, words
from convert.report.account import Account, CalibrationFacts
from tests.convert.report.accounts import account


def test_too_few_pictures_give_no_number() -> None:
    page = report.render(account())
    line = re.search(r"<tr><td[^>]*>dark</td>.*?</tr>", page)
    assert line is not None
    assert "too few: 3 of at least 20 pictures" in line[0]
    assert not re.search(r"0\.\d", line[0])


def test_a_failed_gate_says_so_first() -> None:
    whole = account()
    assert whole.gate is not None
    failed = account(ok=False, exit_code=65, bundle=None, gate=msgspec.structs.replace(whole.gate, passed=False))
    page = report.render(failed)
    assert page.index("The gate failed: no bundle was written") < page.index("What was done")
    assert "检验未通过，没有写出模型包" in page


def test_agreement_alone_is_no_pass_in_green() -> None:
    judged = account().gate
    assert judged is not None
    gate = msgspec.structs.replace(
        judged,
        kind="agreement",
        task="classification",
        metric="top-1 agreement",
        sentence="gate: agreement only, passed",
        max_drop=None,
        figures=(
            Figure("top-1 agreement", converted=1.0, limit=0.95),
            Figure("largest probability difference", converted=0.05, limit=0.2),
        ),
        per_label=(),
        per_source=(),
        per_tone=(),
    )
    page = report.render(account(gate=gate, scores=None))
    assert 'class="verdict caution"' in page
    assert "nobody has measured whether the model is right" in page
    assert "at least 0.95" in page
    assert "at most 0.2" in page
    assert "没有检验它们是否正确" in page


def test_weak_calibration_is_not_green() -> None:
    facts = CalibrationFacts("folder", 20, 3, "ef" * 32, ("20 different examples of at least 100",))
    page = report.render(account(calibration=facts))
    assert 'class="verdict caution"' in page
    assert page.count("20 different examples of at least 100") == 2


def test_the_words_tell_every_step() -> None:
    told = words.english(account())
    assert any("head in float: 0.40 points lost (+40.60 bought)" in line and "passes" in line for line in told)
    assert any("clipping" in line and "taken back" in line for line in told)
    assert any("int8 but for head/<scores> in float" in line for line in told)
    assert not any("as the recipe says" in line for line in told)


def test_neither_language_claims_that_a_wider_layer_is_int8() -> None:
    assert not any("nothing computed in float" in line for line in words.english(account()))
    assert any("1 层保留更高精度" in line for line in chinese.sentences(account()))
    assert not any("没有浮点运算" in line for line in chinese.sentences(account()))


OP_END, LEFT_END = FloatEnd("boxes", "output", "op"), FloatEnd("scores", "output", "repair")


def test_a_last_op_that_stays_float_is_named() -> None:
    told = account(recipe=Recipe(), steps=(), float_ends=(OP_END,))
    assert any("int8 but for TFLite_Detection_PostProcess" in line for line in words.english(told))
    assert not any("没有浮点运算" in line for line in chinese.sentences(told))
    assert any("输出为浮点" in line for line in chinese.sentences(told))
    whole = account(recipe=Recipe(), steps=())
    assert any("nothing computed in float" in line for line in words.english(whole))
    assert any("没有浮点运算" in line for line in chinese.sentences(whole))


def test_an_output_that_repair_left_in_float_is_no_postprocess() -> None:
    told = "\n".join(words.english(account(float_ends=(LEFT_END,))))
    assert "TFLite_Detection_PostProcess" not in told
    assert "float output: scores, since repair left its layer in float" in told
    assert "float output: scores" in report.render(account(float_ends=(LEFT_END,)))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("static_wi8_ai16", "weights int8, activations int16 but for TFLite_Detection_PostProcess"),
        ("dynamic_wi8_afp32", "weights int8, activations float but for TFLite_Detection_PostProcess"),
        ("float", "nothing quantised."),
    ],
)
def test_no_other_recipe_is_called_int8_throughout(name: Any, what: str) -> None:
    told = words.english(account(recipe=Recipe(name, bias_correction=False), steps=(), float_ends=(OP_END,)))
    (line,) = (each for each in told if each.startswith("Recipe"))
    assert what in line


def failed(*causes: Any, **changed: Any) -> Account:
    gate = account().gate
    assert gate is not None
    gate = msgspec.structs.replace(gate, passed=False, causes=causes, **changed)
    return account(ok=False, exit_code=65, bundle=None, gate=gate)


@pytest.mark.parametrize("cause", list(chinese.CAUSES))
def test_the_chinese_summary_of_a_failed_gate_has_its_reason(cause: Any) -> None:
    figures = (
        Figure("top-1 agreement but for ties within 0.05", converted=0.835, limit=0.95),
        Figure("largest probability difference", converted=0.899, limit=0.2),
        Figure("top-1 agreement", converted=0.5),
    )
    told = "\n".join(chinese.sentences(failed(cause, kind="agreement", figures=figures)))
    (reason,) = (line for line in told.splitlines() if line.startswith("原因："))
    if cause == "limit":
        assert (
            "首选类别一致率（相差不超过 0.05 的并列不计）为 0.835，要求至少 0.95；最大概率差为 0.899，要求至多 0.2"
            in reason
        )
    else:
        assert chinese.CAUSES[cause] in reason
    assert reason in report.render(failed(cause, kind="agreement", figures=figures))


def test_every_figure_of_agreement_has_a_chinese_name() -> None:
    likely, answers = np.eye(3), [[np.eye(3, dtype=np.float32)]]
    for found in (of_probabilities(likely, likely), of_detections([[]], [[]], [0.5]), of_tensors(answers, answers)):
        assert set(found.figures) <= set(chinese.METRICS)


def test_a_pass_on_too_few_pictures_is_no_pass_in_green() -> None:
    gate = account().gate
    assert gate is not None
    for possible, said, said_zh in ((13.7, "a loss of 13.7 points", "13.7 个百分点"), (None, "no loss", "任何损失")):
        weak = account(gate=msgspec.structs.replace(gate, weak=True, loss_possible=possible))
        page = report.render(weak)
        assert 'class="verdict caution"' in page
        assert "The gate passed, but on too few pictures to tell" in page
        assert f"{said} is" in page
        assert any(f"{said} is" in line and "task_weak" in line for line in words.english(weak))
        assert any(said_zh in line for line in chinese.sentences(weak))


def test_an_interval_that_is_no_bootstrap_says_so() -> None:
    gate = account().gate
    assert gate is not None
    exact = Figure("AP50", 0.9, 0.9, 0.0, -0.03, 0.03, method="exact")
    assert "Of AP50 every group says the same" in report.render(
        account(gate=msgspec.structs.replace(gate, figures=(exact,)))
    )
    assert "Clopper" not in report.render(account())


def test_chinese_has_no_english_left_but_names() -> None:
    for line in chinese.sentences(account()):
        assert re.search(r"[\u4e00-\u9fff]", line), line
        assert set(re.findall(r"[A-Za-z_]{4,}[0-9a-z_]*", line)) <= {"static_wi8_ai8"}, line
