"""`python -m models.train`: the whole training, seeded, two stages of fixed length (at most 2.5 hours on 2 free cores).

Reads the train split for gradients and the val split to choose the checkpoint; the test split is never opened here.
The last part of a stage runs on int8's grid (`models.fake_quantize`). A stage (OUT/broad, OUT/finish) writes last.pt
(resumable state), best.npz (mean weights chosen on val) and log.jsonl (the curve). What ships is OUT/finish/best.npz.
A training that was stopped goes on with --resume.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.architecture import INPUT_PX, MEAN, STD, STRIDES
from models.assign import cells
from models.batches import batches, collate
from models.data import load
from models.fake_quantize import copy_ranges, switch_on
from models.initial import unit_scale
from models.loss import detection_loss
from models.network import Detector, load_backbone
from models.options import Options
from models.quick_eval import ValSets
from models.samples import Samples

SEED = 20261124
HEAD_RATE, BACKBONE_RATE = 1e-3, 4e-4
FINAL_RATE_FRACTION = 0.02
WARMUP_STEPS = 100
WEIGHT_DECAY = 0.02
EMA_DECAY = 0.998
CLIP_NORM = 10.0
LOG_EVERY, SAVE_EVERY = 25, 100
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "268435456"}
"""glibc otherwise gives large blocks back and faults them in again at every step: 30 % of the time."""
Judge = Callable[[Detector], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast. peak: a factor on both learning rates. quantised_fraction: the part on int8's grid."""

    steps: int = 4400
    batch: int = 16
    peak: float = 1.0
    quantised_fraction: float = 0.2
    val_every: int = 400

    @property
    def quantised_from(self) -> int:
        return round(self.steps * (1 - self.quantised_fraction))


def to_input(images: Tensor, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    """uint8 [n, 320, 320, 3] -> (u8 - 127) / 128, [n, 3, 320, 320], channels last."""
    return ((images.permute(0, 3, 1, 2).float() - MEAN) / STD).to(dtype)


def rate(step: int, schedule: Schedule) -> float:
    """Linear warm-up, then cosine: a factor on the rates of the optimiser's groups."""
    if step < WARMUP_STEPS:
        return schedule.peak * (step + 1) / WARMUP_STEPS
    progress = (step - WARMUP_STEPS) / max(1, schedule.steps - WARMUP_STEPS)
    falling = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return schedule.peak * (FINAL_RATE_FRACTION + (1 - FINAL_RATE_FRACTION) * falling)


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
    settled = copy.deepcopy(net)
    settled.settle()
    state = {name: value.detach().float().cpu().contiguous().numpy() for name, value in settled.state_dict().items()}
    np.savez(temporary, **state)
    temporary.replace(path)


def load_npz(net: Detector, path: Path) -> None:
    """Weights that save_npz or models.export kept."""
    with np.load(path) as stored:
        net.load_state_dict({name: torch.from_numpy(stored[name].astype(np.float32)) for name in stored.files})


class Training:
    """One run: the network, its running mean, and where the run stands."""

    def __init__(self, samples: Samples, schedule: Schedule, out: Path, start: Path | None = None) -> None:
        torch.manual_seed(samples.seed)
        out.mkdir(parents=True, exist_ok=True)
        self.samples, self.schedule, self.out = samples, schedule, out
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        net = Detector()
        if start is None:
            load_backbone(net)
        else:
            load_npz(net, start)
        net.freeze_first()
        self.net = net.to(self.device, memory_format=torch.channels_last)
        if start is None:
            first, _, _ = collate([samples[i] for i in range(2 * schedule.batch)])
            unit_scale(self.net, to_input(first.to(self.device)))
        self.ema = copy.deepcopy(self.net).requires_grad_(False).eval()
        self.optimizer = optimiser(self.net)
        self.step, self.best, self.seconds = 0, -1.0, 0.0
        centres, strides = cells(INPUT_PX, STRIDES)
        self.centres, self.strides = centres.to(self.device), strides.to(self.device)

    def resume(self) -> bool:
        """Take up the state of last.pt; False if there is none."""
        path = self.out / "last.pt"
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.net.load_state_dict(state["net"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best, self.seconds = int(state["step"]), float(state["best"]), float(state["seconds"])
        log = self.out / "log.jsonl"
        written = log.read_text().splitlines() if log.exists() else []
        kept = [line for line in written if json.loads(line)["step"] <= self.step]
        log.write_text("\n".join([*kept, ""]))  # what came after the checkpoint happens again
        return True

    def run(self, judge: Judge, workers: int) -> dict[str, float]:
        """Train to the schedule's end; the figures of the last judgement on val."""
        started, running, figures = time.monotonic() - self.seconds, np.zeros(3), {}
        loader = batches(self.samples, self.step * self.schedule.batch, self.schedule.batch, workers)
        bar = tqdm(total=self.schedule.steps, initial=self.step, unit="step", disable=None, smoothing=0.05)
        for images, boxes, classes in loader:
            if self.step >= self.schedule.quantised_from and not self.net.stem.grids[0].on:
                switch_on(self.net)
                self.best = -1.0
            running += self._step(images, boxes, classes)
            self.step += 1
            self.seconds = time.monotonic() - started
            bar.update()
            if self.step % LOG_EVERY == 0:
                self._log(step=self.step, loss=running / LOG_EVERY, seconds=round(self.seconds, 1))
                bar.set_postfix(loss=f"{running[0] / LOG_EVERY:.2f}")
                running[:] = 0
            last = self.step == self.schedule.steps
            if self.step % self.schedule.val_every == 0 or last:
                figures = self._judge(judge)
            if self.step % SAVE_EVERY == 0 or last:
                self._save()
        bar.close()
        return figures

    def _step(self, images: Tensor, boxes: list[Tensor], classes: list[Tensor]) -> list[float]:
        factor = rate(self.step, self.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        levels = self.net(to_input(images.to(self.device)))
        truth = [b.to(self.device) for b in boxes], [c.to(self.device) for c in classes]
        loss, classify, locate = detection_loss(levels, self.centres, self.strides, *truth, self.samples.options)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), CLIP_NORM)
        self.optimizer.step()
        decay = min(EMA_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.ema.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        return [loss.item(), classify.item(), locate.item()]

    def _judge(self, judge: Judge) -> dict[str, float]:
        copy_ranges(self.net, self.ema)
        figures = judge(self.ema)
        self._log(step=self.step, seconds=round(self.seconds, 1), on_int8_grid=self.net.stem.grids[0].on, **figures)
        if figures["score"] > self.best:
            self.best = figures["score"]
            save_npz(self.ema, self.out / "best.npz")
        return figures

    def _save(self) -> None:
        temporary = self.out / "last.tmp.pt"
        state = {"net": self.net.state_dict(), "ema": self.ema.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save({**state, "step": self.step, "best": self.best, "seconds": self.seconds}, temporary)
        temporary.replace(self.out / "last.pt")

    def _log(self, **values: object) -> None:
        line = json.dumps(values, default=lambda v: [round(float(x), 4) for x in v])
        with (self.out / "log.jsonl").open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")
        if not sys.stderr.isatty():
            print(line, file=sys.stderr, flush=True)


def start_over_with_malloc(module: str) -> None:
    """Start this process again, once, with better thresholds: glibc reads them when a process starts."""
    if "MALLOC_MMAP_MAX_" not in os.environ:
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**os.environ, **MALLOC})  # noqa: S606


def stages(steps: int, licence: Literal["all", "clean"]) -> list[tuple[str, Schedule, Options]]:
    """The broad stage, and a short one on mostly dermoscopy: small lesions outweigh large ones by their number."""
    broad, last = Options(licence=licence), Options(faces=0.15, late_faces=0.15, dermoscopy=0.6, licence=licence)
    finish = Schedule(steps=max(1, steps * 2 // 11), peak=0.35, quantised_fraction=0.25, val_every=200)
    return [("broad", replace(Schedule(), steps=steps), broad), ("finish", finish, last)]


def main() -> int:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/models"))
    parser.add_argument("--steps", type=int, default=Schedule().steps)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    parser.add_argument("--licence", choices=("all", "clean"), default="all", help="clean: no source in doubt")
    args = parser.parse_args()
    start_over_with_malloc("models.train")
    torch.set_num_threads(2)
    cv2.setNumThreads(1)
    judge, pictures, start = ValSets(args.licence), load("train"), None
    for name, schedule, options in stages(args.steps, args.licence):
        samples = Samples(args.seed, schedule.steps * schedule.batch, options, pictures)
        training = Training(samples, schedule, args.out / name, start)
        if args.resume and not training.resume():
            print(f"no checkpoint in {args.out / name}: this stage starts from its beginning", file=sys.stderr)
        training.run(judge, args.workers)
        start = args.out / name / "best.npz"
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
