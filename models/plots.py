"""Plots for docs/detector.md, as SVG that is the same for the same figures: no date, no random ids, no picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.figures import Judged
from models.picture_sets import ACNE, TUMOUR
from models.trained_again import LOG, curve

if TYPE_CHECKING:
    from models.evaluate import Done

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
NAMES = ("precision-recall", "froc", "reliability", "size", "training")
COLOURS = {"int8": "#1b6ca8", "float": "#c8553d"}
JUDGED = (
    ("dermoscopy", TUMOUR, "tumour, dermoscopy"),
    ("faces", ACNE, "acne, faces"),
    ("phone_like", None, "phone-like"),
)
STYLE = {
    "svg.hashsalt": "dermedge", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
    "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False,
    "figure.constrained_layout.use": True,
}  # fmt: skip


def draw(done: Done) -> None:
    """All plots of an evaluation, and the training's curve."""
    import matplotlib as mpl

    mpl.use("svg")
    with mpl.rc_context(STYLE):
        precision_recall(done)
        froc(done)
        reliability(done)
        size(done)
        training(curve(LOG))


def _panels(count: int, **sizes: float) -> tuple[Any, Any]:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, count, figsize=(3.3 * count, sizes.get("height", 3.0)), squeeze=False)
    return figure, axes[0]


def _save(figure: Any, name: str) -> None:
    from matplotlib import pyplot as plt

    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"detector-{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    # One line end a line and none trailing, as the repository's other texts.
    text = "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    path.write_text(text + "\n", encoding="utf-8")


def _of(done: Done, kind: str, name: str) -> tuple[Any, str]:
    """The detections of a set on test, or on val where there is no test part."""
    split = "test" if name in done[kind, "test"].seen else "val"
    return done[kind, split].seen[name], split


def precision_recall(done: Done) -> None:
    """Precision over recall at IoU 0.3 and 0.5, int8 and float."""
    figure, axes = _panels(len(JUDGED))
    for axis, (name, label, title) in zip(axes, JUDGED, strict=True):
        for kind, colour in COLOURS.items():
            seen, split = _of(done, kind, name)
            for level, line in ((0.3, "--"), (0.5, "-")):
                recall, precision, _ = Judged(seen, label).at(level).curve()
                envelope = np.maximum.accumulate(precision[::-1])[::-1]
                points = np.unique(np.searchsorted(recall, np.linspace(0, recall[-1], 150)))
                axis.plot(recall[points], envelope[points], line, color=colour, lw=1.2, label=f"{kind}, IoU {level}")
        axis.set(title=f"{title} ({split})", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes[0].legend(frameon=False, loc="lower left")
    _save(figure, "precision-recall")


def froc(done: Done) -> None:
    """Recall over false positives a picture, int8, with the constant centre box as a cross."""
    figure, axes = _panels(len(JUDGED))
    for axis, (name, label, title) in zip(axes, JUDGED, strict=True):
        seen, split = _of(done, "int8", name)
        for level, colour in ((0.3, "#3a7d44"), (0.5, "#1b6ca8")):
            recall, _, false = Judged(seen, label).at(level).curve()
            shown = np.flatnonzero((false > 0.005) & (false < 10))
            points = shown[np.unique(np.round(np.linspace(0, len(shown) - 1, 150)).astype(int))]
            axis.plot(false[points], recall[points], color=colour, lw=1.2, label=f"IoU {level}")
        for rate in (0.1, 0.5, 1.0):
            axis.axvline(rate, color="#999999", lw=0.6, ls=":")
        axis.set(title=f"{title} ({split})", xlabel="false positives a picture", ylabel="recall", xscale="log",
                 xlim=(0.01, 10), ylim=(0, 1.02))  # fmt: skip
    axes[0].legend(frameon=False, loc="lower right")
    _save(figure, "froc")


def reliability(done: Done) -> None:
    """Share of hits over score on val, each group scored by a fit without it; a dot grows with its detections."""
    figure, axes = _panels(2)
    told = done["int8", "val"].calibration
    for axis, (label, part) in zip(axes, told.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="#999999", lw=0.8, ls=":")
        for rows, colour, name in ((part["rows_raw"], "#c8553d", "raw"), (part["rows"], "#1b6ca8", "calibrated")):
            scores, hits = [row["score"] for row in rows], [row["hits"] for row in rows]
            axis.plot(scores, hits, color=colour, lw=1, label=name)
            axis.scatter(scores, hits, s=[6 + 2.5 * row["count"] ** 0.5 for row in rows], color=colour)
        axis.set(title=f"{label} (val)", xlabel="score", ylabel="share that are hits", xlim=(0, 1), ylim=(0, 1))
    axes[0].legend(frameon=False, loc="upper left")
    _save(figure, "reliability")


def size(done: Done) -> None:
    """Recall at the card's thresholds by the lesion's side, int8."""
    from models import figures

    figure, axes = _panels(len(JUDGED))
    for axis, (name, label, title) in zip(axes, JUDGED, strict=True):
        seen, split = _of(done, "int8", name)
        rows = figures.by_size(Judged(seen, label), name, done["int8", split].limits)
        place = np.arange(len(rows))
        for shift, key, colour in ((-0.2, "recall30", "#3a7d44"), (0.2, "recall50", "#1b6ca8")):
            axis.bar(place + shift, [row[key] for row in rows], 0.38, color=colour, label=f"IoU 0.{key[-2:]}")
        names = [f"{row['from']:g} to {row['to']:g}\n{row['boxes']} boxes" for row in rows]
        names[0], names[-1] = (f"under {rows[0]['to']:g}\n{rows[0]['boxes']} boxes",
                               f"over {rows[-1]['from']:g}\n{rows[-1]['boxes']} boxes")  # fmt: skip
        axis.set_xticks(place, names)
        axis.set(title=f"{title} ({split})", ylabel="recall at the threshold", ylim=(0, 1.02))
        axis.set_xlabel("lesion's side over the picture's short side")
    axes[0].legend(frameon=False, loc="upper left")
    _save(figure, "size")


def training(log: list[dict[str, Any]]) -> None:
    """Loss by step, and the val figures by which the checkpoint was chosen."""
    figure, axes = _panels(2)
    before, last, rows = 0, log[0], []
    for row in log:  # the steps of each stage count on from those of the one before
        before += last["step"] if row.get("stage") != last.get("stage") else 0
        rows.append({**row, "step": before + row["step"]})
        last = row
    losses = [row for row in rows if "loss" in row]
    for index, name in enumerate(("total", "score", "box")):
        axes[0].plot([row["step"] for row in losses], [row["loss"][index] for row in losses], lw=1, label=name)
    axes[0].set(title="loss (train)", xlabel="step", ylim=(0, None))
    judged = [row for row in rows if "dermoscopy_ap50" in row]
    for key, name in (("dermoscopy_ap50", "dermoscopy AP50"), ("acne_ap30", "acne AP at IoU 0.3"),
                      ("acne_ap50", "acne AP50")):  # fmt: skip
        axes[1].plot([row["step"] for row in judged], [row[key] for row in judged], "o-", ms=2.5, lw=1, label=name)
    axes[1].set(title="val, mean weights, while training", xlabel="step", ylim=(0, 1))
    for axis in axes:
        axis.legend(frameon=False)
    _save(figure, "training")
