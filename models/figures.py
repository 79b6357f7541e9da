"""Figures of one set of pictures from its detections: AP, recall at stated rates, by size and by tone, counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import coco, intervals
from models.detections import Seen
from models.matching import Found, Matches, assign, iou, mean_average_precision, side_ratio
from models.picture_sets import Item
from models.thresholds import reported

FALSE_A_PICTURE = (0.1, 0.5, 1.0)
SIZE_EDGES = {"dermoscopy": (0.0, 0.3, 0.6, 2.0), "faces": (0.0, 0.035, 0.06, 2.0), "phone_like": (0.0, 0.17, 0.3, 2.0)}
"""Bins of a lesion's side, sqrt(area) over the picture's shorter side."""
LEAST_PICTURES = 8
"""A skin-tone bin with fewer pictures is counted and not measured."""
Floats = NDArray[np.float64]
Measure = Callable[[Floats], float]


class Judged:
    """One set, one label (None: class-blind): matches at every IoU that is asked for, made once."""

    def __init__(self, seen: Seen, label: int | None) -> None:
        self.seen, self.label = seen, label
        self.found = [each.of(label) for each in seen.found]
        self.truth = [
            item.boxes_px if label is None else item.boxes_px[item.classes == label] for item in seen.pictures.items
        ]
        self._levels: dict[float, Matches] = {}

    def at(self, level: float) -> Matches:
        """Matches at an IoU."""
        if level not in self._levels:
            self._levels[level] = Matches.of(self.found, self.truth, level)
        return self._levels[level]

    def measures(self) -> dict[str, Measure]:
        """What is bootstrapped, by name; each takes the pictures' weights."""
        made: dict[str, Measure] = {
            "ap30": self.at(0.3).average_precision,
            "ap50": self.at(0.5).average_precision,
            "ap50_95": partial(mean_average_precision, [self.at(level) for level in coco.IOUS]),
        }
        for level in (0.3, 0.5):
            made[f"recall{round(100 * level)}_at_1"] = partial(self.at(level).recall_at, 1.0)
        return made


def precision(judged: Judged) -> dict[str, float]:
    """AP by pycocotools at IoU 0.3, 0.5 and 0.5:0.95."""
    levels = coco.average_precision(judged.seen, judged.label, (0.3, *coco.IOUS))
    return {"ap30": levels[0], "ap50": levels[1], "ap50_95": float(np.mean(levels[1:]))}


def bootstrap(judged: Judged, weights: Floats) -> dict[str, Floats]:
    """Each measure in each draw: name -> [draws]."""
    return {name: np.array([measure(draw) for draw in weights]) for name, measure in judged.measures().items()}


def at_rates(judged: Judged) -> dict[str, dict[str, float]]:
    """Recall at IoU 0.3 and 0.5 with at most 0.1, 0.5 and 1 false positive a picture (FROC)."""
    return {
        f"{rate:g}": {f"recall{round(100 * level)}": judged.at(level).recall_at(rate) for level in (0.3, 0.5)}
        for rate in FALSE_A_PICTURE
    }


def at_threshold(judged: Judged, limits: Sequence[float]) -> dict[str, float]:
    """Recall and false positives a picture of what a device reports, and how wide its boxes are."""
    shown = [reported(each, limits) for each in judged.found]
    out = {"side_ratio": side_ratio(shown, judged.truth, 0.3)}
    for level in (0.3, 0.5):
        hits = [assign(found, boxes, level) >= 0 for found, boxes in zip(shown, judged.truth, strict=True)]
        total = sum(len(boxes) for boxes in judged.truth)
        out[f"recall{round(100 * level)}"] = sum(int(each.sum()) for each in hits) / max(total, 1)
        out[f"false_positives_a_picture{round(100 * level)}"] = sum(int((~each).sum()) for each in hits) / len(hits)
    return out


def by_size(judged: Judged, name: str, limits: Sequence[float]) -> list[dict[str, float]]:
    """Recall of what a device reports, and AP, by the lesion's side."""
    sides = [_sides(boxes, item) for boxes, item in zip(judged.truth, judged.seen.pictures.items, strict=True)]
    shown = [reported(each, limits) for each in judged.found]
    rows = []
    for low, high in zip(SIZE_EDGES[name][:-1], SIZE_EDGES[name][1:], strict=True):
        row: dict[str, float] = {"from": low, "to": high, "boxes": sum(int(_in(s, low, high).sum()) for s in sides)}
        for level in (0.3, 0.5):
            hits = 0
            for found, boxes, side in zip(shown, judged.truth, sides, strict=True):
                taken = assign(found, boxes, level)
                hits += int(_in(side, low, high)[taken[taken >= 0]].sum())
            row[f"recall{round(100 * level)}"] = hits / max(row["boxes"], 1)
        shorts = {min(item.size_px) for item in judged.seen.pictures.items}
        if len(shorts) == 1:  # areas are in px: only where all pictures have one size
            short = shorts.pop()
            area = ((low * short) ** 2, (high * short) ** 2)
            row["ap30"], row["ap50"] = coco.average_precision(judged.seen, judged.label, (0.3, 0.5), area)
        rows.append(row)
    return rows


def _sides(boxes: NDArray[Any], item: Item) -> Floats:
    return np.asarray(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)) / min(item.size_px), np.float64)


def _in(side: Floats, low: float, high: float) -> NDArray[np.bool_]:
    return (side >= low) & (side < high)


def by_tone(seen: Seen, label: int | None, limits: Sequence[float], bins: Sequence[str], tones: Sequence[str]
            ) -> list[dict[str, Any]]:  # fmt: skip
    """AP and reported recall by skin tone; bins in their order, tones: the bin of each picture."""
    rows: list[dict[str, Any]] = []
    for name in bins:
        chosen = [index for index, tone in enumerate(tones) if tone == name]
        part = Judged(seen.part(chosen), label)
        row: dict[str, Any] = {"tone": name, "pictures": len(chosen), "boxes": sum(len(boxes) for boxes in part.truth)}
        if len(chosen) >= LEAST_PICTURES and row["boxes"]:
            row |= {"ap30": part.at(0.3).average_precision(), "ap50": part.at(0.5).average_precision()}
            row |= at_threshold(part, limits)
        rows.append(row)
    return rows


def counts(found: Sequence[Found], boxes: Sequence[int], threshold: float, weights: Floats | None = None
           ) -> dict[str, Any]:  # fmt: skip
    """Error of the number of lesions a picture: mean absolute error and bias, with an interval where weights come."""
    error = np.array([(each.scores >= threshold).sum() for each in found]) - np.array(boxes)
    out: dict[str, Any] = {"threshold": threshold, "mae": float(np.abs(error).mean()), "bias": float(error.mean())}
    if weights is not None:
        draws = weights @ np.abs(error) / weights.sum(1)
        out["mae_interval"] = intervals.percentile(draws)
    return out


def centre_box(items: Sequence[Item], side: float) -> list[NDArray[np.float32]]:
    """One centred square a picture, `side` of its shorter side."""
    made = []
    for item in items:
        middle = np.array(item.size_px, np.float32) / 2
        half = side * min(item.size_px) / 2
        made.append(np.concatenate([middle - half, middle + half])[None].astype(np.float32))
    return made


def centre_box_recall(items: Sequence[Item], side: float, level: float) -> float:
    """Recall of that square: what knowing nothing scores, with just under one false positive a picture."""
    hits = total = 0
    for item, box in zip(items, centre_box(items, side), strict=True):
        hits += bool(len(item.boxes_px)) and float(iou(box, item.boxes_px).max()) >= level
        total += len(item.boxes_px)
    return hits / max(total, 1)


def centre_box_side(items: Sequence[Item], level: float) -> float:
    """The side that recalls most of these pictures, in steps of 0.05."""
    return float(max(np.arange(1, 20) / 20, key=lambda side: centre_box_recall(items, float(side), level)))


def free(seen: Seen, limits: Sequence[float], labels: Sequence[str]) -> dict[str, Any]:
    """Lesion-free pictures with at least one reported detection, with the exact interval; by label and by source."""
    shown = [reported(each, limits) for each in seen.found]
    hit = np.array([len(each.scores) > 0 for each in shown])
    out = _share(hit) | {"groups": len(set(seen.pictures.groups))}
    out["by_label"] = {
        name: _share(np.array([bool((each.classes == k).any()) for each in shown])) for k, name in enumerate(labels)
    }
    sources = [item.source for item in seen.pictures.items]
    if len(set(sources)) > 1:
        out["by_source"] = {name: _share(hit[[source == name for source in sources]]) for name in sorted(set(sources))}
    return out


def _share(hit: NDArray[np.bool_]) -> dict[str, Any]:
    hits, count = int(hit.sum()), len(hit)
    return {"pictures": count, "with_detection": hits, "fraction": hits / count,
            "interval": list(intervals.exact(hits, count))}  # fmt: skip
