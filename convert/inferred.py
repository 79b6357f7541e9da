"""A description's gaps filled in from the model's own shapes, and the two held against each other.

What leaves a doubt is asked for, not guessed: a wrong range or a wrong role makes a model that runs and sees nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from convert.description import Description, OutputRole, Picture, Vector, read_description
from convert.errors import ConvertError
from convert.heads import detection, is_decoded, shapes_of
from convert.tensors import Tensor, interface, make_interpreter
from edge.bundle import Role, Task

_SIDE_MIN_PX = 8
_PROBABILITY_OPS = frozenset({"SOFTMAX", "LOGISTIC"})


def describe(
    content: bytes,
    toml: Path | None = None,
    labels: Path | None = None,
    input_range: tuple[float, float] | None = None,
) -> Description:
    """The whole description of a float .tflite: what the user says, and what follows from the shapes.

    Raises ConvertError where both contradict each other or leave a doubt.
    """
    return complete(read_description(toml, labels, input_range), content)


def complete(described: Description, content: bytes) -> Description:
    """All names, shapes and roles as the float .tflite in `content` has them.

    Raises ConvertError where labels, inputs or outputs do not fit, or the picture's range is not said.
    """
    inputs, outputs = interface(content)
    listed = tuple(
        msgspec.structs.replace(each, name=find_tensor(each.name, outputs, "output").name) for each in described.outputs
    )
    task = described.task or _task(described, outputs)
    picture = _picture(described, inputs)
    if task != "tensors":
        _check_picture(described, picture, inputs, task)
    elif picture.mean is None:
        # Without a range it is an input like any other, and comes as an array.
        picture = msgspec.structs.replace(picture, name="", shape=())
    vectors = _vectors(described, [each for each in inputs if each.name != picture.name])
    described = msgspec.structs.replace(described, task=task, input=picture, vectors=vectors, outputs=listed)
    if task == "classification":
        described = _classification(described, outputs, content)
    elif task == "detection":
        described = detection(described, outputs)
    shapes = {each.name: each.shape for each in outputs}
    roles = tuple(msgspec.structs.replace(each, shape=shapes[each.name]) for each in described.outputs)
    return msgspec.structs.replace(described, outputs=roles)


def _check_picture(described: Description, picture: Picture, inputs: Sequence[Tensor], task: Task) -> None:
    if not picture.name:
        raise ConvertError(
            f"expected a picture input [1, height, width, 3] for {task}, got {shapes_of(inputs)}: convert with "
            'channels last, or describe it as task = "tensors"'
        )
    if not described.labels:
        raise ConvertError(f"expected labels for {task}, got none: --labels FILE, or labels in --describe TOML")
    if picture.mean is None:
        raise ConvertError(
            f"expected the range of input {picture.name!r}, which no file of weights says: --input-range 0,1 or -1,1 "
            "or 0,255, or mean and std under [input] in --describe TOML, as in training"
        )


def find_tensor(name: str, tensors: Sequence[Tensor], kind: str) -> Tensor:
    """The tensor of this name; without "serving_default_" and ":0" where only that makes the difference.

    Raises ConvertError that lists the names there are.
    """
    for alike in (lambda each: each == name, lambda each: plain_name(each) == plain_name(name)):
        found = [each for each in tensors if alike(each.name)]
        if len(found) == 1:
            return found[0]
    names = ", ".join(each.name for each in tensors)
    raise ConvertError(f"expected an {kind} named {name!r}, got {names}: see `dermedge inspect`")


def plain_name(name: str) -> str:
    """A tensor's name as its author wrote it: "serving_default_image:0" → "image"."""
    return re.sub(r":\d+$", "", name).removeprefix("serving_default_").removeprefix("inputs_")


def _picture(described: Description, inputs: Sequence[Tensor]) -> Picture:
    alike = [each for each in inputs if _is_picture(each.shape)]
    vectors = {find_tensor(each.name, inputs, "input").name for each in described.vectors}
    alike = [each for each in alike if each.name not in vectors]
    if described.input.name:
        chosen = find_tensor(described.input.name, inputs, "input")
        if chosen not in alike:
            raise ConvertError(
                f"expected input {chosen.name!r} as a picture [1, height, width, 3] in R, G, B, got "
                f"{list(chosen.shape)}: convert with channels last (or list it under [[vectors]])"
            )
    elif len(alike) > 1:
        names = ", ".join(each.name for each in alike)
        raise ConvertError(f"expected one picture input, got {names}: name it under [input], the others in [[vectors]]")
    elif not alike:
        return msgspec.structs.replace(described.input, name="", shape=())
    else:
        chosen = alike[0]
    return msgspec.structs.replace(described.input, name=chosen.name, shape=chosen.shape)


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[0] == 1 and shape[3] == 3 and min(shape[1:3]) >= _SIDE_MIN_PX


def _vectors(described: Description, inputs: Sequence[Tensor]) -> tuple[Vector, ...]:
    columns = {find_tensor(each.name, inputs, "input").name: each.columns for each in described.vectors}
    for each in inputs:
        wanted, got = math.prod(each.shape), len(columns.get(each.name, ()))
        if got not in (0, wanted):
            raise ConvertError(f"expected {wanted} columns for input {each.name!r} {list(each.shape)}, got {got}")
    return tuple(Vector(each.name, columns.get(each.name, ()), each.shape) for each in inputs)


def _task(described: Description, outputs: Sequence[Tensor]) -> Task:
    roles = {each.role for each in described.outputs}
    shapes = [each.shape for each in outputs]
    if described.decode is not None or roles & {"log_distances", "anchor_offsets", "boxes"} or is_decoded(shapes):
        return "detection"
    if "class_probabilities" in roles or _class_outputs(described, outputs):
        return "classification"
    if described.labels:
        _refuse_labels(described, outputs)
    return "tensors"


def _refuse_labels(described: Description, outputs: Sequence[Tensor]) -> None:
    if len(described.labels) == 2 and len(outputs) == 1 and math.prod(outputs[0].shape) == 1:
        raise ConvertError(
            f"expected one label for the single value of output {outputs[0].name!r}, got 2: name the one whose "
            "probability it is"
        )
    raise ConvertError(
        f"expected labels that match an output, got {len(described.labels)} labels and outputs {shapes_of(outputs)}: "
        "one label for each value of the last axis, in its order; a detector also needs [decode] in --describe TOML"
    )


def _class_outputs(described: Description, outputs: Sequence[Tensor]) -> list[Tensor]:
    count = len(described.labels)
    return [each for each in outputs if count and math.prod(each.shape) == count and each.shape[-1:] == (count,)]


def _classification(described: Description, outputs: Sequence[Tensor], content: bytes) -> Description:
    if described.outputs:
        scores = [each for each in described.outputs if each.role in ("class_logits", "class_probabilities")]
        found = [find_tensor(each.name, outputs, "output") for each in scores]
        if len(scores) != 1 or scores[0].channels is not None or found[0] not in _class_outputs(described, outputs):
            _refuse_labels(described, outputs)
        return described
    found = _class_outputs(described, outputs)
    if len(found) != 1:
        _refuse_labels(described, outputs)
    role: Role = "class_probabilities" if _made_by(content, found[0].name) in _PROBABILITY_OPS else "class_logits"
    return msgspec.structs.replace(described, outputs=(OutputRole(found[0].name, role),))


def _made_by(content: bytes, output: str) -> str:
    """The op that an output comes out of."""
    interpreter = make_interpreter(content)
    index = next(each["index"] for each in interpreter.get_output_details() if each["name"] == output)
    ops = interpreter._get_ops_details()
    return next((str(each["op_name"]) for each in reversed(ops) if index in each["outputs"]), "")
