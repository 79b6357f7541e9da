"""The pictures on which the gate compares the float and the int8 model, with or without labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convert.description import Description
from convert.errors import ConvertError
from convert.pictures.examples import Example, read_examples
from convert.pictures.survey import Survey, survey

SPLITS = "val", "test"
"""Of a CSV with a column `split`: val, since the repair of a model chooses by the gate, and test is for reporting."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """told: which pictures these are, for people. survey: None for a model without pictures."""

    examples: tuple[Example, ...]
    told: str
    labelled: bool
    survey: Survey | None

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(example.group for example in self.examples)

    @property
    def tones(self) -> tuple[str, ...]:
        return () if self.survey is None else self.survey.tones


def read_evaluation(
    path: Path, described: Description, *, pictures: Path | None = None, split: str | None = None
) -> Evaluation:
    """A labelled set (see examples.py beside for the formats) for a completed description's model.

    pictures: the folder of a CSV's pictures. split: of a CSV's column `split`; None: val, else test, else all rows.
    Raises ConvertError for pictures that are missing or unreadable, and labels that are not the model's.
    """
    examples, told = read_examples(path, described, splits=SPLITS if split is None else (split,), pictures=pictures)
    if described.task == "detection":
        _check_boxes(path, examples, described)
    elif described.task == "classification":
        _check_labels(path, examples, described)
    seen = survey(examples, told, boxes_known=described.task == "detection") if examples[0].has_picture else None
    return Evaluation(tuple(examples), told, labelled=described.task != "tensors", survey=seen)


def _check_boxes(path: Path, examples: list[Example], described: Description) -> None:
    found = {label for example in examples for label, _ in example.boxes}
    if not found:
        raise ConvertError(f"expected boxes (columns x, y, w, h) in {path}, got none in {len(examples)} pictures")
    _refuse_unknown(path, found - set(described.labels), described)


def _check_labels(path: Path, examples: list[Example], described: Description) -> None:
    bare = next((example.name for example in examples if not example.label), None)
    if bare is not None:
        raise ConvertError(f"expected a label (column label) for every picture in {path}, got none for {bare}")
    found = {example.label for example in examples}
    if len(found) == 1:
        raise ConvertError(f"expected pictures of two labels and more in {path}, got only {found.pop()}")
    if len(described.labels) > 1:
        _refuse_unknown(path, found - set(described.labels), described)
    elif described.labels[0] not in found:
        raise ConvertError(f"expected {described.labels[0]} and others in {path}, got {', '.join(sorted(found))}")


def _refuse_unknown(path: Path, unknown: set[str], described: Description) -> None:
    if unknown:
        raise ConvertError(
            f"expected labels of the model ({', '.join(described.labels)}) in {path}, got {', '.join(sorted(unknown))}"
        )
