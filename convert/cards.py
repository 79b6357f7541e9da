"""A description and a .tflite into a card: what the user says, with the file's own names, scales and zero points."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from convert.description import Description
from convert.errors import ConvertError
from convert.inferred import plain_name
from convert.tensors import Tensor, interface
from edge.bundle import Bundle, Calibration, Card, GateKind, Input, Label, Output, VectorInput

NOT_CALIBRATED = Calibration(pictures=0, sha256="", source="none")
NO_GATE = "gate: none"


def float_input(described: Description) -> Input:
    """The picture input before quantisation, as `edge.preprocess` takes it. Only for a completed description."""
    picture = described.input
    if picture.mean is None or picture.std is None:
        raise ConvertError(
            f"expected the range of input {picture.name!r}: --input-range 0,1 or -1,1 or 0,255, as in training"
        )
    return Input(
        name=picture.name,
        shape=picture.shape,  # type: ignore[arg-type]  # completed: it has four sides
        dtype="float32",
        mean=picture.mean,
        std=picture.std,
        pad_value=picture.pad_value,
    )


def make_bundle(
    described: Description,
    content: bytes,
    *,
    recipe: str = "float",
    recipe_detail: Mapping[str, Any] | None = None,
    calibration: Calibration = NOT_CALIBRATED,
    gate: str = NO_GATE,
    gate_kind: GateKind = "none",
    parameters: int = 0,
    mac: int = 0,
    measured: Mapping[str, Any] | None = None,
) -> Bundle:
    """Model and card in memory, of a float or a quantised .tflite of the completed description's model.

    Raises ConvertError where the file's tensors are not the described ones.
    """
    inputs, outputs = interface(content)
    try:
        card = Card(
            format=1,
            name=described.name,
            version=described.version,
            status=described.status,
            notice=described.notice,
            input=_picture(described, inputs),
            outputs=tuple(_outputs(described, outputs)),
            decode=described.decode,
            labels=_labels(described),
            recipe=recipe,
            calibration=calibration,
            gate=gate,
            model_sha256=hashlib.sha256(content).hexdigest(),
            threshold_rule=described.threshold_rule,
            not_covered=described.not_covered,
            caveats=described.caveats,
            sources=described.sources,
            parameters=parameters,
            mac=mac,
            task=described.task or "tensors",
            vectors=tuple(_vectors(described, inputs)),
            recipe_detail=dict(recipe_detail or {}),
            gate_kind=gate_kind,
            measured=dict(measured or {}),
        )
        # Constructors do not check constraints; a card that is read does.
        card = msgspec.convert(msgspec.to_builtins(card), type=Card)
    except (ValueError, TypeError) as error:
        raise ConvertError(f"expected a model that a card can describe, got: {error}") from error
    return Bundle(Path(), card, content)


def match_tensor(name: str, shape: Sequence[int], tensors: Sequence[Tensor]) -> Tensor:
    """The tensor that was `name` in the float file. Quantisers rename what they put a conversion before or after.

    Raises ConvertError where no tensor, or more than one, may be meant.
    """
    by_name = [each for each in tensors if each.name == name]
    by_plain_name = [each for each in tensors if plain_name(each.name) == plain_name(name)]
    by_prefix = [each for each in tensors if each.name.startswith(name) and tuple(each.shape) == tuple(shape)]
    by_shape = [each for each in tensors if tuple(each.shape) == tuple(shape)]
    for found in (by_name, by_plain_name, by_prefix, by_shape):
        if len(found) == 1:
            return found[0]
    listed = ", ".join(f"{each.name} {list(each.shape)}" for each in tensors)
    raise ConvertError(f"expected a tensor {name!r} {list(shape)} in the converted model, got {listed}")


def _picture(described: Description, inputs: Sequence[Tensor]) -> Input | None:
    if not described.has_picture:
        return None
    tensor = match_tensor(described.input.name, described.input.shape, inputs)
    return msgspec.structs.replace(
        float_input(described),
        name=tensor.name,
        dtype=tensor.dtype,
        scale=tensor.scale,
        zero_point=tensor.zero_point,
    )


def _vectors(described: Description, inputs: Sequence[Tensor]) -> list[VectorInput]:
    made = []
    for vector in described.vectors:
        tensor = match_tensor(vector.name, vector.shape, inputs)
        made.append(
            VectorInput(
                name=tensor.name,
                shape=tensor.shape,
                dtype=tensor.dtype,  # type: ignore[arg-type]  # checked by msgspec.convert
                scale=tensor.scale,
                zero_point=tensor.zero_point,
                columns=vector.columns,
            )
        )
    return made


def _outputs(described: Description, outputs: Sequence[Tensor]) -> list[Output]:
    """In the described order; what is not described stands behind it as "tensor"."""
    made, left = [], list(outputs)
    for each in described.outputs:
        tensor = match_tensor(each.name, each.shape, outputs)
        left = [other for other in left if other.name != tensor.name]
        made.append(_output(tensor, each.role, each.stride, each.channels))
    return made + [_output(tensor, "tensor", 0, None) for tensor in left]


def _output(tensor: Tensor, role: Any, stride: int, channels: tuple[int, int] | None) -> Output:
    return Output(
        name=tensor.name,
        role=role,
        shape=tensor.shape,
        dtype=tensor.dtype,  # type: ignore[arg-type]  # checked by msgspec.convert
        scale=tensor.scale,
        zero_point=tensor.zero_point,
        stride=stride,
        channels=channels,
    )


def _labels(described: Description) -> tuple[Label, ...]:
    limits = described.score_thresholds or (described.score_threshold,) * len(described.labels)
    if len(limits) != len(described.labels):
        raise ConvertError(f"expected a score threshold for each of {len(described.labels)} labels, got {len(limits)}")
    return tuple(Label(name, limit) for name, limit in zip(described.labels, limits, strict=True))
