"""A camera of the Linux kernel (USB, or a CSI camera with a V4L2 driver), through OpenCV."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.camera.opencv_log import quiet
from edge.clock import Clock
from edge.config import Config
from edge.errors import CameraError
from edge.frame import Frame
from edge.mailbox import Mailbox

logger = logging.getLogger(__name__)

DEFAULT_DEVICE = "/dev/video0"
_WAKE_S = 0.5
_JOIN_S = 1.0

# OpenCV waits 10 s for a stalled camera, and nothing can interrupt it. It reads this at its first frame.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")


class V4l2Camera:
    """`v4l2:/dev/video0` with the size and rate of config.camera, as MJPG: uncompressed 720p exceeds USB 2.

    A thread reads the device, since only a thread of its own can hang in a stalled driver without harm. The newest
    frame wins. Raises CameraError for a device that is missing, busy or no camera.
    """

    def __init__(self, argument: str, config: Config, clock: Clock) -> None:
        self._device = argument or DEFAULT_DEVICE
        self._clock = clock
        self._capture = _open(self._device, config)
        self._mailbox: Mailbox[Frame] = Mailbox()
        self._failure: CameraError | None = None
        self._stopped = threading.Event()
        self._reader = threading.Thread(target=self._read, name="v4l2", daemon=True)
        self._reader.start()

    def frames(self) -> Iterator[Frame]:
        """Frames as the device gives them, until `close`. Raises CameraError when the device gives no more."""
        while True:
            frame = self._mailbox.take(_WAKE_S)
            if frame is not None:
                yield frame
            elif self._mailbox.closed:
                if self._failure is not None and not self._stopped.is_set():
                    raise self._failure
                return

    def close(self) -> None:
        """Wake `frames` at once; the device is released as soon as the driver lets go of the reading thread."""
        self._stopped.set()
        self._mailbox.close()
        self._reader.join(_JOIN_S)

    def _read(self) -> None:
        sequence = 0
        bgr = None
        try:
            while not self._stopped.is_set():
                # Decoded into the last one's memory: what leaves here is the copy in RGB.
                taken, bgr = self._capture.read(bgr)
                captured_at, monotonic_ns = self._clock.now(), self._clock.monotonic_ns()
                if not taken or bgr is None or bgr.size == 0:
                    self._failure = CameraError(
                        f"expected a frame from {self._device}, got none: the camera vanished or stalled, "
                        "check its cable"
                    )
                    return
                rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
                self._mailbox.put(Frame(rgb, "RGB888", sequence, captured_at, monotonic_ns))
                sequence += 1
        except cv2.error as error:
            reason = " ".join(str(error).split())
            self._failure = CameraError(
                f"expected frames of three channels from {self._device}, got: {reason}: is it a camera?"
            )
        finally:
            self._capture.release()
            self._mailbox.close()


def _open(device: str, config: Config) -> cv2.VideoCapture:
    if not Path(device).exists():
        present = ", ".join(str(path) for path in sorted(Path("/dev").glob("video*"))) or "none"
        raise CameraError(
            f"expected a camera at {device}, got no such device (there are: {present}): plug it in, or choose another "
            "with --source v4l2:DEVICE"
        )
    with quiet():
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise CameraError(
            f"expected a camera at {device}, got a device that does not open as one: another program may hold it, "
            "its user may not be in group video, or it is a metadata node (try the next number)"
        )
    # The format first: drivers offer sizes and rates by format.
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.camera.width_px)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.camera.height_px)
    capture.set(cv2.CAP_PROP_FPS, config.camera.rate_hz)
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if size != (config.camera.width_px, config.camera.height_px):
        logger.warning("%s gives %d × %d px instead of the size asked for", device, *size)
    return capture
