"""How many of the phantom's lesions the hub was told of: recounted from plan, trace and the hub's rows.

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


@dataclass(frozen=True, slots=True)
class Recount:
    """Lesion ids; `unmatched` counts findings."""

    planted: frozenset[str]
    found: frozenset[str]
    unmatched: int


def recount(
    settings: Phantom,
    size_px: tuple[int, int],
    accepted_sequences: Iterable[int],
    findings: Iterable[Mapping[str, Any]],
) -> Recount:
    """findings: bodies as the hub stored them, with `label`, `box_px` and `frame_sequence`."""
    truth = plan(settings, size_px)
    visible: Counter[str] = Counter()
    for sequence in accepted_sequences:
        for lesion in truth.at(sequence).lesions:
            side = max(lesion.box_px.x_max - lesion.box_px.x_min, lesion.box_px.y_max - lesion.box_px.y_min)
            if lesion.visible and SIDE_FRACTIONS[0] <= side / min(size_px) <= SIDE_FRACTIONS[1]:
                visible[lesion.lesion_id] += 1
    planted = frozenset(name for name, frames in visible.items() if frames >= ACCEPTED_FRAMES_MIN)
    matched: set[str] = set()
    unmatched = 0
    for finding in findings:
        lesions = truth.at(finding["frame_sequence"]).lesions
        box = Box(*finding["box_px"])
        best = max(lesions, key=lambda lesion: lesion.box_px.iou(box), default=None)
        hit = best is not None and finding["label"] == LABEL and best.box_px.iou(box) >= IOU_MIN
        if not hit or best is None or best.lesion_id in matched:
            unmatched += 1
        else:
            matched.add(best.lesion_id)
    return Recount(planted, planted & matched, unmatched)


def accepted_sequences(trace: Path) -> list[int]:
    """The frames that the device consumed and accepted, from `dermedge run --trace FILE`."""
    with trace.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [row["sequence"] for row in rows if row.get("accepted")]
