"""Task-aligned assignment (after TOOD, Feng et al. 2021): which cells answer for which box, and how strongly."""

from __future__ import annotations

import torch
from torch import Tensor

TOP_CELLS = 8
SCORE_POWER = 1.0
IOU_POWER = 4.0
"""4 instead of the usual 6: the acne boxes are 5-10 px off, and a steep power would punish honest predictions."""
SMALL_PX, LARGE_PX = 20.0, 40.0
MIN_SIDE_PX = 14.0
"""A box smaller than this is widened for the inside test, so that every box owns a cell of the stride-8 level."""


def cells(input_px: int, strides: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Cell centres [a, 2] (x, y, px) and their strides [a], row-major, levels in the order given."""
    centres, steps = [], []
    for stride in strides:
        count = input_px // stride
        line = (torch.arange(count, dtype=torch.float32) + 0.5) * stride
        y, x = torch.meshgrid(line, line, indexing="ij")
        centres.append(torch.stack((x.reshape(-1), y.reshape(-1)), 1))
        steps.append(torch.full((count * count,), float(stride)))
    return torch.cat(centres), torch.cat(steps)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes a [g, 4] and b [n, 4] -> [g, n]."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clamp(min=0).prod(2)
    area_a = (a[:, 2:] - a[:, :2]).prod(1)
    area_b = (b[:, 2:] - b[:, :2]).prod(1)
    return inter / (area_a[:, None] + area_b[None, :] - inter + 1e-6)


def wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """Similarity 0..1 of boxes a [..., 4] and b [..., 4], as Gaussians (Wang et al. 2021), in units of a's mean side.

    It falls gently with the distance of the centres, where the IoU of small, loosely drawn boxes drops to nothing.
    """
    a, b = torch.broadcast_tensors(a, b)
    centre = ((a[..., :2] + a[..., 2:]) - (b[..., :2] + b[..., 2:])) / 2
    side = ((a[..., 2:] - a[..., :2]) - (b[..., 2:] - b[..., :2])) / 2
    squared = centre.square().sum(-1) + side.square().sum(-1)
    unit = (a[..., 2:] - a[..., :2]).mean(-1).clamp(min=4.0)
    return torch.exp(-(squared + 1e-6).sqrt() / unit)


def smallness(boxes: Tensor) -> Tensor:
    """1 for boxes [..., 4] of at most SMALL_PX, 0 from LARGE_PX on, between them a line."""
    side = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1).sqrt()
    return ((LARGE_PX - side) / (LARGE_PX - SMALL_PX)).clamp(0, 1)


def fit(boxes: Tensor, predicted: Tensor, small: str) -> Tensor:
    """How well predicted boxes [a, 4] fit boxes [g, 4] -> [g, a], 0..1."""
    iou = box_iou(boxes, predicted)
    if small == "iou":
        return iou
    share = smallness(boxes)[:, None]
    return iou * (1 - share) + wasserstein(boxes[:, None], predicted[None]) * share


def assign(
    probabilities: Tensor, predicted: Tensor, centres: Tensor, boxes: Tensor, classes: Tensor, small: str = "iou"
) -> tuple[Tensor, Tensor, Tensor]:
    """One picture. probabilities [a, c], predicted boxes [a, 4], boxes [g, 4], classes [g].

    Returns the positive cells [p], their box index [p], and the target score [p] in 0..1 (1-ish for the best cell).
    """
    iou = fit(boxes, predicted, small)
    score = probabilities[:, classes].T
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=MIN_SIDE_PX) / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres[None] - middle[:, None]).abs() < sides[:, None]).all(2)
    alignment = (score.clamp(min=1e-4) ** SCORE_POWER) * (iou.clamp(min=1e-3) ** IOU_POWER) * inside
    top, index = alignment.topk(min(TOP_CELLS, alignment.shape[1]), dim=1)
    chosen = torch.zeros_like(alignment).scatter_(1, index, (top > 0).float())
    metric = alignment * chosen
    owner = (iou * chosen).max(0).indices
    positive = torch.nonzero(chosen.any(0)).flatten()
    owner = owner[positive]
    keep = metric[owner, positive] > 0
    positive, owner = positive[keep], owner[keep]
    owned = torch.zeros_like(chosen)
    owned[owner, positive] = 1
    peak = (metric * owned).amax(1).clamp(min=1e-12)
    peak_iou = (iou * owned).amax(1).clamp(min=0.1)
    target = metric[owner, positive] / peak[owner] * peak_iou[owner]
    return positive, owner, target.clamp(max=1.0)
