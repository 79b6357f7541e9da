"""Exported PyTorch programs into a float .tflite; the silent weight swap reproduced, and caught."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workshop's environment has PyTorch")

from convert import sources  # noqa: E402
from convert.description import Description, Picture  # noqa: E402
from convert.errors import ConvertError  # noqa: E402
from convert.floatmodel import Floats  # noqa: E402
from convert.floatmodel import Named as Feeds  # noqa: E402
from convert.sources import health  # noqa: E402
from convert.sources import torch as torch_source  # noqa: E402
from convert.tensors import interface, make_interpreter, run  # noqa: E402
from tests.convert.sources.test_kinds import Bomb  # noqa: E402
from tests.convert.sources.torch_network import SIDE_PX, Named  # noqa: E402

pytestmark = [
    pytest.mark.heavy_workshop,
    pytest.mark.filterwarnings("ignore"),
]


def exported(path: Path, *, batch: int = 1, shapes: Any = None) -> Path:
    inputs = (torch.zeros(batch, 3, SIDE_PX, SIDE_PX), torch.zeros(batch, 2))
    torch.export.save(torch.export.export(Named().eval(), inputs, dynamic_shapes=shapes), path)
    return path


def test_channels_come_out_last_and_answers_survive(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = exported(tmp_path / "model.pt2")
    capfd.readouterr()
    model = sources.load(path)
    assert capfd.readouterr() == ("", ""), "what PyTorch and its converter say is theirs"
    inputs, outputs = interface(model.tflite)
    assert {each.name: each.shape for each in inputs} == {"image": (1, SIDE_PX, SIDE_PX, 3), "numbers": (1, 2)}
    assert {each.name: each.shape for each in outputs} == {
        "first": (1, 8, 8, 2),
        "second": (1, 8, 8, 2),
        "kind": (1, 4),
    }
    assert any("channels first became channels last" in note for note in model.notes)
    assert any("answers as the source does" in note for note in model.notes)
    feeds: dict[str, Floats] = health.seeded(inputs, 3)
    image = torch.from_numpy(feeds["image"].transpose(0, 3, 1, 2).copy())
    want = Named().eval()(image, torch.from_numpy(feeds["numbers"]))
    got = run(make_interpreter(model.tflite), dict(feeds))
    np.testing.assert_allclose(got["first"], want["first"].detach().numpy().transpose(0, 2, 3, 1), atol=1e-5)


def test_open_sides(tmp_path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=8)
    model = sources.load(exported(tmp_path / "batch.pt2", batch=2, shapes=({0: batch}, {0: batch})))
    assert "input image: dynamic batch became 1" in model.notes
    side = torch.export.Dim("side", min=8, max=64)
    path = exported(tmp_path / "side.pt2", shapes=({2: 2 * side, 3: 2 * side}, None))
    with pytest.raises(ConvertError, match=r"\[input\] shape"):
        sources.load(path)
    described = Description(input=Picture(name="image", shape=(1, 32, 32, 3)))
    inputs, _ = interface(sources.load(path, description=described).tflite)
    assert inputs[0].shape == (1, 32, 32, 3)


class Stack(torch.nn.Module):  # type: ignore[name-defined]
    """Convolutions of one size whose weights are stored transposed, as a file from TensorFlow's layout has them."""

    def __init__(self, layers: int = 12, channels: int = 16) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.layers = torch.nn.ModuleList(
            torch.nn.Conv2d(3 if index == 0 else channels, channels, 3, padding=1) for index in range(layers)
        )
        for layer in self.layers:
            stored = layer.weight.data.permute(2, 3, 1, 0).contiguous()
            layer.weight.data = stored.permute(3, 2, 0, 1)
            assert not layer.weight.is_contiguous()

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x.mean((2, 3))


def test_the_weight_swap_is_real_and_caught(tmp_path: Path) -> None:
    network, example = Stack().eval(), torch.zeros(1, 3, SIDE_PX, SIDE_PX)
    swapped = torch_source.to_tflite(network, (example,), tmp_path)
    (source,), (output,) = interface(swapped)

    def reference(feeds: Feeds) -> dict[str, Floats]:
        with torch.no_grad():
            return {output.name: network(torch.from_numpy(feeds[source.name])).numpy()}

    count = sum(each.numel() for each in network.parameters() if each.ndim >= 2)
    with pytest.raises(ConvertError, match="lost some"):
        health.check_weights(swapped, count, "the network")
    with pytest.raises(ConvertError, match="went wrong"):
        health.check_answers(swapped, health.check_source(swapped, reference, "the network"), "the network")
    path = tmp_path / "model.pt2"
    torch.export.save(torch.export.export(network, (example,)), path)
    assert any("answers as the source does" in note for note in sources.load(path).notes)


def rewritten(path: Path, ending: str, content: bytes, added: dict[str, bytes] | None = None) -> None:
    """Replace a member of an archive, or add one beside it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(members)).partition("/")[0]
    members = {name: content if name.endswith(ending) else value for name, value in members.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, value in (members | {f"{root}/{name}": value for name, value in (added or {}).items()}).items():
            archive.writestr(name, value)


def test_what_is_pickled_in_a_program_is_not_run(tmp_path: Path) -> None:
    path, mark = exported(tmp_path / "model.pt2"), tmp_path / "ran"
    rewritten(path, "sample_inputs/model.pt", pickle.dumps(Bomb(mark)))
    with pytest.raises(ConvertError, match="export it again"):
        sources.load(path)
    assert not mark.exists()


def test_a_program_with_objects_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "model.pt2")
    rewritten(path, "no such member", b"", {"data/constants/custom_obj_0": b"x"})
    with pytest.raises(ConvertError, match="custom_obj_0"):
        sources.load(path)


def test_a_program_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "model.pt2")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ConvertError, match="cut off or damaged"):
        sources.load(path)
