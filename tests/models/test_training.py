"""PyTorch: the fast backward is autograd's, a tiny set can be learnt, and the Keras twin is the same network."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workshop's environment has PyTorch")

from models import calibration, export  # noqa: E402
from models.architecture import INPUT_PX, STRIDES  # noqa: E402
from models.assign import assign, cells  # noqa: E402
from models.graph import build, load_weights, mac  # noqa: E402
from models.initial import unit_scale  # noqa: E402
from models.loss import decode, detection_loss, flatten  # noqa: E402
from models.network import Conv, Detector, load_backbone  # noqa: E402
from models.options import Options  # noqa: E402
from models.parity import LIMIT, PICTURES, largest_difference  # noqa: E402

pytestmark = [
    pytest.mark.heavy_workshop,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_the_depthwise_backward_is_autograds(kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    conv = Conv(8, 8, kernel, stride, depthwise=True, act=False)
    x = torch.randn(2, 8, 12, 12, requires_grad=True)
    total = kernel - stride if stride > 1 else kernel - 1
    before, after = total // 2, total - total // 2
    padded = torch.nn.functional.pad(x, (before, after, before, after))
    expected = torch.nn.functional.conv2d(padded, conv.weight, conv.bias, stride, groups=8)
    weight = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * weight).sum(), [x, conv.weight, conv.bias])
    got_out = conv(x)
    assert torch.allclose(got_out, expected, atol=1e-5)
    for got, want in zip(
        torch.autograd.grad((got_out * weight).sum(), [x, conv.weight, conv.bias]), wanted, strict=True
    ):
        assert torch.allclose(got, want, atol=1e-3, rtol=1e-3)


def test_every_box_gets_a_cell_and_the_best_one_the_highest_target() -> None:
    centres, steps = cells(INPUT_PX, STRIDES)
    boxes = torch.tensor([[10.0, 10, 18, 17], [40.0, 60, 300, 280]])
    predicted = decode(torch.full((1, len(centres), 4), 0.7), centres, steps)[0]
    positive, owner, target = assign(
        torch.full((len(centres), 2), 0.1), predicted, centres, boxes, torch.tensor([1, 0])
    )
    assert set(owner.tolist()) == {0, 1}
    assert len(positive) == len(set(positive.tolist()))
    assert ((target > 0) & (target <= 1)).all()


def test_the_loss_falls_on_a_tiny_set() -> None:
    torch.manual_seed(0)
    images = torch.zeros(4, 3, INPUT_PX, INPUT_PX).to(memory_format=torch.channels_last)
    boxes = []
    for index in range(4):
        x0, y0, side = 40 + 30 * index, 60 + 20 * index, 50 + 25 * index
        images[index, :, y0 : y0 + side, x0 : x0 + side] = -0.8
        boxes.append(torch.tensor([[x0, y0, x0 + side, y0 + side]], dtype=torch.float32))
    classes = [torch.zeros(1, dtype=torch.long)] * 4
    net = Detector()
    load_backbone(net)
    net.freeze_first()
    unit_scale(net, images)
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-3)
    centres, steps = cells(INPUT_PX, STRIDES)
    losses = []
    for _ in range(40):
        loss, _, _ = detection_loss(net(images), centres, steps, boxes, classes, Options())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:3])


def test_no_level_of_the_shipped_network_is_constant(data_folder: Path) -> None:
    """A saturated level looks healthy in the loss: this one was missed once."""
    del data_folder
    from models.parity import torch_network

    net = torch_network(load_weights(export.WEIGHTS))
    picture = next(calibration.representative())
    logits, _ = flatten(net(torch.from_numpy(picture.transpose(0, 3, 1, 2).copy())))
    for stride, part in zip(STRIDES, logits[0].split([(INPUT_PX // s) ** 2 for s in STRIDES]), strict=True):
        assert part[:, 0].std() > 0.1, stride


def test_keras_is_pytorch_on_twenty_pictures(data_folder: Path) -> None:
    del data_folder
    pictures = itertools.islice(calibration.representative(), PICTURES)
    assert largest_difference(load_weights(export.WEIGHTS), pictures) <= LIMIT


def test_the_network_keeps_its_budget() -> None:
    model = build(load_weights(export.WEIGHTS))
    assert mac(model) <= 1.0e9
    assert model.count_params() < 3.2e6


def test_export_makes_the_shipped_file_again(data_folder: Path) -> None:
    del data_folder
    from edge import bundle

    content, _, _ = export.int8_model(load_weights(export.WEIGHTS))
    shipped = bundle.load()
    assert calibration.describe() == shipped.card.calibration
    if content != shipped.model:  # another kind of processor rounds the calibrated ranges otherwise
        assert len(content) == len(shipped.model)
        check_alike(content, shipped.model)


@pytest.mark.parametrize(("factor", "alike"), [(1.005, True), (1.02, False)])
def test_another_scale_is_noticed(factor: float, alike: bool) -> None:
    from edge import bundle

    shipped = bundle.load()
    scale = np.float32(shipped.card.outputs[0].scale)
    changed = shipped.model.replace(scale.tobytes(), np.float32(scale * factor).tobytes())
    assert changed != shipped.model
    with contextlib.nullcontext() if alike else pytest.raises(AssertionError):
        check_alike(changed, shipped.model)


def check_alike(content: bytes, wanted_content: bytes) -> None:
    """The same tensors; scales within 1 %, zero points within 1."""
    for made, wanted in zip(tensors(content), tensors(wanted_content), strict=True):
        assert made["name"] == wanted["name"]
        assert made["dtype"] == wanted["dtype"]
        assert np.array_equal(made["shape"], wanted["shape"]), made["name"]
        ours, theirs = made["quantization_parameters"], wanted["quantization_parameters"]
        assert ours["quantized_dimension"] == theirs["quantized_dimension"]
        assert ours["scales"] == pytest.approx(theirs["scales"], rel=0.01), made["name"]
        assert ours["zero_points"] == pytest.approx(theirs["zero_points"], abs=1), made["name"]


def tensors(content: bytes) -> list[dict[str, Any]]:
    """Every tensor of a model's file, with its scales and zero points."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Without a delegate, which would add tensors of its own.
    plain = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    details: list[dict[str, Any]] = plain.get_tensor_details()
    return details
