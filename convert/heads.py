"""A detector's outputs: what each stands for, and whether it is laid out as the runtime decodes it (edge/decode.py).

Told before anything slow, and by the tensor's name: an odd layout is a matter of the export, not of the conversion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from convert.description import Description, OutputRole
from convert.errors import ConvertError
from convert.tensors import Tensor
from edge.bundle import Decode, Role

_POSTPROCESSED: tuple[Role, ...] = ("boxes", "classes", "scores", "count")
"""The four outputs of TFLite_Detection_PostProcess, in its order."""
_BOX_VALUES = 4
_SCORES = frozenset({"class_logits", "class_probabilities"})
_GEOMETRY = frozenset({"log_distances", "anchor_offsets"})


def detection(described: Description, outputs: Sequence[Tensor]) -> Description:
    """Decode, roles and strides filled in. Raises ConvertError where shapes leave a doubt or cannot be decoded."""
    decode = described.decode
    if decode is None and is_decoded([each.shape for each in outputs]):
        decode = Decode(kind="boxes")
    if decode is None:
        raise ConvertError(
            f"expected how boxes are decoded from {shapes_of(outputs)}: [decode] with kind distances, anchors or boxes "
            "in --describe TOML"
        )
    roles = described.outputs or tuple(_roles(described, decode, outputs))
    by_name = {each.name: each for each in outputs}
    if decode.kind == "boxes":
        _check_decoded(roles, by_name)
    else:
        roles = tuple(_laid_out(each, by_name[each.name], described, decode) for each in roles)
    return msgspec.structs.replace(described, decode=decode, outputs=roles)


def is_decoded(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether these are boxes (1, n, 4), classes (1, n), scores (1, n) and a count (1,)."""
    if len(shapes) != len(_POSTPROCESSED) or len(shapes[0]) != 3:
        return False
    rows = shapes[0][1]
    return list(shapes) == [(1, rows, _BOX_VALUES), (1, rows), (1, rows), (1,)]


def shapes_of(tensors: Sequence[Tensor]) -> str:
    """Names and shapes, for an error's text."""
    return ", ".join(f"{each.name} {list(each.shape)}" for each in tensors)


def _roles(described: Description, decode: Decode, outputs: Sequence[Tensor]) -> list[OutputRole]:
    if decode.kind == "boxes":
        if not is_decoded([each.shape for each in outputs]):
            raise ConvertError(
                f"expected boxes (1, n, 4), classes (1, n), scores (1, n), count (1), got {shapes_of(outputs)}: list "
                "[[outputs]] with their roles"
            )
        return [OutputRole(each.name, role) for each, role in zip(outputs, _POSTPROCESSED, strict=True)]
    count = len(described.labels)
    geometry: Role = "log_distances" if decode.kind == "distances" else "anchor_offsets"
    sides = [each.shape[-1] if each.shape else 0 for each in outputs]
    if count == _BOX_VALUES or sides.count(count) != sides.count(_BOX_VALUES) or not sides.count(_BOX_VALUES):
        raise ConvertError(
            f"expected as many outputs of {count} labels as of 4 {geometry}, got {shapes_of(outputs)}: check the "
            "labels, or list [[outputs]] with their roles"
        )
    by_side: dict[int, Role] = {count: "class_logits", _BOX_VALUES: geometry}
    return [OutputRole(each.name, by_side[side]) for each, side in zip(outputs, sides, strict=True) if side in by_side]


def _check_decoded(roles: Sequence[OutputRole], by_name: dict[str, Tensor]) -> None:
    """Boxes lie row by row, and for each there is a class and a score."""
    sizes = {each.role: math.prod(by_name[each.name].shape) for each in roles if each.role in _POSTPROCESSED}
    boxes = [by_name[each.name] for each in roles if each.role == "boxes"]
    rows = sizes.get("scores", 0)
    if (
        set(sizes) != set(_POSTPROCESSED)
        or boxes[0].shape[-1:] != (_BOX_VALUES,)
        or (sizes["boxes"], sizes["classes"], sizes["count"]) != (_BOX_VALUES * rows, rows, 1)
    ):
        raise ConvertError(
            "expected for decode 'boxes' outputs boxes [1, n, 4], classes [1, n], scores [1, n] and count [1], got "
            f"{shapes_of([by_name[each.name] for each in roles])}: export the model so, and list [[outputs]] with "
            "their roles"
        )


def _laid_out(role: OutputRole, tensor: Tensor, described: Description, decode: Decode) -> OutputRole:
    """The role with its stride, where the tensor holds values cell by cell."""
    if role.role not in _SCORES | _GEOMETRY:
        return role
    values = len(described.labels) if role.role in _SCORES else _BOX_VALUES
    _check_values(role, tensor, decode, values)
    if decode.kind != "distances":
        return role
    if len(tensor.shape) == 4:
        rows = tensor.shape[1]
        return msgspec.structs.replace(role, stride=role.stride or round(described.input.shape[1] / rows))
    return msgspec.structs.replace(role, stride=_stride(role, tensor, described))


def _check_values(role: OutputRole, tensor: Tensor, decode: Decode, values: int) -> None:
    """Rows of `values` at the last axis, of a batch of 1; a map with several anchors a cell has several rows there."""
    shape, channels = tensor.shape, role.channels
    if channels is not None:
        first, end = channels
        fits = len(shape) > 2 and 0 <= first < end <= shape[-1] and end - first == values
    elif len(shape) == 2:
        fits = values == 1
    elif len(shape) > 3 and decode.kind == "anchors":
        fits = shape[-1] % values == 0
    else:
        fits = len(shape) in (3, 4) and shape[-1] == values
    if fits and shape[0] == 1:
        return
    raise ConvertError(
        f"expected output {tensor.name!r} ({role.role}) as [1, rows, columns, {values}] or, its cells row by row, "
        f"[1, cells, {values}], got {list(shape)}{'' if channels is None else f', channels {list(channels)}'}: "
        "transpose or reshape it before export"
    )


def _stride(role: OutputRole, tensor: Tensor, described: Description) -> int:
    """Of a map that was flattened: the cell's side with which the picture has just so many cells."""
    _, height_px, width_px, _ = described.input.shape
    cells = tensor.shape[1]
    strides = [role.stride] if role.stride else range(1, min(height_px, width_px) + 1)
    found = [each for each in strides if math.ceil(height_px / each) * math.ceil(width_px / each) == cells]
    if not found:
        raise ConvertError(
            f"expected output {tensor.name!r} ({role.role}) as one map [1, rows, columns, {tensor.shape[-1]}] or its "
            f"cells row by row [1, rows * columns, {tensor.shape[-1]}], got {list(tensor.shape)}, which is no whole "
            f"map of a {width_px}x{height_px} picture"
            + (f" in steps of {role.stride}" if role.stride else "")
            + ": give each level an output of its own instead of joining them, or export the maps before they are "
            "flattened"
        )
    whole = [each for each in found if height_px % each == width_px % each == 0]
    return (whole or found)[0]
