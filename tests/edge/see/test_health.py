"""Readings of /sys in a folder of our own; what is absent is left out."""

from __future__ import annotations

import os
from pathlib import Path

from edge import health


def test_the_hottest_zone(tmp_path: Path) -> None:
    for name, text in (
        ("thermal_zone0", "48250\n"),
        ("thermal_zone1", "51000"),
        ("thermal_zone2", "-273000"),
        ("thermal_zone3", "x"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "temp").write_text(text)
    assert health.temperature_c(tmp_path) == 51.0
    assert health.temperature_c(tmp_path / "none") is None


def test_the_battery(tmp_path: Path) -> None:
    (tmp_path / "AC").mkdir()
    assert health.battery_fraction(tmp_path) is None
    (tmp_path / "BAT0").mkdir()
    (tmp_path / "BAT0" / "capacity").write_text("87\n")
    assert health.battery_fraction(tmp_path) == 0.87


def test_free_space_is_the_folders(tmp_path: Path) -> None:
    numbers = os.statvfs(tmp_path)
    free = health.disk_free_bytes(tmp_path)
    assert free is not None
    assert abs(free - numbers.f_bavail * numbers.f_frsize) < 1 << 30
    assert health.disk_free_bytes(tmp_path / "none") is None


def test_what_is_absent_is_left_out(tmp_path: Path) -> None:
    assert set(health.readings(tmp_path)) <= {"temp_c", "battery", "disk_free"}
    assert "disk_free" in health.readings(tmp_path)
    assert "disk_free" not in health.readings(None)
