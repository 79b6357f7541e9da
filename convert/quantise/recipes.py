"""Recipes as data: how a float model becomes integers. The card keeps the one that was used.

The names are ai-edge-quantizer's: static or dynamic, weights integer of 8 bits, activations integer or float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from convert.errors import ConvertError

RecipeName = Literal["static_wi8_ai8", "static_wi8_ai16", "dynamic_wi8_afp32", "float"]
Precision = Literal["int16", "float"]
ACTIVATION_BITS: dict[str, int | None] = {
    "static_wi8_ai8": 8,
    "static_wi8_ai16": 16,
    "dynamic_wi8_afp32": None,
    "float": None,
}
_EVERYWHERE = ("bias_correction", "equalisation", "clipping")


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one layer gets instead; a layer is named by its output tensor in the float file.

    precision: "int16" activations (its weights stay int8), or the whole layer "float".
    range: the real numbers that the output's integers span; what lies outside is clipped.
    """

    layer: str
    precision: Precision | None = None
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(f"expected a range from low to high for {self.layer!r}, got {self.range}")


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """static_wi8_ai8: int8 in and out, weights per channel, no float inside.

    bias_correction, equalisation, clipping: what the files bias, equalise and ranges do, for all layers.
    Correction is the default: it costs nothing at run time, and of our detector it wins back all that int8 loses.
    """

    name: RecipeName = "static_wi8_ai8"
    bias_correction: bool = True
    equalisation: bool = False
    clipping: bool = False
    overrides: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        layers = [each.layer for each in self.overrides]
        if len(set(layers)) < len(layers):
            raise ValueError(f"expected one override a layer, got {layers}")
        if self.name in {"dynamic_wi8_afp32", "float"} and any(
            each.precision == "int16" or each.range for each in self.overrides
        ):
            raise ValueError(f"expected a static recipe for int16 layers and ranges, got {self.name}")

    @property
    def is_full_integer(self) -> bool:
        """Whether the file must hold no float tensor and no conversion inside."""
        return self.name == "static_wi8_ai8" and all(each.precision is None for each in self.overrides)

    @property
    def is_static(self) -> bool:
        """Whether activations are integers, for which ranges must be known."""
        return ACTIVATION_BITS[self.name] is not None

    def with_override(self, added: Override) -> Recipe:
        """This recipe with one layer's override added or replaced."""
        kept = tuple(each for each in self.overrides if each.layer != added.layer)
        return msgspec.structs.replace(self, overrides=(*kept, added))

    def text(self) -> str:
        """One line for people: the name, and what was done beside it."""
        done = [name.replace("_", " ") for name in _EVERYWHERE if getattr(self, name)]
        for precision in ("int16", "float"):
            count = sum(each.precision == precision for each in self.overrides)
            if count:
                done.append(f"{count} {'layer' if count == 1 else 'layers'} in {precision}")
        return f"{self.name} with {', '.join(done)}" if done else self.name


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe as ai-edge-quantizer reads it: later rules win; a layer's scope is its output names, each with a ';'.

    wide: the layers with int16 activations.
    """

    rules: list[dict[str, Any]]
    wide: frozenset[str]


def plan(recipe: Recipe, layers: Iterable[str], float_ends: Iterable[str] = ()) -> Plan:
    """The recipe for a graph; layers: the names of its layers and inputs, which an override may name.

    float_ends: tensors that stay float whatever the recipe says.

    Raises ConvertError for an override whose layer the graph does not have.
    """
    known = set(layers)
    bits = ACTIVATION_BITS[recipe.name]
    made = [_rule(".*", bits)]
    for each in recipe.overrides:
        if each.layer not in known:
            raise ConvertError(
                f"expected an override for a layer of the model, got {each.layer!r}: name its output tensor"
            )
        if each.precision is not None:
            scope = f"(^|;){re.escape(each.layer)};"
            made.append(_float_rule(scope) if each.precision == "float" else _rule(scope, 16))
    made += [_float_rule(f"(^|;){re.escape(each)};") for each in float_ends]
    other = {each.layer: each.precision for each in recipe.overrides if each.precision is not None}
    return Plan(made, frozenset(each for each in known if other.get(each, f"int{bits}") == "int16"))


def only(layer: str, recipe: Recipe) -> Plan:
    """All float but one layer, which is as the recipe makes it: to see what this layer costs."""
    bits = ACTIVATION_BITS[recipe.name]
    return Plan([_rule(f"(^|;){re.escape(layer)};", bits)], frozenset({layer} if bits == 16 else ()))


def _rule(scope: str, activation_bits: int | None) -> dict[str, Any]:
    weights = {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"}
    config: dict[str, Any] = {
        "weight_tensor_config": weights,
        "compute_precision": "INTEGER",
        "explicit_dequantize": False,
    }
    if activation_bits is not None:
        config["activation_tensor_config"] = {
            "num_bits": activation_bits,
            "symmetric": activation_bits == 16,  # the int16 kernels know no zero point
            "granularity": "TENSORWISE",
            "dtype": "INT",
        }
    return {"regex": scope, "operation": "*", "algorithm_key": "min_max_uniform_quantize", "op_config": config}


def _float_rule(scope: str) -> dict[str, Any]:
    return {**_rule(scope, None), "algorithm_key": "no_quantize"}
