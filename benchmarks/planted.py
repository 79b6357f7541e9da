"""How many of the phantom's lesions the hub was told of: recounted from the plan and the hub's rows.

A lesion counts as planted when it was wholly visible in at least 15 accepted frames at 0.12 to 0.6 of the frame's
shorter side. It counts as found when a stored finding of the tumour label has IoU of at least 0.3 with it on the very
frame that the finding names. A finding without such a lesion, or a second one of the same lesion, is unmatched.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.camera.phantom import plan
from edge.config import Phantom
from edge.frame import Box

LABEL = "cutaneous_tumour"
IOU_MIN = 0.3
ACCEPTED_FRAMES_MIN = 15
SIDE_FRACTIONS = (0.12, 0.6)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recount:
    """Lesion ids; `unmatched` counts findings."""

    planted: frozenset[str]
    found: frozenset[str]
    unmatched: int


def write_plan(target: Path, settings: Phantom, size_px: tuple[int, int], trace: Path) -> list[Row]:
    """One JSON line for each frame that the device consumed: what was in it, and whether the device accepted it.

    trace: what `dermedge run --trace FILE` wrote. size_px: (width, height) of the camera.
    """
    truth = plan(settings, size_px)
    with trace.open(encoding="utf-8") as lines:
        consumed = [row for row in map(json.loads, lines) if "accepted" in row]
    rows: list[Row] = []
    for frame in consumed:
        shown = truth.at(frame["sequence"])
        lesions = [
            {"lesion_id": each.lesion_id, "box_px": [round(edge, 2) for edge in each.box_px], "visible": each.visible}
            for each in shown.lesions
        ]
        about = {"person": shown.person, "skin_type": shown.skin_type, "blurred": shown.blurred, "glare": shown.glare}
        rows.append({**frame, "frame_size_px": list(size_px), **about, "lesions": lesions})
    target.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return rows


def recount(plan_rows: Iterable[Row], findings: Iterable[Row]) -> Recount:
    """findings: bodies as the hub stored them, with `label`, `box_px` and `frame_sequence`."""
    rows = {row["sequence"]: row for row in plan_rows}
    visible: Counter[str] = Counter()
    for row in rows.values():
        for lesion in row["lesions"]:
            x_min, y_min, x_max, y_max = lesion["box_px"]
            side = max(x_max - x_min, y_max - y_min) / min(row["frame_size_px"])
            if row["accepted"] and lesion["visible"] and SIDE_FRACTIONS[0] <= side <= SIDE_FRACTIONS[1]:
                visible[lesion["lesion_id"]] += 1
    planted = frozenset(name for name, frames in visible.items() if frames >= ACCEPTED_FRAMES_MIN)
    matched: set[str] = set()
    unmatched = 0
    for finding in findings:
        box = Box(*finding["box_px"])
        overlaps = {
            lesion["lesion_id"]: Box(*lesion["box_px"]).iou(box)
            for lesion in rows[finding["frame_sequence"]]["lesions"]
        }
        best = max(overlaps, key=overlaps.__getitem__, default="")
        hit = finding["label"] == LABEL and overlaps.get(best, 0.0) >= IOU_MIN
        if hit and best not in matched:
            matched.add(best)
        else:
            unmatched += 1
    return Recount(planted, planted & matched, unmatched)
