"""Varifocal classification and GIoU location over task-aligned cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.assign import assign, smallness, wasserstein
from models.options import Options

NEGATIVE_WEIGHT = 0.75
FOCUS = 2.0
BOX_WEIGHT = 2.5
LOG_DISTANCE_LIMIT = 4.5


def flatten(levels: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Level maps -> logits [n, a, classes] and log distances [n, a, 4], float32, cells row-major."""
    logits = torch.cat([c.float().permute(0, 2, 3, 1).flatten(1, 2) for c, _ in levels], 1)
    distances = torch.cat([d.float().permute(0, 2, 3, 1).flatten(1, 2) for _, d in levels], 1)
    return logits, distances


def decode(distances: Tensor, centres: Tensor, steps: Tensor) -> Tensor:
    """Log distances [n, a, 4] -> boxes [n, a, 4] in input pixels."""
    reach = distances.clamp(-LOG_DISTANCE_LIMIT, LOG_DISTANCE_LIMIT).exp() * steps[:, None]
    return torch.cat((centres - reach[..., :2], centres + reach[..., 2:]), -1)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU of paired boxes [p, 4]."""
    inter = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    area = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inter
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return inter / (area + 1e-6) - (hull - area) / (hull + 1e-6)


def relabelled(truth: Tensor, owner: Tensor, guess: Tensor, strength: Tensor, share: float) -> Tensor:
    """Boxes [g, 4], the small ones moved by `share` towards the mean of the guesses [p, 4] that answer for them.

    Loosely drawn boxes lie 5-10 px beside a lesion of 20: the mean over many pictures is better than one label.
    """
    if not share:
        return truth
    total = truth.new_zeros(len(truth)).index_add_(0, owner, strength).clamp(min=1e-6)
    mean = torch.zeros_like(truth).index_add_(0, owner, guess * strength[:, None]) / total[:, None]
    seen = truth.new_zeros(len(truth)).index_fill_(0, owner, 1.0)
    return torch.lerp(truth, mean, (share * smallness(truth) * seen)[:, None])


def detection_loss(
    levels: Sequence[tuple[Tensor, Tensor]],
    centres: Tensor,
    steps: Tensor,
    boxes: Sequence[Tensor],
    classes: Sequence[Tensor],
    options: Options,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum, classification and location loss of a batch. boxes: per picture [g, 4] input px; classes: [g]."""
    logits, distances = flatten(levels)
    predicted = decode(distances, centres, steps)
    with torch.no_grad():
        probabilities = logits.sigmoid()
        target = torch.zeros_like(logits)
        picture, cell, wanted, weight = [], [], [], []
        for n, (truth, kind) in enumerate(zip(boxes, classes, strict=True)):
            if not len(truth):
                continue
            positive, owner, strength = assign(probabilities[n], predicted[n], centres, truth, kind, options.small)
            target[n, positive, kind[owner]] = strength
            picture.append(torch.full_like(positive, n))
            cell.append(positive)
            wanted.append(relabelled(truth, owner, predicted[n, positive], strength, options.self_label)[owner])
            weight.append(strength)
        factor = torch.where(target > 0, target, NEGATIVE_WEIGHT * probabilities**FOCUS)
        total = target.sum().clamp(min=len(boxes) / 4)
    classify = (functional.binary_cross_entropy_with_logits(logits, target, reduction="none") * factor).sum() / total
    locate = logits.sum() * 0.0
    if picture:
        strength, truth = torch.cat(weight), torch.cat(wanted)
        guess = predicted[torch.cat(picture), torch.cat(cell)]
        quality = giou(guess, truth)
        if options.small == "wasserstein":
            share = smallness(truth)
            quality = quality * (1 - share) + wasserstein(truth, guess) * share
        locate = ((1 - quality) * strength).sum() / total
    return classify + BOX_WEIGHT * locate, classify.detach(), locate.detach()
