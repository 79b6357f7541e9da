"""Recipes are data: they go into a card and come back, name layers exactly, and refuse what cannot be."""

from __future__ import annotations

import re

import msgspec
import pytest

from convert.errors import ConvertError
from convert.quantise.recipes import Override, Recipe, only, plan

LAYERS = ("image", "a/Relu;a/BiasAdd", "b+c", "scores")


def rule_of(recipe: Recipe, layer: str) -> str:
    """What the last matching rule makes of a layer, as the quantiser matches: by the names with a ';' after each."""
    found = [each for each in plan(recipe, LAYERS).rules if re.search(each["regex"], f"{layer};")]
    if found[-1]["algorithm_key"] == "no_quantize":
        return "float"
    activation = found[-1]["op_config"].get("activation_tensor_config")
    return "dynamic" if activation is None else f"int{activation['num_bits']}"


def test_a_recipe_comes_back_from_a_card_as_it_was() -> None:
    recipe = Recipe(
        equalisation=True,
        overrides=(Override("scores", "float"), Override("b+c", "int16", (-1.0, 2.0)), Override("image", None, (0, 1))),
    )
    assert msgspec.convert(msgspec.to_builtins(recipe), type=Recipe) == recipe
    assert msgspec.json.decode(msgspec.json.encode(recipe), type=Recipe) == recipe


def test_an_override_is_for_its_layer_alone() -> None:
    recipe = Recipe(overrides=(Override("b+c", "float"), Override("a/Relu;a/BiasAdd", "int16")))
    assert [rule_of(recipe, each) for each in LAYERS] == ["int8", "int16", "float", "int8"]
    assert rule_of(recipe, "bbc") == "int8", "a name is no regular expression"
    assert rule_of(recipe, "xb+c") == "int8", "and no end of another name"
    assert plan(recipe, LAYERS).wide == {"a/Relu;a/BiasAdd"}


@pytest.mark.parametrize(
    ("name", "made"), [("static_wi8_ai8", "int8"), ("static_wi8_ai16", "int16"), ("dynamic_wi8_afp32", "dynamic")]
)
def test_a_name_says_what_activations_become(name: str, made: str) -> None:
    assert {rule_of(msgspec.convert({"name": name}, type=Recipe), each) for each in LAYERS} == {made}


def test_int16_everywhere_is_wide_everywhere_but_where_float() -> None:
    recipe = Recipe("static_wi8_ai16", overrides=(Override("scores", "float"),))
    assert plan(recipe, LAYERS).wide == {"image", "a/Relu;a/BiasAdd", "b+c"}


def test_one_layer_alone_leaves_the_others_float() -> None:
    (rule,) = only("b+c", Recipe()).rules
    assert [bool(re.search(rule["regex"], f"{each};")) for each in LAYERS] == [False, False, True, False]


def test_an_override_for_no_layer_is_refused_by_name() -> None:
    with pytest.raises(ConvertError, match="got 'nowhere'"):
        plan(Recipe(overrides=(Override("nowhere", "float"),)), LAYERS)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"name": "static_wi4"}, "static_wi4"),
        ({"overrides": [{"layer": "a", "precision": "float"}, {"layer": "a"}]}, "one override a layer"),
        ({"overrides": [{"layer": "a", "range": [2, 1]}]}, "from low to high"),
        ({"name": "dynamic_wi8_afp32", "overrides": [{"layer": "a", "precision": "int16"}]}, "static recipe"),
        ({"layers": []}, "layers"),
    ],
)
def test_what_cannot_be_is_refused(table: dict[str, object], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert(table, type=Recipe)


def test_only_the_plain_integer_recipe_promises_integers_throughout() -> None:
    assert Recipe().is_full_integer
    assert Recipe(overrides=(Override("scores", None, (-1, 1)),)).is_full_integer
    assert not Recipe(overrides=(Override("scores", "float"),)).is_full_integer
    assert not Recipe("static_wi8_ai16").is_full_integer
    assert not Recipe("dynamic_wi8_afp32").is_static


def test_replacing_an_override_keeps_one_a_layer() -> None:
    recipe = Recipe().with_override(Override("scores", "int16")).with_override(Override("scores", "float"))
    assert recipe.overrides == (Override("scores", "float"),)
    assert recipe.text() == "static_wi8_ai8 with bias correction, 1 layer in float"
    assert Recipe(bias_correction=False).text() == "static_wi8_ai8"
