"""Start the new layers at unit scale, channel by channel, from data (after LSUV, Mishkin and Matas 2016).

The pyramid and the head have no normalisation of their own, and the backbone's taps differ in scale by level. Without
this the stride-32 level saturates ReLU6 in the first hundred steps and gives a constant from then on (seen).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from models.network import Conv, Detector, Separable


def new_layers(net: Detector) -> Iterator[Conv]:
    """Pyramid and tower in the order of the forward pass; the two predictors keep their own start."""
    for lateral, smooth in zip(reversed(list(net.lateral)), reversed(list(net.smooth)), strict=True):
        assert isinstance(lateral, Conv)
        assert isinstance(smooth, Separable)
        yield from (lateral, smooth.depthwise, smooth.pointwise)
    for layer in net.tower:
        assert isinstance(layer, Separable)
        yield from (layer.depthwise, layer.pointwise)


@torch.no_grad()
def unit_scale(net: Detector, images: Tensor) -> None:
    """Make each channel's pre-activation mean 0 and deviation 1 over images [n, 3, 320, 320] (and over its levels)."""
    for conv in new_layers(net):
        seen: list[Tensor] = []
        act, conv.act = conv.act, False
        handle = conv.register_forward_hook(
            lambda _m, _i, out, seen=seen: seen.append(out.float().transpose(0, 1).flatten(1))
        )
        net(images)
        handle.remove()
        conv.act = act
        values = torch.cat([part[:, torch.randperm(part.shape[1])[:3200]] for part in seen], 1)
        deviation, mean = torch.std_mean(values, 1)
        deviation = deviation.clamp(min=1e-3)
        conv.weight.div_(deviation.view(-1, 1, 1, 1))
        conv.bias.sub_(mean).div_(deviation)
