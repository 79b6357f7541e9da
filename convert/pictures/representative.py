"""The representative dataset: pictures as the device will see them, from which the quantiser learns its ranges.

What ruins a model here is silent: too few pictures, one picture a hundred times, pictures of something else, an input
that never changes. So these are refused with the figure, or marked in the card where somebody insists.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convert.cards import float_input
from convert.description import Description
from convert.errors import ConvertError
from convert.pictures.domain import DISTANCE_MAX, distance
from convert.pictures.duplicates import first_of_each
from convert.pictures.evaluation import Evaluation
from convert.pictures.examples import Example, read_examples
from convert.pictures.strata import hold_back, spread
from convert.pictures.survey import Survey, survey
from edge.bundle import Calibration
from edge.preprocess import Preprocessor

Floats = NDArray[np.float32]
COUNT_MIN = 100
COUNT_MAX = 400
"""More pictures cost time and move the ranges of min/max calibration no further."""
_LOOKED_AT_MAX = 2000
"""Of a larger set so many are drawn before any is opened."""


class Representative:
    """Different examples, drawn by label with a seed. weak: what is wrong with them, where that was allowed."""

    def __init__(
        self,
        described: Description,
        chosen: Sequence[Example],
        held: Evaluation,
        *,
        told: str,
        duplicates_dropped: int,
        weak: tuple[str, ...],
    ) -> None:
        self.examples = tuple(chosen)
        self.duplicates_dropped = duplicates_dropped
        self.weak = weak
        self.told = told
        self._described = described
        self._held = held

    @property
    def count(self) -> int:
        return len(self.examples)

    def samples(self) -> Iterator[dict[str, Floats]]:
        """The float model's inputs by name, batch 1, one example after the other; the same each time it is called."""
        return samples(self._described, self.examples)

    def held_back(self) -> Evaluation:
        """A fifth of the different examples, never used for calibration; empty where there is an evaluation set."""
        return self._held

    @cached_property
    def sha256(self) -> str:
        """Over names, shapes and values of the inputs in the order used."""
        digest = hashlib.sha256()
        for sample in self.samples():
            for name, values in sorted(sample.items()):
                digest.update(f"{name}{list(values.shape)}".encode())
                digest.update(values.tobytes())
        return digest.hexdigest()

    def calibration(self) -> Calibration:
        """For the card."""
        told = f"{self.told}: {self.count} drawn by label, {self.duplicates_dropped} near-duplicates left out"
        return Calibration(self.count, self.sha256, told, self.weak)


def samples(described: Description, examples: Sequence[Example]) -> Iterator[dict[str, Floats]]:
    """Examples as the float model's inputs by name, batch 1, pictures through `edge.preprocess`."""
    preprocessor = Preprocessor(float_input(described)) if any(each.has_picture for each in examples) else None
    for example in examples:
        sample = {name: np.array(values, dtype=np.float32) for name, values in example.arrays.items()}
        if preprocessor is not None:
            tensor = np.empty(described.input.shape, dtype=np.float32)
            preprocessor.write(example.rgb(), tensor)
            sample[described.input.name] = tensor
        yield sample


def read_representative(
    path: Path,
    described: Description,
    *,
    evaluation: Evaluation | None = None,
    pictures: Path | None = None,
    seed: int = 0,
    allow_weak: bool = False,
) -> Representative:
    """A calibration set for a completed description; formats as in examples.py beside, of a CSV's splits train.

    With an evaluation set nothing is held back, and pictures that are near-duplicates of its own are left out.
    Raises ConvertError for pictures that cannot be read, and, unless allow_weak, for a set that is too small, too far
    from the evaluation set, or has an input that never changes.
    """
    rng = np.random.default_rng(seed)
    examples, told = read_examples(path, described, splits=("train",), pictures=pictures)
    examples = spread(examples, _LOOKED_AT_MAX, rng)
    seen: Survey | None = None
    if examples[0].has_picture:
        seen = survey(examples, told, boxes_known=described.task == "detection")
        known = None if evaluation is None or evaluation.survey is None else evaluation.survey.hashes
        different = np.flatnonzero(first_of_each(seen.hashes, known)).tolist()
        seen = seen.take(different)
    else:
        different = _first_rows(examples)
    dropped = len(examples) - len(different)
    examples = [examples[index] for index in different]
    weak = _weaknesses(examples, seen, evaluation)
    if not examples or (weak and not allow_weak):
        fault = "; ".join(weak) or "no example that is not in the evaluation set"
        of = "of each other" if evaluation is None else "of each other or of the evaluation set"
        copies = f" ({dropped} near-duplicates {of} left out)" if dropped else ""
        raise ConvertError(
            f"expected a calibration set that shows the model what the device will see, got {path}: {fault}{copies}: "
            "add pictures, or go on all the same with --allow-weak-calibration"
        )
    held: list[int] = [] if evaluation is not None else hold_back(examples, rng)
    held_back = Evaluation(
        tuple(examples[index] for index in held),
        f"a fifth of {told}, held back from calibration",
        labelled=False,
        survey=None if seen is None else seen.take(held),
    )
    rest = [example for index, example in enumerate(examples) if index not in set(held)]
    return Representative(
        described, spread(rest, COUNT_MAX, rng), held_back, told=told, duplicates_dropped=dropped, weak=weak
    )


def _first_rows(examples: Sequence[Example]) -> list[int]:
    """Indices of rows of numbers that no row before equals."""
    first: dict[bytes, int] = {}
    for index, example in enumerate(examples):
        first.setdefault(b"".join(values.tobytes() for _, values in sorted(example.arrays.items())), index)
    return sorted(first.values())


def _weaknesses(examples: Sequence[Example], seen: Survey | None, evaluation: Evaluation | None) -> tuple[str, ...]:
    found = []
    if len(examples) < COUNT_MIN:
        found.append(f"{len(examples)} different examples of at least {COUNT_MIN}")
    for name in examples[0].arrays if len(examples) > 1 else ():
        values = np.stack([example.arrays[name] for example in examples])
        if (values == values[0]).all():
            found.append(f"input {name!r} never changes, so its range would be that of one value ({values.flat[0]:g})")
    if seen is not None and examples and evaluation is not None and evaluation.survey is not None:
        apart, feature = distance(seen.features, evaluation.survey.features)
        if apart > DISTANCE_MAX:
            found.append(
                f"{feature} is distributed otherwise than in {evaluation.told}: Kolmogorov-Smirnov distance "
                f"{apart:.2f} of at most {DISTANCE_MAX:g} (0 alike, 1 apart)"
            )
    return tuple(found)
