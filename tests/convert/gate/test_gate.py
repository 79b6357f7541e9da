"""The gate passes what sees as before, and fails what does not: real files, drawn pictures, LiteRT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from convert.cards import make_bundle
from convert.description import Description, Picture
from convert.errors import ConvertError
from convert.gate import Gate
from convert.gate.result import LABEL_PICTURES_MIN, PICTURES_MIN, GateResult, row
from convert.inferred import complete, describe
from convert.pictures.evaluation import Evaluation, read_evaluation
from convert.pictures.skin_tone import BINS
from edge import bundle
from edge.bundle import Bundle
from edge.errors import BundleError
from edge.frame import Box
from tests.convert.colours import LABELS, describe_file, write
from tests.convert.pictures import drawn_skin
from tests.convert.tiny import WEIGHTS, classifier

TUMOUR = drawn_skin.LABEL


def compared(
    described: Description, before: Bundle, after: Bundle, evaluation: Evaluation, max_drop: float = 0.5
) -> GateResult:
    return Gate(described, before, evaluation, max_drop=max_drop).judge(after)


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> tuple[Description, Evaluation, Path]:
    """The small classification task: its model described, 180 labelled pictures, and where they lie."""
    folder = tmp_path_factory.mktemp("colours")
    described = describe(classifier(), describe_file(folder))
    path = write(folder / "set", 180)
    return described, read_evaluation(path, described), path


def test_int8_passes_with_figures_interval_and_words(colours: tuple[Description, Evaluation, Path]) -> None:
    described, evaluation, _ = colours
    float_bundle, int8_bundle = (make_bundle(described, classifier(int8=each)) for each in (False, True))
    result = compared(described, float_bundle, int8_bundle, evaluation, max_drop=2.0)
    assert (result.passed, result.kind, result.metric) == (True, "task", "balanced accuracy")
    assert (result.pictures, result.groups, result.max_drop) == (180, 30, 2.0)
    metric = result.figures[0]
    assert metric.float_model is not None
    assert 0.7 < metric.float_model < 1.0, "a task that is too easy would tell nothing"
    assert metric.low is not None
    assert metric.high is not None
    assert metric.low <= metric.difference <= metric.high
    assert result.points_lost == pytest.approx(-100 * metric.difference)
    assert "on the same 180 pictures (set.csv)" in result.sentence
    assert "95% interval of the loss" in result.sentence
    assert len(result.sentence.splitlines()) == 1
    assert [each.name for each in result.per_label] == list(LABELS)
    assert [(each.name, each.pictures) for each in result.per_source] == [("source_0", 90), ("source_1", 90)]
    assert msgspec.json.decode(msgspec.json.encode(result), type=GateResult) == result
    assert result == compared(described, float_bundle, int8_bundle, evaluation, max_drop=2.0)


def test_tones_of_too_few_pictures_have_no_figures(colours: tuple[Description, Evaluation, Path]) -> None:
    described, evaluation, _ = colours
    result = compared(described, *[make_bundle(described, classifier())] * 2, evaluation)
    assert [each.name for each in result.per_tone] == [*BINS, "no skin seen"]
    assert sum(each.pictures for each in result.per_tone) == 180
    few = [each for each in result.per_tone if each.pictures < PICTURES_MIN]
    many = [each for each in result.per_tone if each.pictures >= PICTURES_MIN]
    assert few
    assert many
    assert all((each.float_model, each.difference) == (None, None) and "too few" in each.note for each in few)
    assert all(each.float_model is not None and each.difference == 0 for each in many)


def test_a_model_that_lost_a_label_fails(colours: tuple[Description, Evaluation, Path]) -> None:
    described, evaluation, _ = colours
    gate = Gate(described, make_bundle(described, classifier()), evaluation)
    result = gate.judge(make_bundle(described, classifier(int8=True, bias=[0, 0, -4])))
    assert not result.passed
    assert (result.causes, result.weak) == (("loss",), False)
    assert result.points_lost > 5
    assert result.sentence.startswith("gate: failed: balanced accuracy")
    by_label = {each.name: each.difference for each in result.per_label}
    assert by_label["bluish"] is not None
    assert by_label["bluish"] < -0.2
    assert gate.judge(make_bundle(described, classifier())).points_lost == 0


def test_a_card_with_a_wrong_scale_fails(colours: tuple[Description, Evaluation, Path]) -> None:
    described, evaluation, _ = colours
    described = msgspec.structs.replace(described, outputs=(describe_logits(described),))
    float_bundle, int8_bundle = (make_bundle(described, classifier(int8=each, softmax=False)) for each in (False, True))
    gate = Gate(described, float_bundle, evaluation, max_drop=2.0)
    assert gate.judge(int8_bundle).passed
    card = int8_bundle.card
    turned = msgspec.structs.replace(card.outputs[0], scale=-card.outputs[0].scale)
    wrong = Bundle(Path(), msgspec.structs.replace(card, outputs=(turned,)), int8_bundle.model)
    assert not gate.judge(wrong).passed


def describe_logits(described: Description) -> Any:
    return msgspec.structs.replace(described.outputs[0], role="class_logits")


def test_a_float_model_that_does_not_see_does_not_pass(colours: tuple[Description, Evaluation, Path]) -> None:
    described, evaluation, _ = colours
    blind = make_bundle(described, classifier(np.zeros_like(WEIGHTS), bias=[1, 0, 0]))
    result = compared(described, blind, blind, evaluation)
    assert (result.passed, result.points_lost, result.causes) == (False, 0.0, ("blind",))
    assert "not surely better than chance (0.333): check --input-range" in result.sentence


def test_labels_in_another_order_are_caught(colours: tuple[Description, Evaluation, Path]) -> None:
    _, evaluation, _ = colours
    described = complete(Description(labels=LABELS[::-1], input=Picture(mean=0.0, std=255.0)), classifier())
    swapped = make_bundle(described, classifier())
    assert "labels' order" in compared(described, swapped, swapped, evaluation).sentence


def test_few_groups_give_no_interval(colours: tuple[Description, Evaluation, Path]) -> None:
    described, evaluation, _ = colours
    examples = tuple(replace(each, group=each.group[-1]) for each in evaluation.examples[:54])
    few = Evaluation(examples, "few", labelled=True, survey=None)
    result = compared(described, *[make_bundle(described, classifier())] * 2, few)
    assert result.groups < 10
    assert (result.figures[0].low, result.figures[0].method, result.loss_possible) == (None, "", None)
    assert "nothing can be said of how sure that is" in result.sentence
    assert (result.passed, result.weak, result.card_kind) == (True, True, "task_weak")
    assert result.per_tone == ()


@pytest.mark.parametrize("count", [3, 18, 90])
def test_a_pass_on_too_few_pictures_is_marked(colours: tuple[Description, Evaluation, Path], count: int) -> None:
    """Where int8 answers as float does, an interval from 0 to 0 would claim that it always will."""
    described, evaluation, _ = colours
    float_bundle = make_bundle(described, classifier())
    other = make_bundle(described, classifier(WEIGHTS * 1.000001))
    alike = tuple(replace(each, group=each.name) for each in evaluation.examples[:count])
    result = compared(described, float_bundle, other, Evaluation(alike, "few", labelled=True, survey=None))
    metric = result.figures[0]
    if not result.passed:  # of three pictures the float model may not see one
        assert "the float model itself" in result.sentence
        return
    assert (result.points_lost, result.weak) == (0.0, count < 73)
    if count < 10:
        assert metric.low is None
        return
    limit = 1 - 0.025 ** (1 / count)
    assert (metric.low, metric.high) == (pytest.approx(-limit), pytest.approx(limit))
    assert metric.method == "exact"
    assert result.loss_possible == pytest.approx(100 * limit)
    assert "exact limit of Clopper and Pearson" in result.sentence
    assert result.sentence.startswith("gate: passed on too few pictures to tell: ") == result.weak
    assert result.card_kind == ("task_weak" if result.weak else "task")


def test_the_same_file_twice_needs_no_interval(colours: tuple[Description, Evaluation, Path]) -> None:
    described, evaluation, _ = colours
    result = compared(described, *[make_bundle(described, classifier())] * 2, evaluation)
    metric = result.figures[0]
    assert (metric.low, metric.high, metric.method, result.weak) == (0.0, 0.0, "same file", False)
    assert "both are the same file" in result.sentence


def test_there_must_be_pictures(colours: tuple[Description, Evaluation, Path]) -> None:
    described, _, _ = colours
    with pytest.raises(ConvertError, match="got none: --eval"):
        Gate(described, make_bundle(described, classifier()), Evaluation((), "none", labelled=False, survey=None))


def test_a_detector_that_sees_passes_and_one_that_sees_wrongly_fails() -> None:
    described, evaluation = drawn_skin.detector(), drawn_skin.evaluation(labelled=True)
    shipped = bundle.load()
    gate = Gate(described, make_bundle(described, shipped.model), evaluation)
    same = gate.judge(make_bundle(described, shipped.model))
    assert (same.passed, same.points_lost, same.metric) == (True, 0.0, "AP50")
    assert [each.name for each in same.figures][:2] == ["AP50", "AP50:95"]
    assert [(each.name, each.pictures) for each in same.per_label] == [(TUMOUR, 24), ("acne_rosacea", 0)]
    ruined = make_bundle(described, drawn_skin.with_weights_negated("log_distances"))
    lost = gate.judge(ruined)
    assert not lost.passed
    assert lost.points_lost > 20
    assert lost.per_label[0].difference is not None
    assert lost.per_label[0].difference < -0.2


def test_a_card_that_is_not_the_files_is_refused_by_the_engine() -> None:
    described, evaluation = drawn_skin.detector(), drawn_skin.evaluation(labelled=True)
    shipped = bundle.load()
    outputs = tuple(msgspec.structs.replace(each, scale=each.scale * 2) for each in shipped.card.outputs)
    lying = Bundle(Path(), msgspec.structs.replace(shipped.card, outputs=outputs), shipped.model)
    gate = Gate(described, make_bundle(described, shipped.model), evaluation)
    with pytest.raises(BundleError, match="scale"):
        gate.judge(lying)


def test_one_label_of_one_value(tmp_path: Path) -> None:
    weights = (WEIGHTS[:1] / 4).astype(np.float32)
    described = complete(
        Description(labels=("reddish",), input=Picture(mean=0.0, std=255.0)), classifier(weights, softmax=False)
    )
    evaluation = read_evaluation(write(tmp_path / "set", 60), described)
    result = compared(described, *[make_bundle(described, classifier(weights, softmax=False))] * 2, evaluation)
    assert [each.name for each in result.per_label] == ["not_reddish", "reddish"]
    assert [each.pictures for each in result.per_label] == [40, 20]
    assert result.passed


def test_labels_of_the_evaluation_set_are_the_models(
    tmp_path: Path, colours: tuple[Description, Evaluation, Path]
) -> None:
    described, _, _ = colours
    path = write(tmp_path / "set", 6)
    text = path.read_text()
    for wrong, complaint in (
        (text.replace("bluish", "blueish"), "got blueish"),
        (text.replace("bluish", ""), "got none for 2.png"),
        (text.replace("greenish", "bluish").replace("reddish", "bluish"), "got only bluish"),
    ):
        path.write_text(wrong)
        with pytest.raises(ConvertError, match=complaint):
            read_evaluation(path, described)
    boxed = msgspec.structs.replace(described, task="detection")
    path.write_text(text)
    with pytest.raises(ConvertError, match="expected boxes"):
        read_evaluation(path, boxed)


def test_rows_say_why_they_are_empty() -> None:
    assert row("a", PICTURES_MIN - 1, "AP50", 0.5, 0.5).note == "too few: 19 of at least 20 pictures"
    assert row("a", PICTURES_MIN, "AP50", float("nan"), 0.5).note == "nothing to find in these pictures"
    assert row("a", PICTURES_MIN, "AP50", 0.5, 0.25).difference == -0.25


def test_in_a_part_a_rare_label_is_left_out_and_that_is_said() -> None:
    described, evaluation = drawn_skin.detector(), drawn_skin.evaluation(labelled=True)
    (first, *rest) = evaluation.examples
    rare = replace(first, boxes=(*first.boxes, ("acne_rosacea", Box(5, 5, 25, 25))))
    mixed = Evaluation((rare, *rest), "drawn", labelled=True, survey=None)
    shipped = make_bundle(described, bundle.load().model)
    (source,) = compared(described, shipped, shipped, mixed).per_source
    assert (source.note, LABEL_PICTURES_MIN) == (f"of {TUMOUR}", 10)
    assert source.float_model is not None
    assert source.float_model > 0.5


def test_the_shipped_detector_on_the_projects_own_pictures(data_folder: Path) -> None:
    """The CSV that the format is named after: read whole, val chosen, and a model as good as itself."""
    described = drawn_skin.detector()
    evaluation = read_evaluation(data_folder / "boxes.csv", described)
    assert evaluation.told == "val split of boxes.csv"
    part = tuple(each for each in evaluation.examples if each.source == "trc_dermoscopy")[:30]
    few = Evaluation(part, evaluation.told, labelled=True, survey=None)
    same = make_bundle(described, bundle.load().model)
    result = compared(described, same, same, few)
    assert result.passed
    assert result.figures[0].float_model is not None
    assert result.figures[0].float_model > 0.7
