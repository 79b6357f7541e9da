"""docs/detector.md from a measured card: nothing in it is typed by hand twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.bundle import Card

DOCS = Path(__file__).resolve().parent.parent / "docs" / "detector.md"
ROWS = (
    ("AP at IoU 0.50", "ap50"),
    ("AP at IoU 0.50:0.95", "ap50_95"),
    ("AP at IoU 0.30", "ap30"),
    ("recall at the threshold, IoU 0.30", "recall30"),
    ("recall at the threshold, IoU 0.50", "recall50"),
    ("false positives a picture, IoU 0.50", "false_positives_a_picture50"),
    ("recall of a constant centre box, IoU 0.30", "centre_box_recall30"),
    ("recall of a constant centre box, IoU 0.50", "centre_box_recall50"),
)
TITLES = {
    "cutaneous_tumour": "`cutaneous_tumour` on dermoscopy",
    "acne_rosacea": "`acne_rosacea` on faces",
}
FREE = {
    "real": "healthy crops and tiles that touch no box",
    "drawn": "drawn skin with glare, mottle, hair, ticks, round things",
    "nonskin": "other things (test only)",
}


def _figure_table(card: Card, label: str) -> list[str]:
    measured = card.measured
    splits = list(measured["int8"])
    counts = ", ".join(
        f"{split}: {part[label]['pictures']} pictures, {part[label]['boxes']} boxes"
        for split, part in measured["int8"].items()
    )
    columns = [(split, kind) for split in splits for kind in ("float", "int8")]
    lines = [f"### {TITLES[label]}", "", f"{counts}.", ""]
    lines += ["| figure | " + " | ".join(f"{split} {kind}" for split, kind in columns) + " |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    for title, key in ROWS:
        if key in measured["int8"][splits[0]][label]:
            values = " | ".join(f"{measured[kind][split][label][key]:.3f}" for split, kind in columns)
            lines.append(f"| {title} | {values} |")
    return [*lines, ""]


def _free_table(card: Card) -> list[str]:
    lines = ["| lesion-free pictures (int8) | split | pictures | " + " | ".join(TITLES) + " |"]
    lines.append("|---" * (len(TITLES) + 3) + "|")
    for split, part in card.measured["int8"].items():
        for name, title in FREE.items():
            row: dict[str, Any] | None = part.get(f"false_positive_fraction_{name}")
            if row is not None:
                rates = " | ".join(f"{row[label]:.3f}" for label in TITLES)
                lines.append(f"| {title} | {split} | {row['pictures']} | {rates} |")
    return [*lines, ""]


def render(card: Card) -> str:
    """The page as Markdown."""
    limits = "; ".join(f"`{label.name}` {label.score_threshold:.2f}" for label in card.labels)
    lines = [
        "# The reference lesion detector",
        "",
        f"**{card.notice}** Written by `python -m models.evaluate` from the card of `{card.name}` {card.version}; "
        f"measured {card.measured['date']} with {card.measured['engine']}.",
        "",
        "## What it is",
        "",
        "A picture (letterboxed to 320 x 320, RGB) goes through blocks 0-15 of EfficientNet-Lite0, a top-down pyramid "
        "of 96 channels (5x5 depthwise-separable) and a shared tower of two. Each cell at strides 8, 16 and 32 gives "
        "two class logits and four log distances to the box's sides. sigmoid, exp and suppression are outside the "
        "graph.",
        "",
        f"{card.parameters / 1e6:.2f} million parameters, {card.mac / 1e9:.3f} GMAC, recipe `{card.recipe}`: int8 "
        "in, int8 out, weights per channel, no float inside. The input's scale is 1/128 and its zero point -1, so "
        "quantising a picture is one XOR.",
        "",
        "## Figures",
        "",
        "`test` was looked at for this report only; checkpoint and thresholds were chosen on `val`. All of it runs "
        "through `edge.detect`, the code of the device.",
        "",
    ]
    for label in TITLES:
        lines += _figure_table(card, label)
    lines += [
        "A constant centre box of the best size (chosen on train) is listed because dermoscopy is framed by hand: it "
        "is what a detector that knows nothing would reach.",
        "",
        "### Where there is nothing to find",
        "",
        "Share of pictures with at least one detection at the card's thresholds.",
        "",
        *_free_table(card),
        "The drawn ones come from the generator that also made training negatives (other seeds): they are no evidence "
        "about the world, only about what was asked for.",
        "",
        "## Thresholds",
        "",
        f"{limits}. Rule: {card.threshold_rule}.",
        "",
        "## What it does not do",
        "",
        *[f"- {caveat}" for caveat in card.caveats],
        f"- Not covered, because the data cannot teach it: {', '.join(card.not_covered)}.",
        "",
        "## Where it comes from",
        "",
        "| source | repository | commit | licence as stated | use |",
        "|---|---|---|---|---|",
        *[f"| {s.name} | {s.repo} | {s.commit} | {s.licence_as_stated} | {s.use} |" for s in card.sources],
        "",
        "The weights are not under the code's licence: see `models/LICENSE`. No training picture is in this "
        "repository.",
        "",
        "## Making it again",
        "",
        "```",
        "make workshop                                   # PyTorch and TensorFlow, an environment of its own",
        "python -m models.train                          # seeded; about 25 minutes on two free cores",
        "python -m models.export --trained build/models/best.npz",
        "python -m models.evaluate",
        "```",
        "",
        "`python -m models.export` alone makes the same bundle from `models/weights/`, byte for byte on the same kind "
        "of processor; another one rounds the calibrated ranges otherwise. The pictures are found by DERMEDGE_DATA. "
        "The shipped weights took 39 minutes on two cores that did other work as well; free, a step takes 0.62 s (AMD "
        "EPYC with bfloat16), 25 minutes in all. A second run on that machine gave the same losses over the 50 steps "
        "that were compared; other processors and thread counts round otherwise.",
        "",
    ]
    return "\n".join(lines)


def write(card: Card) -> None:
    """Render into docs/."""
    DOCS.write_text(render(card), encoding="utf-8")
