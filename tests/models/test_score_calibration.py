"""Platt's fit: it finds the truth where the truth is known, and says no where there is nothing to fit."""

from __future__ import annotations

import numpy as np
import pytest

from edge.bundle import LogisticCalibration
from models import score_calibration
from models.score_calibration import Judged


def drawn(slope: float, intercept: float, count: int = 20000) -> Judged:
    """Detections whose logits are off by a known slope and intercept."""
    rng = np.random.default_rng(5)
    logits = rng.normal(-1, 2, count)
    hit = rng.random(count) < 1 / (1 + np.exp(-(slope * logits + intercept)))
    return Judged(logits, hit, np.array([f"g{n % 40}" for n in range(count)]), np.array(["drawn"] * count))


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (2.4, -1.2), (0.5, 1.0)])
def test_the_fit_finds_the_slope_and_intercept_that_were_drawn(slope: float, intercept: float) -> None:
    fitted = score_calibration.fit(drawn(slope, intercept))
    assert fitted.slope == pytest.approx(slope, rel=0.06)
    assert fitted.intercept == pytest.approx(intercept, abs=0.08)


def test_calibration_makes_scores_mean_what_they_say() -> None:
    judged = drawn(2.4, -1.2)
    raw = score_calibration.reliability(score_calibration.apply(None, judged.logit), judged.hit)
    mended = score_calibration.reliability(score_calibration.cross_validated(judged), judged.hit)
    assert score_calibration.calibration_error(raw) > 0.05
    assert score_calibration.calibration_error(mended) < 0.02


def test_too_little_to_fit_is_said() -> None:
    few = Judged(np.zeros(30), np.arange(30) < 3, np.array(["g"] * 30), np.array(["drawn"] * 30))
    with pytest.raises(ValueError, match="expected at least 10 hits and 10 misses"):
        score_calibration.fit(few)


def test_what_is_fitted_is_what_the_runtime_applies() -> None:
    """`edge.decode` and this room must turn the same logit into the same score."""
    from edge import bundle
    from edge.decode import LabelCalibration

    card = bundle.load().card
    import msgspec

    calibration = LogisticCalibration(slope=2.0, intercept=-0.5)
    labels = tuple(msgspec.structs.replace(label, calibration=calibration) for label in card.labels)
    runtime = LabelCalibration(msgspec.structs.replace(card, labels=labels), [0.5] * len(labels))
    logits = np.array([[-3.0, 0.25], [1.0, 4.0]], np.float32)
    expected = runtime.scores(runtime.slopes * logits + runtime.intercepts)
    assert score_calibration.apply(calibration, logits.astype(np.float64)) == pytest.approx(expected, abs=1e-6)
