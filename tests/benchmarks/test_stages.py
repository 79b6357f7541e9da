"""The report of `dermedge bench stages`: complete, consistent, and of two models. Nothing here judges a time."""

from __future__ import annotations

import json
import subprocess

from benchmarks.processes import DERMEDGE, environment
from benchmarks.stages import STAGES

ROUNDS = 12


def bench(*more: str) -> subprocess.CompletedProcess[str]:
    command = [*DERMEDGE, "bench", "stages", "--rounds", str(ROUNDS), *more]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)


def test_every_stage_of_the_shipped_detector_and_of_the_yardstick_is_reported() -> None:
    done = bench("--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [model["model"] for model in result["models"]] == ["lesion-320", "yardstick-ssd-320"]
    for model in result["models"]:
        assert model["rounds"] == ROUNDS
        stages = model["stages_ms"]
        assert tuple(stages) == STAGES
        assert all(0 < row["p50"] <= row["p90"] <= row["p99"] for row in stages.values())
        low, high = model["interval_95"]
        assert low <= model["total_over_bare_invoke"] <= high
        # The whole cannot be faster than the invoke that is a part of it, in the same rounds.
        assert stages["total"]["p50"] > stages["invoke"]["p50"]


def test_the_table_says_what_it_was_measured_on() -> None:
    done = bench()
    assert done.returncode == 0, done.stderr
    assert "total / bare invoke" in done.stdout
    assert "not measured on a Pi" in done.stdout or "Raspberry Pi" in done.stdout


def test_rounds_below_one_are_a_usage_error() -> None:
    assert bench("--threads", "0").returncode == 64
