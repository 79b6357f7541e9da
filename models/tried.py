"""`python -m models.tried`: each change of the training recipe alone, over seeds, what it did on val, what it cost.

A trial goes on from stored weights (the table's: those of version 0.1.0, in the history of models/weights/) for a few
hundred steps at a part of the peak rate, so that several changes and seeds fit into an hour; it compares changes with
"none", never with a training from nothing. Trials that stand in OUT/trials.jsonl are not run again. The table that
docs/detector.md shows is models/tried.toml.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import torch

from models.data import load
from models.options import Options
from models.quick_eval import ValSets
from models.samples import Samples
from models.train import Schedule, Training, start_over_with_malloc

STEPS, PEAK = 240, 0.3
TABLE = Path(__file__).parent / "tried.toml"
FIGURES = {"dermoscopy_ap50": "dermoscopy AP50", "acne_ap30": "acne AP at IoU 0.3", "acne_ap50": "acne AP50"}
BEFORE = Options(faces=0.22, late_faces=0.22, tight=False, small="iou")


@dataclass(frozen=True, slots=True)
class Change:
    """What is told of it, the options, the fraction of the steps on int8's grid, and whether the recipe has it."""

    told: str
    options: Options = BEFORE
    quantised: float = 0.0
    kept: bool = False


CHANGES = {
    "none": Change("none"),
    "tight": Change("boxes of pasted lesions fit the visible lesion", replace(BEFORE, tight=True), kept=True),
    "wasserstein": Change(
        "small boxes assigned and located by centre distance and size (normalised Wasserstein distance), not IoU",
        replace(BEFORE, small="wasserstein"), kept=True,
    ),
    "self_label": Change(
        "small boxes moved half way to what the network says of them", replace(BEFORE, self_label=0.5)
    ),
    "faces": Change("40 % faces instead of 22 %", replace(BEFORE, faces=0.4, late_faces=0.4)),
    "int8_grid": Change("quantisation-aware steps", quantised=1.0, kept=True),
}  # fmt: skip


def trial(name: str, seed: int, start: Path, out: Path, judge: ValSets) -> dict[str, Any]:
    """One change with one seed: the figures on val at its end, and the seconds it took."""
    change = CHANGES[name]
    schedule = Schedule(steps=STEPS, peak=PEAK, quantised_fraction=change.quantised, val_every=STEPS)
    samples = Samples(seed, STEPS * schedule.batch, change.options, load("train"))
    began = time.monotonic()
    figures = Training(samples, schedule, out / f"{name}-{seed}", start).run(judge, workers=2)
    return {"change": name, "seed": seed, "seconds": round(time.monotonic() - began), **figures}


def table(trials: list[dict[str, Any]]) -> str:
    """TOML: for each change its differences from "none" with the same seed."""
    by = {(each["change"], each["seed"]): each for each in trials}
    text = ["# Written by `python -m models.tried`.", ""]
    for name, change in CHANGES.items():
        seeds = sorted(seed for each, seed in by if each == name and ("none", seed) in by)
        if name == "none" or not seeds:
            continue
        text += ["[[tried]]", f"change = {json.dumps(change.told)}", f"seeds = {seeds}"]
        text.append(f'cost = "{STEPS} steps more"')
        text += [f"kept = {json.dumps(change.kept)}", "[tried.effect]"]
        for key, figure in FIGURES.items():
            differences = [round(by[name, seed][key] - by["none", seed][key], 4) for seed in seeds]
            text.append(f"{json.dumps(figure)} = {differences}")
        text.append("")
    return "\n".join(text)


def main() -> int:
    """Run what is missing, one line of JSON a trial into OUT/trials.jsonl, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, default=Path("models/weights/lesion-320.npz"))
    parser.add_argument("--out", type=Path, default=Path("build/tried"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--changes", nargs="+", default=list(CHANGES), choices=list(CHANGES))
    args = parser.parse_args()
    start_over_with_malloc("models.tried")
    torch.set_num_threads(2)
    cv2.setNumThreads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "trials.jsonl"
    trials = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    done = {(each["change"], each["seed"]) for each in trials}
    wanted = [(name, seed) for seed in args.seeds for name in args.changes if (name, seed) not in done]
    judge = ValSets() if wanted else None
    for name, seed in wanted:
        assert judge is not None
        trials.append(trial(name, seed, args.start, args.out, judge))
        with path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(trials[-1]) + "\n")
        print(json.dumps(trials[-1]), flush=True)
    TABLE.write_text(table(trials), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
