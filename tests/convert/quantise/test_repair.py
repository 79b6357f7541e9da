"""Repair of a detector that is made to break, with the real gate: plain conversion ruins it, repair brings it back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

pytest.importorskip("ai_edge_quantizer", reason="the workshop's environment has ai-edge-quantizer")
pytest.importorskip("keras", reason="the workshop's environment has TensorFlow")

from convert.cards import make_bundle
from convert.description import Description
from convert.gate import Gate
from convert.gate.judge import Judge
from convert.inferred import describe
from convert.pictures.evaluation import read_evaluation
from convert.pictures.representative import read_representative
from convert.quantise.ranges import Samples
from convert.quantise.recipes import Override, Recipe
from convert.quantise.repair import Attempt, Step, best, repair
from convert.quantise.trace import noise_fraction
from convert.sources.keras import to_float
from convert.tensors import interface
from models import fragile
from tests.convert.quantise.chains import SIDE_PX, Chain, samples

pytestmark = [
    pytest.mark.heavy_workshop,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@dataclass
class Room:
    content: bytes
    described: Description
    samples: Samples
    judge: Judge

    def repair(self, **options: int) -> list[Attempt]:
        limits = {"max_drop": 0.5} | options
        return list(
            repair(self.content, Recipe(), self.samples, self.described.input_ranges, self.judge, **limits)  # type: ignore[arg-type]
        )


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    folder = tmp_path_factory.mktemp("fragile")
    content = to_float(fragile.build())
    toml = folder / "fragile.toml"
    toml.write_text(fragile.DESCRIPTION.replace("OUTPUT", interface(content)[1][0].name), encoding="utf-8")
    described = describe(content, toml)
    evaluation = read_evaluation(fragile.write_pictures(folder / "evaluation", 40, seed=2), described)
    calibration = fragile.write_pictures(folder / "calibration", 110, seed=1)
    representative = read_representative(Path(calibration), described, evaluation=evaluation)
    gate = Gate(described, make_bundle(described, content), evaluation, threads=1)
    return Room(content, described, representative.samples, Judge(gate, described))


@pytest.fixture(scope="module")
def attempts(room: Room) -> list[Attempt]:
    return room.repair()


def test_plain_conversion_ruins_it_and_the_gate_says_so(room: Room, attempts: list[Attempt]) -> None:
    plain = attempts[0]
    assert plain.step.recipe == Recipe()
    assert plain.step.points_lost > 50
    assert not room.judge.result(plain.content).passed


def test_repair_brings_it_back_with_one_layer(room: Room, attempts: list[Attempt]) -> None:
    last = best(attempts)
    assert last is attempts[-1]
    assert last.step.passed
    assert last.step.points_lost <= 0.5
    assert room.judge.result(last.content).passed
    assert last.step.recipe.equalisation
    head, reshaped = last.step.recipe.overrides
    assert "head" in head.layer
    assert head.precision == reshaped.precision
    assert {each.dtype for each in interface(last.content)[0]} == {"int8"}


def test_each_step_says_what_it_bought_and_cost(attempts: list[Attempt]) -> None:
    kept = attempts[0]
    for each in attempts[1:]:
        assert each.step.points_bought == pytest.approx(kept.step.points_lost - each.step.points_lost)
        assert each.step.added_bytes == each.step.size_bytes - kept.step.size_bytes
        assert each.step.size_bytes == len(each.content)
        assert each.step.latency_ms > 0
        if each.step.kept:
            kept = each
    steps = tuple(each.step for each in attempts)
    assert msgspec.json.decode(msgspec.json.encode(steps), type=tuple[Step, ...]) == steps


def test_the_same_steps_and_bytes_again(room: Room, attempts: list[Attempt]) -> None:
    again = room.repair()
    assert [each.step.what for each in again] == [each.step.what for each in attempts]
    assert [each.content for each in again] == [each.content for each in attempts]


def test_without_layers_to_spend_it_is_better_but_not_good(room: Room) -> None:
    tried = room.repair(max_float_layers=0)
    last = best(tried)
    assert not last.step.passed
    assert 0.5 < last.step.points_lost < tried[0].step.points_lost
    assert not last.step.recipe.overrides


def test_a_loud_tensor_that_no_scale_can_mend_gets_both_its_layers(room: Room) -> None:
    """Behind a ReLU6 nothing can be equalised, and neither the layer that writes nor the one that reads is enough."""
    content = loud()
    seen: dict[bytes, float] = {}

    def judge(made: bytes) -> float:
        seen[made] = 100 * noise_fraction(content, made, samples(3))
        return seen[made]

    tried = list(repair(content, Recipe(), samples(3), {"image": (0.0, 1.0)}, judge, max_drop=1.0))
    last = best(tried)
    assert last.step.passed
    assert {each.layer for each in last.step.recipe.overrides} == {"write", "read"}
    assert tried[0].step.points_lost > 20


def loud() -> bytes:
    """ReLU6 with one channel over all of it and others a thousandth of that, which is all that the answer goes by."""
    rng = np.random.default_rng(4)
    weights = np.abs(rng.normal(0, 1, (6, 1, 1, 3))) * 0.004
    weights[0] *= 500
    reads = rng.normal(0, 1, (2, 1, 1, 6)) * 100
    reads[..., 0] *= 1e-4
    return Chain(3).conv("write", weights, np.zeros(6), "relu6").conv("read", reads, np.zeros(2)).bytes()


def test_an_output_that_joins_small_and_loud_is_parted_by_the_join_alone() -> None:
    rng = np.random.default_rng(4)
    chain = Chain(3).conv("small", rng.normal(0, 0.1, (2, 1, 1, 3)), np.zeros(2))
    chain.after("image").conv("loud", rng.normal(0, 100, (1, 1, 1, 3)), np.zeros(1))
    options = schema.ConcatenationOptionsT()
    options.axis = 3
    content = chain.join("both", ("small", "loud"), (1, SIDE_PX, SIDE_PX, 3), options).bytes()

    def judge(made: bytes) -> float:
        return 100 * noise_fraction(content, made, samples(3))

    tried = list(repair(content, Recipe(), samples(3), {"image": (0.0, 1.0)}, judge, max_drop=1.0))
    assert tried[0].step.points_lost > 20
    assert best(tried).step.passed
    assert best(tried).step.recipe.overrides == (Override("both", "float"),)


def connected(outputs: int) -> bytes:
    """A small convolution and a fully connected layer with nearly all the weights, whose output is small and loud."""
    rng = np.random.default_rng(4)
    weights = rng.normal(0, 0.01, (outputs, 12 * 12 * 2)).astype(np.float32)
    weights[0] *= 1000
    chain = Chain(3).conv("first", rng.normal(0, 1, (2, 1, 1, 3)), np.zeros(2))
    options = schema.FullyConnectedOptionsT()
    return chain.op("FULLY_CONNECTED", "scores", (1, outputs), options, weights, np.zeros(outputs, np.float32)).bytes()


def test_a_large_connected_layer_gets_int16_whose_weights_stay_small() -> None:
    content = connected(40)

    def judge(made: bytes) -> float:
        return 100 * noise_fraction(content, made, samples(3))

    tried = list(repair(content, Recipe(), samples(3), {"image": (0.0, 1.0)}, judge, max_drop=3.0))
    assert tried[0].step.points_lost > 20
    last = best(tried).step
    assert last.passed
    assert last.recipe.overrides == (Override("scores", "int16"),)
    assert last.size_bytes < 1.3 * tried[0].step.size_bytes


def test_what_passes_at_once_is_left_alone(room: Room) -> None:
    (only,) = repair(
        room.content, Recipe(), room.samples, room.described.input_ranges, lambda content: 0.1, max_drop=0.5
    )
    assert only.step.passed
    assert only.step.recipe == Recipe()


def test_what_does_not_help_is_taken_back(room: Room) -> None:
    """A judge that wants no float tensor at all: every step with one loses."""

    def judge(content: bytes) -> float:
        results = interface(content)[1]
        return 10.0 if all(each.dtype == "int8" for each in results) else 20.0

    tried = list(repair(room.content, Recipe(), room.samples, room.described.input_ranges, judge, max_drop=0.5))
    single = [each.step for each in tried if each.step.recipe.overrides]
    assert single
    assert not any(each.kept for each in single if each.points_lost == 20)
    assert not best(tried).step.passed
