"""docs/detector.md from a measured card and models/tried*.toml: nothing in it is typed by hand twice."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edge.bundle import Card
from models import page_tables
from models.page_tables import TITLES, spread
from models.trained_again import trained_again

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "detector.md"
TRIED = Path(__file__).parent / "tried.toml"
"""[[tried]]: change, effect = {figure = [difference on val, a seed each]}, cost, kept."""
TRIED_INFERENCE = Path(__file__).parent / "tried_inference.toml"
"""bases: name = {told, looks, figures}; [[tried]]: change, base, effect = {figure = [difference, low, high]}, looks."""
PLOTS = {
    "precision-recall": "Precision over recall, int8 and float, at IoU 0.3 and 0.5",
    "froc": "Recall over false positives a picture, int8",
    "reliability": "Share of hits over score, raw and calibrated",
    "size": "Recall by the lesion's size at the card's thresholds",
    "training": "Loss and val figures by step",
}


def plot(name: str) -> list[str]:
    """A plot with what it shows, where it has been drawn."""
    if not (DOCS.parent / "images" / f"detector-{name}.svg").exists():
        return []
    return [f"![{PLOTS[name]}](images/detector-{name}.svg)", ""]


def what_it_is(card: Card) -> list[str]:
    """The network and its cost."""
    return [
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
    ]


def how_measured(card: Card) -> list[str]:
    """What the figures rest on."""
    readings = card.measured["test_readings"]
    earlier = "; ".join(
        f"reading {each['reading']}: version {each['version']}, model {each['model_sha256'][:8]}, AP50 of dermoscopy "
        f"{each['cutaneous_tumour_ap50']:.3f}"
        for each in readings[:-1]
    )
    return [
        "`test` is looked at for this report only; checkpoint, calibration and thresholds are chosen on `val`. Each "
        f"new bundle's first reading of `test` has a number; this one's is {readings[-1]['reading']} (bundle "
        f"{readings[-1]['card_sha256'][:8]}). Before it: {earlier or 'none'}.",
        "",
        "All of it runs through `edge.detect`, the code of the device. AP is COCO's, by pycocotools. Brackets hold "
        "95 % intervals of 1000 bootstrap draws over groups (near-duplicates, and pictures of one person, come and go "
        "together: 91 groups of dermoscopy but only 22 of faces in test), and exact binomial intervals where shares "
        "are told. int8 and float are compared on the same draws. No near-duplicates are left within val or test; "
        "those that the data folder names are all in train.",
        "",
    ]


def where_nothing_is(card: Card) -> list[str]:
    """Lesion-free pictures."""
    return [
        "### Where there is nothing to find",
        "",
        "Share of pictures with at least one detection of any label at the card's thresholds.",
        "",
        *page_tables.free(card),
        "Real tiles are cut from pictures of their own split at least 8 px outside every box, at several sizes; the "
        "boxes leave some naevi, spots and eyes out, so a part of these detections is of something. Tiles of one "
        "picture resemble each other: the exact interval takes them as independent and is a little too narrow. The "
        "drawn ones come from the generator that also made training negatives (other seeds): they are no evidence "
        "about the world, only about what was asked for.",
        "",
    ]


def phone(card: Card) -> list[str]:
    """The stand-in, and what it is not."""
    return [
        "### Close-ups by phone: a stand-in",
        "",
        "No phone pictures were given. `models/phone_like.py` makes 200 from `val` only: lesions cut along their own "
        "edge (without the dermatoscope's vignette), fainter, at times red or raised, on the skin and the faces of "
        "other val pictures, in six skin types, at 0.12 to 0.6 of the frame's side, with hair, pen marks and paper "
        "scales, behind a camera with light, blur, noise, sharpening and JPEG. It shares no code with the augmentation "
        "of training, but the idea is the same, and it was made hard enough that the first detector scored on it what "
        "it was reported to score on real close-ups at IoU 0.3 (0.92). It chooses; it is no proof. Its boxes touch "
        "the visible lesion.",
        "",
        *page_tables.phone(card),
        *page_tables.by_tone(card, "phone_like", "skin type"),
    ]


def scores(card: Card) -> list[str]:
    """Calibration and thresholds."""
    limits = "; ".join(f"`{label.name}` {label.score_threshold:.2f}" for label in card.labels)
    fitted = "; ".join(
        f"`{label.name}` slope {label.calibration.slope:.3f}, intercept {label.calibration.intercept:.3f}"
        for label in card.labels
        if label.calibration is not None
    )
    return [
        "## Scores and thresholds",
        "",
        "A score is the share of hits among detections like it (IoU 0.5 for `cutaneous_tumour`, 0.3 for "
        "`acne_rosacea`): one logistic function a label on the logit (Platt 1999), fitted on val pictures, the "
        f"phone-like stand-in and lesion-free tiles. {fitted or 'This bundle has none'}.",
        "",
        *page_tables.calibration(card),
        "Expected calibration error (Guo et al. 2017) of scores from 0.05 on; on val each group is scored by a fit "
        "that left it out. test has no phone-like part, whose faint lesions score low and are hits all the same: where "
        "they are missing, on val as on test, a score of `cutaneous_tumour` promises more than it keeps. That is the "
        "price of one curve for the dermatoscope and the phone.",
        "",
        *plot("reliability"),
        f"Thresholds: {limits}. Rule: {card.threshold_rule}.",
        "",
    ]


def failures(card: Card) -> list[str]:
    """Failure classes with counts, and in words."""
    return [
        "## How it fails",
        "",
        *page_tables.failures(card),
        "A missed box is *badly placed* where a detection overlaps it by 0.1 to 0.5, of *another label* where the "
        "place was right; a false one is *elsewhere* where no box is near. In words, from looking at val:",
        "",
        "- Dermoscopy: lesions that lie side by side or inside one another come out as one box, or as one box more; a "
        "small lesion beside a large one is passed over; redness without an edge is boxed as the whole frame or not at "
        "all; a box that the data draws round several specks is answered by the specks.",
        "- Close-ups: faint and pink lesions without pigment are missed first, then those over brows, lids, lips and "
        "nostrils; raised ones with a highlight are boxed by their dark half. Most false ones are spots of acne that "
        "the face itself had.",
        "- Acne: what is missed is mostly there, but the boxes of the data are 5 to 10 px off at 20 px, so IoU 0.5 is "
        "decided by chance; crowded cheeks are reported as fewer lesions.",
        "- Where there is nothing: naevi, spots and comedones that the boxes leave out; brows, hair that fills the "
        "tile, lips, dark corners of a room.",
        "",
    ]


def tried() -> list[str]:
    """What was tried, kept or not."""
    if not TRIED.exists():
        return []
    rows: list[dict[str, Any]] = tomllib.loads(TRIED.read_text(encoding="utf-8")).get("tried", [])
    lines = [
        "## What was tried",
        "",
        "Each change alone: 240 steps more from the weights of 0.1.0, at three tenths of the peak rate; differences on "
        "val (float) against the same steps without it, mean (each seed). Under 0.08 one difference is noise at these "
        "sizes; what a long training makes of a change is not told by it.",
        "",
    ]
    lines += ["| change | effect on val | cost | kept |", "|---|---|---|---|"]
    for row in rows:
        effect = "; ".join(f"{name} {spread(values)}" for name, values in row["effect"].items())
        lines.append(f"| {row['change']} | {effect} | {row['cost']} | {'yes' if row['kept'] else 'no'} |")
    return [*lines, "", *_tried_inference()]


def _tried_inference() -> list[str]:
    if not TRIED_INFERENCE.exists():
        return []
    return [
        "### Without training again",
        "",
        "What else can be made of the same int8 network, by `python -m models.tried_inference`: differences on val "
        "from the first row of each table, with 95 % intervals of the same 1000 bootstrap draws over groups. "
        "Recall is at 1 false positive a picture. Time is in looks of the network, which take nearly all of it.",
        "",
        *page_tables.tried_inference(tomllib.loads(TRIED_INFERENCE.read_text(encoding="utf-8"))),
    ]


def provenance(card: Card) -> list[str]:
    """Caveats, sources, licence, and how to make it again."""
    training = card.training
    return [
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
        *plot("training"),
        "```",
        "make workshop                                   # PyTorch and TensorFlow, an environment of its own",
        *[part.strip() for part in str(training.get("command", "")).split("&&")],
        "python -m models.evaluate",
        "```",
        "",
        "`python -m models.export` alone makes the same bundle from `models/weights/`, byte for byte on the same kind "
        "of processor; another one rounds the calibrated ranges otherwise. The pictures are found by DERMEDGE_DATA. "
        f"{training.get('duration', '')}".rstrip(),
        "",
        *trained_again(card),
    ]


def render(card: Card) -> str:
    """The page as Markdown."""
    lines = [
        "# The reference lesion detector",
        "",
        f"**{card.notice}** Written by `python -m models.evaluate` from the card of `{card.name}` {card.version}; "
        f"measured {card.measured['date']} with {card.measured['engine']}.",
        "",
        *what_it_is(card),
        "## Aims and what was reached",
        "",
        *page_tables.aims(card),
        "## Figures",
        "",
        *how_measured(card),
        *plot("precision-recall"),
        *plot("froc"),
    ]
    for label in TITLES:
        lines += page_tables.label(card, label)
    lines += [
        "A constant centre box (its side chosen on train) stands beside each recall because dermoscopy is framed by "
        "hand: it is what a detector that knows nothing reaches, at just under one false positive a picture.",
        "",
        *page_tables.counts(card),
        *phone(card),
        *where_nothing_is(card),
        *plot("size"),
        *scores(card),
        *failures(card),
        *tried(),
        *provenance(card),
    ]
    return "\n".join(lines)


def write(card: Card) -> None:
    """Render into docs/."""
    DOCS.write_text(render(card), encoding="utf-8")
