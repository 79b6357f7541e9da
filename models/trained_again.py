"""The whole training once more from nothing, beside the one that made the stored weights: the ends of both curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.bundle import Card
from models.page_tables import table

LOG = Path(__file__).parent / "weights" / "training.jsonl"
"""The curve of the training that made the stored weights: one JSON object a line, as models.train writes it."""
LOG_AGAIN = LOG.with_name("training_again.jsonl")
"""That of another one from nothing, by the same command."""
JUDGED = {
    "dermoscopy_ap30": ("dermoscopy, AP at IoU 0.3", "cutaneous_tumour", "ap30"),
    "dermoscopy_ap50": ("dermoscopy, AP50", "cutaneous_tumour", "ap50"),
    "acne_ap30": ("acne, AP at IoU 0.3", "acne_rosacea", "ap30"),
    "acne_ap50": ("acne, AP50", "acne_rosacea", "ap50"),
}
"""Figure of the curve → its name, and where the card has its interval."""


def curve(path: Path) -> list[dict[str, Any]]:
    """A training's rows. Raises OSError."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def trained_again(card: Card) -> list[str]:
    """Markdown: what both reached on val, and whether the second is inside the interval of the first."""
    first, again = (next(row for row in reversed(curve(log)) if "score" in row) for log in (LOG, LOG_AGAIN))
    rows = []
    for key, (name, label, figure) in JUDGED.items():
        span = card.measured["float"]["val"][label]["intervals"][figure]
        half = (span[1] - span[0]) / 2
        is_within = abs(again[key] - first[key]) <= half
        rows.append([name, f"{first[key]:.3f}", f"{again[key]:.3f}", f"±{half:.3f}", "yes" if is_within else "no"])
    return [
        "The same command once more, from nothing, reached on val (float, as the training judges itself):",
        "",
        *table(("figure", "stored weights", "again", "half the 95 % interval on val", "within it"), rows),
    ]
