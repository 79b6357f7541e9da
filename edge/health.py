"""What the device can say of its own body: temperature, battery, free disk. What it cannot read is left out."""

from __future__ import annotations

import os
from pathlib import Path

THERMAL = Path("/sys/class/thermal")
POWER = Path("/sys/class/power_supply")


def temperature_c(folder: Path = THERMAL) -> float | None:
    """The hottest thermal zone in degrees Celsius. None where there is none (virtual machines)."""
    readings = [
        value / 1000 for path in sorted(folder.glob("thermal_zone*/temp")) if (value := _number(path)) is not None
    ]
    # Zones that are switched off answer 0 or below absolute sense; no board of ours runs at those.
    return max((reading for reading in readings if 0 < reading < 150), default=None)


def battery_fraction(folder: Path = POWER) -> float | None:
    """The first battery's charge, 0 to 1. None on mains power."""
    for path in sorted(folder.glob("*/capacity")):
        capacity = _number(path)
        if capacity is not None and 0 <= capacity <= 100:
            return capacity / 100
    return None


def disk_free_bytes(folder: Path) -> int | None:
    """What this user may still write in the folder's file system. None where the folder is not there."""
    try:
        numbers = os.statvfs(folder)
    except OSError:
        return None
    return numbers.f_bavail * numbers.f_frsize


def readings(folder: Path | None) -> dict[str, float | int]:
    """temp_c, battery and disk_free as wire.State names them; `folder` is the outbox's."""
    found = {
        "temp_c": temperature_c(),
        "battery": battery_fraction(),
        "disk_free": None if folder is None else disk_free_bytes(folder),
    }
    return {name: value for name, value in found.items() if value is not None}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
