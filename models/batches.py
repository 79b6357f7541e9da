"""Training samples in batches, made by workers in the order of their numbers: a run can go on where it stopped."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.samples import Samples

Triple = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]
Batch = tuple[Tensor, list[Tensor], list[Tensor]]


class _Numbered(Dataset[Triple]):
    """Samples from number `first` on."""

    def __init__(self, samples: Samples, first: int) -> None:
        self.samples, self.first = samples, first

    def __len__(self) -> int:
        return len(self.samples) - self.first

    def __getitem__(self, index: int) -> Triple:
        return self.samples[self.first + index]


def collate(batch: list[Triple]) -> Batch:
    """Images [n, 320, 320, 3] uint8, and per picture boxes [g, 4] and classes [g]."""
    images = torch.from_numpy(np.stack([image for image, _, _ in batch]))
    return images, [torch.from_numpy(b) for _, b, _ in batch], [torch.from_numpy(c) for _, _, c in batch]


def batches(samples: Samples, first: int, batch: int, workers: int) -> Iterable[Batch]:
    """All batches from sample number `first` on; each worker keeps OpenCV to one thread."""
    return DataLoader(
        _Numbered(samples, first), batch_size=batch, num_workers=workers, collate_fn=collate,
        worker_init_fn=lambda _: cv2.setNumThreads(1), prefetch_factor=6 if workers else None,
    )  # fmt: skip
