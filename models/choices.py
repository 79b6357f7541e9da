"""What is chosen for a bundle on val: each label's calibration, then its threshold on the calibrated score."""

from __future__ import annotations

import msgspec

from edge.bundle import Bundle, Label
from models import score_calibration, thresholds
from models.assessment import FITTING
from models.detections import of_bundle, see
from models.picture_sets import SETS


def labels(bare: Bundle) -> tuple[Label, ...]:
    """The labels of a bundle, calibrated and with thresholds; `bare`: the same model with plain labels."""
    plain = tuple(Label(label.name, 0.0) for label in bare.card.labels)
    raw = Bundle(bare.path, msgspec.structs.replace(bare.card, labels=plain), bare.model)
    held = [see(of_bundle(raw), SETS[name]("val")) for name in FITTING]
    calibrated = tuple(
        Label(label.name, 0.0, score_calibration.fit(score_calibration.judge(held, index)))
        for index, label in enumerate(plain)
    )
    model = of_bundle(Bundle(bare.path, msgspec.structs.replace(bare.card, labels=calibrated), bare.model))
    sets = ("free_real", "free_drawn", "phone_like", "faces")
    limits = thresholds.choose(*(see(model, SETS[name]("val")) for name in sets))
    return tuple(
        msgspec.structs.replace(label, score_threshold=limit) for label, limit in zip(calibrated, limits, strict=True)
    )
