"""Where a converted model takes or gives float, and why: whoever feeds it integers there would feed it nonsense."""

from __future__ import annotations

from typing import Literal

import msgspec

from convert.graph import dtype_of, read_model
from convert.quantise.layers import float_ends, tensor_name
from convert.quantise.recipes import Recipe


class FloatEnd(msgspec.Struct, frozen=True):
    """One input or output that is float32.

    why "recipe": it keeps activations float; "op": it comes out of TFLite_Detection_PostProcess, which knows nothing
    else; "repair": its layer was left in float.
    """

    name: str
    side: Literal["input", "output"]
    why: Literal["recipe", "op", "repair"]


def ends_in_float(content: bytes, recipe: Recipe) -> tuple[FloatEnd, ...]:
    """The float inputs and outputs of a file that the recipe made."""
    model = read_model(content, "the converted model")
    graph, of_op = model.subgraphs[0], set(float_ends(model))
    made = []
    sides: tuple[tuple[Literal["input", "output"], list[int]], ...] = (
        ("input", list(graph.inputs)),
        ("output", list(graph.outputs)),
    )
    for side, indices in sides:
        for index in indices:
            if dtype_of(graph.tensors[index]) != "float32":
                continue
            name = tensor_name(model, int(index))
            why: Literal["recipe", "op", "repair"] = "op" if name in of_op else "repair"
            made.append(FloatEnd(name, side, why if recipe.is_static or name in of_op else "recipe"))
    return tuple(made)
