"""A device file that exists, and a double in place of cv2.VideoCapture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.camera import v4l2
from tests.edge.camera.v4l2_double import VideoCaptureDouble

Plug = Callable[[VideoCaptureDouble], str]


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plug:
    """plug(double): the device path behind which the double answers."""

    def with_double(double: VideoCaptureDouble) -> str:
        device = tmp_path / "video0"
        device.touch()
        monkeypatch.setattr(v4l2.cv2, "VideoCapture", double)
        return str(device)

    return with_double
