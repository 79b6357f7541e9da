"""`python -m models.evaluate`: figures of the float and the int8 model on val and test, into the card and docs.

Everything goes through `edge.detect`, the code of the device, and what it said is kept under build/detections, so that
figures and page can be made again without running a model. AP is pycocotools' (COCO 101-point, 100 detections).
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from convert.verification import GOLDEN, golden_answers
from edge import bundle
from edge.bundle import Bundle
from edge.config import Detect, Inference
from edge.detect import Detector
from edge.errors import BundleError
from models import data, readings
from models.assessment import Evaluation, differences, sets_of
from models.detections import Model, key_of, of_bundle
from models.picture_sets import SETS

WEIGHTS = Path(__file__).parent / "weights" / "lesion-320.npz"
Done = dict[tuple[str, str], Evaluation]
"""By kind (int8, float) and split."""


def models_of(shipped: Bundle, weights: Path) -> dict[str, tuple[Model, Model]]:
    """The int8 bundle and its float twin, each whole and tiled."""

    @cache
    def twin() -> Bundle:
        from convert.sources.keras import to_float
        from models.export import card_for
        from models.graph import build, load_weights

        content = to_float(build(load_weights(weights)))
        limits = tuple(label.score_threshold for label in shipped.card.labels)
        card = msgspec.structs.replace(card_for(content, limits, 0, 0), labels=shipped.card.labels)
        return Bundle(Path(), card, content)

    def float_model(tiled: bool) -> Model:
        """Known by the stored weights: it is converted only where something of it was not seen before."""
        opened = cache(lambda: of_bundle(twin(), tiled).open())
        return Model(key_of(weights.read_bytes(), shipped.card, tiled), opened)

    return {
        "int8": (of_bundle(shipped), of_bundle(shipped, tiled=True)),
        "float": (float_model(tiled=False), float_model(tiled=True)),
    }


def assess(shipped: Bundle, weights: Path, splits: list[str], kinds: list[str]) -> Done:
    """Look at every set with every model; val always, because it makes the choices for test."""
    models = models_of(shipped, weights)
    done: Done = {}
    for split in dict.fromkeys(["val", *splits]):
        pictures = {name: SETS[name](split) for name in sets_of(split)}
        for kind in kinds:
            done[kind, split] = Evaluation(*models[kind], shipped.card, split, pictures)
    return done


def measure(shipped: Bundle, done: Done, splits: list[str], kinds: list[str]) -> dict[str, Any]:
    """Everything that stands under `measured` in the card."""
    engine = Detector(shipped, Inference(threads=1), Detect()).backend.engine
    measured: dict[str, Any] = {"date": datetime.now(tz=UTC).date().isoformat(), "engine": engine}
    for kind in kinds:
        measured[kind] = {split: done[kind, split].figures(done[kind, "val"]) for split in splits}
    if len(kinds) > 1:
        measured["int8_minus_float"] = {
            split: differences(done["int8", split], done["float", split]) for split in splits
        }
    rounded: dict[str, Any] = json.loads(json.dumps(measured), parse_float=lambda text: round(float(text), 4))
    return rounded | {GOLDEN: golden_answers(shipped)}


def main() -> int:
    """Measure, write the card's measured part, the plots and docs/detector.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=bundle.default_path())
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="of the float twin")
    parser.add_argument("--int8-only", action="store_true", help="leave the float twin (and TensorFlow) out; no docs")
    parser.add_argument("--splits", default="val,test", help=f"of {', '.join(data.SPLITS[1:])}")
    parser.add_argument("--page-only", action="store_true", help="write docs/detector.md again from the card as it is")
    args = parser.parse_args()
    from models import page, plots

    shipped = bundle.load(args.bundle)
    if args.page_only:
        page.write(shipped.card)
        return 0
    splits, kinds = args.splits.split(","), ["int8"] if args.int8_only else ["int8", "float"]
    done = assess(shipped, args.weights, splits, kinds)
    measured = measure(shipped, done, splits, kinds)
    if "test" in splits:
        measured["test_readings"] = readings.number(shipped.card, measured["int8"]["test"], measured["date"])
    if args.int8_only or splits != ["val", "test"]:
        print(json.dumps(measured, indent=2))
        return 0
    if bundle.load(args.bundle).card.sha256 != shipped.card.sha256:
        raise BundleError(f"expected {args.bundle} as it was read, got another bundle there by now: evaluate that one")
    bundle.save(args.bundle, msgspec.structs.replace(shipped.card, measured=measured), shipped.model)
    plots.draw(done)
    page.write(bundle.load(args.bundle).card)
    print(f"wrote {args.bundle / bundle.CARD_FILE}, {page.DOCS} and plots beside it", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
