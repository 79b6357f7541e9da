"""Time passed in. A Clock is an argument wherever time matters, so that tests can hold it still."""

from __future__ import annotations

import os
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

NTP_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches this file once the clock has been set from the network."""


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never run backwards; comparable within one process only."""

    def synchronised(self) -> bool:
        """Whether the wall time was set from the network since boot, as far as the system tells."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def synchronised(self) -> bool:
        return NTP_SYNCHRONISED.exists()


def uuid7(now: datetime) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) of this wall time in milliseconds and 74 random bits."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    random = int.from_bytes(os.urandom(10), "big")
    rand_a, rand_b = random >> 68, random & ((1 << 62) - 1)
    value = (milliseconds << 80) | (7 << 76) | ((rand_a & 0xFFF) << 64) | (2 << 62) | rand_b
    return str(uuid.UUID(int=value))
