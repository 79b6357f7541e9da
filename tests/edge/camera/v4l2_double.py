"""A DOUBLE of cv2.VideoCapture on a V4L2 device: there is no camera where the tests run.

It answers the calls that edge.camera.v4l2 makes and no others; test_v4l2.py checks that the real class has them all.
"""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np

CALLS = ("get", "isOpened", "read", "release", "set")


class VideoCaptureDouble:
    """Says what it is: a double. `frames` frames, then a failed read, as from a camera that was pulled out.

    stalls: read hangs after them until the double is released by `let_go`, as in a stalled driver.
    """

    def __init__(self, frames: int = 1_000_000, *, opens: bool = True, stalls: bool = False) -> None:
        self.left = frames
        self.taken = 0
        self.opens = opens
        self.stalls = stalls
        self.properties: list[tuple[int, float]] = []
        self.released = threading.Event()
        self.let_go = threading.Event()
        self.size = (0, 0)

    def __call__(self, device: str, backend: int) -> VideoCaptureDouble:
        assert isinstance(device, str)
        assert backend == cv2.CAP_V4L2
        return self

    def isOpened(self) -> bool:  # noqa: N802, OpenCV's name
        return self.opens

    def set(self, prop: int, value: float) -> bool:
        self.properties.append((prop, value))
        if prop == cv2.CAP_PROP_FRAME_WIDTH:
            self.size = (int(value), self.size[1])
        if prop == cv2.CAP_PROP_FRAME_HEIGHT:
            self.size = (self.size[0], int(value))
        return True

    def get(self, prop: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: self.size[0], cv2.CAP_PROP_FRAME_HEIGHT: self.size[1]}[prop]

    def read(self, image: Any = None) -> tuple[bool, Any]:
        """As OpenCV does it: into the memory that it is given, where that has the right size."""
        if self.left == 0:
            if self.stalls:
                self.let_go.wait(20)
            return False, None
        self.left -= 1
        self.let_go.wait(0.001)
        shape = self.size[1], self.size[0], 3
        if image is None or image.shape != shape:
            image = np.empty(shape, dtype=np.uint8)
        # Red in OpenCV's order of channels, and no two neighbours alike.
        image[:] = self.taken % 256, 0, 255
        self.taken += 1
        return True, image

    def release(self) -> None:
        self.released.set()
