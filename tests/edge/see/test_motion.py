"""The camera's motion from the picture, and what tracking owes to it: a jump there and back stays one track."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge import config
from edge.camera.phantom import PhantomCamera, draw_scene
from edge.frame import Box, Frame, Pixels
from edge.motion import CameraMotion
from edge.track import Tracker
from tests.edge.see.scenes import GOOD, START, THRESHOLDS, FixedClock, seen

SIZE_PX = 480, 270


def texture() -> Pixels:
    rng = np.random.default_rng(3)
    coarse = rng.integers(120, 200, (60, 90, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (900, 600), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def test_a_shift_is_found_within_a_few_pixels() -> None:
    canvas, motion = texture(), CameraMotion()
    assert motion.shift(canvas[100:460, 100:740]) is None, "the first frame has none before it"
    for x, y in ((12, 0), (0, -20), (-64, 32), (0, 0)):
        motion.reset()
        motion.shift(canvas[100:460, 100:740])
        found = motion.shift(canvas[100 - y : 460 - y, 100 - x : 740 - x])
        assert found is not None
        assert found == pytest.approx((x, y), abs=4)


def test_two_pictures_with_nothing_in_common_have_no_motion() -> None:
    rng, motion = np.random.default_rng(1), CameraMotion()
    motion.shift(rng.integers(0, 255, (360, 640, 3)).astype(np.uint8))
    assert motion.shift(rng.integers(0, 255, (360, 640, 3)).astype(np.uint8)) is None


def phantom_tracks(person: int) -> set[int]:
    """Track ids over a phantom person's whole time, with the planted boxes, shaken a little, as detections."""
    settings = config.convert({"camera": {"width_px": SIZE_PX[0], "height_px": SIZE_PX[1]}})
    camera = PhantomCamera("", settings, FixedClock())
    scene, rng, ids = draw_scene(camera.plan, person), np.random.default_rng(person), set()
    tracker = Tracker(settings.track, THRESHOLDS)
    for sequence in range(person * 50, person * 50 + 50):
        rgb = camera.draw(scene, sequence)
        taken = Frame(rgb, "RGB888", sequence, START, sequence)
        boxes = [Box(*(rng.normal(edge, 2) for edge in each.box_px)) for each in camera.plan.at(sequence).lesions]
        ids |= {track.track_id for track in tracker.update([seen(each) for each in boxes], taken, rgb, GOOD)}
    camera.close()
    return ids


def test_the_phantoms_jumps_there_and_back_keep_both_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [phantom_tracks(person) for person in range(3)] == [{1, 2}] * 3
    monkeypatch.setattr(CameraMotion, "shift", lambda *_: None)
    assert any(phantom_tracks(person) != {1, 2} for person in range(3)), "it is the camera's motion that does it"
