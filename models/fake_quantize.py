"""Quantisation-aware training: what int8 will do to weights and activations, done in float, gradients straight through.

The scheme is TFLite's (Jacob et al. 2018): weights symmetric per output channel, activations asymmetric per tensor.
Ranges of activations are observed (a running mean of each batch's extremes) and stay out of the stored weights: the
converter calibrates its own on representative pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.05
LEVELS = 255


class _Straight(torch.autograd.Function):
    """Round to the grid; the gradient passes as if nothing had happened."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float, low: float, high: float) -> Tensor:
        del ctx
        return x.float().clamp(low, high).mul_(1 / scale).round_().mul_(scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        del ctx
        return grads[0], None, None, None


class ActivationGrid(nn.Module):
    """One tensor's grid of 256 levels over its observed range. Passes everything through until it is switched on."""

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        self.register_buffer("low", torch.tensor(float("nan")), persistent=False)
        self.register_buffer("high", torch.tensor(float("nan")), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.on:
            return x
        if self.training:
            self._observe(x)
        low, high = float(self.low), float(self.high)
        scale = max(high - low, 1e-6) / LEVELS
        zero = round(low / scale) * scale  # zero itself is on the grid
        return _Straight.apply(x, scale, zero, zero + LEVELS * scale)

    @torch.no_grad()
    def _observe(self, x: Tensor) -> None:
        seen_low, seen_high = (value.float() for value in torch.aminmax(x.detach()))
        seen_low, seen_high = seen_low.clamp(max=0), seen_high.clamp(min=0)
        if torch.isnan(self.low):
            self.low.copy_(seen_low)
            self.high.copy_(seen_high)
        else:
            self.low.lerp_(seen_low, MOMENTUM)
            self.high.lerp_(seen_high, MOMENTUM)


class _WeightGrid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        del ctx
        scale = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-9) / 127
        return (weight / scale).round().mul_(scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        del ctx
        return grads[0]


def weight_on_grid(weight: Tensor) -> Tensor:
    """Weights [out, in, h, w] as int8 per output channel would have them; the gradient passes straight through."""
    grid: Tensor = _WeightGrid.apply(weight)
    return grid


def switch_on(net: nn.Module) -> None:
    """Put every grid of the network to work."""
    for module in net.modules():
        if isinstance(module, ActivationGrid):
            module.on = True


def copy_ranges(source: nn.Module, target: nn.Module) -> None:
    """Observed ranges (and whether the grids are on) from one network to its twin."""
    for mine, theirs in zip(source.modules(), target.modules(), strict=True):
        if isinstance(mine, ActivationGrid) and isinstance(theirs, ActivationGrid):
            theirs.on = mine.on
            theirs.low.copy_(mine.low)
            theirs.high.copy_(mine.high)
