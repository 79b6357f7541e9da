"""A small network as PyTorch has it, for the routes that begin there: a picture and numbers in, maps and logits out."""

from __future__ import annotations

from typing import Any

import torch

SIDE_PX = 16


class Network(torch.nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
    """Two maps of the same shape, [n, 2, 8, 8], and four logits. Each has the same weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.first, self.second = torch.nn.Conv2d(8, 2, 1), torch.nn.Conv2d(8, 2, 1)
        self.kind = torch.nn.Linear(10, 4)

    def forward(self, image: Any, numbers: Any) -> Any:
        x = torch.nn.functional.relu6(self.norm(self.stem(image)))
        return self.first(x), self.second(x), self.kind(torch.cat([x.mean((2, 3)), numbers], 1))


class Named(Network):
    """The same, whose outputs have names."""

    def forward(self, image: Any, numbers: Any) -> Any:
        return dict(zip(("first", "second", "kind"), super().forward(image, numbers), strict=True))
