"""Is the Keras graph the PyTorch network? The largest difference of any output over pictures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from models.graph import Weights, build
from models.network import Detector

LIMIT = 1e-3
PICTURES = 20


def torch_network(weights: Weights) -> Detector:
    """The network with stored weights, made contiguous, for inference in float32."""
    net = Detector()
    net.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()})
    return net.eval().requires_grad_(False)


def largest_difference(weights: Weights, pictures: Iterable[NDArray[np.float32]]) -> float:
    """Largest |Keras - torch| over six outputs; pictures [1, 320, 320, 3], preprocessed."""
    net, model = torch_network(weights), build(weights)
    worst = 0.0
    for picture in pictures:
        expected = [
            part.numpy() for level in net(torch.from_numpy(picture.transpose(0, 3, 1, 2).copy())) for part in level
        ]
        for got, want in zip(model(picture, training=False), expected, strict=True):
            worst = max(worst, float(np.abs(np.asarray(got).transpose(0, 3, 1, 2) - want).max()))
    return worst
