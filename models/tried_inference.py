"""`python -m models.tried_inference`: what else could be made of the same network, change by change, on val.

The int8 bundle's candidates are kept under build/looks, so a change of what is made of them costs seconds. Effects are
paired: the same bootstrap draws over groups with and without the change. The table that docs/detector.md shows is
models/tried_inference.toml.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge import bundle
from edge.bundle import Bundle
from edge.decode import Candidates
from models import coco, intervals
from models.looks import Looker
from models.matching import Found, Matches, mean_average_precision, side_ratio
from models.merging import Merging, detections
from models.picture_sets import ACNE, SETS, TUMOUR, PictureSet

TABLE = Path(__file__).parent / "tried_inference.toml"
LABEL_OF = {"dermoscopy": TUMOUR, "faces": ACNE, "phone_like": None}
Figures = dict[str, NDArray[np.float64]]
"""Name -> the figure of val, and then of each bootstrap draw."""

PLAIN = Merging(nms_iou=0.5, vote_iou=0.0)
NOW = Merging()
WHOLE = ("whole",)
TILED = ("whole", "tiles of 0.75")


@dataclass(frozen=True)
class Trial:
    """What is told of it; how pictures are looked at and candidates merged; what it is compared with; if it is kept."""

    told: str
    ways: tuple[str, ...] = WHOLE
    merging: Merging = NOW
    base: str = "now"
    kept: bool = False


BASES = {
    "plain": Trial("the best box of each lesion by NMS at IoU 0.5", merging=PLAIN),
    "now": Trial("NMS at IoU 0.4, boxes by vote at IoU 0.5"),
    "tiles before": Trial(
        "tiles of half the picture and the whole; a box within another is a part of it",
        ("whole", "tiles of 0.5"),
        Merging(nms_iou=0.5, vote_iou=0.3, power=1.0, part=0.7),
    ),
    "tiled": Trial("tiles of three quarters of the picture and the whole", TILED),
}


def trials(thresholds: tuple[float, float], side_factors: tuple[float, float]) -> list[Trial]:
    """All of them, in the table's order. thresholds: the bundle's; side_factors: what would mend train's boxes."""
    half = replace(NOW, nms_iou=0.5)
    return [
        Trial("boxes by vote at IoU 0.5, weights the roots of the scores", merging=half, base="plain", kept=True),
        Trial("NMS at IoU 0.4", merging=replace(PLAIN, nms_iou=0.4), base="plain", kept=True),
        Trial("both", base="plain", kept=True),
        Trial("NMS at IoU 0.3", merging=replace(PLAIN, nms_iou=0.3), base="plain"),
        Trial("NMS at IoU 0.6", merging=replace(PLAIN, nms_iou=0.6), base="plain"),
        Trial("NMS label by label", merging=replace(PLAIN, by_label=True), base="plain"),
        Trial("Gaussian soft-NMS, sigma 0.2", merging=replace(PLAIN, soft=0.2), base="plain"),
        Trial("Gaussian soft-NMS, sigma 0.5", merging=replace(PLAIN, soft=0.5), base="plain"),
        Trial("weights of votes the scores", merging=replace(NOW, power=1.0)),
        Trial("vote at IoU 0.6", merging=replace(NOW, vote_iou=0.6)),
        Trial("vote at IoU 0.4", merging=replace(NOW, vote_iou=0.4)),
        Trial("only what is reported itself votes", merging=replace(NOW, voter_scores=thresholds)),
        Trial("a box that shares 0.8 with another is a part of it", merging=replace(NOW, part=0.8)),
        Trial("odds times the root of how many agree", merging=replace(NOW, support=0.5)),
        Trial("odds times how many agree", merging=replace(NOW, support=1.0)),
        Trial(
            f"boxes scaled label by label to train's mean side ({side_factors[0]:.3f}, {side_factors[1]:.3f})",
            merging=replace(NOW, side_factors=side_factors),
        ),
        Trial("area averaging instead of bilinear", ("area",)),
        Trial("bicubic instead of bilinear", ("cubic",)),
        Trial("black bars", ("black bars",)),
        Trial("the mirrored picture as well", ("whole", "mirrored")),
        Trial("the same, half the score from how both agree", ("whole", "mirrored"), replace(NOW, agreement=0.5)),
        Trial("tiles of three quarters, merged as one look", TILED, base="tiles before", kept=True),
        Trial("tiles of half the picture, merged as one look", ("whole", "tiles of 0.5"), base="tiles before"),
        Trial("tiles of 0.625", ("whole", "tiles of 0.625"), base="tiled"),
        Trial("tiles of 0.875", ("whole", "tiles of 0.875"), base="tiled"),
        Trial("tiles of a half as well", (*TILED, "tiles of 0.5"), base="tiled"),
        Trial("no whole picture", TILED[1:], base="tiled"),
        Trial("a box that shares 0.7 with another is a part of it", TILED, replace(NOW, part=0.7), "tiled"),
        Trial("NMS at IoU 0.3", TILED, replace(NOW, nms_iou=0.3), "tiled"),
        Trial("half the score from how whole and tiles agree", TILED, replace(NOW, agreement=0.5), "tiled"),
    ]


class Judge:
    """The val sets, each with its bootstrap draws; and the detector, every way."""

    def __init__(self, loaded: Bundle) -> None:
        self._looker = Looker(loaded)
        self._sets = {name: SETS[name]("val") for name in LABEL_OF}
        self._draws = {name: intervals.group_weights(each.groups) for name, each in self._sets.items()}

    def found(self, pictures: PictureSet, trial: Trial) -> tuple[list[Found], float]:
        """Detections of each picture, and how many looks they took on average."""
        ways = [self._looker.looks(pictures, way) for way in trial.ways]
        found, looks = [], 0
        for parts in zip(*ways, strict=True):
            candidates = Candidates(*map(np.concatenate, zip(*(each for each, _ in parts), strict=True)))
            numbers = np.repeat(np.arange(len(parts)), [len(each.scores) for each, _ in parts])
            found.append(detections(candidates, numbers, trial.merging))
            looks += sum(count for _, count in parts)
        return found, looks / len(found)

    def figures(self, trial: Trial) -> tuple[Figures, float]:
        """Every figure of a trial, and its looks a picture."""
        out: dict[str, list[float]] = {}
        looks = []
        for name, label in LABEL_OF.items():
            pictures = self._sets[name]
            found, often = self.found(pictures, trial)
            looks.append(often)
            items = pictures.items
            truth = [each.boxes_px if label is None else each.boxes_px[each.classes == label] for each in items]
            levels = {iou: Matches.of([each.of(label) for each in found], truth, iou) for iou in (0.3, *coco.IOUS)}
            for draw in (None, *self._draws[name]):
                for figure, value in _figures(name, levels, draw).items():
                    out.setdefault(figure, []).append(value)
        return {name: np.array(values) for name, values in out.items()}, float(np.mean(looks))

    def side_factors(self) -> tuple[float, float]:
        """What the boxes of each label would be multiplied by to have the sides of those of train."""
        factors = []
        for name in ("dermoscopy", "faces"):
            pictures = SETS[name]("train")
            found, _ = self.found(pictures, BASES["now"])
            shown = [each.of(LABEL_OF[name]).above(0.2) for each in found]
            factors.append(1 / side_ratio(shown, [each.boxes_px for each in pictures.items], 0.3))
        return factors[0], factors[1]


def _figures(name: str, levels: dict[float, Matches], draw: NDArray[np.float64] | None) -> dict[str, float]:
    fifty = levels[0.5].average_precision(draw)
    if name == "faces":
        return {"acne AP at IoU 0.3": levels[0.3].average_precision(draw), "acne AP50": fifty}
    if name == "phone_like":
        return {f"phone-like recall at IoU {iou:g}": levels[iou].recall_at(1.0, draw) for iou in (0.3, 0.5)}
    mean = mean_average_precision([levels[iou] for iou in coco.IOUS], draw)
    return {"dermoscopy AP50": fifty, "dermoscopy AP50:95": mean}


def table(rows: list[tuple[Trial, Figures, Figures, float]], bases: dict[str, tuple[Figures, float]]) -> str:
    """TOML: the figures of the bases; of each trial its paired differences [difference, low, high] and its looks."""
    text = ["# Written by `python -m models.tried_inference`.", ""]
    for name, (figures, looks) in bases.items():
        text += [f"[bases.{json.dumps(name)}]", f"told = {json.dumps(BASES[name].told)}", f"looks = {looks:.1f}"]
        text += [f"{json.dumps(figure)} = {values[0]:.4f}" for figure, values in figures.items()]
        text.append("")
    for trial, figures, base, looks in rows:
        text += ["[[tried]]", f"change = {json.dumps(trial.told)}", f"base = {json.dumps(trial.base)}"]
        text += [f"looks = {looks:.1f}", f"kept = {json.dumps(trial.kept)}", "[tried.effect]"]
        for figure, values in figures.items():
            off = values - base[figure]
            told = ", ".join(f"{value:+.4f}" for value in (off[0], *intervals.percentile(off[1:])))
            text.append(f"{json.dumps(figure)} = [{told}]")
        text.append("")
    return "\n".join(text)


def main() -> int:
    """Try everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=bundle.default_path())
    args = parser.parse_args()
    loaded = bundle.load(args.bundle)
    judge = Judge(loaded)
    first, second = (label.score_threshold for label in loaded.card.labels)
    bases = {name: judge.figures(trial) for name, trial in BASES.items()}
    rows = []
    for trial in trials((first, second), judge.side_factors()):
        figures, looks = judge.figures(trial)
        base = bases[trial.base][0]
        rows.append((trial, figures, base, looks))
        told = ", ".join(f"{name} {values[0] - base[name][0]:+.4f}" for name, values in figures.items())
        print(f"{trial.told} ({trial.base}): {told}", file=sys.stderr, flush=True)
    TABLE.write_text(table(rows, bases), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
