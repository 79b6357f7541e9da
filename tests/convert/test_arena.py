"""Memory for activations: the engine's own layout where it tells, and an estimate that is near it where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convert import arena
from convert.graph import read_model
from edge import bundle
from tests.convert import tiny
from tests.convert.quantise.chains import SIDE_PX, Chain

YARDSTICK = Path(__file__).resolve().parents[2] / "benchmarks" / "yardstick" / "model.tflite"
PLANE_BYTES = SIDE_PX * SIDE_PX * 4


def wide(*channels: int) -> Any:
    """Convolutions in a row: image, then so many channels each."""
    chain, before = Chain(3), 3
    for place, count in enumerate(channels):
        chain.conv(f"layer_{place}", np.ones((count, 1, 1, before)), np.zeros(count))
        before = count
    return read_model(chain.bytes(), "chain")


def test_what_lives_at_the_same_time_lies_side_by_side_and_nothing_else() -> None:
    # The image stays, so the first and the last of three can share a place, not the middle one.
    assert arena.planned_bytes(wide(8, 4, 8)) == (3 + 8 + 4 + 8) * PLANE_BYTES - 8 * PLANE_BYTES
    assert arena.planned_bytes(wide(4)) == (3 + 4) * PLANE_BYTES


def test_a_gap_is_filled_before_the_end_is_moved() -> None:
    # The last two channels go where the first sixteen were, though those lie before all that still lives.
    assert arena.planned_bytes(wide(16, 8, 2)) == (16 + 8 + 3) * PLANE_BYTES


@pytest.mark.parametrize("path", [YARDSTICK, bundle.default_path() / "model.tflite"], ids=["yardstick", "shipped"])
def test_the_estimate_is_near_what_the_engine_lays_out(path: Path) -> None:
    content = path.read_bytes()
    model = read_model(content, "test")
    measured = arena.arena(content, model)
    assert measured.told.startswith("as LiteRT lays them out")
    assert measured.bytes is not None
    assert arena.planned_bytes(model) == pytest.approx(measured.bytes, rel=0.05)


def test_without_a_figure_from_the_engine_it_is_estimated_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays of our own stand in for an engine whose tensors lie far apart."""
    content = tiny.classifier()
    model = read_model(content, "test")
    block = np.zeros(10_000, np.float32)

    class Scattered:
        def tensor(self, index: int) -> Any:
            return lambda: block[index * 2000 : index * 2000 + 3]

    monkeypatch.setattr(arena, "make_interpreter", lambda _: Scattered())
    found = arena.arena(content, model)
    assert found.bytes == arena.planned_bytes(model)
    assert found.told.startswith("estimated, for LiteRT gives no figure")


def test_a_size_that_only_the_run_tells_is_not_guessed() -> None:
    model = wide(4)
    model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]].shapeSignature = [-1, 12, 12, 4]
    assert arena.planned_bytes(model) is not None, "an open batch is one"
    model.subgraphs[0].tensors[model.subgraphs[0].outputs[0]].shapeSignature = [1, -1, 12, 4]
    assert arena.planned_bytes(model) is None
