"""What a card may say, what it may not, and what its hash covers."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge import bundle
from edge.bundle import (
    Anchors,
    Calibration,
    Card,
    Decode,
    Label,
    LogisticCalibration,
    Output,
    VectorInput,
)
from edge.errors import BundleError, StoreError
from tests.edge.cards import card

LATER: dict[str, Any] = {
    "task": "classification",
    "vectors": [],
    "recipe_detail": {"name": "static_wi8_ai8"},
    "gate_kind": "task",
}


def read(table: dict[str, Any]) -> Card:
    return msgspec.json.decode(json.dumps(table), type=Card)


def first_form(made: Card) -> dict[str, Any]:
    """The card's table as the first version of the format wrote it, field by field."""
    table: dict[str, Any] = msgspec.to_builtins(made)
    for name in LATER:
        del table[name]
    for output in table["outputs"]:
        del output["channels"]
    for label in table["labels"]:
        del label["calibration"]
    del table["calibration"]["weak"]
    del table["decode"]["vote_iou"]
    if table["decode"]["anchors"]:
        for name in ("repeats", "order", "sides"):
            del table["decode"]["anchors"][name]
    return table


@pytest.mark.parametrize("decode", [Decode("distances"), Decode("anchors", 0.5, Anchors((16,), (16.0,), (1.0,)))])
def test_a_card_of_the_first_form_is_read_and_keeps_its_hash(decode: Decode) -> None:
    table = first_form(card(decode=decode, measured={"ap50": 0.5}))
    read_back = read(table)
    assert read_back == card(decode=decode, measured={"ap50": 0.5})
    del table["measured"]
    canonical = json.dumps(table, sort_keys=True, separators=(",", ":"))
    assert read_back.sha256 == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"gate_kind": "task"},
        {"recipe_detail": {"name": "float"}},
        {"vectors": (VectorInput("age", (1, 1), "float32", columns=("age",)),)},
        {"labels": (Label("a", 0.5, LogisticCalibration(1.0, 0.0)),)},
        {"calibration": Calibration(0, "0" * 64, "none", weak=("7 pictures",))},
        {"outputs": (Output("o", "tensor", (1, 2), "float32", channels=(0, 1)),)},
        {"decode": Decode("anchors", 0.5, Anchors((16,), (16.0,), (1.0,), repeats=(2,)))},
    ],
)
def test_what_a_later_field_says_is_in_the_hash(changes: dict[str, Any]) -> None:
    said = card(**changes)
    table = json.loads(msgspec.json.encode(said))
    assert read(table) == said
    if "labels" in changes:
        unsaid = card(labels=(Label("a", 0.5),))
    elif "outputs" in changes:
        unsaid = card(outputs=(Output("o", "tensor", (1, 2), "float32"),))
    elif "decode" in changes:
        unsaid = card(decode=Decode("anchors", 0.5, Anchors((16,), (16.0,), (1.0,))))
    else:
        unsaid = card()
    assert said.sha256 != unsaid.sha256


def test_measuring_again_makes_no_other_card() -> None:
    assert card(measured={"ap50": 0.5}).sha256 == card().sha256


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "classification"}, "`decode` for task 'detection'"),
        ({"decode": None}, "`decode` for task 'detection'"),
        ({"decode": None, "task": "classification", "labels": ()}, "labels"),
        ({"decode": None, "task": "classification", "input": None}, "picture input"),
        ({"vectors": (VectorInput("age", (1, 1), "int8"),)}, "scale over 0"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        card(**changes)


def test_a_classifier_and_a_model_without_pictures_have_cards() -> None:
    assert card(task="classification", decode=None).picture_input.shape == (1, 64, 64, 3)
    plain = card(task="tensors", decode=None, labels=(), input=None)
    with pytest.raises(BundleError, match="takes a picture"):
        _ = plain.picture_input


@pytest.mark.parametrize(
    "values",
    [
        {"strides": ()},
        {"strides": (8, 16)},
        {"repeats": (1, 1)},
        {"variances": (1.0, 1.0, 0.0, 1.0)},
        {"aspects": ()},
    ],
)
def test_anchors_that_do_not_hold_together_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Anchors(**({"strides": (8,), "scales_px": (16.0,), "aspects": (1.0,)} | values))


@pytest.mark.parametrize(("slope", "intercept"), [(0.0, 0.0), (-1.0, 0.0), (float("inf"), 0.0), (1.0, float("nan"))])
def test_a_calibration_rises_and_is_finite(slope: float, intercept: float) -> None:
    with pytest.raises(ValueError, match="slope over 0"):
        LogisticCalibration(slope, intercept)


def saved(folder: Path) -> Path:
    model = b"model"
    bundle.save(folder, card(model_sha256=hashlib.sha256(model).hexdigest()), model)
    return folder


def test_what_is_saved_is_loaded_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = saved(tmp_path / "a" / "b")
    assert bundle.load(folder).model == b"model"
    assert {each.name for each in folder.iterdir()} == {bundle.MODEL_FILE, bundle.CARD_FILE}


def test_a_disk_that_fails_leaves_the_bundle_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault is injected: fsync is where a full disk shows itself at the latest."""
    folder = saved(tmp_path)

    def full(descriptor: int) -> None:
        del descriptor
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        bundle.save(folder, card(), b"another")
    assert bundle.load(folder).model == b"model"
    assert {each.name for each in folder.iterdir()} == {bundle.MODEL_FILE, bundle.CARD_FILE}
