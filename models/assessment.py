"""One model on one split: its detections of every set, and all figures of them as they stand in the card."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.pictures.skin_tone import BINS, UNKNOWN
from edge.bundle import Card
from models import failures, figures, intervals, score_calibration, thresholds
from models.data import LABELS
from models.detections import Model, see
from models.figures import Judged
from models.picture_sets import ACNE, SETS, PictureSet

SET_OF = {"cutaneous_tumour": "dermoscopy", "acne_rosacea": "faces"}
SKIN_TYPES = ("I", "II", "III", "IV", "V", "VI")
FITTING = ("dermoscopy", "faces", "phone_like", "free_real")
"""The sets that calibration is fitted on (val) and judged on (test has no phone-like part)."""
FREE_SETS = ("free_real", "free_drawn", "nonskin")


def sets_of(split: str) -> tuple[str, ...]:
    """Names of the sets of a split: the phone-like one is made of val only, things that are no skin are in test."""
    return tuple(name for name in SETS if name != ("phone_like" if split == "test" else "nonskin"))


class Evaluation:
    """One model on one split; pictures: its sets by name."""

    def __init__(self, model: Model, tiled: Model, card: Card, split: str, pictures: dict[str, PictureSet]) -> None:
        self.card, self.split = card, split
        self.limits = [label.score_threshold for label in card.labels]
        self.seen = {name: see(model, part) for name, part in pictures.items()}
        self.tiled = see(tiled, pictures["faces"])
        self.draws: dict[str, dict[str, NDArray[np.float64]]] = {}

    def figures(self, choices: Evaluation) -> dict[str, Any]:
        """All figures; choices: the evaluation on val of the same model."""
        out: dict[str, Any] = {}
        for label, name in SET_OF.items():
            out[label] = self._label(label, name)
        out["acne_rosacea"] |= self._acne(choices)
        if "phone_like" in self.seen:
            out["phone_like"] = self._phone()
        for name in FREE_SETS:
            if name in self.seen:
                out[name] = figures.free(self.seen[name], self.limits, LABELS)
        out["calibration"] = self.calibration
        return out

    def _label(self, label: str, name: str) -> dict[str, Any]:
        seen = self.seen[name]
        judged = Judged(seen, LABELS.index(label))
        out = self._measured(label, judged) | {"at_rates": figures.at_rates(judged)}
        out |= figures.at_threshold(judged, self.limits)
        train = SETS[name]("train").items
        for level in (0.3, 0.5):
            side = figures.centre_box_side(train, level)
            recall = figures.centre_box_recall(seen.pictures.items, side, level)
            out[f"centre_box_recall{round(100 * level)}"] = recall
        out["failures"] = failures.classes(seen, LABELS.index(label), self.limits)
        out["by_size"] = figures.by_size(judged, name, self.limits)
        out["by_tone"] = figures.by_tone(seen, LABELS.index(label), self.limits, (*BINS, UNKNOWN), seen.tones)
        return out

    def _measured(self, name: str, judged: Judged) -> dict[str, Any]:
        """AP with intervals, and the draws kept for paired differences."""
        self.draws[name] = figures.bootstrap(judged, intervals.group_weights(judged.seen.pictures.groups))
        return {
            "pictures": len(judged.found),
            "groups": len(set(judged.seen.pictures.groups)),
            "boxes": sum(len(boxes) for boxes in judged.truth),
            **figures.precision(judged),
            "intervals": {key: intervals.percentile(draws) for key, draws in self.draws[name].items()},
        }

    def _acne(self, choices: Evaluation) -> dict[str, Any]:
        """Counts, whole picture and tiled; the tiled AP."""
        out: dict[str, Any] = {"count": {}}
        items = self.seen["faces"].pictures.items
        boxes, weights = [len(item.boxes_px) for item in items], intervals.group_weights([i.group for i in items])
        for name, seen, other in (("whole", self.seen["faces"], choices.seen["faces"]),
                                  ("tiled", self.tiled, choices.tiled)):  # fmt: skip
            found = [each.of(ACNE) for each in seen.found]
            chosen = thresholds.count_threshold(
                [each.of(ACNE).scores for each in other.found], [len(item.boxes_px) for item in other.pictures.items]
            )
            out["count"][name] = {
                "card": figures.counts(found, boxes, self.limits[ACNE], weights),
                "chosen_on_val": figures.counts(found, boxes, chosen, weights),
            }
        train = [len(item.boxes_px) for item in SETS["faces"]("train").items]
        median = float(np.median(train))
        error = np.abs(median - np.array(boxes))
        out["count"]["constant"] = {"count": median, "mae": float(error.mean()),
                                    "bias": float(median - np.mean(boxes))}  # fmt: skip
        judged = Judged(self.tiled, ACNE)
        out["tiled"] = self._measured("acne_rosacea_tiled", judged) | {"at_rates": figures.at_rates(judged)}
        return out

    def _phone(self) -> dict[str, Any]:
        seen = self.seen["phone_like"]
        judged = Judged(seen, None)
        out = self._measured("phone_like", judged) | {"at_rates": figures.at_rates(judged)}
        out["at_card"] = figures.at_threshold(judged, self.limits)
        score = judged.at(0.3).score_at(1.0)
        out["at_1"] = {"score": score} | figures.at_threshold(judged, [score] * len(LABELS))
        for level in (0.3, 0.5):
            side = figures.centre_box_side(seen.pictures.items, level)
            recall = figures.centre_box_recall(seen.pictures.items, side, level)
            out[f"centre_box_recall{round(100 * level)}"] = recall
        out["failures"] = failures.classes(seen, None, self.limits)
        out["by_size"] = figures.by_size(judged, "phone_like", self.limits)
        tones = [SKIN_TYPES[item.tone] for item in seen.pictures.items]
        out["by_tone"] = figures.by_tone(seen, None, self.limits, SKIN_TYPES, tones)
        return out

    @cached_property
    def calibration(self) -> dict[str, Any]:
        """Reliability of calibrated and of raw scores; on val each group is scored by a fit that left it out.

        Once over all fitting sets, and once without the phone-like one, which test does not have.
        """
        out: dict[str, Any] = {}
        held = [self.seen[name] for name in FITTING if name in self.seen]
        for index, label in enumerate(self.card.labels):
            judged = score_calibration.judge(held, index)
            calibration = label.calibration
            slope, intercept = (1.0, 0.0) if calibration is None else (calibration.slope, calibration.intercept)
            raw = replace(judged, logit=(judged.logit - intercept) / slope)
            mended = score_calibration.apply(calibration, raw.logit)
            if self.split == "val":
                mended = score_calibration.cross_validated(raw)
            without = judged.source != "phone_like"
            out[label.name] = {}
            for name, shown, chosen in (
                ("", mended, np.ones_like(without)),
                ("_raw", score_calibration.apply(None, raw.logit), np.ones_like(without)),
                ("_without_phone", mended, without),
                ("_raw_without_phone", score_calibration.apply(None, raw.logit), without),
            ):
                rows = score_calibration.reliability(shown[chosen], judged.hit[chosen])
                out[label.name] |= {f"ece{name}": score_calibration.calibration_error(rows), f"rows{name}": rows}
        return out


def differences(int8: Evaluation, twin: Evaluation) -> dict[str, Any]:
    """Paired int8 - float of each bootstrapped figure: mean over the same draws, and its interval."""
    return {
        name: {
            key: {"mean": float(np.nanmean(draws - twin.draws[name][key])),
                  "interval": intervals.percentile(draws - twin.draws[name][key])}
            for key, draws in part.items()
        }
        for name, part in int8.draws.items()
    }  # fmt: skip
