"""The small form of a day in the field: pictures give way, findings do not, and what presses arrives first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.field_day import Day, live


def test_a_day_without_a_network_and_then_a_slow_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = Day(people=41, max_bytes=8 * 1024 * 1024, link_bytes_s=20_000.0)
    result = live(tmp_path, day, seed=1)
    with capsys.disabled():
        print(f"\n{result}")
    assert result["clean"]
    assert result["findings_stored"] == 123
    assert result["outbox_bytes"] <= day.max_bytes
    assert 0 < result["renditions_given_up"] < result["renditions"]
    assert result["urgent"] == 2
    assert result["last_urgent_s"] < 5
    assert result["last_finding_s"] < 0.25 * result["drained_s"]
    assert result["sent_bytes"] < 1.1 * result["outbox_bytes"], "little goes twice on a slow link"
