"""What a training can be asked to do otherwise; the defaults are what ships. `models.tried` measures each alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CLEAN_SOURCES = ("trc_dermoscopy", "neg_healthy_crops")
"""Clearly licensed. acne04_faces is not: its original is for academic research only."""

LATE_FROM = 0.45


@dataclass(frozen=True, slots=True)
class Options:
    """One recipe of training.

    faces, late_faces: share of face samples before and after LATE_FROM of all steps: small lesions need the long
    start, and then outweigh the large ones (a face has 13 boxes). dermoscopy: its
    proportion beside those of `samples.MIX`. tight: boxes of pasted lesions fit what is seen of
    the lesion. small: how well a predicted box fits a small one, by IoU or by the normalised Wasserstein distance.
    self_label: how far the box of a small lesion moves towards what the network says of it (0 to 1).
    """

    faces: float = 0.32
    late_faces: float = 0.18
    dermoscopy: float = 0.34
    tight: bool = True
    small: Literal["iou", "wasserstein"] = "wasserstein"
    self_label: float = 0.0
    licence: Literal["all", "clean"] = "all"
