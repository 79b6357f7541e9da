"""`python -m models.tried`: each change of the training recipe alone, over seeds, what it did on val, what it cost.

A trial goes on from the stored weights for a few hundred steps at a part of the peak rate, so that several changes and
seeds fit into an hour; it compares changes with "none", never with a training from nothing. Trials that stand in the
file are not run again. The table is models/tried.toml; docs/detector.md shows it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import torch

from models.data import load
from models.options import Options
from models.quick_eval import ValSets
from models.samples import Samples
from models.train import Schedule, Training, start_over_with_malloc

STEPS, PEAK = 240, 0.3
CHANGES: dict[str, tuple[Options, float]] = {
    "none": (Options(faces=0.22, tight=False, small="iou", self_label=0.0), 0.0),
    "tight": (Options(faces=0.22, tight=True, small="iou", self_label=0.0), 0.0),
    "wasserstein": (Options(faces=0.22, tight=False, small="wasserstein", self_label=0.0), 0.0),
    "self_label": (Options(faces=0.22, tight=False, small="iou", self_label=0.5), 0.0),
    "faces": (Options(faces=0.4, tight=False, small="iou", self_label=0.0), 0.0),
    "int8_grid": (Options(faces=0.22, tight=False, small="iou", self_label=0.0), 1.0),
}
"""Name: options, and the fraction of the steps on int8's grid."""


def trial(change: str, seed: int, start: Path, out: Path, judge: ValSets) -> dict[str, object]:
    """One change with one seed: the figures on val at its end, and the seconds it took."""
    options, quantised = CHANGES[change]
    schedule = Schedule(steps=STEPS, peak=PEAK, quantised_fraction=quantised, val_every=STEPS)
    samples = Samples(seed, STEPS * schedule.batch, options, load("train"))
    began = time.monotonic()
    figures = Training(samples, schedule, out / f"{change}-{seed}", start).run(judge, workers=2)
    return {"change": change, "seed": seed, "seconds": round(time.monotonic() - began), **figures}


def main() -> int:
    """Run what is missing, one line of JSON a trial into OUT/trials.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, default=Path("models/weights/lesion-320.npz"))
    parser.add_argument("--out", type=Path, default=Path("build/tried"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--changes", nargs="+", default=list(CHANGES), choices=list(CHANGES))
    args = parser.parse_args()
    start_over_with_malloc("models.tried")
    torch.set_num_threads(2)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "trials.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    done = {(each["change"], each["seed"]) for each in map(json.loads, lines)}
    judge = ValSets()
    for seed in args.seeds:
        for change in args.changes:
            if (change, seed) not in done:
                line = json.dumps(trial(change, seed, args.start, args.out, judge))
                with path.open("a", encoding="utf-8") as handle:
                    handle.write(line + "\n")
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
