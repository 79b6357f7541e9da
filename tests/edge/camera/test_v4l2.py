"""The V4L2 camera on a double of cv2.VideoCapture; what can be asked of the real class is asked."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import pytest

from edge.camera.v4l2 import V4l2Camera
from edge.clock import SystemClock
from edge.config import Camera, Config
from edge.errors import CameraError
from tests.edge.camera.conftest import Plug
from tests.edge.camera.v4l2_double import CALLS, VideoCaptureDouble

CONFIG = Config(camera=Camera(width_px=64, height_px=48, rate_hz=30))


def test_the_double_offers_what_the_real_class_has() -> None:
    for name in CALLS:
        assert callable(getattr(cv2.VideoCapture, name))
    assert {name for name in vars(VideoCaptureDouble) if not name.startswith("_")} == set(CALLS)
    real = cv2.VideoCapture("/dev/no-such-camera", cv2.CAP_V4L2)
    assert real.isOpened() is False
    assert real.read() == real.read(None) == (False, None)
    assert real.set(cv2.CAP_PROP_FRAME_WIDTH, 64) is False
    assert real.get(cv2.CAP_PROP_FRAME_WIDTH) <= 0.0
    assert real.release() is None


def test_a_missing_device_says_what_to_do() -> None:
    with pytest.raises(CameraError, match=r"/dev/no-such-camera.*no such device.*plug it in") as caught:
        V4l2Camera("/dev/no-such-camera", CONFIG, SystemClock())
    assert caught.value.exit_code == 69
    assert caught.value.retryable


def test_a_file_that_is_no_camera_does_not_open(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    not_a_camera = tmp_path / "video0"
    not_a_camera.touch()
    with pytest.raises(CameraError, match="does not open as one"):
        V4l2Camera(str(not_a_camera), CONFIG, SystemClock())
    assert capfd.readouterr().err == ""


def test_format_size_and_rate_are_asked_for_and_red_stays_red(plug: Plug) -> None:
    double = VideoCaptureDouble()
    camera = V4l2Camera(plug(double), CONFIG, SystemClock())
    frame = next(camera.frames())
    camera.close()
    assert frame.rgb()[24, 32].tolist() == [255, 0, 0]
    assert double.properties == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 64),
        (cv2.CAP_PROP_FRAME_HEIGHT, 48),
        (cv2.CAP_PROP_FPS, 30),
    ]
    assert double.released.wait(2)


def test_a_camera_that_is_pulled_out_is_a_camera_error(plug: Plug) -> None:
    double = VideoCaptureDouble(frames=3)
    camera = V4l2Camera(plug(double), CONFIG, SystemClock())
    with pytest.raises(CameraError, match="vanished or stalled"):
        list(camera.frames())
    assert double.released.wait(2)
    camera.close()


def test_frames_that_nobody_takes_leave_a_gap_and_the_newest_is_seen(plug: Plug) -> None:
    double = VideoCaptureDouble(frames=50, stalls=True)
    camera = V4l2Camera(plug(double), CONFIG, SystemClock())
    while double.left:
        pass
    taken = list(islice(camera.frames(), 1))
    double.let_go.set()
    camera.close()
    assert taken[0].sequence >= 48


def test_a_stalled_driver_does_not_hold_up_close(plug: Plug) -> None:
    double = VideoCaptureDouble(frames=0, stalls=True)
    camera = V4l2Camera(plug(double), CONFIG, SystemClock())
    camera.close()
    assert list(camera.frames()) == []
    assert not double.released.is_set(), "the driver still holds the reading thread"
    double.let_go.set()
    assert double.released.wait(2)
