"""OpenCV's own words on stderr: held back where our error says the same in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2.utils.logging as opencv_logging


@contextmanager
def quiet() -> Iterator[None]:
    """Within it OpenCV does not warn; for all threads, so keep it short."""
    before = opencv_logging.getLogLevel()
    opencv_logging.setLogLevel(opencv_logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        opencv_logging.setLogLevel(before)
