"""The demonstration as anyone runs it, and the two controls that must find nothing."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.processes import DERMEDGE, environment
from tests.end_to_end.shuffled import shuffled_bundle

FIELDS = ["frames", "dropped", "accepted", "rejected", "planted", "planted_found", "findings", "unmatched_findings"]
FIELDS += ["stored", "redelivered", "lost", "duplicated", "p50_ms", "p90_ms", "fps"]


def demonstrate(folder: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(
        [*DERMEDGE, "demo", "--frames", "300", "--no-browser", "--keep", str(folder), *more],
        # The hub page's framework does other things in a process that it takes for a test's own.
        env={name: value for name, value in environment().items() if name != "PYTEST_CURRENT_TEST"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"sign in +http://127\.0\.0\.1:\d+/link#\S{20,}", done.stderr), "a one-time link to sign in"
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def skin_types(kept: Path) -> dict[int, int]:
    """Lesions shown in the first six persons, by skin type."""
    rows = [json.loads(line) for plan in kept.glob("*/plan.jsonl") for line in plan.read_text().splitlines()]
    lesions = {(row["skin_type"], each["lesion_id"]) for row in rows if row["person"] < 6 for each in row["lesions"]}
    return dict(Counter(skin_type for skin_type, _ in lesions))


def sites(kept: Path) -> set[str]:
    """Where the hub has findings from."""
    with closing(sqlite3.connect(f"file:{kept / 'hub' / 'hub.db'}?mode=ro", uri=True)) as connection:
        return {site for (site,) in connection.execute("SELECT DISTINCT site FROM findings")}


def test_300_frames_end_with_every_planted_lesion_accounted_for(tmp_path: Path) -> None:
    result = demonstrate(tmp_path / "kept")
    assert list(result) == FIELDS
    assert result["frames"] == 300
    assert result["planted"] >= 12
    assert result["planted_found"] >= 0.8 * result["planted"]
    assert result["stored"] == result["findings"] > 0
    assert result["unmatched_findings"] <= 0.1 * result["findings"]
    assert (result["lost"], result["duplicated"]) == (0, 0)
    assert result["redelivered"] > 0
    assert result["accepted"] + sum(result["rejected"].values()) == 300
    assert skin_types(tmp_path / "kept") == dict.fromkeys(range(1, 7), 2)
    assert sites(tmp_path / "kept") == {"hospital", "community", "village"}
    witness = subprocess.run(
        [*DERMEDGE, "witness", str(tmp_path / "kept")], env=environment(), capture_output=True, text=True, check=False
    )
    assert witness.returncode == 0, witness.stdout + witness.stderr
    assert json.loads(witness.stdout)["redelivered"] == result["redelivered"]


def test_skin_without_lesions_yields_at_most_one_finding(tmp_path: Path) -> None:
    result = demonstrate(tmp_path / "kept", "--lesions", "0")
    assert result["planted"] == 0
    assert result["findings"] <= 1


def test_the_same_network_with_its_weights_shuffled_finds_next_to_nothing(tmp_path: Path) -> None:
    bundle = shuffled_bundle(tmp_path / "shuffled")
    result = demonstrate(tmp_path / "kept", "--bundle", str(bundle))
    assert result["planted"] >= 12
    assert result["planted_found"] < 0.2 * result["planted"]
