"""What each source hands over, and the rules for shapes that all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from convert.description import Description
from convert.errors import ConvertError
from convert.floatmodel import Reference

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
"""Input name → [1, …], pictures as [1, height, width, channels]; "" stands for the one picture without a name."""
PICTURE_CHANNELS = (1, 3)


@dataclass(frozen=True, slots=True)
class Converted:
    """A float .tflite before its health check.

    weight_count: elements of the source's weights of two dimensions and more, each different one once: the file must
    hold about as many. 0 where there is nothing to compare with.
    """

    tflite: bytes
    notes: tuple[str, ...]
    weight_count: int = 0
    reference: Reference | None = None


def described_shapes(description: Description | None) -> Shapes:
    """The input shapes that the user's description fixes."""
    if description is None:
        return {}
    given = {each.name: tuple(each.shape) for each in description.vectors if each.shape}
    if description.input.shape:
        given[description.input.name] = tuple(description.input.shape)
    return given


def is_channels_first(dims: Sequence[int | None]) -> bool:
    """Whether a rank-4 input of PyTorch or ONNX is [n, c, h, w]: their custom, unless the last side alone says not."""
    return len(dims) == 4 and not (dims[3] in PICTURE_CHANNELS and dims[1] not in PICTURE_CHANNELS)


def fixed_shape(
    name: str, dims: Sequence[int | None], given: Shapes, *, channels_first: bool = False
) -> tuple[Shape, list[str]]:
    """The shape to convert with, in the layout of `dims`, and notes on what was fixed.

    dims: None for a side that the source leaves open; the first one is the batch, which becomes 1.
    Raises ConvertError for an open side that the description does not give, or that contradicts it.
    """
    sides = list(dims)
    notes = []
    if not sides:
        raise ConvertError(f"expected inputs with a batch dimension, got the scalar {name!r}; export the model without")
    if sides[0] != 1:
        was = "dynamic batch" if sides[0] is None else f"batch of {sides[0]}"
        notes.append(f"input {name}: {was} became 1")
        sides[0] = 1
    wanted = given.get(name) or (given.get("") if len(sides) == 4 else None)
    if wanted is not None:
        if channels_first and len(wanted) == 4:
            wanted = (wanted[0], wanted[3], wanted[1], wanted[2])
        if len(wanted) != len(sides) or any(s not in (None, w) for s, w in zip(sides, wanted, strict=True)):
            raise ConvertError(
                f"expected input {name!r} of shape {list(wanted)} as the description says, got a model with "
                f"{_sides(dims)}; correct the description's shape"
            )
        if None in sides:
            notes.append(f"input {name}: {_sides(dims)} was fixed to {list(wanted)}, as described")
        sides = list(wanted)
    shape = tuple(side for side in sides if side is not None)
    if len(shape) < len(sides):
        example = "[input] shape = [1, 320, 320, 3]" if len(sides) == 4 else f'[[vectors]] name = "{name}", shape = …'
        raise ConvertError(
            f"expected fixed sides of input {name!r}, got {_sides(dims)}; say them in the description: {example}"
        )
    return shape, notes


def _sides(dims: Sequence[int | None]) -> str:
    return "[" + ", ".join("?" if side is None else str(side) for side in dims) + "]"
