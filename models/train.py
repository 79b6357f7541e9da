"""`python -m models.train`: the whole training, seeded, a fixed number of steps (about 25 minutes on 2 free cores).

Reads the train split for gradients and the val split to choose the checkpoint; the test split is never opened here.
Writes OUT/last.pt (resumable state), OUT/best.npz (EMA weights chosen on val) and OUT/log.jsonl.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.architecture import INPUT_PX, MEAN, STD, STRIDES
from models.assign import cells
from models.data import load
from models.initial import unit_scale
from models.loss import detection_loss
from models.network import Detector, load_backbone
from models.quick_eval import quick_eval
from models.samples import Samples

STEPS = 2400
BATCH = 16
SEED = 20261124
HEAD_RATE, BACKBONE_RATE = 1e-3, 4e-4
FINAL_RATE_FRACTION = 0.02
WARMUP_STEPS = 100
WEIGHT_DECAY = 0.02
EMA_DECAY = 0.998
CLIP_NORM = 10.0
VAL_EVERY = 300
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "268435456"}
"""glibc otherwise gives large blocks back and faults them in again at every step: 30 % of the time."""


class _Numbered(Dataset[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]]):
    """Samples as a torch data set; each worker keeps OpenCV to one thread."""

    def __init__(self, samples: Samples, first: int) -> None:
        self.samples, self.first = samples, first

    def __len__(self) -> int:
        return len(self.samples) - self.first

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
        return self.samples[self.first + index]


def _collate(
    batch: list[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]],
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    images = torch.from_numpy(np.stack([image for image, _, _ in batch]))
    return images, [torch.from_numpy(b) for _, b, _ in batch], [torch.from_numpy(c) for _, _, c in batch]


def to_input(images: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """uint8 [n, 320, 320, 3] -> (u8 - 127) / 128, [n, 3, 320, 320], channels last."""
    return ((images.permute(0, 3, 1, 2).float() - MEAN) / STD).to(dtype)


def rate(step: int, steps: int) -> float:
    """Linear warm-up, then cosine: a factor on the peak rate."""
    if step < WARMUP_STEPS:
        return (step + 1) / WARMUP_STEPS
    progress = (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS)
    return FINAL_RATE_FRACTION + (1 - FINAL_RATE_FRACTION) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def optimiser(net: Detector) -> torch.optim.AdamW:
    """Two rates (backbone, new layers); no decay on biases."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("blocks"), parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": p, "lr": BACKBONE_RATE if old else HEAD_RATE, "peak": BACKBONE_RATE if old else HEAD_RATE,
             "weight_decay": WEIGHT_DECAY if decay else 0.0}
            for (old, decay), p in groups.items()
        ]
    )  # fmt: skip


def save_npz(net: Detector, path: Path) -> None:
    """Float weights, the hand-over to the Keras graph: name -> float32 array in torch layout."""
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary, **{name: value.detach().float().contiguous().numpy() for name, value in net.state_dict().items()}
    )
    temporary.replace(path)


def train(steps: int, batch: int, out: Path, samples: Samples, workers: int, resume: bool, val_every: int) -> Detector:
    """Run the schedule; returns the EMA network of the last step."""
    torch.manual_seed(SEED)
    out.mkdir(parents=True, exist_ok=True)
    net = Detector()
    load_backbone(net)
    net.freeze_first()
    net = net.to(memory_format=torch.channels_last)
    unit_scale(net, to_input(_collate([samples[i] for i in range(2 * batch)])[0]))
    ema = copy.deepcopy(net).requires_grad_(False)
    optimizer = optimiser(net)
    first, best = 0, -1.0
    if resume and (out / "last.pt").exists():
        state = torch.load(out / "last.pt", weights_only=True)
        net.load_state_dict(state["net"])
        ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        first, best = int(state["step"]), float(state["best"])
    centres, strides = cells(INPUT_PX, STRIDES)
    val = [p for source in ("trc_dermoscopy", "acne04_faces", "neg_healthy_crops") for p in load("val", source)]
    loader = DataLoader(
        _Numbered(samples, first * batch), batch_size=batch, num_workers=workers, collate_fn=_collate,
        worker_init_fn=lambda _: cv2.setNumThreads(1), prefetch_factor=6 if workers else None,
    )  # fmt: skip
    batches: Iterator[tuple[Tensor, list[Tensor], list[Tensor]]] = iter(loader)
    started, running = time.monotonic(), np.zeros(3)
    for step in range(first, steps):
        images, boxes, classes = next(batches)
        factor = rate(step, steps)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        loss, classify, locate = detection_loss(net(to_input(images)), centres, strides, boxes, classes)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP_NORM)
        optimizer.step()
        decay = min(EMA_DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(ema.parameters(), net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        running += [loss.item(), classify.item(), locate.item()]
        done = step + 1
        if done % 25 == 0:
            seconds = time.monotonic() - started
            _log(out, step=done, loss=running / 25, seconds=round(seconds, 1))
            running[:] = 0
        if done % val_every == 0 or done == steps:
            figures = quick_eval(ema, val)
            score = figures["dermoscopy_ap50"] + 0.5 * figures["acne_ap30"]
            _log(out, step=done, seconds=round(time.monotonic() - started, 1), **figures)
            save_npz(ema, out / "last.npz")
            if score > best:
                best = score
                save_npz(ema, out / "best.npz")
            torch.save({"net": net.state_dict(), "ema": ema.state_dict(), "optimizer": optimizer.state_dict(),
                        "step": done, "best": best}, out / "last.pt")  # fmt: skip
    return ema


def _log(out: Path, **values: object) -> None:
    line = json.dumps(values, default=lambda v: [round(float(x), 4) for x in v])
    print(line, file=sys.stderr, flush=True)
    with (out / "log.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(line + "\n")


def main() -> int:
    """Parse the command line, raise the allocator's thresholds by starting over once, train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/models"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--val-every", type=int, default=VAL_EVERY)
    args = parser.parse_args()
    if "MALLOC_MMAP_MAX_" not in os.environ:
        os.execve(sys.executable, [sys.executable, "-m", "models.train", *sys.argv[1:]], {**os.environ, **MALLOC})  # noqa: S606
    torch.set_num_threads(2)
    cv2.setNumThreads(1)
    samples = Samples(SEED, args.steps * BATCH)
    train(args.steps, BATCH, args.out, samples, args.workers, args.resume, args.val_every)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
