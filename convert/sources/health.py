"""Is the float model sound, and is it still the source? Asked before anything is quantised.

Inputs are seeded and vary smoothly, in the ranges that pictures come in: 0 to 1, -1 to 1 and 0 to 255. A network that
answers all of them alike, or with NaN, is broken before we touch it; one that answers otherwise than its own framework
was converted wrongly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from convert.errors import ConvertError
from convert.floatmodel import Floats, Named, Reference
from convert.graph import POSTPROCESS, dtype_of, is_constant, op_counts, read_model, shape_of
from convert.tensors import Tensor, interface, make_interpreter, run

RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
"""One set of inputs each; the first three are compared with the source."""
COMPARED = 3
DIFFERENCE_LIMIT = 1e-3
"""Largest difference from the source, as a part of the output's spread over the inputs. float32 kernels of different
libraries differ by 1e-6 to 1e-5; swapped weights by 0.1 and more."""
MISSING_LIMIT = 0.05
"""Weights that the file may lack, as a part of those of the source: converters fold some constants away."""
_CONSTANT = 1e-7


def check_ops(content: bytes, where: str) -> list[str]:
    """Raise ConvertError that names the custom and select ops, which no small runtime has. A note on the one it has."""
    special = [op for op in op_counts(read_model(content, where)) if op.kind != "builtin"]
    foreign = [op for op in special if op.name != POSTPROCESS]
    if foreign:
        named = ", ".join(f"{op.name} ({op.kind}, {op.count} times)" for op in foreign)
        raise ConvertError(
            f"expected built-in ops only in {where}, got {named}: replace these layers by ones of built-in ops, or "
            "leave them out of the exported model and do their work after it"
        )
    return [f"ends with {op.name}, which decodes boxes in float: it stays as it is" for op in special]


def check_interface(content: bytes, where: str) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs and outputs. Raises ConvertError for an input that is not float32 or has another batch than 1."""
    inputs, outputs = interface(content)
    for each in inputs:
        if each.dtype != "float32":
            raise ConvertError(
                f"expected float32 inputs in {where}, got {each.name!r} of {each.dtype}: export the model without the "
                "cast in front"
            )
        if each.shape[:1] != (1,):
            raise ConvertError(f"expected a batch of 1 in {where}, got {each.name!r} of shape {list(each.shape)}")
    return inputs, outputs


def check_weights(content: bytes, weight_count: int, where: str) -> None:
    """Raise ConvertError if the file holds fewer weights than the source: then some were lost, or share a place."""
    model = read_model(content, where)
    sizes = {
        tensor.buffer: math.prod(shape_of(tensor))
        for graph in model.subgraphs
        for tensor in graph.tensors
        if is_constant(model, tensor) and dtype_of(tensor) == "float32"
    }
    held = sum(sizes.values())
    if held < weight_count * (1 - MISSING_LIMIT):
        raise ConvertError(
            f"expected about {weight_count:,} weights in the .tflite of {where}, got {held:,}: the conversion lost "
            "some of them (litert-torch does so with weights that are not contiguous)"
        )


def check_source(content: bytes, reference: Reference | None, where: str) -> list[Named]:
    """Is the source itself sound? Asked before its .tflite is held against it. What it answers to the first inputs.

    Without a reference the .tflite is the source, and the list is empty: there is nothing to hold it against.

    Raises ConvertError for NaN or infinity, and for outputs that never change.
    """
    inputs, _ = interface(content)
    samples = [seeded(inputs, index) for index in range(len(RANGES) if reference is None else COMPARED)]
    if reference is None:
        interpreter = make_interpreter(content)
        answers: list[Named] = [run(interpreter, dict(sample)) for sample in samples]
    else:
        answers = [reference(sample) for sample in samples]
    check_finite([answer for answer, limits in zip(answers, RANGES, strict=False) if limits == RANGES[0]], where)
    still = unchanging(answers)
    if len(still) == len(answers[0]):
        raise ConvertError(
            f"expected outputs of {where} that depend on the input, got the same values of {', '.join(still)} for "
            f"{len(answers)} different inputs: the float model itself is broken before conversion; look at its training"
        )
    return [] if reference is None else answers


def check_finite(answers: Sequence[Named], where: str) -> None:
    """Raise ConvertError for NaN or infinity in what a source answers to inputs between 0 and 1."""
    for name in answers[0]:
        if not all(np.isfinite(answer[name]).all() for answer in answers):
            raise ConvertError(
                f"expected numbers in output {name!r} of {where}, got NaN or infinity on inputs between 0 and 1: "
                "the float model itself is broken before conversion; look at its training"
            )


def check_answers(content: bytes, wanted: Sequence[Named], where: str) -> list[str]:
    """Run the file on what its source was asked. wanted: what that said, as check_source gives it. Notes on both.

    Raises ConvertError for a file that answers otherwise than its source.
    """
    inputs, _ = interface(content)
    interpreter = make_interpreter(content)
    samples = [seeded(inputs, index) for index in range(len(RANGES))]
    answers = [run(interpreter, dict(sample)) for sample in samples]
    notes = _compare(answers, wanted, where) if wanted else []
    still = unchanging(answers)
    return notes + [f"output {name} had the same values for all {len(samples)} inputs tried" for name in still]


def unchanging(answers: Sequence[Named]) -> list[str]:
    """The outputs that are the same in all answers."""
    return [name for name in answers[0] if _is_constant([answer[name] for answer in answers])]


def seeded(inputs: Sequence[Tensor], index: int) -> dict[str, Floats]:
    """The set of inputs number `index`: smooth patches with noise on top for pictures, noise for the rest."""
    rng = np.random.default_rng(index)
    low, high = RANGES[index]
    made = {}
    for each in inputs:
        values = rng.random(each.shape)
        if len(each.shape) == 4:
            rows, columns = (np.linspace(0, 4, side).astype(np.intp) for side in each.shape[1:3])
            patches = rng.random((1, 5, 5, each.shape[3]))[:, rows][:, :, columns]
            values = 0.8 * patches + 0.2 * values
        made[each.name] = (low + (high - low) * values).astype(np.float32)
    return made


def _compare(answers: Sequence[Named], wanted: Sequence[Named], where: str) -> list[str]:
    worst = 0.0
    for name in wanted[0]:
        want = np.stack([each[name] for each in wanted]).astype(np.float64)
        got = np.stack([each[name] for each in answers[: len(wanted)]]).astype(np.float64)
        sound = np.isfinite(want)
        if not np.array_equal(sound, np.isfinite(got)):
            raise ConvertError(
                f"expected output {name!r} of the .tflite to be finite where {where} is, got NaN or infinity "
                "elsewhere: the conversion went wrong"
            )
        if not sound.any():
            continue
        spread = float(np.ptp(want[sound])) or max(1.0, float(np.abs(want[sound]).max()))
        difference = float(np.abs(want[sound] - got[sound]).max()) / spread
        if difference > DIFFERENCE_LIMIT:
            raise ConvertError(
                f"expected the .tflite to answer as {where} does, got output {name!r} off by {difference:.2g} of its "
                f"spread (limit {DIFFERENCE_LIMIT:g}) on seeded inputs: the conversion went wrong; nothing was written"
            )
        worst = max(worst, difference)
    return [
        f"on {len(wanted)} seeded inputs the float .tflite answers as the source does: within {worst:.1e} of the spread"
    ]


def _is_constant(values: Sequence[Floats]) -> bool:
    stacked = np.stack(values).astype(np.float64)
    if not np.isfinite(stacked).all():
        return False
    return float(np.ptp(stacked, axis=0).max(initial=0.0)) <= _CONSTANT * float(np.abs(stacked).max(initial=0.0))
