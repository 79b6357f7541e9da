"""OpenCV's own words on stderr: held back where our error says the same in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

try:
    from cv2.utils.logging import LOG_LEVEL_ERROR, getLogLevel, setLogLevel
except ImportError:  # OpenCV 4 has them elsewhere, and the levels as numbers alone
    from cv2 import getLogLevel, setLogLevel  # type: ignore[attr-defined,no-redef]

    LOG_LEVEL_ERROR = 2


@contextmanager
def quiet() -> Iterator[None]:
    """Within it OpenCV does not warn; for all threads, so keep it short."""
    before = getLogLevel()
    setLogLevel(LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        setLogLevel(before)
