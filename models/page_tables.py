"""The tables of docs/detector.md, from a card's measured part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge.bundle import Card

TITLES = {
    "cutaneous_tumour": "`cutaneous_tumour` on dermoscopy",
    "acne_rosacea": "`acne_rosacea` on faces",
}
AP = {"ap30": "AP at IoU 0.30", "ap50": "AP at IoU 0.50", "ap50_95": "AP at IoU 0.50:0.95"}
FREE = {
    "free_real": "tiles and crops that touch no box",
    "free_drawn": "drawn: skin with hair, rulers, glare, mottle, coins, buttons, eyes, nostrils, cloth",
    "nonskin": "other things (test only)",
}
Part = dict[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line."""
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def within(value: float, interval: Sequence[float]) -> str:
    """A figure and its interval."""
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def spread(values: Sequence[float]) -> str:
    """Mean of signed differences, and each of them."""
    return f"{sum(values) / len(values):+.3f} ({', '.join(f'{each:+.3f}' for each in values)})"


def _columns(card: Card) -> list[tuple[str, str]]:
    return [(split, kind) for split in card.measured["int8"] for kind in ("float", "int8")]


def aims(card: Card) -> list[str]:
    """What was asked for, beside what the int8 bundle reaches."""
    test, val = card.measured["int8"]["test"], card.measured["int8"]["val"]
    tumour, acne, near = test["cutaneous_tumour"], test["acne_rosacea"], val["phone_like"]
    off = card.measured["int8_minus_float"]["test"]["cutaneous_tumour"]["ap50"]
    rows = [
        ("dermoscopy test, AP50", "0.92", tumour["ap50"], tumour["intervals"]["ap50"], tumour["ap50"] >= 0.92),
        ("dermoscopy test, AP50:95", "0.58", tumour["ap50_95"], tumour["intervals"]["ap50_95"],
         tumour["ap50_95"] >= 0.58),
        ("acne test, AP at IoU 0.3", "0.60", acne["ap30"], acne["intervals"]["ap30"], acne["ap30"] >= 0.6),
        ("acne test, AP50", "0.25", acne["ap50"], acne["intervals"]["ap50"], acne["ap50"] >= 0.25),
        ("phone-like val (a stand-in), class-blind recall at IoU 0.3, 1 false positive a picture", "0.95",
         near["at_rates"]["1"]["recall30"], near["intervals"]["recall30_at_1"],
         near["at_rates"]["1"]["recall30"] >= 0.95),
        ("the same at IoU 0.5", "0.78", near["at_rates"]["1"]["recall50"], near["intervals"]["recall50_at_1"],
         near["at_rates"]["1"]["recall50"] >= 0.78),
    ]  # fmt: skip
    lines = [[name, f"at least {aim}", within(value, span), "yes" if met else "no"]
             for name, aim, value, span, met in rows]  # fmt: skip
    tiles, before = test["free_real"], card.measured["float"]["test"]["cutaneous_tumour"]["ap50"]
    share, met = within(tiles["fraction"], tiles["interval"]), tumour["ap50"] - before
    paired = f"{met:+.4f} (paired {off['mean']:+.4f} [{off['interval'][0]:+.4f}, {off['interval'][1]:+.4f}])"
    lines += [
        ["lesion-free test tiles with a detection, upper bound", "at most 0.10", share,
         "yes" if tiles["interval"][1] <= 0.1 else "no"],
        ["int8 - float, dermoscopy test AP50", "at least -0.005", paired, "yes" if met >= -0.005 else "no"],
    ]  # fmt: skip
    return table(("set", "aim", "reached (int8)", "met"), lines)


def label(card: Card, name: str) -> list[str]:
    """One label's figures, by split and by model."""
    measured = card.measured
    columns = _columns(card)
    told = [f"{split}: {part[name]['pictures']} pictures ({part[name]['groups']} groups), {part[name]['boxes']} boxes"
            for split, part in measured["int8"].items()]  # fmt: skip
    parts = [measured[kind][split][name] for split, kind in columns]
    rows = [[title, *(within(part[key], part["intervals"][key]) for part in parts)] for key, title in AP.items()]
    for level in ("30", "50"):
        for rate in parts[0]["at_rates"]:
            values = [f"{part['at_rates'][rate][f'recall{level}']:.3f}" for part in parts]
            rows.append([f"recall, IoU 0.{level}, at most {rate} false a picture", *values])
        rows.append([f"recall of a constant centre box, IoU 0.{level}",
                     *(f"{part[f'centre_box_recall{level}']:.3f}" for part in parts)])  # fmt: skip
        for key, title in (("recall", "recall at the card's threshold"),
                           ("false_positives_a_picture", "false positives a picture at that threshold")):  # fmt: skip
            rows.append([f"{title}, IoU 0.{level}", *(f"{part[key + level]:.3f}" for part in parts)])
    rows.append(["side of a reported box over the true one", *(f"{part['side_ratio']:.2f}" for part in parts)])
    lines = [f"### {TITLES[name]}", "", f"{'; '.join(told)}.", ""]
    lines += table(("figure", *(f"{split} {kind}" for split, kind in columns)), rows)
    lines += [
        "int8 - float on the same draws: " + "; ".join(_off(card, split, name) for split in measured["int8"]) + ".",
        "",
    ]
    return lines + _by_size(card, name) + by_tone(card, name, "skin tone (ITA)")


def _off(card: Card, split: str, name: str) -> str:
    part = card.measured["int8_minus_float"][split][name]
    return f"{split} " + ", ".join(
        f"{AP[key]} {part[key]['mean']:+.3f} [{part[key]['interval'][0]:+.3f}, {part[key]['interval'][1]:+.3f}]"
        for key in AP
    )


def _by_size(card: Card, name: str) -> list[str]:
    rows = [
        [f"{row['from']:g} to {row['to']:g}" if row["to"] < 2 else f"over {row['from']:g}", split, str(row["boxes"]),
         *(f"{row[key]:.3f}" if key in row else "" for key in ("ap30", "ap50", "recall30", "recall50"))]
        for split, part in card.measured["int8"].items()
        for row in part[name]["by_size"]
    ]  # fmt: skip
    head = (
        "lesion's side / picture's",
        "split",
        "boxes",
        "AP at 0.30",
        "AP at 0.50",
        "recall at 0.30",
        "recall at 0.50",
    )
    return table(head, rows)


def by_tone(card: Card, name: str, title: str) -> list[str]:
    """By skin tone, int8; small bins are counted only."""
    rows = [
        [row["tone"], split, str(row["pictures"]), str(row["boxes"]),
         *(f"{row[key]:.3f}" if key in row else "too few" for key in ("ap30", "ap50", "recall30", "recall50"))]
        for split, part in card.measured["int8"].items()
        if name in part
        for row in part[name]["by_tone"]
        if row["pictures"]
    ]  # fmt: skip
    return table(
        (title, "split", "pictures", "boxes", "AP at 0.30", "AP at 0.50", "recall at 0.30", "recall at 0.50"), rows
    )


def counts(card: Card) -> list[str]:
    """Acne: how many lesions, whole picture and tiled, and the tiled AP."""
    rows, tiled = [], []
    for split, part in card.measured["int8"].items():
        told = part["acne_rosacea"]["count"]
        for way in ("whole", "tiled"):
            for choice, title in (("card", "the card's"), ("chosen_on_val", "chosen on val")):
                row = told[way][choice]
                rows.append([split, way, f"{title} ({row['threshold']:.2f})", within(row["mae"], row["mae_interval"]),
                             f"{row['bias']:+.2f}"])  # fmt: skip
        constant = told["constant"]
        rows.append(
            [split, f"constant {constant['count']:g}", "", f"{constant['mae']:.3f}", f"{constant['bias']:+.2f}"]
        )
        for way, values in (("whole", part["acne_rosacea"]), ("tiled", part["acne_rosacea"]["tiled"])):
            tiled.append([split, way, *(within(values[key], values["intervals"][key]) for key in AP)])
    return [
        "### Number of acne lesions a picture",
        "",
        "Severity of acne is a count. Mean absolute error and bias of the number of detections against the number of "
        "boxes, int8; the constant is the median of train.",
        "",
        *table(("split", "way", "threshold", "mean absolute error", "bias"), rows),
        "The whole picture against overlapping tiles (`dermedge detect --tile`):",
        "",
        *table(("split", "way", *AP.values()), tiled),
    ]


def phone(card: Card) -> list[str]:
    """The phone-like stand-in, class-blind."""
    rows = []
    kinds = [kind for kind in ("float", "int8") if kind in card.measured]
    parts = [card.measured[kind]["val"]["phone_like"] for kind in kinds]
    for level in ("30", "50"):
        for rate in parts[0]["at_rates"]:
            cells = [f"{part['at_rates'][rate][f'recall{level}']:.3f}" for part in parts]
            if rate == "1":
                cells = [within(part["at_rates"][rate][f"recall{level}"], part["intervals"][f"recall{level}_at_1"])
                         for part in parts]  # fmt: skip
            rows.append([f"recall, IoU 0.{level}, at most {rate} false a picture", *cells])
        rows.append([f"recall of the best constant centre box, IoU 0.{level}",
                     *(f"{part[f'centre_box_recall{level}']:.3f}" for part in parts)])  # fmt: skip
        for key, title in (("recall", "recall at the card's thresholds"),
                           ("false_positives_a_picture", "false positives a picture at those thresholds")):  # fmt: skip
            rows.append([f"{title}, IoU 0.{level}", *(f"{part['at_card'][key + level]:.3f}" for part in parts)])
    rows += [[title, *(within(part[key], part["intervals"][key]) for part in parts)] for key, title in AP.items()]
    rows.append(["side of a box over the visible lesion's (1 false positive a picture)",
                 *(f"{part['at_1']['side_ratio']:.2f}" for part in parts)])  # fmt: skip
    told = f"{parts[0]['pictures']} pictures, {parts[0]['boxes']} boxes; class-blind."
    return [told, "", *table(("figure", *(f"val {kind}" for kind in kinds)), rows)]


def free(card: Card) -> list[str]:
    """Detections where there is nothing, int8."""
    rows = []
    for split, part in card.measured["int8"].items():
        for name, title in FREE.items():
            if name in part:
                told: Part = part[name]
                rows.append(_free_row(title, split, told))
                for source, own in told.get("by_source", {}).items():
                    rows.append(_free_row(f"— of {source}", split, own))
    head = ("lesion-free pictures (int8)", "split", "pictures", "with a detection", "share [exact 95 %]", *TITLES)
    return table(head, rows)


def _free_row(title: str, split: str, told: Part) -> list[str]:
    labels = [f"{each['fraction']:.3f}" for each in told.get("by_label", {}).values()] or [""] * len(TITLES)
    return [title, split, str(told["pictures"]), str(told["with_detection"]),
            within(told["fraction"], told["interval"]), *labels]  # fmt: skip


def calibration(card: Card) -> list[str]:
    """Expected calibration error, raw and calibrated."""
    rows = [
        [f"`{name}`", split, title, f"{part['ece_raw' + end]:.3f}", f"{part['ece' + end]:.3f}"]
        for split, told in card.measured["int8"].items()
        for name, part in told["calibration"].items()
        for end, title in (("", "with phone-like"), ("_without_phone", "without"))
        if split == "val" or end
    ]
    return table(("label", "split", "mixture", "calibration error, raw", "calibrated"), rows)


def failures(card: Card) -> list[str]:
    """Missed and false, by reason, int8."""
    rows = []
    for split, part in card.measured["int8"].items():
        for name in (*TITLES, "phone_like"):
            if name in part:
                told = part[name]["failures"]
                for sort, counts_of in told.items():
                    reasons = ", ".join(f"{reason} {count}" for reason, count in counts_of.items())
                    rows.append([f"`{name}`", split, sort, str(sum(counts_of.values())), reasons])
    return table(("what", "split", "", "number", "by reason (int8, the card's thresholds, IoU 0.5)"), rows)


def tried_inference(told: Part) -> list[str]:
    """What else was made of the network's output, by what it is compared with."""
    lines: list[str] = []
    for name, base in told["bases"].items():
        rows = [row for row in told["tried"] if row["base"] == name]
        if not rows:
            continue
        figures = list(rows[0]["effect"])
        own = [f"*{base['told']}*", *(f"{base[figure]:.3f}" for figure in figures), "1", ""]
        body = [
            [row["change"], *(_off_within(row["effect"][figure]) for figure in figures),
             f"{row['looks'] / base['looks']:.1f}", "yes" if row["kept"] else "no"]
            for row in rows
        ]  # fmt: skip
        lines += table(("change", *figures, "time", "kept"), [own, *body])
    return lines


def _off_within(values: Sequence[float]) -> str:
    return "{:+.3f} [{:+.3f}, {:+.3f}]".format(*values)
