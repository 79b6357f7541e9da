"""ONNX into a float .tflite, by the subprocess; names and the order of sides are found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workshop's environment has PyTorch")

from convert import sources  # noqa: E402
from convert.errors import ConvertError  # noqa: E402
from convert.floatmodel import Floats  # noqa: E402
from convert.sources import health  # noqa: E402
from convert.sources.matching import inverse, match_outputs, orders, pairings  # noqa: E402
from convert.tensors import interface, make_interpreter, run  # noqa: E402
from tests.convert.sources.torch_network import SIDE_PX, Network  # noqa: E402

pytestmark = [pytest.mark.heavy_workshop, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    names = ["image", "numbers"], ["first", "second", "kind"]
    torch.onnx.export(
        Network().eval(),
        (torch.zeros(2, 3, SIDE_PX, SIDE_PX), torch.zeros(2, 2)),
        path,
        dynamo=False,
        input_names=names[0],
        output_names=names[1],
        dynamic_axes={name: {0: "n"} for part in names for name in part},
    )
    return path


def test_names_and_answers_survive_and_channels_come_last(model_file: Path) -> None:
    model = sources.load(model_file)
    inputs, outputs = interface(model.tflite)
    assert {each.name: each.shape for each in inputs} == {"image": (1, SIDE_PX, SIDE_PX, 3), "numbers": (1, 2)}
    assert {each.name: each.shape for each in outputs} == {
        "first": (1, 8, 8, 2),
        "second": (1, 8, 8, 2),
        "kind": (1, 4),
    }
    assert any("image" in note and "channels last" in note for note in model.notes)
    assert any("answers as the source does" in note for note in model.notes)
    feeds: dict[str, Floats] = health.seeded(inputs, 3)
    image = torch.from_numpy(feeds["image"].transpose(0, 3, 1, 2).copy())
    first, second, _ = Network().eval()(image, torch.from_numpy(feeds["numbers"]))
    got = run(make_interpreter(model.tflite), dict(feeds))
    for name, want in (("first", first), ("second", second)):
        np.testing.assert_allclose(got[name], want.detach().numpy().transpose(0, 2, 3, 1), atol=1e-5)


def test_an_operator_of_somebody_elses_is_named(model_file: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(model_file)
    node = next(each for each in model.graph.node if each.op_type == "Conv")
    node.domain, node.op_type = "org.hospital", "SecretConv"
    model.opset_import.append(onnx.helper.make_opsetid("org.hospital", 1))
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ConvertError, match=r"org\.hospital\.SecretConv"):
        sources.load(tmp_path / "model.onnx")


def test_an_unsound_model_is_refused_in_one_line(model_file: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(model_file)
    model.graph.node[0].input[0] = "nowhere"
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ConvertError, match="sound ONNX model") as refused:
        sources.load(tmp_path / "model.onnx")
    assert "\n" not in str(refused.value)


def test_outputs_that_swapped_places_are_told_apart_by_their_answers() -> None:
    rng = np.random.default_rng(0)
    source = {name: rng.random((1, 4, 6, 6), np.float32) for name in ("one", "two")}
    file = {"a": source["two"].transpose(0, 2, 3, 1), "b": source["one"].transpose(0, 3, 2, 1)}
    assert match_outputs(source, file, "model") == {"a": ("two", (0, 2, 3, 1)), "b": ("one", (0, 3, 2, 1))}
    with pytest.raises(ConvertError, match="expected outputs"):
        match_outputs(source, {"a": file["a"], "b": file["b"][:, :3]}, "model")


def test_orders_undo_themselves() -> None:
    for order in orders((1, 3, 8, 9), (1, 8, 9, 3)):
        array = np.zeros((1, 3, 8, 9))
        assert array.transpose(order).transpose(inverse(order)).shape == array.shape
    assert list(pairings({"x": (1, 2)}, {"y": (1, 2)})) == [{"y": "x"}]
