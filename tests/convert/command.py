"""`dermedge convert` as a process, for its tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.tree import ROOT

COMMAND = (sys.executable, "-P", "-m", "dermedge")


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DERMEDGE_")}
    return kept | {"PYTHONPATH": str(ROOT)} | extra


def words(room: Path, out: Path, *more: str, model: str = "model.tflite", describe: str = "model.toml") -> list[str]:
    calibration = room / "calibration" / "images"
    given = ["--calibration", str(calibration), "--describe", str(room / describe)]
    return ["convert", str(room / model), *given, "--out", str(out), *more]


def judged(room: Path) -> list[str]:
    return ["--eval", str(room / "evaluation" / "set.csv")]


def dermedge(*command: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *command], env=environment(**extra), capture_output=True, text=True, check=False, timeout=300
    )


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1]
