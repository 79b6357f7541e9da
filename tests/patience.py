"""Waiting for something that another thread or process does: it fails by name when it does not come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

FACTOR = float(os.environ.get("TEST_PATIENCE", "1"))
"""Above 1 on a machine that is busy with other things."""


def wait_until(
    condition: Callable[[], object], what: str = "what it waits for", within_s: float = 15.0, every_s: float = 0.01
) -> None:
    """Returns as soon as the condition is true; fails with `what` when it is not in time."""
    deadline = time.monotonic() + within_s * FACTOR
    while not condition():
        assert time.monotonic() < deadline, f"expected {what} within {within_s:g} s"
        time.sleep(every_s)
