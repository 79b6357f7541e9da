"""Calibrated scores and what a card may describe, against what can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.bundle import Anchors, Bundle, Decode, Input, Label, LogisticCalibration, Output, VectorInput
from edge.config import Detect, Inference
from edge.decode import candidates_of
from edge.detect import Decoder, Detector
from edge.errors import BundleError
from edge.preprocess import Letterbox
from tests.edge.cards import bundle

WHOLE = Letterbox(1.0, 0, 0)
CELLS = 16
calibrations = st.one_of(
    st.none(), st.builds(LogisticCalibration, slope=st.floats(0.05, 20), intercept=st.floats(-10, 10))
)
thresholds = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))


def scored(role: str, dtype: str, scale: float, zero_point: int, labels: tuple[Label, ...]) -> Bundle:
    """A 4 × 4 grid of stride 16 whose boxes tell the cell: all are of one size."""
    return bundle(
        outputs=(
            Output("scores", role, (1, 4, 4, len(labels)), dtype, scale, zero_point, 16),  # type: ignore[arg-type]
            Output("distances", "log_distances", (1, 4, 4, 4), "float32", stride=16),
        ),
        labels=labels,
    )


def kept_cells(made: Bundle, raw: NDArray[np.generic], threshold: float) -> dict[int, tuple[int, float]]:
    """{cell: (class, score)} of what reaches the threshold."""
    _, candidates = candidates_of(made, [threshold] * len(made.card.labels))
    found = candidates({"scores": raw, "distances": np.zeros((1, 4, 4, 4), np.float32)})
    columns, rows = ((found.boxes[:, :2] + found.boxes[:, 2:]) / 2 / 16).astype(int).T
    return {
        int(row * 4 + column): (int(kind), float(score))
        for row, column, kind, score in zip(rows, columns, found.classes, found.scores, strict=True)
    }


def exact_scores(made: Bundle, real: NDArray[np.float64]) -> NDArray[np.float64]:
    """(cells, classes) calibrated scores in 64 bits."""
    if made.card.outputs[0].role == "class_probabilities":
        clipped = np.clip(real, 1e-30, 1 - 1e-16)
        real = np.log(clipped) - np.log1p(-clipped)
    given_by = [label.calibration or LogisticCalibration(1.0, 0.0) for label in made.card.labels]
    logits = real * [each.slope for each in given_by] + [each.intercept for each in given_by]
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -700, 700))))


@settings(deadline=None, derandomize=True)
@given(
    first=calibrations,
    second=calibrations,
    threshold=thresholds,
    scale=st.floats(0.002, 0.2),
    zero_point=st.integers(-128, 127),
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["int8 logits", "float logits", "int8 probabilities", "float probabilities"]),
)
def test_a_threshold_keeps_exactly_the_cells_whose_calibrated_score_reaches_it(
    first: LogisticCalibration | None,
    second: LogisticCalibration | None,
    threshold: float,
    scale: float,
    zero_point: int,
    seed: int,
    kind: str,
) -> None:
    rng = np.random.default_rng(seed)
    labels = Label("a", 0.5, first), Label("b", 0.5, second)
    number, _, what = kind.partition(" ")
    role = "class_" + what
    if number == "int8":
        raw: NDArray[np.generic] = rng.integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)
        if what == "probabilities":
            scale, zero_point = 1 / 256, -128
        real = (raw.astype(np.float64) - zero_point) * scale
        made = scored(role, "int8", scale, zero_point, labels)
    else:
        real = rng.uniform(0, 1, (1, 4, 4, 2)) if what == "probabilities" else rng.normal(0, 6, (1, 4, 4, 2))
        raw = real.astype(np.float32)
        made = scored(role, "float32", 0.0, 0, labels)
    exact = exact_scores(made, real.reshape(CELLS, 2))
    kept = kept_cells(made, raw, threshold)
    for cell, row in enumerate(exact):
        best = float(row.max())
        if abs(best - threshold) > 1e-5 or threshold == 0:
            assert (cell in kept) == (best >= threshold)
        if cell in kept:
            assert kept[cell][1] == pytest.approx(row[kept[cell][0]], abs=1e-5)
            assert row[kept[cell][0]] == pytest.approx(best, abs=1e-5)


@settings(deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0.01, 0.99))
def test_no_calibration_is_the_plain_sigmoid_bit_for_bit(seed: int, threshold: float) -> None:
    raw = np.random.default_rng(seed).integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)
    plain = scored("class_logits", "int8", 0.05, 3, (Label("a", 0.5), Label("b", 0.5)))
    logits = (raw.reshape(CELLS, 2).astype(np.float32) - np.float32(3)) * np.float32(0.05)
    least = np.ceil(np.log(threshold / (1 - threshold)) / 0.05 - 1e-6) + 3
    one = np.float32(1)  # numpy 1 makes 64 bits of a scalar of 32 and a number of Python
    expected = {
        cell: (int(row.argmax()), float(one / (one + np.exp(-row.max()))))
        for cell, row in enumerate(logits)
        if raw.reshape(CELLS, 2)[cell].max() >= least
    }
    assert kept_cells(plain, raw, threshold) == expected


def test_zero_keeps_all_even_what_is_surely_nothing() -> None:
    labels = (Label("a", 0.5, LogisticCalibration(20.0, -10.0)),)
    lowest = np.full((1, 4, 4, 1), -128, np.int8)
    assert len(kept_cells(scored("class_logits", "int8", 0.2, 127, labels), lowest, 0.0)) == CELLS
    nothing = np.full((1, 4, 4, 1), -1e4, np.float32)
    kept = kept_cells(scored("class_logits", "float32", 0.0, 0, labels), nothing, 0.0)
    assert len(kept) == CELLS
    assert all(score > 0 for _, score in kept.values()), "suppression drops what has a score of 0"


def test_calibration_decides_the_order_the_label_and_what_suppresses_what() -> None:
    """Logits say b, calibrated scores say a; and of two overlapping cells the calibrated better one is kept."""
    labels = Label("a", 0.1, LogisticCalibration(1.0, 2.0)), Label("b", 0.1, LogisticCalibration(1.0, -2.0))
    made = scored("class_logits", "float32", 0.0, 0, labels)
    scores = np.full((1, 4, 4, 2), -20.0, np.float32)
    scores[0, 1, 1] = [1.0, 2.0]
    scores[0, 1, 2] = [-9.0, 4.0]
    distances = np.full((1, 4, 4, 4), np.log(28 / 16), np.float32)
    [found] = Decoder(made, Detect()).decode({"scores": scores, "distances": distances}, WHOLE, (64, 64))
    assert found.label == "a"
    assert found.score == pytest.approx(1 / (1 + np.exp(-3.0)))


def blazeface() -> Bundle:
    """MediaPipe's face detector for near faces, as its tensors and its options say (Bazarevsky et al. 2019)."""
    return bundle(
        input=Input("input", (1, 128, 128, 3), "float32", mean=127.5, std=127.5, pad_value=0),
        outputs=(
            Output("regressors", "anchor_offsets", (1, 896, 16), "float32", channels=(0, 4)),
            Output("classificators", "class_logits", (1, 896, 1), "float32"),
        ),
        decode=Decode(
            "anchors",
            0.3,
            Anchors((8, 16), (1.0, 1.0), (1.0,), (1.0, 1.0, 1.0, 1.0), repeats=(2, 6), order="xywh", sides="linear"),
        ),
        labels=(Label("face", 0.5),),
    )


def test_blazeface_is_described_by_data() -> None:
    """Two anchors a cell at stride 8, six at 16; offsets in input pixels, x first, sides as they stand."""
    regressors = np.full((1, 896, 16), 7.0, np.float32)
    logits = np.full((1, 896, 1), -100.0, np.float32)
    fine = (3 * 16 + 5) * 2 + 1  # row 3, column 5, the second of two: centre (44, 28)
    coarse = 512 + (5 * 8 + 6) * 6 + 4  # row 5, column 6, the fifth of six: centre (104, 88)
    regressors[0, fine, :4] = [4, -2, 40, 30]
    regressors[0, coarse, :4] = [-4, 2, 20, 24]
    logits[0, [fine, coarse], 0] = 100.0, 2.0
    found = Decoder(blazeface(), Detect()).decode(
        {"regressors": regressors, "classificators": logits}, WHOLE, (128, 128)
    )
    assert [each.box_px for each in found] == [pytest.approx((28, 11, 68, 41)), pytest.approx((90, 78, 110, 102))]
    assert [each.score for each in found] == [1.0, pytest.approx(1 / (1 + np.exp(-2.0)))]
    assert (
        len(
            Decoder(blazeface(), Detect(score_threshold=1.0)).decode(
                {"regressors": regressors, "classificators": logits}, WHOLE, (128, 128)
            )
        )
        == 1
    ), "what is reported as 1 reaches a threshold of 1"


def test_the_documented_card_is_that_one() -> None:
    block = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8").split("```json")[1]
    told = json.loads("{" + block.split("```")[0] + "}")
    card = blazeface().card
    assert msgspec.convert(told["outputs"], tuple[Output, ...]) == card.outputs
    assert msgspec.convert(told["decode"], Decode) == card.decode


def test_scores_and_distances_may_share_one_tensor() -> None:
    shared = bundle(
        outputs=(
            Output("all", "log_distances", (1, 4, 4, 7), "float32", stride=16, channels=(0, 4)),
            Output("all", "class_logits", (1, 4, 4, 7), "float32", stride=16, channels=(4, 6)),
        )
    )
    tensor = np.full((1, 4, 4, 7), -9.0, np.float32)
    tensor[0, 1, 2] = [0, 0, 0, 0, -3, 2, 50]
    [found] = Decoder(shared, Detect()).decode({"all": tensor}, WHOLE, (64, 64))
    assert (found.label, found.box_px) == ("acne_rosacea", pytest.approx((24, 8, 56, 40)))


@pytest.mark.parametrize("channels", [(0, 3), (4, 8), None])
def test_channels_that_do_not_fit_are_refused(channels: tuple[int, int] | None) -> None:
    wrong = bundle(
        outputs=(
            Output("boxes", "log_distances", (1, 4, 4, 7), "float32", stride=16, channels=channels),
            Output("scores", "class_logits", (1, 4, 4, 2), "float32", stride=16),
        )
    )
    with pytest.raises(BundleError, match="16 cells × 4 values in 'boxes'"):
        Decoder(wrong, Detect())


def ready(calibration: LogisticCalibration | None = None) -> Bundle:
    shapes = {"boxes": (1, 10, 4), "classes": (1, 10), "scores": (1, 10), "count": (1,)}
    return bundle(
        outputs=tuple(Output(f"out:{role}", role, shape, "float32") for role, shape in shapes.items()),  # type: ignore[arg-type]
        decode=Decode("boxes"),
        labels=(Label("a", 0.5), Label("b", 0.5, calibration)),
    )


def processed(rows: list[tuple[tuple[float, float, float, float], int, float]]) -> Mapping[str, NDArray[np.generic]]:
    """The four outputs of TFLite_Detection_PostProcess; what follows `count` is left over from before."""
    boxes, classes, scores = (np.full(shape, 0.9, np.float32) for shape in ((1, 10, 4), (1, 10), (1, 10)))
    for index, (box, kind, score) in enumerate(rows):
        boxes[0, index], classes[0, index], scores[0, index] = box, kind, score
    count = np.array([len(rows)], np.float32)
    return {"out:boxes": boxes, "out:classes": classes, "out:scores": scores, "out:count": count}


def test_what_the_model_has_decoded_itself_is_taken_as_it_is() -> None:
    rows = [((0.25, 0.5, 0.5, 1.0), 1, 0.8), ((0.0, 0.0, 0.25, 0.25), 0, 0.6), ((0.6, 0.1, 0.9, 0.3), 0, 0.4)]
    found = Decoder(ready(), Detect()).decode(processed(rows), WHOLE, (64, 64))
    assert [(each.label, each.box_px) for each in found] == [
        ("b", pytest.approx((32, 16, 64, 32))),
        ("a", pytest.approx((0, 0, 16, 16))),
    ]
    assert [each.score for each in found] == pytest.approx([0.8, 0.6])
    assert len(Decoder(ready(), Detect(score_threshold=0)).decode(processed(rows), WHOLE, (64, 64))) == 3
    assert Decoder(ready(), Detect(score_threshold=0)).decode(processed([]), WHOLE, (64, 64)) == []


def test_what_the_model_has_decoded_itself_is_calibrated_too() -> None:
    doubtful = ready(LogisticCalibration(1.0, -2.0))
    found = Decoder(doubtful, Detect(score_threshold=0)).decode(
        processed([((0.25, 0.5, 0.5, 1.0), 1, 0.8), ((0.0, 0.0, 0.25, 0.25), 0, 0.6)]), WHOLE, (64, 64)
    )
    assert [each.label for each in found] == ["a", "b"]
    assert found[1].score == pytest.approx(1 / (1 + np.exp(2 - np.log(4.0))), abs=1e-6)


def test_a_class_without_a_label_is_refused() -> None:
    with pytest.raises(BundleError, match="classes under 2"):
        Decoder(ready(), Detect()).decode(processed([((0, 0, 1, 1), 2, 0.9)]), WHOLE, (64, 64))


def test_ready_boxes_need_all_four_outputs() -> None:
    lame = ready()
    with pytest.raises(BundleError, match="boxes, classes, scores and count"):
        Decoder(bundle(outputs=lame.card.outputs[:3], decode=Decode("boxes")), Detect())


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "classification", "decode": None},
        {"task": "tensors", "decode": None, "labels": (), "input": None},
        {"vectors": (VectorInput("age", (1, 1), "float32"),)},
    ],
)
def test_what_does_not_detect_in_pictures_alone_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="bundle for detection"):
        Detector(bundle(**changes), Inference(backend="scripted"), Detect())
