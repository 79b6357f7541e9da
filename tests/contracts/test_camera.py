"""What every camera must keep. v4l2 runs on a double of cv2.VideoCapture: there is no camera where the tests run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from edge.camera import v4l2
from edge.camera.base import CAMERAS, Camera, open_camera
from edge.clock import SystemClock
from edge.config import Camera as CameraSettings
from edge.config import Config
from edge.errors import ConfigError
from edge.frame import Frame
from edge.pictures import encode_jpeg
from tests.edge.camera.clocks import NOON, StillClock
from tests.edge.camera.v4l2_double import VideoCaptureDouble

Opener = Callable[..., Camera]
FAST_HZ, SLOW_HZ = 200.0, 0.05


@pytest.fixture(params=sorted(CAMERAS))
def opener(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """opener(rate_hz, clock): each camera that ships, through open_camera. At SLOW_HZ it blocks after a frame."""

    def opened(rate_hz: float = FAST_HZ, clock: StillClock | SystemClock | None = None) -> Camera:
        source = request.param
        if source == "replay":
            for index in range(4):
                picture = np.full((240, 320, 3), 60 * index, dtype=np.uint8)
                (tmp_path / f"{index}.jpg").write_bytes(encode_jpeg(picture, 90))
            source = f"replay:{tmp_path}"
        elif source == "v4l2":
            double = VideoCaptureDouble(frames=1 if rate_hz == SLOW_HZ else 1_000_000, stalls=True)
            monkeypatch.setattr(v4l2.cv2, "VideoCapture", double)
            (tmp_path / "video0").touch()
            source = f"v4l2:{tmp_path / 'video0'}"
        settings = CameraSettings(source=source, width_px=320, height_px=240, rate_hz=rate_hz)
        return open_camera(Config(camera=settings), clock or SystemClock())

    return opened


def test_frames_count_upwards_and_carry_their_time(opener: Opener) -> None:
    camera = opener()
    frames = list(islice(camera.frames(), 4))
    camera.close()
    assert len(frames) == 4
    for before, after in pairwise(frames):
        assert after.sequence > before.sequence
        assert after.monotonic_ns > before.monotonic_ns
    for frame in frames:
        assert frame.sequence >= 0
        assert frame.captured_at.tzinfo is UTC
        assert frame.size_px == (320, 240)
        assert frame.rgb().shape == (240, 320, 3)
        assert frame.planes.dtype == np.uint8


def test_a_frame_keeps_its_pixels_when_the_next_one_comes(opener: Opener) -> None:
    camera = opener()
    frames = camera.frames()
    first = next(frames)
    kept = first.rgb().copy()
    next(frames)
    next(frames)
    camera.close()
    assert np.array_equal(first.rgb(), kept)


def test_time_comes_from_the_clock_that_was_passed_in(opener: Opener) -> None:
    camera = opener(clock=StillClock())
    frames = list(islice(camera.frames(), 2))
    camera.close()
    assert {frame.captured_at for frame in frames} == {NOON}
    assert {frame.monotonic_ns for frame in frames} == {7_000_000_000}


def test_close_wakes_a_blocked_frames(opener: Opener) -> None:
    camera = opener(rate_hz=SLOW_HZ)
    first, ended = threading.Event(), threading.Event()

    def look() -> None:
        for _ in camera.frames():
            first.set()
        ended.set()

    threading.Thread(target=look, daemon=True).start()
    assert first.wait(5)
    time.sleep(0.05)
    assert not ended.is_set(), "expected frames() to be waiting for the next one"
    camera.close()
    assert ended.wait(2)


def test_closing_twice_is_allowed_and_a_closed_camera_gives_nothing(opener: Opener) -> None:
    camera = opener(rate_hz=SLOW_HZ)
    frames = camera.frames()
    next(frames)
    camera.close()
    camera.close()
    assert list(frames) == []


def test_an_unknown_source_names_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"phantom, replay, v4l2.*got 'webcam'"):
        open_camera(Config(camera=CameraSettings(source="webcam")), SystemClock())


def test_somebody_elses_camera_is_imported_as_it_is() -> None:
    source = "tests.contracts.test_camera:Elsewhere"
    camera = open_camera(Config(camera=CameraSettings(source=source)), SystemClock())
    assert type(camera).__name__ == "Elsewhere"


class Elsewhere:
    def __init__(self, argument: str, config: Config, clock: SystemClock) -> None:
        assert argument == ""

    def frames(self) -> Iterator[Frame]:
        yield from ()

    def close(self) -> None: ...
