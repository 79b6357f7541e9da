"""How often `test` was read: a number for each new bundle's first reading, so that nobody selects by it unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.bundle import Card

FILE = Path(__file__).parent / "test_readings.json"
Reading = dict[str, Any]


def number(card: Card, figures: dict[str, Any], date: str, file: Path = FILE) -> list[Reading]:
    """All readings up to this bundle's, oldest first; a new bundle is added, a known one stays what it was.

    A bundle is known by its card's own hash, which covers the model, the thresholds and the calibration.
    """
    readings: list[Reading] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    known = [index for index, each in enumerate(readings) if each["card_sha256"] == card.sha256]
    if known:
        return readings[: known[0] + 1]
    readings.append(
        {
            "reading": len(readings) + 1,
            "version": card.version,
            "card_sha256": card.sha256,
            "model_sha256": card.model_sha256,
            "date": date,
            "cutaneous_tumour_ap50": figures["cutaneous_tumour"]["ap50"],
        }
    )
    file.write_text(json.dumps(readings, indent=2) + "\n", encoding="utf-8")
    return readings
